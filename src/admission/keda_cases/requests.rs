//! KEDA's `scaledobject_webhook_test.go`: the requests of containers.

use super::*;

const UNREADABLE: &str = "a target whose container requests cannot be read";
const AVERAGE: &str = "cpu and memory with `AverageValue`";
const DRY: &str = "a dry run of cpu and memory triggers";

pub(super) fn deployment(container: &Value, pod: &Value) -> Value {
    workload("Deployment", container, pod)
}

/// A workload whose one container and pod have these resources.
fn workload(kind: &str, container: &Value, pod: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "test", "image": "test", "resources": container}]});
    if !pod.is_null() {
        spec["resources"] = pod.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "workload", "namespace": "shop"},
        "spec": {
            "serviceName": "workload", "selector": {"matchLabels": {"test": "test"}},
            "template": {"metadata": {"labels": {"test": "test"}}, "spec": spec},
        },
    })
}

fn range() -> Value {
    json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "given", "namespace": "shop"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "100m", "memory": "100m"}}]},
    })
}

/// Cron, cpu and memory on a workload of this kind.
fn all(kind: &str) -> Value {
    with(&json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "workload"},
        "triggers": [cron(), resource("cpu"), resource("memory")],
    }))
}

fn one(trigger: &Value) -> Value {
    with(&json!({"triggers": [trigger]}))
}

pub(super) fn cases() -> Vec<Case> {
    let requests = |cpu: &str, memory: &str| json!({"requests": {"cpu": cpu, "memory": memory}});
    let none = Value::Null;
    let both = requests("100m", "100Mi");
    let mut of_container = resource("cpu");
    of_container["metadata"]["containerName"] = json!("test");
    let mut average = resource("cpu");
    average["metricType"] = json!("AverageValue");
    let untyped = json!({"type": "cpu", "metadata": {"value": "10"}});
    let mut cases = vec![
        case("the workload is missing", all("Deployment"), Refused).ebb(Accepted, UNREADABLE),
        case("the workload is missing, in a dry run", all("Deployment"), Accepted).asked(Asked::DryRun),
        case("requests are missing, in a dry run", all("Deployment"), Accepted)
            .asked(Asked::DryRun)
            .beside([deployment(&json!({}), &none)])
            .ebb(Refused, DRY)
            .check(Warned),
        case("a LimitRange gives them", all("Deployment"), Accepted).beside([deployment(&json!({}), &none), range()]),
        case("limits alone", one(&resource("cpu")), Accepted)
            .beside([deployment(&json!({"limits": {"cpu": "100m"}}), &none)]),
        case("limits of memory alone", one(&resource("memory")), Accepted)
            .beside([deployment(&json!({"limits": {"memory": "1Gi"}}), &none)]),
        case("a trigger without metricType", one(&untyped), Fails)
            .beside([deployment(&json!({"limits": {"cpu": "100m"}}), &none)])
            .ebb(Warned, PARAMETERS),
        case("the pod requests both", all("Deployment"), Accepted).beside([deployment(&requests("0", "0"), &both)]),
        case("the pod requests cpu", all("Deployment"), Refused)
            .beside([deployment(&json!({}), &json!({"requests": {"cpu": "100m"}}))])
            .check(Warned),
        case("the pod requests nothing, and the container both", all("Deployment"), Accepted)
            .beside([deployment(&both, &json!({}))]),
        case("the pod requests it, and one container counts", one(&of_container), Refused)
            .beside([deployment(&json!({}), &json!({"requests": {"cpu": "100m"}}))])
            .check(Warned),
        case("the container that counts requests it", one(&of_container), Accepted).beside([deployment(&both, &none)]),
        case("AverageValue without requests", one(&average), Refused)
            .beside([deployment(&json!({}), &none)])
            .ebb(Accepted, AVERAGE),
    ];
    for kind in ["Deployment", "StatefulSet"] {
        for (name, container, keda) in [
            ("both are requested", both.clone(), Accepted),
            ("memory is not requested", requests("100m", "0"), Refused),
            ("cpu is not requested", requests("0", "100Mi"), Refused),
            ("neither is requested", requests("0", "0"), Refused),
            ("nothing is said of requests", json!({}), Refused),
        ] {
            let row = case(name, all(kind), keda).beside([workload(kind, &container, &none)]);
            cases.push(if keda == Refused { row.check(Warned) } else { row });
        }
    }
    cases.extend(to_zero(&both));
    cases.extend(rollouts(&both));
    cases
}

/// KEDA looks into no Rollout, whether it has its pods itself or in a workload that it refers to.
fn rollouts(both: &Value) -> Vec<Case> {
    let mut object = all("Rollout");
    object["spec"]["scaleTargetRef"]["apiVersion"] = json!("argoproj.io/v1alpha1");
    let rollout = |spec: Value| json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "workload", "namespace": "shop"}, "spec": spec});
    let own = |container: &Value| rollout(deployment(container, &Value::Null)["spec"].clone());
    let refers =
        || rollout(json!({"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "workload"}}));
    let warned = |name, beside: [Value; 2]| {
        case(name, object.clone(), Accepted).beside(beside).ebb(Warned, "requests of an Argo Rollout's containers")
    };
    vec![
        case("a Rollout that requests both", object.clone(), Accepted).beside([own(both)]),
        warned("a Rollout that requests nothing", [own(&json!({})), deployment(both, &Value::Null)]),
        case("a Rollout whose Deployment requests both", object.clone(), Accepted)
            .beside([refers(), deployment(both, &Value::Null)]),
        warned("a Rollout whose Deployment requests nothing", [refers(), deployment(&json!({}), &Value::Null)]),
        case("a Rollout that is not there", object.clone(), Accepted),
    ]
}

/// cpu and memory do not wake a workload.
fn to_zero(both: &Value) -> Vec<Case> {
    let there = || [deployment(both, &Value::Null)];
    let to = |min: Value, triggers: &Value| {
        with(&json!({"idleReplicaCount": null, "minReplicaCount": min, "maxReplicaCount": 5, "triggers": triggers}))
    };
    let cpu = resource("cpu");
    let elsewhere = |object: &mut Value| object["spec"]["scaleTargetRef"]["apiVersion"] = json!("extensions/v1beta1");
    let mut custom = to(json!(0), &json!([cpu]));
    elsewhere(&mut custom);
    let workload = json!({"type": "kubernetes-workload", "metadata": {"podSelector": "pod=test", "value": "1"}});
    let invalid = || to(json!(0), &json!([cpu]));
    let with_finalizer = {
        let mut object = invalid();
        object["metadata"]["finalizers"] = json!(["finalizer.keda.sh"]);
        object
    };
    vec![
        case("cpu beside another, minimum 0", to(json!(0), &json!([cpu, cron()])), Accepted).beside(there()),
        case("cpu beside KEDA's workload trigger, minimum 0", to(json!(0), &json!([cpu, workload])), Accepted)
            .beside(there())
            .ebb(Warned, PARAMETERS),
        case("cpu alone, minimum 0", invalid(), Refused).beside(there()),
        case("cpu alone, without a minimum", to(Value::Null, &json!([cpu])), Refused).beside(there()),
        case("cpu and memory, minimum 0", to(json!(0), &json!([cpu, resource("memory")])), Refused).beside(there()),
        case("cpu alone, minimum 1", to(json!(1), &json!([cpu])), Accepted).beside(there()),
        case("cpu alone, minimum 0, in a dry run", invalid(), Accepted)
            .asked(Asked::DryRun)
            .beside(there())
            .ebb(Refused, DRY),
        case("cpu alone, minimum 0, on another kind", custom, Accepted)
            .ebb(Refused, "cpu and memory alone with `minReplicaCount` 0"),
        case("the finalizer is taken off one that is refused", invalid(), Accepted)
            .beside(there())
            .asked(Asked::Update(with_finalizer))
            .check(Refused),
    ]
}
