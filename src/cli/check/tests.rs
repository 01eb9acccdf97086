use std::path::PathBuf;

use super::*;

fn ask(strict: bool, text: &str) -> (Verdict, Vec<String>) {
    let mut output = Vec::new();
    let question = Check { files: vec![PathBuf::from("-")], strict };
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
    assert!(lines[0].contains("missing required parameter \"host\""), "{lines:?}");
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
