use kube::runtime::reflector;
use serde_json::json;

use super::*;
use crate::leader::Leadership;

fn request(operation: &str, object: &Value, old: &Value) -> Request {
    serde_json::from_value(
        json!({"uid": "1", "operation": operation, "namespace": "shop", "object": object, "oldObject": old}),
    )
    .unwrap()
}

fn object(name: &str, target: &str) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"scaleTargetRef": {"name": target}, "triggers": [{"type": "cron", "metadata": {
            "timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "2",
        }}]},
    })
}

/// A webhook that serves the namespace shop, in which the ScaledObject `jobs` scales the Deployment `jobs`.
fn admission(strict: bool) -> Admission {
    let (objects, mut writer) = reflector::store();
    let there: ScaledObject = serde_json::from_value(object("jobs", "jobs")).unwrap();
    writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(WatchedObject::new(&there, None).unwrap()));
    let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    Admission {
        objects,
        foreign: Arc::default(),
        given: Box::new(|_, _| AuthParams::Anything),
        users: Box::new(|_, _| Vec::new()),
        targets: Targets::new(Client::try_from(config.clone()).unwrap()),
        client: Client::try_from(config).unwrap(),
        brokers: ClientPools::default(),
        scope: Scope { namespaces: crate::kube_api::scope::Namespaces::parse("shop").unwrap(), ..Scope::default() },
        strict,
        metrics: Metrics::new(false, Leadership::always()).unwrap(),
        counted: Mutex::default(),
    }
}

async fn review(admission: &Admission, request: &Request) -> (bool, Vec<String>) {
    let verdict = admission.review(Kind::ScaledObject, request).await;
    let answer = verdict.answer(&request.uid);
    assert_eq!(answer["response"]["uid"], "1");
    (answer["response"]["allowed"] == true, verdict.warnings)
}

#[tokio::test]
async fn a_taken_workload_is_refused_and_a_mistake_warned_of() {
    let admission = admission(false);
    let create = |object: &Value| request("CREATE", object, &Value::Null);
    assert_eq!(review(&admission, &create(&object("mail", "mail"))).await, (true, vec![]));
    assert!(!review(&admission, &create(&object("more", "jobs"))).await.0);
    assert_eq!(review(&admission, &create(&object("jobs", "jobs"))).await, (true, vec![]), "it is the same");
    let mut wrong = object("mail", "mail");
    wrong["spec"]["triggers"][0]["metadata"]["timezone"] = json!("Nowhere");
    let (allowed, warnings) = review(&admission, &create(&wrong)).await;
    assert!(allowed && warnings[0].starts_with("spec.triggers[0].metadata.timezone: "), "{warnings:?}");
    let mut elsewhere = create(&object("more", "jobs"));
    elsewhere.namespace = "other".into();
    assert_eq!(review(&admission, &elsewhere).await, (true, vec![]), "another Ebb's");
    let text = admission.metrics.text().unwrap();
    let refused = r#"keda_webhook_scaled_object_validation_errors_total{action="create",namespace="shop",reason="other-scaled-object"} 1"#;
    assert!(text.contains(refused), "{text}");
}

#[tokio::test]
async fn strict_refuses_what_else_is_warned_of() {
    let mut wrong = object("mail", "mail");
    wrong["spec"]["triggers"][0]["type"] = json!("nothing");
    assert!(!review(&admission(true), &request("CREATE", &wrong, &Value::Null)).await.0);
}

#[tokio::test]
async fn strict_takes_an_update_that_cannot_shorten_a_name() {
    let (name, admission) = ("a".repeat(60), admission(true));
    let before = object(&name, "mail");
    let mut labelled = before.clone();
    labelled["metadata"]["labels"] = json!({"scaledobject.keda.sh/name": name});
    let (allowed, warnings) = review(&admission, &request("UPDATE", &labelled, &before)).await;
    assert!(allowed && warnings[0].contains("is 69 characters long"), "{warnings:?}");
    assert!(!review(&admission, &request("CREATE", &before, &Value::Null)).await.0);
}

#[tokio::test]
async fn nothing_is_kept_from_going_or_from_what_the_user_did_not_change() {
    let admission = admission(false);
    let wrong = object("more", "jobs");
    let mut marked = wrong.clone();
    marked["metadata"]["finalizers"] = json!(["finalizer.keda.sh"]);
    marked["status"] = json!({"hpaName": "x"});
    assert!(review(&admission, &request("UPDATE", &marked, &wrong)).await.0);
    let mut changed = marked.clone();
    changed["spec"]["maxReplicaCount"] = json!(7);
    assert!(!review(&admission, &request("UPDATE", &changed, &wrong)).await.0);
    changed["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert!(review(&admission, &request("UPDATE", &changed, &wrong)).await.0);
    assert!(review(&admission, &request("DELETE", &Value::Null, &wrong)).await.0);
}

#[tokio::test]
async fn what_cannot_be_read_is_left_to_others() {
    let admission = admission(false);
    for object in [json!(null), json!(5), json!({}), json!({"metadata": {"name": "x"}, "spec": {"triggers": 5}})] {
        assert_eq!(review(&admission, &request("CREATE", &object, &Value::Null)).await, (true, vec![]), "{object}");
    }
}

#[test]
fn an_hpa_of_somebody_else_is_known_by_what_it_scales() {
    let hpa = |annotations: Value| {
        serde_json::from_value(json!({
            "metadata": {"name": "mine", "namespace": "shop", "annotations": annotations},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1beta1", "kind": "Deployment", "name": "jobs"}},
        }))
        .unwrap()
    };
    let foreign = UnmanagedHpas::default();
    foreign.note(&hpa(json!({})));
    assert_eq!(foreign.scaling("shop", ("apps/Deployment", "jobs"), "jobs").as_deref(), Some("mine"));
    assert_eq!(foreign.scaling("shop", ("apps/StatefulSet", "jobs"), "jobs"), None);
    assert_eq!(foreign.scaling("other", ("apps/Deployment", "jobs"), "jobs"), None);
    foreign.note(&hpa(json!({"validations.keda.sh/hpa-ownership": "false"})));
    assert_eq!(foreign.scaling("shop", ("apps/Deployment", "jobs"), "jobs"), None);
}
