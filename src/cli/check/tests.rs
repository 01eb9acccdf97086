mod real_use;

use std::path::PathBuf;

use super::*;

fn ask(strict: bool, text: &str) -> (Verdict, Vec<String>) {
    let mut output = Vec::new();
    let question = Check { files: vec![PathBuf::from("-")], strict, for_migration: false };
    let verdict = run(&question, text.as_bytes(), &mut output).unwrap();
    (verdict, String::from_utf8(output).unwrap().lines().map(ToOwned::to_owned).collect())
}

const GOOD: &str = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: jobs
spec:
  scaleTargetRef:
    name: jobs
  triggers:
    - type: rabbitmq
      metadata:
        queueName: jobs
        hostFromEnv: RABBITMQ_URL
        mode: QueueLength
        value: \"5\"
";

#[test]
fn what_is_right_is_clean_and_what_is_not_kedas_is_passed_over() {
    let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n---\n{GOOD}");
    assert_eq!(ask(true, &text), (Verdict::Clean, vec!["1 object: 0 errors, 0 warnings".to_owned()]));
}

#[test]
fn each_mistake_has_its_line_and_the_word_for_how_bad_it_is() {
    for (from, to, line) in [
        (
            "value: \"5\"",
            "value: 5",
            "standard input:14: error: ScaledObject jobs: spec.triggers[0].metadata.value: must be a string, and is 5: put it in quotes",
        ),
        (
            "value: \"5\"",
            "value: five",
            "standard input:14: warning: ScaledObject jobs: spec.triggers[0].metadata.value: unable to set param",
        ),
        (
            "queueName:",
            "queueNam:",
            "standard input:11: warning: ScaledObject jobs: spec.triggers[0].metadata.queueNam: trigger 0 (rabbitmq) does not read",
        ),
        (
            "  scaleTargetRef:",
            "  minReplicas: 1\n  scaleTargetRef:",
            "standard input:6: warning: ScaledObject jobs: spec.minReplicas: unknown field",
        ),
        (
            "  triggers:",
            "  minReplicaCount: 200\n  triggers:",
            "standard input:8: error: ScaledObject jobs: spec.minReplicaCount: MinReplicaCount=200",
        ),
        (
            "  triggers:\n",
            "  triggers: {}\n  x:\n",
            "standard input:8: error: ScaledObject jobs: spec.triggers: must be an array",
        ),
        (
            "  name: jobs\nspec",
            "  x: jobs\nspec",
            "standard input:3: error: ScaledObject: metadata: metadata.name is missing",
        ),
        (
            "kind: ScaledObject",
            "kind: ScaledJob",
            "standard input:2: warning: ScaledJob jobs: kind: keda.sh/v1alpha1 ScaledJob is nothing that ebb serves",
        ),
        ("  triggers:", "\ttriggers:", "standard input:7: error: no YAML"),
    ] {
        let (verdict, lines) = ask(false, &GOOD.replacen(from, to, 1));
        assert!(lines.iter().any(|found| found.starts_with(line)), "{line}\nis not in\n{}", lines.join("\n"));
        let expected = if line.contains(": error: ") { Verdict::Errors } else { Verdict::Warnings };
        assert_eq!(verdict, expected, "{}", lines.join("\n"));
        assert_eq!(ask(true, &GOOD.replacen(from, to, 1)).0, Verdict::Errors);
    }
}

#[test]
fn objects_are_checked_together() {
    let twice = format!("{GOOD}---\n{}", GOOD.replacen("name: jobs", "name: more", 1));
    let (_, lines) = ask(false, &twice);
    let text = "the workload 'jobs' of type 'apps/v1.Deployment' is already managed by the ScaledObject 'jobs'";
    assert_eq!(lines[0], format!("standard input:21: error: ScaledObject more: spec.scaleTargetRef: {text}"));

    let trigger = "        hostFromEnv: RABBITMQ_URL";
    let referring = GOOD.replacen(trigger, "        vhostName: v", 1) + "      authenticationRef: {name: auth}\n";
    let authentication = |parameter: &str| {
        format!(
            "---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {{name: auth}}\nspec: {{secretTargetRef: [{{parameter: {parameter}, name: s, key: k}}]}}\n"
        )
    };
    assert_eq!(ask(false, &referring).0, Verdict::Clean, "the authentication is elsewhere");
    assert_eq!(ask(false, &(referring.clone() + &authentication("host"))).0, Verdict::Clean);
    let (verdict, lines) = ask(false, &(referring + &authentication("hots")));
    assert_eq!(verdict, Verdict::Warnings);
    assert!(lines[0].contains("spec.secretTargetRef[0].parameter: no trigger that refers to it"), "{lines:?}");
    assert!(lines[0].ends_with("reads the parameter \"hots\": write host") && lines.len() == 2, "said once: {lines:?}");
}

#[test]
fn lists_and_json_are_read() {
    let list = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{\"apiVersion\": \"keda.sh/v1alpha1\", \"kind\": \"ScaledObject\",\n\"metadata\": {\"name\": \"a\"}, \"spec\": {\"scaleTargetRef\": {\"name\": \"\"},\n\"triggers\": []}}]}";
    let (verdict, lines) = ask(false, list);
    assert_eq!(verdict, Verdict::Errors);
    assert!(
        lines[0].starts_with("standard input:3: error: ScaledObject a: spec.scaleTargetRef.name: must not be empty"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("standard input:4: error: ScaledObject a: spec.triggers: must have at least 1"),
        "{lines:?}"
    );
}

/// The lines that are findings, without their hints and the sum.
fn findings(text: &str) -> Vec<String> {
    let (_, mut lines) = ask(false, text);
    lines.pop();
    lines.retain(|line| !line.starts_with("    "));
    lines.iter().map(|line| line.trim_start_matches("standard input:").to_owned()).collect()
}

/// Expects as many findings as there are `expected`, each with its beginning and a part.
fn expect(text: &str, expected: &[(&str, &str)]) {
    let found = findings(text);
    let fits = |(begins, has): &(&str, &str)| found.iter().any(|line| line.starts_with(begins) && line.contains(has));
    assert!(expected.iter().all(fits) && found.len() == expected.len(), "{text}\n{}", found.join("\n"));
}

/// A ScaledObject `app` in `shop`, with the Deployment of its name, and each part on lines of its own.
fn with_deployment(trigger: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: shop}}
spec:
  selector: {{matchLabels: {{a: b}}}}
  template:
    metadata: {{labels: {{a: b}}}}
    spec:
      containers:
      - name: c
        env:
        - {{name: MQ, value: \"amqp://u:p@mq:5672/\"}}
        - {{name: IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}
        - {{name: SECRET, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: app, namespace: shop}}
spec:
  scaleTargetRef: {{name: app}}
  minReplicaCount: 1
  triggers: [{trigger}]
"
    )
}

fn queue(metadata: &str) -> String {
    format!("{{type: rabbitmq, metadata: {{queueName: q, mode: QueueLength, value: \"5\", {metadata}}}}}")
}

#[test]
fn a_value_of_the_wrong_type_does_not_hide_other_mistakes() {
    let text = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: app
  annotations:
    autoscaling.keda.sh/paused: true
spec:
  scaleTargetRef: {name: app}
  minReplicaCount: \"2\"
  maxReplicaCount: 1
  triggers:
    - type: cron
      metadata: {timezone: UTC, start: 0 8 * * *, end: \"22:00\", desiredReplicas: 2}
";
    expect(
        text,
        &[
            (
                "6: error",
                "metadata.annotations.autoscaling.keda.sh/paused: must be a string, and is true: put it in quotes",
            ),
            ("9: error", "spec.minReplicaCount: must be an integer, and is \"2\": write it without quotes"),
            ("9: error", "spec.minReplicaCount: MinReplicaCount=2 must be less than MaxReplicaCount=1"),
            ("13: error", "spec.triggers[0].metadata.desiredReplicas: must be a string, and is 2: put it in quotes"),
            ("13: warning", "spec.triggers[0].metadata.end: error parsing end schedule"),
        ],
    );
}

#[test]
fn a_mistake_is_said_once() {
    let so = |spec: &str| {
        format!("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: app}}\nspec: {{{spec}}}\n")
    };
    let cron =
        "triggers: [{type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *, desiredReplicas: \"2\"}}]";
    let target = "scaleTargetRef: {name: app}";
    for (spec, line) in [
        (format!("scaleTargetRef: {{name: \"\"}}, {cron}"), "spec.scaleTargetRef.name: must not be empty"),
        (format!("scaleTargetRef: {{}}, {cron}"), "spec.scaleTargetRef: name is missing"),
        (
            format!("scaleTargetRef: {{deploymentName: app}}, {cron}"),
            "unknown field \"deploymentName\", which kubectl refuses and other clients lose: write name",
        ),
        (
            format!("scaleTargetRef: {{nmae: app}}, {cron}"),
            "unknown field \"nmae\", which kubectl refuses and other clients lose: write name",
        ),
        (target.to_owned(), "spec: triggers is missing"),
        (format!("{target}, triggers: []"), "spec.triggers: must have at least 1 item"),
        (format!("{target}, triggers: [{{type: cron}}]"), "spec.triggers[0]: metadata is missing"),
        (format!("{target}, triggers: [{{metadata: {{}}}}]"), "spec.triggers[0]: type is missing"),
        (format!("{target}, minReplicaCount: -1, {cron}"), "spec.minReplicaCount: -1 must be 0 or more"),
        (format!("{target}, maxReplicaCount: 0, {cron}"), "spec.maxReplicaCount: 0 must be 1 or more"),
        (
            format!(
                "{target}, advanced: {{horizontalPodAutoscalerConfig: {{behavior: {{scaleDown: {{stabilizationWindowSeconds: 4000}}}}}}}}, {cron}"
            ),
            "4000 must be 3600 or less",
        ),
        (
            format!(
                "{target}, triggers: [{}]",
                queue("quename: x, host: \"amqp://u:p@mq/\"").replace("queueName: q, ", "")
            ),
            "does not read \"quename\": write queueName",
        ),
        (
            format!(
                "{target}, triggers: [{{type: rabbitmq, metadata: {{queueName: q, mode: QueueLength, value: \"5\"}}}}]"
            ),
            "missing required parameter \"host\"",
        ),
    ] {
        expect(&so(&spec), &[("4: ", line)]);
    }
}

#[test]
fn names_that_cannot_be_and_values_of_the_hpa_are_found() {
    let text = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: My_App
  namespace: a.b
  labels: {team: my team}
spec:
  scaleTargetRef:
    name: <deployment>
    envSourceContainerName: My.Container
  advanced:
    horizontalPodAutoscalerConfig:
      name: My_HPA
      behavior:
        scaleDown:
          selectPolicy: disabled
          policies: [{type: pods, value: 0, periodSeconds: 1801}]
        scaleUp:
          tolerance: -1
  triggers:
    - type: kafka
      metadata: {bootstrapServers: \"k:9092\", consumerGroup: g, topic: t}
      authenticationRef: {name: Auth}
";
    let behavior = "spec.advanced.horizontalPodAutoscalerConfig.behavior";
    expect(
        text,
        &[
            ("4: error", "metadata.name: \"My_App\" is not a name of an object"),
            ("5: error", "metadata.namespace: \"a.b\" is not a name"),
            ("6: error", "metadata.labels.team: \"my team\" is not a value of a label"),
            ("9: warning", "spec.scaleTargetRef.name: \"<deployment>\" is a placeholder"),
            ("10: warning", "spec.scaleTargetRef.envSourceContainerName"),
            ("13: warning", "horizontalPodAutoscalerConfig.name: \"My_HPA\" is not a name of an object"),
            (
                "16: warning",
                &format!("{behavior}.scaleDown.selectPolicy: \"disabled\" must be one of Max, Min, Disabled"),
            ),
            ("17: warning", &format!("{behavior}.scaleDown.policies[0].type: \"pods\" must be one of Pods, Percent")),
            ("17: warning", &format!("{behavior}.scaleDown.policies[0].value: 0 must be above 0")),
            ("17: warning", &format!("{behavior}.scaleDown.policies[0].periodSeconds: 1801 must be 1 to 1800")),
            ("19: warning", &format!("{behavior}.scaleUp.tolerance")),
            ("23: warning", "spec.triggers[0].authenticationRef.name: \"Auth\" is not a name of an object"),
        ],
    );
}

#[test]
fn an_object_of_another_api_is_named_and_the_rest_of_it_checked() {
    for (from, to, line) in [
        (
            "apiVersion: keda.sh/v1alpha1",
            "apiVersion: keda.k8s.io/v1alpha1",
            "1: error: ScaledObject jobs: apiVersion: keda.k8s.io/v1alpha1 is the API of KEDA 1",
        ),
        (
            "apiVersion: keda.sh/v1alpha1",
            "apiVersion: keda.sh/v1",
            "1: error: ScaledObject jobs: apiVersion: keda.sh/v1 has no ScaledObject: write keda.sh/v1alpha1",
        ),
        (
            "apiVersion: keda.sh/v1alpha1",
            "apiVersion: apps/v1",
            "1: error: ScaledObject jobs: apiVersion: apps/v1 has no ScaledObject: write keda.sh/v1alpha1",
        ),
        (
            "apiVersion: keda.sh/v1alpha1\n",
            "",
            "1: error: ScaledObject jobs: apiVersion: apiVersion is missing: write keda.sh/v1alpha1",
        ),
        (
            "kind: ScaledObject",
            "kind: scaledObject",
            "2: error: scaledObject jobs: kind: \"scaledObject\" is no kind of KEDA: kinds are case-sensitive, and this one is written ScaledObject",
        ),
    ] {
        let wrong = GOOD.replacen(from, to, 1).replacen("value: \"5\"", "value: five", 1);
        let found = findings(&wrong);
        assert!(found.len() == 2 && found[0].starts_with(line), "{}", found.join("\n"));
        assert!(found[1].contains("spec.triggers[0].metadata.value: "), "{}", found.join("\n"));
    }
    let others = GOOD.replacen("apiVersion: keda.sh/v1alpha1", "apiVersion: example.com/v1", 1);
    assert_eq!(findings(&others), [""; 0], "it is somebody else's kind");
}

#[test]
fn fields_outside_the_specification_and_keys_given_twice_are_found() {
    let text = GOOD.replacen("metadata:\n", "spce: {}\nmetadata:\n  anotations: {a: b}\n", 1);
    expect(
        &text,
        &[
            ("3: warning", "ScaledObject jobs: spce: unknown field \"spce\""),
            (
                "5: warning",
                "metadata.anotations: unknown field \"anotations\", which kubectl refuses and other clients lose: write annotations",
            ),
        ],
    );
    let text = GOOD.replacen("  triggers:", "  maxReplicaCount: 5\n  maxReplicaCount: 7\n  triggers:", 1);
    expect(
        &text,
        &[(
            "9: warning",
            "spec.maxReplicaCount: the key is there twice: kubectl takes this one and drops the one in line 8",
        )],
    );
}

#[test]
fn an_object_given_twice_is_a_warning_within_a_folder() {
    let changed = GOOD.replacen("value: \"5\"", "value: \"6\"", 1);
    expect(
        &format!("{GOOD}---\n{changed}"),
        &[(
            "19: warning",
            "ScaledObject jobs: metadata.name: it is given twice: the one at standard input:4 is replaced by this one",
        )],
    );
    let in_staging = GOOD.replacen("name: jobs", "name: jobs\n  namespace: staging", 1);
    expect(&format!("{GOOD}---\n{in_staging}"), &[]);

    let root = std::env::temp_dir().join(format!("ebb-check-{}", std::process::id()));
    for folder in ["one", "two"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
        std::fs::write(root.join(folder).join("so.yaml"), GOOD).unwrap();
    }
    let question = Check { files: vec![root.clone()], strict: true, for_migration: false };
    let verdict = run(&question, &b""[..], Vec::new()).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(verdict, Verdict::Clean, "folders may be environments");
}

#[test]
fn the_environment_of_a_deployment_among_the_files_is_read() {
    for (trigger, expected) in [
        (queue("hostFromEnv: MQ"), None),
        (queue("hostFromEnv: SECRET"), None),
        (
            queue("hostFromEnv: MQ").replace("mode: QueueLength, ", ""),
            Some("spec.triggers[0].metadata: mode must be specified"),
        ),
        (queue("hostFromEnv: NOBODY"), Some("missing required parameter \"host\"")),
        (
            queue("hostFromEnv: IP"),
            Some("\"IP\" of the container \"c\" takes its value from the pod's field status.podIP"),
        ),
        (
            queue("hostFromEnv: \"amqp://u:hunter2@mq/\""),
            Some("metadata.hostFromEnv: it must be the name of an environment variable"),
        ),
        (queue("hostFromEnv: MQ, useRegex: \"true\""), Some("useRegex=true only with HTTP protocol")),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|has| ("22: warning", has)).collect();
        expect(&with_deployment(&trigger), &expected);
    }
    let (_, lines) = ask(false, &with_deployment(&queue("hostFromEnv: NOBODY")));
    assert!(
        lines.iter().any(|line| line.contains("\"NOBODY\", which the target's container does not set")),
        "{lines:?}"
    );
    let (_, lines) = ask(false, &with_deployment(&queue("hostFromEnv: MQ").replace("mode: QueueLength, ", "")));
    assert!(!lines.iter().any(|line| line.contains("does not set")), "nobody has said so: {lines:?}");
    let named = with_deployment(&queue("hostFromEnv: MQ"))
        .replace("{name: app}\n  min", "{name: app, envSourceContainerName: d}\n  min");
    expect(&named, &[("20: warning", "the target has no container \"d\"; it has c")]);
}

#[test]
fn containers_request_what_a_percentage_is_of() {
    let cpu = "{type: cpu, metricType: Utilization, metadata: {value: \"60\"}}";
    expect(&with_deployment(cpu), &[("22: warning", "the container c doesn't have the cpu request defined")]);
    let requested =
        with_deployment(cpu).replace("- name: c\n", "- name: c\n        resources: {requests: {cpu: 100m}}\n");
    expect(&requested, &[]);
    let range = "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: r, namespace: shop}\nspec: {limits: [{type: Container, defaultRequest: {cpu: 1}}]}\n";
    expect(&(with_deployment(cpu) + range), &[]);
    let of_container = "{type: cpu, metricType: Utilization, metadata: {value: \"60\", containerName: d}}";
    expect(&with_deployment(of_container), &[("22: warning", "the target has no container \"d\"; it has c")]);
}

#[test]
fn references_to_what_is_in_another_namespace_or_of_another_kind_are_found() {
    let target = |from: &str, to: &str| with_deployment(&queue("hostFromEnv: MQ")).replacen(from, to, 1);
    expect(
        &target("{name: app, namespace: shop}", "{name: app, namespace: other}"),
        &[(
            "20: warning",
            "spec.scaleTargetRef.name: the Deployment \"app\" is in namespace \"other\" among the files, and is looked for in \"shop\"",
        )],
    );
    expect(&target("{name: app, namespace: shop}", "{name: app}"), &[]);
    expect(
        &target("kind: Deployment", "kind: StatefulSet"),
        &[(
            "20: warning",
            "spec.scaleTargetRef.kind: among the files \"app\" is a StatefulSet, and no Deployment: write apiVersion: apps/v1 and kind: StatefulSet",
        )],
    );

    let so = |reference: &str| {
        format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: app, namespace: shop}}\nspec:\n  scaleTargetRef: {{name: app}}\n  triggers:\n  - type: rabbitmq\n    metadata: {{queueName: q, mode: QueueLength, value: \"5\"}}\n    authenticationRef: {reference}\n---\n"
        )
    };
    let authentication = |kind: &str, metadata: &str| {
        format!(
            "apiVersion: keda.sh/v1alpha1\nkind: {kind}\nmetadata: {metadata}\nspec: {{secretTargetRef: [{{parameter: host, name: s, key: k}}]}}\n---\n"
        )
    };
    let there = authentication("TriggerAuthentication", "{name: auth, namespace: shop}");
    let elsewhere = authentication("TriggerAuthentication", "{name: auth, namespace: other}");
    let cluster = authentication("ClusterTriggerAuthentication", "{name: auth}");
    let of_cluster = "{name: auth, kind: ClusterTriggerAuthentication}";
    for (reference, beside, expected) in [
        ("{name: auth}", &there, None),
        ("{name: auth}", &authentication("TriggerAuthentication", "{name: auth}"), None),
        (of_cluster, &cluster, None),
        (
            "{name: auth}",
            &elsewhere,
            Some("authenticationRef.name: the TriggerAuthentication \"auth\" is in namespace \"other\""),
        ),
        (
            "{name: auth}",
            &cluster,
            Some(
                "is a ClusterTriggerAuthentication, and no TriggerAuthentication: write kind: ClusterTriggerAuthentication",
            ),
        ),
        (
            of_cluster,
            &there,
            Some("is a TriggerAuthentication, and no ClusterTriggerAuthentication: write kind: TriggerAuthentication"),
        ),
        (
            "{name: s}",
            &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: shop}}\n---\n{there}"),
            Some("\"s\" is a Secret, and no TriggerAuthentication: give the name of one, such as auth"),
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|has| ("9: warning", has)).collect();
        expect(&(so(reference) + beside), &expected);
        expect(&(beside.clone() + &so(reference)), &expected.iter().map(|(_, has)| ("", *has)).collect::<Vec<_>>());
    }

    let secret = |kind: &str, metadata: &str| {
        format!("{there}apiVersion: v1\nkind: {kind}\nmetadata: {metadata}\ndata: {{other: eA==}}\n")
    };
    for (object, expected) in [
        (secret("Secret", "{name: s, namespace: shop}").replace("other: ", "k: "), None),
        (secret("Secret", "{name: s, namespace: shop}").replace("data: {other: eA==}", ""), None),
        (
            secret("Secret", "{name: s, namespace: shop}"),
            Some("spec.secretTargetRef[0].key: the Secret \"s\" has no key \"k\"; it has other"),
        ),
        (
            secret("Secret", "{name: s, namespace: other}"),
            Some("spec.secretTargetRef[0].name: the Secret \"s\" is in namespace \"other\""),
        ),
        (
            secret("ConfigMap", "{name: s, namespace: shop}"),
            Some("\"s\" is a ConfigMap, and no Secret: refer to it in configMapTargetRef"),
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|has| ("4: warning", has)).collect();
        expect(&object, &expected);
    }
}

#[test]
fn parameters_that_no_trigger_reads_are_found_where_they_are_given() {
    let all = |kinds: &[&str], parameters: &[&str]| {
        let entries: Vec<_> =
            parameters.iter().map(|name| format!("  - {{parameter: {name}, name: s, key: k}}\n")).collect();
        let mut text = format!(
            "apiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {{name: auth}}\nspec:\n  secretTargetRef:\n{}",
            entries.concat()
        );
        for kind in kinds {
            let trigger = match *kind {
                "kafka" => {
                    "type: kafka, metadata: {bootstrapServers: \"k:9092\", consumerGroup: g, topic: t, sasl: plaintext}"
                }
                "rabbitmq" => "type: rabbitmq, metadata: {queueName: q, mode: QueueLength, value: \"5\"}",
                _ => "type: aws-sqs-queue, metadata: {}",
            };
            let metadata = format!("metadata: {{name: {kind}}}");
            let spec = format!(
                "spec: {{scaleTargetRef: {{name: {kind}}}, triggers: [{{{trigger}, authenticationRef: {{name: auth}}}}]}}"
            );
            text = [&text, "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\n", &metadata, "\n", &spec, "\n"]
                .concat();
        }
        text
    };
    expect(&all(&["rabbitmq"], &["host", "username", "password"]), &[]);
    expect(&all(&["rabbitmq", "kafka"], &["host", "username", "password"]), &[]);
    expect(&all(&[], &["anything"]), &[]);
    expect(
        &all(&["rabbitmq"], &["host", "realm"]),
        &[("7: warning", "no trigger that refers to it (rabbitmq) reads the parameter \"realm\"")],
    );
    expect(
        &all(&["rabbitmq", "kafka"], &["host", "username", "password", "pasword"]),
        &[("9: warning", "(kafka, rabbitmq) reads the parameter \"pasword\"")],
    );
    expect(&all(&["rabbitmq"], &["hots"]), &[("6: warning", "\"hots\": write host")]);
    expect(
        &all(&["other", "rabbitmq"], &["host", "awsSecretAccessKey"]),
        &[("", "no scaler found for type: aws-sqs-queue")],
    );
}
