//! The cases of KEDA's own tests of admission: those of its two webhooks, the metadata tables of its scalers cron, cpu
//! and memory, and its end-to-end manifests; and mistakes beside them. Each case goes through the webhook's review and
//! through `ebb check`. If Ebb's answer differs from KEDA's, `docs/keda-differences.md` has a row for it.
//!
//! KEDA's answer is that of its code. Some of its tests repeat a creation until it fails; the second creation of a
//! valid object fails, too.

mod authentications;
mod manifests;
mod mistakes;
mod objects;
mod requests;
mod triggers;

use std::convert::Infallible;
use std::path::PathBuf;

use kube::client::Body;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use serde_json::json;

use super::*;
use crate::cli::args::Check;
use crate::cli::check;
use crate::leader::Leadership;

/// The result for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted,
    Warned,
    Refused,
    /// KEDA's webhook accepts the object, and then its scaler cannot be built.
    Fails,
}

use Answer::{Accepted, Fails, Refused, Warned};

/// The operation of a request to the webhook.
#[derive(Debug, Clone)]
enum Asked {
    Create,
    DryRun,
    /// An update, with the object before it.
    Update(Value),
}

/// One row.
#[derive(Debug, Clone)]
struct Case {
    name: &'static str,
    object: Value,
    /// The other objects in the cluster, and in the checked files.
    beside: Vec<Value>,
    asked: Asked,
    keda: Answer,
    /// Ebb's answer if it differs from KEDA's, and the beginning of the row about it.
    ebb: Option<(Answer, &'static str)>,
    /// The answer of `ebb check`, where it lacks the webhook's knowledge of the cluster.
    check: Option<Answer>,
    /// Whether the API server's schema refuses the object before it calls a webhook.
    by_schema: bool,
}

fn case(name: &'static str, object: Value, keda: Answer) -> Case {
    let asked = Asked::Create;
    Case { name, object, beside: Vec::new(), asked, keda, ebb: None, check: None, by_schema: false }
}

impl Case {
    fn beside<const N: usize>(self, beside: [Value; N]) -> Self {
        Self { beside: beside.into(), ..self }
    }

    fn asked(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    fn ebb(self, answer: Answer, line: &'static str) -> Self {
        Self { ebb: Some((answer, line)), ..self }
    }

    fn check(self, answer: Answer) -> Self {
        Self { check: Some(answer), ..self }
    }

    fn by_schema(self) -> Self {
        Self { by_schema: true, ..self }
    }
}

/// Ebb's additional findings about the parameters of triggers.
const PARAMETERS: &str = "a trigger's parameters, its type, keys that it does not read";

fn cron() -> Value {
    json!({"type": "cron", "metadata": {"timezone": "UTC", "start": "0 * * * *", "end": "1 * * * *", "desiredReplicas": "1"}})
}

fn resource(kind: &str) -> Value {
    json!({"type": kind, "metricType": "Utilization", "metadata": {"value": "10"}})
}

fn named(name: &str) -> Value {
    let mut trigger = cron();
    trigger["name"] = json!(name);
    trigger
}

/// Writes the fields of `changes` into `value`; null removes a field.
fn merge(value: &mut Value, changes: &Value) {
    let (Some(fields), Value::Object(changes)) = (value.as_object_mut(), changes) else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            fields.insert(key.clone(), change.clone());
        }
    }
}

/// A ScaledObject `test-so` in the namespace `shop` of the Deployment `workload`, with these changes of its
/// metadata and spec.
fn scaled_object(metadata: &Value, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "test-so", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"name": "workload"}, "idleReplicaCount": 1, "minReplicaCount": 5, "maxReplicaCount": 10,
            "triggers": [cron()],
        },
    });
    merge(&mut object["metadata"], metadata);
    merge(&mut object["spec"], spec);
    object
}

/// The same with changes of its spec only.
fn with(spec: &Value) -> Value {
    scaled_object(&json!({}), spec)
}

/// A webhook in a cluster with these objects. Its API server serves the workloads and LimitRanges among them.
fn admission(beside: &[Value]) -> Admission {
    let (objects, mut writer) = reflector::store();
    let foreign = UnmanagedHpas::default();
    for object in beside {
        match object["kind"].as_str().unwrap() {
            "ScaledObject" => {
                let there: ScaledObject = serde_json::from_value(object.clone()).unwrap();
                writer.apply_watcher_event(&Event::Apply(WatchedObject::new(&there, None).unwrap()));
            }
            "HorizontalPodAutoscaler" => foreign.note(&serde_json::from_value(object.clone()).unwrap()),
            _ => {}
        }
    }
    let there = Arc::new(beside.to_vec());
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let answer = api_server(request.uri().path(), &there);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let client = Client::new(service, "shop");
    Admission {
        objects,
        foreign: Arc::new(foreign),
        given: Box::new(|_, _| AuthParams::Anything),
        users: Box::new(|_, _| Vec::new()),
        targets: Targets::new(client.clone()),
        client,
        brokers: ClientPools::default(),
        scope: Scope::default(),
        strict: false,
        metrics: Metrics::new(false, Leadership::always()).unwrap(),
        counted: Mutex::default(),
    }
}

/// The answer of an API server that serves Deployments, StatefulSets, LimitRanges and Argo's Rollouts.
fn api_server(path: &str, there: &[Value]) -> http::Response<Body> {
    let object = |kind: &str, name: &str| {
        let mut found = there.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.next().cloned()
    };
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let found = match segments[..] {
        ["apis", "apps", "v1"] => {
            Some(kinds("apps/v1", &[("deployments", "Deployment"), ("statefulsets", "StatefulSet")]))
        }
        ["apis", "argoproj.io", "v1alpha1"] => Some(kinds("argoproj.io/v1alpha1", &[("rollouts", "Rollout")])),
        ["apis", "argoproj.io", "v1alpha1", "namespaces", "shop", "rollouts", name] => object("Rollout", name),
        ["apis", "apps", "v1", "namespaces", "shop", "deployments", name] => object("Deployment", name),
        ["apis", "apps", "v1", "namespaces", "shop", "statefulsets", name] => object("StatefulSet", name),
        ["api", "v1", "namespaces", "shop", "limitranges"] => {
            let ranges: Vec<_> = there.iter().filter(|object| object["kind"] == "LimitRange").collect();
            Some(json!({"kind": "LimitRangeList", "apiVersion": "v1", "metadata": {}, "items": ranges}))
        }
        _ => None,
    };
    let code = if found.is_some() { 200 } else { 404 };
    let missing = || json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": path, "code": 404});
    let body = found.unwrap_or_else(missing).to_string();
    http::Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap()
}

/// The kinds of an API version, all of them with `/scale`.
fn kinds(group_version: &str, kinds: &[(&str, &str)]) -> Value {
    let resource = |name: String, kind: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]});
    let resources: Vec<_> = kinds
        .iter()
        .flat_map(|(plural, kind)| [resource((*plural).to_owned(), kind), resource(format!("{plural}/scale"), "Scale")])
        .collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

/// The webhook's answer and its text.
async fn reviewed(case: &Case) -> (Answer, String) {
    let kind = match case.object["kind"].as_str().unwrap() {
        "ScaledObject" => Kind::ScaledObject,
        kind => Kind::Authentication { cluster: kind == "ClusterTriggerAuthentication" },
    };
    let (operation, old) = match &case.asked {
        Asked::Create | Asked::DryRun => ("CREATE", Value::Null),
        Asked::Update(old) => ("UPDATE", old.clone()),
    };
    let request = json!({
        "uid": "1", "operation": operation, "namespace": "shop", "object": case.object, "oldObject": old,
        "dryRun": matches!(case.asked, Asked::DryRun),
    });
    let verdict = admission(&case.beside).review(kind, &serde_json::from_value(request).unwrap()).await;
    let answer = match (&verdict.refusal, &verdict.warnings[..]) {
        (Some(_), _) => Refused,
        (None, []) => Accepted,
        _ => Warned,
    };
    (answer, format!("{verdict:?}"))
}

/// The answer of `ebb check` and its text.
fn checked(case: &Case) -> (Answer, String) {
    let documents: Vec<_> = case.beside.iter().chain([&case.object]).map(Value::to_string).collect();
    let mut output = Vec::new();
    let question = Check { files: vec![PathBuf::from("-")], strict: false, for_migration: false };
    let verdict = check::run(&question, documents.join("\n---\n").as_bytes(), &mut output).unwrap();
    let said = String::from_utf8(output).unwrap();
    let answer = match verdict {
        check::Verdict::Errors => Refused,
        check::Verdict::Clean if !said.contains(": note: ") => Accepted,
        _ => Warned,
    };
    (answer, said)
}

/// Whether the table of differences has a row with this beginning.
fn has_line(beginning: &str) -> bool {
    let page = include_str!("../../docs/keda-differences.md");
    page.lines().any(|line| line.strip_prefix("| ").is_some_and(|line| line.starts_with(beginning)))
}

#[tokio::test]
async fn every_case_of_keda_is_answered_as_there_or_has_its_line() {
    let all = [
        objects::cases(),
        requests::cases(),
        triggers::cases(),
        authentications::cases(),
        manifests::cases(),
        mistakes::cases(),
    ];
    let mut wrong = Vec::new();
    for case in all.iter().flatten() {
        let expected = case.ebb.map_or(case.keda, |(answer, _)| answer);
        if let Some((answer, line)) = case.ebb
            && (answer == case.keda || !has_line(line))
        {
            wrong.push(format!("{}: KEDA {:?}, and no line {line:?}", case.name, case.keda));
        }
        if !case.by_schema {
            let (answer, said) = reviewed(case).await;
            if answer != expected {
                wrong.push(format!("{}: the webhook has {answer:?} instead of {expected:?}: {said}", case.name));
            }
        }
        let (answer, said) = checked(case);
        let expected = case.check.unwrap_or(expected);
        if answer != expected {
            wrong.push(format!("{}: ebb check has {answer:?} instead of {expected:?}: {said}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
