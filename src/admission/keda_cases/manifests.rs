//! The ScaledObjects of KEDA's end-to-end tests (`tests/internals`, `tests/sequential`, `tests/scalers/cron`). Most
//! have a trigger of a kind that Ebb does not have; those are warned of for that alone.

use super::*;

fn workload() -> Value {
    json!({"type": "kubernetes-workload", "metadata": {"podSelector": "app=monitored", "value": "1"}})
}

fn metrics_api() -> Value {
    json!({"type": "metrics-api", "metadata": {"url": "http://server/api/value", "valueLocation": "value", "targetValue": "5"}})
}

/// A ScaledObject with this spec and nothing else.
fn manifest(metadata: &Value, spec: &Value) -> Value {
    let mut object =
        scaled_object(metadata, &json!({"idleReplicaCount": null, "minReplicaCount": null, "maxReplicaCount": null}));
    merge(&mut object["spec"], spec);
    object
}

pub(super) fn cases() -> Vec<Case> {
    let plain = json!({});
    let window = |seconds: i32| json!({"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": seconds}}}});
    let polled = |min: i32, max: i32, triggers: Value| json!({"pollingInterval": 5, "cooldownPeriod": 5, "minReplicaCount": min, "maxReplicaCount": max, "triggers": triggers});
    let also = |mut spec: Value, more: Value| {
        merge(&mut spec, &more);
        spec
    };
    let unknown = |name, spec: Value| case(name, manifest(&plain, &spec), Accepted).ebb(Warned, PARAMETERS);
    let annotated = |name, annotation: &str, value: &str| {
        let metadata = json!({"annotations": {annotation: value}});
        case(name, manifest(&metadata, &polled(0, 10, json!([workload()]))), Accepted).ebb(Warned, PARAMETERS)
    };
    let (mut primary, mut secondary) = (workload(), metrics_api());
    (primary["name"], secondary["name"]) = (json!("primary"), json!("secondary"));
    let (mut cached, mut value) = (workload(), metrics_api());
    (cached["useCachedMetrics"], value["metricType"]) = (json!(true), json!("Value"));
    let replica_set = json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "workload"}});
    let rollout =
        json!({"scaleTargetRef": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "workload"}});
    let fallback = json!({"fallback": {"failureThreshold": 3, "replicas": 3, "behavior": "currentReplicasIfHigher"}});
    let modifiers = json!({
        "advanced": {"scalingModifiers": {"target": "2", "formula": "primary ?? secondary ?? 8"}},
        "fallback": {"behavior": "scalingModifiers", "failureThreshold": 3, "replicas": 4},
    });
    let excluded = json!({
        "annotations": {"scaledobject.keda.sh/hpa-excluded-labels": "foo.bar/environment,foo.bar/version"},
        "labels": {"team": "backend", "foo.bar/environment": "bf5011472247b67cce3ee7b24c9a08c5", "foo.bar/version": "1"},
    });
    let unreachable = json!({"type": "rabbitmq", "metadata": {"host": "amqp://rabbitmq", "queueName": "q", "mode": "QueueLength", "value": "5"}});
    vec![
        case("cron", manifest(&plain, &also(polled(1, 10, json!([cron()])), json!({"advanced": window(15)}))), Warned),
        case("scaled_object_validation", manifest(&plain, &json!({})), Accepted),
        case(
            "scaled_object_validation, excluded labels",
            manifest(&excluded, &json!({"triggers": [resource("cpu")], "minReplicaCount": 1})),
            Accepted,
        )
        .beside([requests::deployment(&json!({"requests": {"cpu": "50m"}}), &Value::Null)]),
        case(
            "scaled_object_validation, only limits",
            manifest(
                &plain,
                &json!({
            "triggers": [resource("cpu")], "minReplicaCount": 1, "maxReplicaCount": 1}),
            ),
            Accepted,
        )
        .beside([requests::deployment(&json!({"limits": {"cpu": "50m"}}), &Value::Null)]),
        case("broken_scaledobject_tolerancy", manifest(&plain, &polled(0, 1, json!([unreachable]))), Accepted),
        unknown(
            "cache_metrics",
            also(
                polled(0, 10, json!([cached])),
                json!({"pollingInterval": 1000, "cooldownPeriod": 0, "advanced": window(1)}),
            ),
        ),
        unknown(
            "custom_hpa_name",
            also(
                polled(0, 10, json!([workload()])),
                json!({"advanced": {"horizontalPodAutoscalerConfig": {"name": "custom"}}}),
            ),
        ),
        unknown("disruption", also(polled(0, 5, json!([workload()])), json!({"advanced": window(5)}))),
        unknown("fallback", also(polled(1, 10, json!([metrics_api()])), fallback)),
        unknown(
            "fallback_scaling_modifiers",
            also(polled(1, 20, json!([primary.clone(), secondary.clone()])), modifiers),
        ),
        unknown("idle_replicas", also(polled(2, 4, json!([workload()])), json!({"idleReplicaCount": 0}))),
        unknown(
            "initial_delay_cooldownperiod",
            also(polled(0, 2, json!([metrics_api()])), json!({"initialCooldownPeriod": 60})),
        ),
        unknown("polling_cooldown_so", polled(0, 1, json!([metrics_api()]))),
        unknown("replica_update_so", polled(0, 10, json!([metrics_api()]))),
        unknown("replicaset_scale", also(polled(0, 1, json!([workload()])), replica_set)),
        unknown(
            "restore_original",
            also(polled(0, 10, json!([workload()])), json!({"advanced": {"restoreToOriginalReplicaCount": true}})),
        ),
        unknown(
            "scaling_modifiers",
            also(
                polled(0, 10, json!([primary, secondary])),
                json!({
            "advanced": {"scalingModifiers": {"formula": "primary + secondary", "target": "2", "activationTarget": "2"}}}),
            ),
        ),
        unknown("subresource_scale", also(polled(0, 1, json!([workload()])), rollout)),
        unknown("trigger_update_so", polled(0, 5, json!([workload(), metrics_api()]))),
        unknown("value_metric_type", polled(0, 10, json!([value]))),
        annotated("force_activation", "autoscaling.keda.sh/force-activation", "true"),
        annotated("pause_scale_in", "autoscaling.keda.sh/paused-scale-in", "true"),
        annotated("pause_scale_out", "autoscaling.keda.sh/paused-scale-out", "true"),
        annotated("pause_scaledobject", "autoscaling.keda.sh/paused-replicas", "0"),
        annotated("pause_scaledobject_explicitly", "autoscaling.keda.sh/paused", "true"),
    ]
}
