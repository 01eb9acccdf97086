use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use clap::ValueEnum as _;
use ebb_scalers::params::{Absent, Sample, Source};
use ebb_scalers::{KINDS, Kind};

use super::*;

thread_local! {
    /// The schema of each kind, compiled.
    static COMPILED: (Schemas, BTreeMap<&'static str, SchemaIndex>) = {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let index = SchemaKind::value_variants().iter().map(|kind| {
            let place = format!("{}.json", kind.as_str());
            compiler.add_resource(&place, of(*kind)).unwrap();
            (kind.as_str(), compiler.compile(&place, &mut schemas).unwrap())
        });
        let index = index.collect();
        (schemas, index)
    };
}

/// The mistakes that the schema of the object's kind finds, ScaledObject's if there is none; empty for a
/// manifest without one.
fn mistakes(object: &Value) -> String {
    COMPILED.with(|(schemas, index)| {
        let kind = object["kind"].as_str().unwrap_or_default();
        let schema = index.get(kind).unwrap_or(&index["ScaledObject"]);
        schemas.validate(object, *schema).map_or_else(|error| format!("{error:#}"), |()| String::new())
    })
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn is_kedas(object: &Value) -> bool {
    object["apiVersion"].as_str().is_some_and(|version| version.starts_with("keda.sh/"))
}

/// Every code block of a page, without its indentation.
fn blocks(page: &str) -> Vec<String> {
    let (mut blocks, mut fenced, mut inside) = (vec![String::new()], false, false);
    for line in page.lines() {
        let fence = line.starts_with("```");
        let code = fenced && !fence || line.starts_with("    ") || (inside && !fenced && line.is_empty());
        if code {
            blocks.last_mut().unwrap().push_str(if fenced { line } else { line.get(4..).unwrap_or_default() });
            blocks.last_mut().unwrap().push('\n');
        } else if inside {
            blocks.push(String::new());
        }
        fenced ^= fence;
        inside = code;
    }
    blocks
}

/// Every page of `docs/`, and the README.
fn pages() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    below(&root.join("docs"), &mut found);
    found
}

/// A ScaledObject with these triggers.
fn with_triggers(triggers: &Value) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "app"},
        "spec": {"scaleTargetRef": {"name": "app"}, "triggers": triggers},
    })
}

/// A trigger of this kind with its required parameters.
fn sample(kind: &Kind) -> Value {
    let required = kind.params.iter().filter(|param| param.absent == Absent::Refused);
    let value = |sample| match sample {
        Sample::Texts(texts) => texts.first().copied().unwrap_or("x"),
        _ => "x",
    };
    let metadata: Map<_, _> = required.map(|param| (param.name.to_owned(), value(param.sample).into())).collect();
    json!({"type": kind.name, "metadata": metadata})
}

#[test]
fn the_manifests_of_this_repository_are_valid() {
    let files = ["deploy/examples/jobs-worker.yaml", "deploy/examples/my-app.yaml"].map(read);
    let lists = [
        "crds/tests/crds/documents/scaled-objects.json",
        "tests/parity/in/kafka.json",
        "tests/parity/in/behavior.json",
        "tests/parity/in/modifiers.json",
        "tests/parity/in/paused.json",
        "tests/parity/in/cron-two.json",
    ];
    let mut objects: Vec<Value> = files.iter().flat_map(|text| serde_saphyr::from_multiple(text).unwrap()).collect();
    for list in lists {
        let list: Value = serde_json::from_str(&read(list)).unwrap();
        objects.extend(list["items"].as_array().unwrap().iter().cloned());
    }
    objects.retain(|object| is_kedas(object) && object["metadata"]["name"] != "bad-missing-host");
    assert!(objects.len() > 8, "{}", objects.len());
    for object in objects {
        assert_eq!(mistakes(&object), "", "{object:#}");
    }
}

#[test]
fn the_triggers_of_the_documentation_are_valid() {
    let mut found = 0;
    for page in pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            let Ok(values) = serde_saphyr::from_multiple::<Value>(&block) else { continue };
            for value in values {
                let triggers =
                    [&value["triggers"], &value["spec"]["triggers"]].into_iter().find(|list| list.is_array());
                let object = match triggers {
                    _ if is_kedas(&value) => value.clone(),
                    Some(triggers) => with_triggers(triggers),
                    None => continue,
                };
                found += 1;
                assert_eq!(mistakes(&object), "", "{}: {object:#}", page.display());
            }
        }
    }
    assert!(found > 12, "{found} manifests");
}

#[test]
fn a_trigger_has_what_its_kind_declares_and_nothing_else() {
    for kind in KINDS {
        let whole = sample(kind);
        assert_eq!(mistakes(&with_triggers(&json!([whole]))), "", "{}", kind.name);
        for key in whole["metadata"].as_object().unwrap().keys() {
            let mut lacking = whole.clone();
            lacking["metadata"].as_object_mut().unwrap().remove(key);
            let param = kind.params.iter().find(|param| param.name == key).unwrap();
            assert_ne!(mistakes(&with_triggers(&json!([lacking]))), "", "{} without {key}", kind.name);
            // Another source gives it as well.
            let by = |source| param.sources.contains(&source);
            let mut by_env = lacking.clone();
            by_env["metadata"][format!("{key}FromEnv")] = "VARIABLE".into();
            assert_eq!(mistakes(&with_triggers(&json!([by_env]))).is_empty(), by(Source::Env), "{} {key}", kind.name);
            lacking["authenticationRef"] = json!({"name": "secrets"});
            assert_eq!(mistakes(&with_triggers(&json!([lacking]))).is_empty(), by(Source::Auth), "{} {key}", kind.name);
        }
        for param in kind.params {
            for name in param.names() {
                for (key, source) in [(name.to_owned(), Source::Metadata), (format!("{name}FromEnv"), Source::Env)] {
                    let mut more = whole.clone();
                    more["metadata"][&key] = "x".into();
                    let valid = mistakes(&with_triggers(&json!([more]))).is_empty();
                    assert_eq!(valid, param.sources.contains(&source), "{} {key}", kind.name);
                }
            }
        }
    }
}

#[test]
fn mistakes_are_found() {
    let rabbitmq = json!({"type": "rabbitmq", "metadata": {"queueName": "jobs", "host": "amqp://broker"}});
    let cpu = json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}});
    let cron = sample(&KINDS[1]);
    for trigger in [&rabbitmq, &cpu, &cron] {
        assert_eq!(mistakes(&with_triggers(&json!([trigger]))), "", "{trigger}");
    }
    let change = |object: &Value, at: &str, value: Value| {
        let mut changed = object.clone();
        let (parent, key) = at.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[key] = value;
        changed
    };
    for (trigger, at, value) in [
        (&rabbitmq, "/type", json!("rabitmq")),
        (&rabbitmq, "/metadata/queueNam", json!("jobs")),
        (&rabbitmq, "/metadata/value", json!(5)),
        (&rabbitmq, "/metadata/useRegex", json!(true)),
        (&rabbitmq, "/metricType", json!("Utilization")),
        (&rabbitmq, "/metaData", json!({})),
        (&rabbitmq, "/authenticationRef", json!({"name": "a", "kind": "Secret"})),
        (&cron, "/useCachedMetrics", json!(true)),
        (&cron, "/metadata/desiredReplicas", json!(5)),
        (&cpu, "/metricType", json!("Value")),
        (&cpu, "/metadata", json!({})),
        (&cpu, "/metadata/queueName", json!("jobs")),
    ] {
        let changed = change(trigger, at, value);
        assert_ne!(mistakes(&with_triggers(&json!([changed]))), "", "{changed}");
    }
    let whole = with_triggers(&json!([rabbitmq]));
    for (at, value) in [
        ("/apiVersion", json!("keda.k8s.io/v1alpha1")),
        ("/kind", json!("Scaledobject")),
        ("/metadata", json!({})),
        ("/metadata/name", json!("App")),
        ("/metadata/annotations", json!({"autoscaling.keda.sh/paused": true})),
        ("/spec/minReplicaCount", json!("1")),
        ("/spec/minReplicas", json!(1)),
        ("/spec/maxReplicaCount", json!(0)),
        ("/spec/triggers", json!([])),
        ("/spec/scaleTargetRef", json!({})),
        ("/spec/fallback", json!({"failureThreshold": 3, "replicas": 2, "behavior": "never"})),
    ] {
        let changed = change(&whole, at, value);
        assert_ne!(mistakes(&changed), "", "{changed}");
    }
}

#[test]
fn authentications_have_a_schema() {
    let authentication = |kind: &str, spec: Value| json!({"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    for kind in ["TriggerAuthentication", "ClusterTriggerAuthentication"] {
        let secret = json!([{"parameter": "password", "name": "rabbitmq", "key": "password"}]);
        assert_eq!(mistakes(&authentication(kind, json!({"secretTargetRef": secret}))), "");
        assert_ne!(mistakes(&authentication(kind, json!({"secretTargetRefs": secret}))), "");
        assert_ne!(mistakes(&authentication(kind, json!({"secretTargetRef": [{"name": "rabbitmq"}]}))), "");
    }
}
