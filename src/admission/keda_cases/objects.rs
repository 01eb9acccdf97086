//! KEDA's `scaledobject_webhook_test.go` and `scaledobject_types_test.go`, but for requests of containers.

use super::*;

const LONG_NAMES: &str = "an update that leaves too long a name as it is";
const TARGETS: &str = "a formula's `activationTarget` that is not a number";
const LATER: &str = "a target whose CustomResourceDefinition is not installed yet";
const OTHER_VERSION: &str = "a `Deployment` or `StatefulSet` in another API version than `apps/v1`";

fn other(name: &str, target: &str) -> Value {
    scaled_object(&json!({"name": name}), &json!({"scaleTargetRef": {"name": target}}))
}

fn hpa(metadata: &Value, target: &str) -> Value {
    let mut hpa = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "mine", "namespace": "shop"},
        "spec": {"maxReplicas": 10, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}},
    });
    merge(&mut hpa["metadata"], metadata);
    hpa
}

fn own_hpa() -> Value {
    let owner = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "test-so", "uid": "u"});
    hpa(&json!({"ownerReferences": [owner]}), "workload")
}

fn transfer(hpa: &str) -> Value {
    let config = if hpa.is_empty() { json!({}) } else { json!({"horizontalPodAutoscalerConfig": {"name": hpa}}) };
    scaled_object(
        &json!({"annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}}),
        &json!({"advanced": config}),
    )
}

/// A ScaledObject whose name has `length` characters, with this name for the HPA.
fn long(length: usize, hpa: Option<&str>) -> Value {
    let advanced = hpa.map_or(Value::Null, |name| json!({"horizontalPodAutoscalerConfig": {"name": name}}));
    scaled_object(&json!({"name": "a".repeat(length)}), &json!({"advanced": advanced}))
}

/// The object as it was, and then with another maximum.
fn edited(object: &Value) -> (Value, Asked) {
    let mut after = object.clone();
    after["spec"]["maxReplicaCount"] = json!(7);
    (after, Asked::Update(object.clone()))
}

fn target(api_version: &str, kind: &str) -> Value {
    with(&json!({"scaleTargetRef": {"apiVersion": api_version, "kind": kind, "name": "workload"}}))
}

fn formula(modifiers: &Value, triggers: &Value) -> Value {
    with(
        &json!({"advanced": {"scalingModifiers": modifiers}, "triggers": triggers, "idleReplicaCount": null, "minReplicaCount": 0}),
    )
}

fn counts(idle: &Value, min: &Value, max: &Value) -> Value {
    with(&json!({"idleReplicaCount": idle, "minReplicaCount": min, "maxReplicaCount": max}))
}

pub(super) fn cases() -> Vec<Case> {
    [neighbours(), names(), kinds(), replicas(), fallbacks(), formulas(), irrelevant()].concat()
}

fn neighbours() -> Vec<Case> {
    let (edit, before) = edited(&with(&json!({})));
    vec![
        case("nothing beside it", with(&json!({})), Accepted),
        case("another ScaledObject of another workload", with(&json!({})), Accepted).beside([other("b", "c")]),
        case("another HPA of another workload", with(&json!({})), Accepted).beside([hpa(&json!({}), "c")]),
        case("its own HPA is there", with(&json!({})), Accepted).beside([own_hpa()]),
        case("its own HPA is there, and it is edited", edit, Accepted).asked(before).beside([own_hpa()]),
        case("somebody else's HPA", with(&json!({})), Refused).beside([hpa(&json!({}), "workload")]),
        case("somebody else's HPA of a kind that is not there", with(&json!({})), Refused)
            .beside([{
                let mut hpa = hpa(&json!({}), "workload");
                hpa["spec"]["scaleTargetRef"] =
                    json!({"apiVersion": "custom-api/v1", "kind": "custom-kind", "name": "c"});
                hpa
            }])
            .ebb(Accepted, "an HPA of an unknown kind in the namespace"),
        case("it takes an HPA over by name", transfer("mine"), Accepted).beside([hpa(&json!({}), "workload")]),
        case("it takes an HPA over without its name", transfer(""), Refused).beside([hpa(&json!({}), "workload")]),
        case("it takes an HPA over that has the default name", transfer(""), Refused)
            .beside([hpa(&json!({"name": "keda-hpa-test-so"}), "workload")]),
        case("an HPA that is not to be asked about", with(&json!({})), Accepted)
            .beside([hpa(&json!({"annotations": {"validations.keda.sh/hpa-ownership": "false"}}), "workload")]),
        case("another ScaledObject of the same workload", with(&json!({})), Refused).beside([other("b", "workload")]),
        case("another ScaledObject with the same HPA", transfer("mine"), Refused).beside([scaled_object(
            &json!({"name": "b"}),
            &json!({"scaleTargetRef": {"name": "c"}, "advanced": {"horizontalPodAutoscalerConfig": {"name": "mine"}}}),
        )]),
        case("the same workload in another API version", target("apps/v1beta1", "Deployment"), Accepted)
            .beside([other("b", "workload")])
            .ebb(Refused, "two ScaledObjects of one workload, in two API versions"),
        case("one of the same workload that is being deleted", with(&json!({})), Refused)
            .beside([scaled_object(&json!({"name": "b", "deletionTimestamp": "2026-01-01T00:00:00Z"}), &json!({}))])
            .ebb(Accepted, "a ScaledObject that is being deleted, of the same workload")
            .check(Refused),
        case(
            "a pause at no count",
            scaled_object(&json!({"annotations": {"autoscaling.keda.sh/paused-replicas": "many"}}), &json!({})),
            Accepted,
        )
        .ebb(Warned, "a `paused-replicas` that is no count"),
        case("no triggers", with(&json!({"triggers": []})), Refused).by_schema(),
        case(
            "a window of more than an hour for the HPA",
            with(&json!({"advanced": {"horizontalPodAutoscalerConfig": {
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 3700}}}}})),
            Refused,
        )
        .by_schema(),
        case("two triggers of one name", with(&json!({"triggers": [named("a"), named("a")]})), Refused),
        case("two triggers of two names", with(&json!({"triggers": [named("a"), named("b")]})), Accepted),
    ]
}

fn names() -> Vec<Case> {
    let (served, before) = edited(&long(60, None));
    let (kept, kept_before) = edited(&long(64, Some("short-hpa")));
    vec![
        case("a name of 64 characters", long(64, Some("short-hpa")), Refused),
        case("a name of 63 characters and a name for the HPA", long(63, Some("short-hpa")), Accepted),
        case("a default HPA name of 64 characters", long(55, None), Refused),
        case("a default HPA name of 63 characters", long(54, None), Accepted),
        case("a name for the HPA of 64 characters", long(5, Some(&"b".repeat(64))), Refused),
        case("a name for the HPA of 63 characters", long(5, Some(&"b".repeat(63))), Accepted),
        case("an update takes the HPA's short name away", long(60, None), Refused)
            .asked(Asked::Update(long(60, Some("short-hpa")))),
        case("an update gives the HPA a short name", long(60, Some("short-hpa")), Accepted)
            .asked(Asked::Update(long(60, None))),
        case("an update of something else, with a long HPA name", served, Refused)
            .asked(before)
            .ebb(Warned, LONG_NAMES)
            .check(Refused),
        case("an update of something else, with a long name", kept, Refused)
            .asked(kept_before)
            .ebb(Warned, LONG_NAMES)
            .check(Refused),
    ]
}

fn kinds() -> Vec<Case> {
    vec![
        case("a Deployment by name", target("apps/v1", "Deployment"), Accepted),
        case("a StatefulSet", target("apps/v1", "StatefulSet"), Accepted),
        case("a kind in lower case", target("", "deployment"), Refused),
        case("a kind in capitals", target("apps/v1", "STATEFULSET"), Refused),
        case("a kind that is none", target("apps/v1", "Deploy"), Refused),
        case("a kind in the plural", target("apps/v1", "Deployments"), Refused),
        case("a StatefulSet of a version that is none", target("custom-api", "StatefulSet"), Accepted)
            .ebb(Warned, OTHER_VERSION),
        case("a Deployment of an old version", target("extensions/v1beta1", "Deployment"), Accepted)
            .ebb(Warned, OTHER_VERSION),
        case("a custom kind that is not there", target("custom-api/v1", "custom-kind"), Refused)
            .ebb(Warned, LATER)
            .check(Accepted),
        case("a custom kind of the core group", target("custom-api", "custom-kind"), Refused),
        case("a version that is no version", target("a/b/c", "Thing"), Refused),
    ]
}

fn replicas() -> Vec<Case> {
    let absent = Value::Null;
    vec![
        case("minimum above maximum", counts(&absent, &json!(10), &json!(5)), Refused),
        case("minimum above the default maximum", counts(&absent, &json!(101), &absent), Refused),
        case("minimum 1, maximum 5", counts(&absent, &json!(1), &json!(5)), Accepted),
        case("idle 0 below 1", counts(&json!(0), &json!(1), &json!(5)), Accepted),
        case("idle 1 beside 1", counts(&json!(1), &json!(1), &json!(5)), Refused),
        case("idle 2 above 1", counts(&json!(2), &json!(1), &json!(5)), Refused),
        case("idle 0 beside a minimum of 0", counts(&json!(0), &json!(0), &json!(5)), Accepted),
        case("idle 1 above a minimum of 0", counts(&json!(1), &json!(0), &json!(5)), Refused),
        case("idle 0 without a minimum", counts(&json!(0), &absent, &json!(5)), Refused),
        case("no counts", counts(&absent, &absent, &absent), Accepted),
        case("a negative minimum", counts(&absent, &json!(-1), &absent), Refused).by_schema(),
    ]
}

fn fallbacks() -> Vec<Case> {
    let fallback = |more: &Value| {
        let mut spec = json!({"fallback": {"failureThreshold": 3, "replicas": 6}});
        merge(&mut spec, more);
        with(&spec)
    };
    let typed = |metric_type: &str| {
        let mut trigger = cron();
        trigger["metricType"] = json!(metric_type);
        trigger
    };
    let (cpu, memory) = (resource("cpu"), resource("memory"));
    let behavior = json!({"failureThreshold": 3, "replicas": 5, "behavior": "scalingModifiers"});
    let both = json!([named("one"), named("two")]);
    vec![
        case("a fallback", fallback(&json!({})), Accepted),
        case("counts below zero", fallback(&json!({"fallback": {"failureThreshold": -1, "replicas": -3}})), Refused)
            .by_schema(),
        case(
            "a threshold below zero",
            fallback(&json!({"fallback": {"failureThreshold": -1, "replicas": 1}})),
            Refused,
        )
        .by_schema(),
        case("a fallback of cpu and memory", fallback(&json!({"triggers": [cpu, memory]})), Refused),
        case("a fallback of cpu", fallback(&json!({"triggers": [cpu]})), Refused),
        case("a fallback of cpu beside another", fallback(&json!({"triggers": [cpu, cron()]})), Accepted)
            .beside([requests::deployment(&json!({"requests": {"cpu": "1"}}), &Value::Null)]),
        case("a fallback of AverageValue", fallback(&json!({"triggers": [typed("AverageValue")]})), Accepted),
        case("a fallback of Value", fallback(&json!({"triggers": [typed("Value")]})), Accepted),
        case(
            "a fallback of both types",
            fallback(&json!({"triggers": [typed("Value"), typed("AverageValue")]})),
            Accepted,
        ),
        case(
            "a fallback of a formula",
            fallback(
                &json!({"triggers": both, "advanced": {"scalingModifiers": {"target": "2", "formula": "one + two"}}}),
            ),
            Accepted,
        ),
        case(
            "a fallback of a formula of type Value",
            fallback(&json!({"triggers": both, "advanced": {"scalingModifiers": {
                "target": "2", "formula": "one + two", "metricType": "Value"}}})),
            Accepted,
        ),
        case(
            "holes in a formula",
            fallback(&json!({"fallback": behavior, "triggers": both, "advanced": {"scalingModifiers": {
                "target": "2", "formula": "one ?? two ?? 5"}}})),
            Accepted,
        ),
        case("holes without a formula", fallback(&json!({"fallback": behavior})), Refused),
    ]
}

fn formulas() -> Vec<Case> {
    let both = json!([named("one"), named("two")]);
    let of = |name, text: &str| case(name, formula(&json!({"target": "2", "formula": text}), &both), Accepted);
    let cpu = {
        let mut trigger = resource("cpu");
        trigger["name"] = json!("cpu_trig");
        trigger
    };
    vec![
        of("a sum", "one + two"),
        of("a cast to float", "float(one + 1)"),
        of("a cast around a condition", "float(one < 5 ? two + one : 5)"),
        of("a condition", "one < 5 ? two + one : 5"),
        of("a count", "count([one,two],{#>1}) > 1 ? 5 : 0"),
        of("conditions in each other", "float(one < 2 ? one+two >= 2 ? 5 : 10 : 0)"),
        of("two casts", "float(float(two < 5 ? one + two : 5))"),
        case(
            "only some triggers have names",
            formula(&json!({"target": "2", "formula": "one + 1"}), &json!([cron(), named("one")])),
            Accepted,
        ),
        case("no target", formula(&json!({"formula": "one + two"}), &both), Refused),
        case("no formula", formula(&json!({"target": "2"}), &both), Refused),
        case("a target of 0", formula(&json!({"target": "0", "formula": "one"}), &both), Refused),
        case("a target that is no number", formula(&json!({"target": "two", "formula": "one"}), &both), Refused),
        case(
            "triggers without names",
            formula(&json!({"target": "2", "formula": "one + two"}), &json!([cron(), cron()])),
            Refused,
        ),
        case(
            "a cpu trigger by name",
            formula(&json!({"target": "2", "formula": "one + cpu_trig"}), &json!([named("one"), cpu])),
            Refused,
        ),
        case("a target of infinity", formula(&json!({"target": "inf", "formula": "one"}), &both), Accepted)
            .ebb(Refused, TARGETS),
        case(
            "a target that the HPA cannot have",
            formula(&json!({"target": "0.0001", "formula": "one"}), &both),
            Accepted,
        )
        .ebb(Refused, TARGETS),
        case(
            "an activation target that is no number",
            formula(&json!({"target": "2", "activationTarget": "-", "formula": "one"}), &both),
            Accepted,
        )
        .ebb(Refused, TARGETS),
        case("half a formula", formula(&json!({"target": "2", "formula": "one +"}), &both), Refused),
    ]
}

/// A pollingInterval or cooldownPeriod that nothing depends on.
fn irrelevant() -> Vec<Case> {
    let counts = |idle: Value, min: i32, more: &Value| {
        let mut spec = json!({"idleReplicaCount": idle, "minReplicaCount": min});
        merge(&mut spec, more);
        with(&spec)
    };
    let (polling, cooldown) = (json!({"pollingInterval": 30}), json!({"cooldownPeriod": 300}));
    let both = json!({"pollingInterval": 30, "cooldownPeriod": 300});
    let rabbitmq = json!({"type": "rabbitmq", "useCachedMetrics": true,
        "metadata": {"host": "amqp://broker", "queueName": "q", "mode": "QueueLength", "value": "5"}});
    let cached = json!({"pollingInterval": 30, "triggers": [rabbitmq]});
    let modified = json!({"pollingInterval": 30, "triggers": [named("one")],
        "advanced": {"scalingModifiers": {"target": "2", "formula": "one + 1"}}});
    let fallen = json!({"pollingInterval": 30, "fallback": {"failureThreshold": 3, "replicas": 6}});
    vec![
        case("polling that is not relevant", counts(Value::Null, 1, &polling), Warned),
        case("polling with an idle count", counts(json!(1), 2, &polling), Accepted),
        case("polling with an idle count of 0", counts(json!(0), 2, &polling), Accepted),
        case("polling for cached metrics", counts(Value::Null, 2, &cached), Accepted),
        case("polling for a formula", counts(Value::Null, 2, &modified), Accepted),
        case("polling for a fallback", counts(Value::Null, 2, &fallen), Warned)
            .ebb(Accepted, "`pollingInterval` beside a fallback"),
        case("no polling interval", counts(json!(1), 2, &json!({})), Accepted),
        case("a cooldown that is not relevant", counts(Value::Null, 1, &cooldown), Warned),
        case("a cooldown with an idle count", counts(json!(1), 2, &cooldown), Accepted),
        case("a cooldown with an idle count of 0", counts(json!(0), 2, &cooldown), Accepted),
        case("neither is relevant", counts(Value::Null, 2, &both), Warned),
        case("both are relevant", counts(json!(0), 2, &both), Accepted),
        case("both are relevant at a minimum of 0", counts(Value::Null, 0, &both), Accepted),
    ]
}
