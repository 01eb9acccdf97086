//! `ebb check --for-migration`: the objects of a cluster that KEDA serves and Ebb does not serve yet.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use ebb_crds::{ScaleTrigger, ScaledObject, TriggerAuthenticationSpec};
use ebb_plan::{authentication, resource};
use ebb_scalers::params::NOT_YET;

use super::Report;
use super::authentications::Authentications;
use super::manifest::{Manifest, Object};

/// The kinds that Ebb serves.
const SERVED: [&str; 3] = ["ScaledObject", "TriggerAuthentication", "ClusterTriggerAuthentication"];

/// The titles of the objects that are not served, by the missing feature of Ebb.
#[derive(Default)]
struct Unserved(BTreeMap<String, Vec<String>>);

/// Writes the errors, and the objects that Ebb does not serve yet. Warnings are counted: KEDA serves these objects in
/// the same way.
pub(super) fn report<W: Write>(
    manifests: &[Manifest],
    authentications: &Authentications,
    report: &mut Report<W>,
) -> io::Result<()> {
    let (mut unserved, mut count) = (Unserved::default(), 0);
    for manifest in manifests {
        let lacks = lacks(manifest, authentications);
        count += usize::from(!lacks.is_empty());
        for what in lacks {
            unserved.0.entry(what).or_default().push(manifest.title());
        }
        for finding in &manifest.findings {
            if finding.refuses(false) {
                report.say(&manifest.file, manifest.line_of(&finding.path), &manifest.title(), finding)?;
            } else {
                report.pass_over(finding);
            }
        }
    }
    report.unserved = Some(count);
    if count > 0 {
        writeln!(report.output, "Ebb does not serve yet:")?;
    }
    for (what, titles) in &unserved.0 {
        writeln!(report.output, "  {what}: {}", titles.len())?;
        for title in titles {
            writeln!(report.output, "    {}", title.replace(char::is_control, " "))?;
        }
    }
    Ok(())
}

/// The features that Ebb lacks to serve an object.
fn lacks(manifest: &Manifest, authentications: &Authentications) -> BTreeSet<String> {
    if !SERVED.iter().any(|kind| kind.eq_ignore_ascii_case(&manifest.kind)) {
        return BTreeSet::from([manifest.kind.replace(char::is_control, " ")]);
    }
    match &manifest.object {
        Some(Object::Scaled(object)) => {
            let parameters = manifest.findings.iter().filter_map(|finding| parameter(&finding.text));
            trigger_types(object)
                .chain(parameters)
                .chain(of_authentications(manifest, object, authentications))
                .collect()
        }
        Some(Object::Authentication { spec, .. }) => sources(spec).collect(),
        Some(Object::Job(_)) | None => BTreeSet::new(),
    }
}

fn trigger_types(object: &ScaledObject) -> impl Iterator<Item = String> {
    let triggers = object.spec.triggers.iter().filter(|trigger| !resource::is_resource(trigger));
    let unknown = triggers.filter(|trigger| ebb_scalers::kind(&trigger.type_).is_none());
    unknown.map(|trigger| format!("trigger type {}", trigger.type_.replace(char::is_control, " ")))
}

/// A parameter that a kind of trigger refuses for the time being.
fn parameter(text: &str) -> Option<String> {
    text.strip_suffix(NOT_YET).map(|what| format!("parameter {}", what.trim_end()))
}

/// Stores and identities of the authentications that the triggers of an object refer to.
fn of_authentications(
    manifest: &Manifest,
    object: &ScaledObject,
    authentications: &Authentications,
) -> impl Iterator<Item = String> {
    let references = object.spec.triggers.iter().filter_map(ScaleTrigger::authentication);
    let specs = references.filter_map(|reference| authentications.spec(reference, &manifest.namespace));
    specs.flat_map(sources).collect::<Vec<_>>().into_iter()
}

/// The stores and identities of an authentication that Ebb has no client for, as `podIdentity aws` and
/// `hashiCorpVault`.
fn sources(spec: &TriggerAuthenticationSpec) -> impl Iterator<Item = String> {
    let provider = spec.pod_identity.as_ref().map(|identity| identity.provider.replace(char::is_control, " "));
    let provider = provider.unwrap_or_default();
    let name = move |path: &str| match path.trim_start_matches("spec.") {
        "podIdentity.provider" => format!("podIdentity {provider}"),
        store => store.to_owned(),
    };
    authentication::unsupported(spec).into_iter().map(move |(path, _)| name(path))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::{Value, json};

    use super::super::{CheckError, Verdict, run};
    use crate::cli::args::Check;

    fn ask(text: &str) -> Result<(Verdict, Vec<String>), CheckError> {
        let mut output = Vec::new();
        let question = Check { files: vec![PathBuf::from("-")], strict: false, for_migration: true };
        let verdict = run(&question, text.as_bytes(), &mut output)?;
        Ok((verdict, String::from_utf8(output).unwrap().lines().map(ToOwned::to_owned).collect()))
    }

    fn object(kind: &str, name: &str, spec: &Value) -> Value {
        let metadata = json!({"name": name, "namespace": "shop", "uid": "u", "finalizers": ["finalizer.keda.sh"]});
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec, "status": {"hpaName": "h"}})
    }

    fn scaled(name: &str, triggers: &Value) -> Value {
        object("ScaledObject", name, &json!({"scaleTargetRef": {"name": name}, "triggers": triggers}))
    }

    fn cron() -> Value {
        json!({"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "2"}})
    }

    /// As `kubectl get so,sj,ta,cta -A -o yaml` gives them.
    fn list(items: &[Value]) -> String {
        json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}}).to_string()
    }

    #[test]
    fn a_cluster_that_ebb_serves_can_move() {
        let unused = json!({"secretTargetRef": [{"parameter": "password", "name": "s", "key": "k"}]});
        let objects =
            [scaled("a", &json!([cron(), {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}]))];
        let (verdict, lines) = ask(&list(&objects)).unwrap();
        assert_eq!(
            (verdict, lines.as_slice()),
            (Verdict::Clean, &["1 object: 0 not served yet, 0 errors, 0 warnings".to_owned()][..])
        );
        // A warning is KEDA's as well as Ebb's.
        let mut odd = cron();
        odd["metadata"]["more"] = json!("x");
        let objects = [scaled("a", &json!([odd])), object("TriggerAuthentication", "t", &unused)];
        let (verdict, lines) = ask(&list(&objects)).unwrap();
        assert_eq!(
            (verdict, lines.as_slice()),
            (Verdict::Clean, &["2 objects: 0 not served yet, 0 errors, 1 warning".to_owned()][..])
        );
        let (verdict, _) = ask(&list(&[])).unwrap();
        assert_eq!(verdict, Verdict::Clean);
    }

    #[test]
    fn each_type_that_ebb_does_not_serve_is_counted_and_its_objects_are_named() {
        let sqs = json!({"type": "aws-sqs-queue", "metadata": {"queueURL": "x"}, "authenticationRef": {"name": "aws"}});
        let kafka = json!({"type": "kafka", "metadata": {"bootstrapServers": "h:1", "consumerGroup": "g", "topic": "t", "sasl": "gssapi"}});
        let secrets = json!([{"parameter": "p", "path": "p", "key": "k"}]);
        let vault = json!({"hashiCorpVault": {"address": "https://v", "authentication": "token", "secrets": secrets}});
        let objects = [
            scaled("fine", &json!([cron()])),
            scaled("queue", &json!([cron(), sqs])),
            scaled("other", &json!([sqs])),
            scaled("events", &json!([kafka])),
            object("ScaledJob", "import", &json!({"jobTargetRef": {"template": {}}, "triggers": [cron()]})),
            object("TriggerAuthentication", "aws", &json!({"podIdentity": {"provider": "aws"}})),
            object("TriggerAuthentication", "vault", &vault),
        ];
        let (verdict, lines) = ask(&list(&objects)).unwrap();
        let expected = [
            "Ebb does not serve yet:",
            "  ScaledJob: 1",
            "    ScaledJob shop/import",
            "  hashiCorpVault: 1",
            "    TriggerAuthentication shop/vault",
            "  parameter sasl: gssapi (Kerberos): 1",
            "    ScaledObject shop/events",
            "  podIdentity aws: 3",
            "    ScaledObject shop/queue",
            "    ScaledObject shop/other",
            "    TriggerAuthentication shop/aws",
            "  trigger type aws-sqs-queue: 2",
            "    ScaledObject shop/queue",
            "    ScaledObject shop/other",
        ];
        assert_eq!(lines[..lines.len() - 1], expected);
        assert!(lines[lines.len() - 1].starts_with("7 objects: 6 not served yet, 0 errors"), "{lines:?}");
        assert_eq!(verdict, Verdict::Errors);
    }

    #[test]
    fn what_ebb_refuses_is_an_error_with_its_line() {
        let mut formula = scaled("a", &json!([cron()]));
        formula["spec"]["advanced"] = json!({"scalingModifiers": {"formula": "now()", "target": "1"}});
        let (verdict, lines) = ask(&list(&[formula])).unwrap();
        assert_eq!(verdict, Verdict::Errors);
        assert!(
            lines[0].starts_with("standard input:1: error: ScaledObject shop/a: spec.advanced.scalingModifiers"),
            "{lines:?}"
        );
        assert!(lines[lines.len() - 1].starts_with("1 object: 0 not served yet, 1 error"), "{lines:?}");
    }

    #[test]
    fn no_input_is_not_taken_for_a_cluster_without_objects() {
        for text in ["", "\n", "# nothing\n"] {
            assert!(matches!(ask(text), Err(CheckError::NoInput)), "{text:?}");
        }
    }

    /// The texts of all kinds of triggers about unsupported parameters end in the same words.
    #[test]
    fn parameters_that_a_kind_does_not_support_are_recognized() {
        for (kind, metadata) in [
            ("kafka", json!({"bootstrapServers": "h:1", "consumerGroup": "g", "sasl": "gssapi"})),
            (
                "apache-kafka",
                json!({"bootstrapServers": "h:1", "consumerGroup": "g", "topic": "t", "sasl": "aws_msk_iam", "tls": "enable", "awsRegion": "x"}),
            ),
            ("prometheus", json!({"serverAddress": "http://p", "query": "up", "threshold": "1", "awsRegion": "x"})),
        ] {
            let trigger = json!([{"type": kind, "metadata": metadata}]);
            let (verdict, lines) = ask(&list(&[scaled("a", &trigger)])).unwrap();
            assert_eq!(verdict, Verdict::Errors, "{kind}: {lines:?}");
            assert!(lines[1].starts_with("  parameter "), "{kind}: {lines:?}");
        }
    }
}
