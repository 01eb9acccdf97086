//! Manifests that users had, each with all that is to be said of it: what works gets no complaint, what is wrong gets one.

use super::{expect, findings};

/// A ScaledObject `app` with these lines in place of the default ones.
fn scaled_object(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  scaleTargetRef: {{name: app}}\n{spec}"
    )
}

const HOURLY: &str = "  triggers:\n  - {type: cron, metadata: {timezone: UTC, start: 0 * * * *, end: 1 * * * *, desiredReplicas: \"1\"}}\n";

fn kafka(metadata: &str) -> String {
    format!("  triggers:\n  - type: kafka\n    metadata: {{consumerGroup: g, topic: t, {metadata}}}\n")
}

#[test]
fn what_keda_takes_and_serves_gets_no_complaint() {
    for text in [
        scaled_object("app", &format!("  minReplicaCount: 0\n  idleReplicaCount: 0\n{HOURLY}")),
        scaled_object(
            "app",
            &kafka("bootstrapServers: \"k:9092\", ensureEvenDistributionOfPartitions: \"true\"")
                .replace("type: kafka", "type: apache-kafka"),
        ),
        // An empty value in a Secret is the default: no encryption, no login.
        scaled_object("app", &(kafka("bootstrapServers: \"k:9092\"") + "    authenticationRef: {name: auth}\n"))
            + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\nstringData: {sasl: \"\", tls: \"\"}\n"
            + "---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: auth, namespace: shop}\nspec:\n  secretTargetRef:\n  - {parameter: sasl, name: s, key: sasl}\n  - {parameter: tls, name: s, key: tls}\n",
    ] {
        assert_eq!(findings(&text), [""; 0], "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_alone() {
    let short = "  advanced: {horizontalPodAutoscalerConfig: {name: short}}\n";
    let lower_case = scaled_object("app", HOURLY).replacen("{name: app}", "{kind: deployment, name: app}", 1);
    for (text, place, says) in [
        (
            scaled_object(&"a".repeat(64), &format!("{short}{HOURLY}")),
            "3: error",
            "metadata.name: scaledobject name \"aaa",
        ),
        (scaled_object(&"a".repeat(55), HOURLY), "", "derived from scaledobject is 64 characters long"),
        (
            scaled_object("app", &HOURLY.replacen("{type: cron,", "{type: cron, useCachedMetrics: true,", 1)),
            "7: error",
            "spec.triggers[0].useCachedMetrics: trigger 0: property \"useCachedMetrics\" is not supported for \"cron\"",
        ),
        (lower_case, "5: error", "spec.scaleTargetRef.kind: no matches for kind \"deployment\" in version \"apps/v1\""),
        (
            scaled_object("app", &kafka("bootstrapServers: \"kafka.<your-namespace>.svc:9092\"")),
            "8: warning",
            "\"kafka.<your-namespace>.svc:9092\" is no broker",
        ),
        (
            scaled_object(
                "app",
                &(kafka("bootstrapServers: \"k:9092\", sasl: gssapi") + "    authenticationRef: {name: auth}\n"),
            ) + "---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: auth, namespace: shop}\nspec:\n  secretTargetRef:\n  - {parameter: username, name: s, key: u}\n  - {parameter: password, name: s, key: p}\n  - {parameter: realm, name: s, key: r}\n  - {parameter: kerberosConfig, name: s, key: c}\n",
            "8: warning",
            "sasl: gssapi (Kerberos) is not supported yet",
        ),
        (
            scaled_object(
                "app",
                "  triggers:\n  - type: prometheus\n    metadata: {serverAddress: \"https://monitoring.googleapis.com/p\", query: up, threshold: \"5\", credentialsFromEnv: KEY}\n",
            ),
            "8: warning",
            "metadata.credentialsFromEnv: credentialsFromEnv: authentication at Google Cloud is not supported yet",
        ),
    ] {
        expect(&text, &[(place, says)]);
    }
}

#[test]
fn a_tolerance_is_a_quantity() {
    let of = |tolerance: &str| {
        let rules = format!("{{behavior: {{scaleUp: {{tolerance: {tolerance}}}}}}}");
        scaled_object("app", &format!("  advanced: {{horizontalPodAutoscalerConfig: {rules}}}\n{HOURLY}"))
    };
    for tolerance in ["\"0.05\"", "50m", "1", "\"-0\""] {
        expect(&of(tolerance), &[]);
    }
    expect(&of("0.05"), &[("6: error", "must be a whole number or a string, and is 0.05: put it in quotes")]);
    expect(&of("5%"), &[("6: error", "scaleUp.tolerance: \"5%\" must be a quantity, such as")]);
    expect(&of("-1"), &[("6: warning", "scaleUp.tolerance: \"-1\" must not be negative")]);
}

#[test]
fn a_field_in_the_wrong_place_is_given_its_place() {
    for (text, place, says) in [
        (
            scaled_object("app", &format!("  restoreToOriginalReplicaCount: true\n{HOURLY}")),
            "6: warning",
            "spec.restoreToOriginalReplicaCount: unknown field \"restoreToOriginalReplicaCount\", which kubectl refuses and other clients lose: move it into spec.advanced",
        ),
        (
            scaled_object("app", &format!("  authenticationRef: {{name: a}}\n{HOURLY}")),
            "6: warning",
            "other clients lose: move it into spec.triggers[]",
        ),
        // It could be meant for either direction.
        (
            scaled_object("app", &format!("  advanced: {{stabilizationWindowSeconds: 5}}\n{HOURLY}")),
            "6: warning",
            "unknown field \"stabilizationWindowSeconds\", which kubectl refuses and other clients lose",
        ),
        (
            scaled_object("app", &HOURLY.replacen("timezone: UTC,", "timezone: UTC, metricType: AverageValue,", 1)),
            "7: warning",
            "trigger 0 (cron) does not read \"metricType\": write metricType beside metadata",
        ),
    ] {
        let found = findings(&text);
        assert!(
            found.len() == 1 && found[0].starts_with(place) && found[0].ends_with(says),
            "{text}\n{}",
            found.join("\n")
        );
    }
}

#[test]
fn a_reference_without_a_name_is_a_note() {
    let trigger = kafka("bootstrapServers: \"k:9092\"") + "    authenticationRef: {name: \"\"}\n";
    expect(
        &scaled_object("app", &trigger),
        &[("9: note", "authenticationRef.name: is empty, so that the trigger has no authentication")],
    );
    // What it should have given is missing.
    let trigger = kafka("bootstrapServers: \"k:9092\", sasl: plaintext") + "    authenticationRef: {name: \"\"}\n";
    let found = findings(&scaled_object("app", &trigger));
    assert!(found.iter().any(|line| line.starts_with("8: warning") && line.contains("no username given")), "{found:?}");
}

#[test]
fn a_line_without_a_value_is_a_note() {
    let text = "is empty, which a server-side apply refuses and other clients drop";
    expect(&scaled_object("app", &format!("  pollingInterval:\n{HOURLY}")), &[("6: note", text)]);
    let trigger = HOURLY.replacen("timezone: UTC,", "timezone: UTC, metricName: ,", 1);
    expect(
        &scaled_object("app", &trigger),
        &[("7: note: ScaledObject shop/app: spec.triggers[0].metadata.metricName", text)],
    );
    // One that is needed is missing, and no more than that.
    expect(&scaled_object("app", "  triggers:\n"), &[("", "spec: triggers is missing")]);
    // Tools write these.
    let exported = scaled_object("app", HOURLY).replacen("{name:", "{creationTimestamp: null, labels: null, name:", 1);
    expect(&exported, &[]);
}

#[test]
fn a_kind_that_keda_does_not_have_is_an_error() {
    let of = |kind: &str| scaled_object("app", HOURLY).replacen("kind: ScaledObject", kind, 1);
    expect(&of("kind: ScaledObjects"), &[("2: error", "\"ScaledObjects\" is no kind of KEDA: write ScaledObject")]);
    expect(
        &of("kind: Scaler"),
        &[("2: error", "\"Scaler\" is no kind of KEDA: write one of ClusterTriggerAuthentication")],
    );
    expect(
        &of("name: x"),
        &[("", "kind is missing, or no text: write one of ClusterTriggerAuthentication, ScaledObject")],
    );
    expect(&of("kind: true"), &[("2: error", "kind is missing, or no text")]);
    // KEDA's operator of OpenShift has this one.
    expect(&of("kind: KedaController"), &[("2: warning", "is nothing that ebb serves")]);
}
