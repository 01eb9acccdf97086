//! KEDA's metadata tables of cron, cpu and memory, and its checks of triggers of any type.

use super::*;

fn trigger(trigger: &Value) -> Value {
    with(&json!({"triggers": [trigger]}))
}

fn cron_of(metadata: &Value) -> Value {
    trigger(&json!({"type": "cron", "metadata": metadata}))
}

pub(super) fn cases() -> Vec<Case> {
    [cron_table(), resource_table(), cached()].concat()
}

fn cron_table() -> Vec<Case> {
    let window = |start: &str, end: &str| {
        cron_of(&json!({"timezone": "Asia/Kolkata", "start": start, "end": end, "desiredReplicas": "10"}))
    };
    let fails = |name, object| case(name, object, Fails).ebb(Warned, PARAMETERS);
    vec![
        fails("cron: nothing", cron_of(&json!({}))),
        case("cron: a day of the week", window("0 0 * * Thu", "59 23 * * Thu"), Accepted),
        case("cron: every second hour", window("0 */2 * * *", "0 1-23/2 * * *"), Accepted),
        case("cron: a range of minutes to start", window("30-33 * * * *", "45 * * * *"), Accepted),
        case("cron: a range of minutes to end", window("30 * * * *", "45-50 * * * *"), Accepted),
        fails(
            "cron: no count",
            cron_of(&json!({"timezone": "Asia/Kolkata", "start": "30 * * * *", "end": "45 * * * *"})),
        ),
        fails(
            "cron: no time zone",
            cron_of(&json!({"start": "30 * * * *", "end": "45 * * * *", "desiredReplicas": "10"})),
        ),
        fails("cron: a minute below zero", window("-30 * * * *", "45 * * * *")),
        fails("cron: an end below zero", window("30 * * * *", "-50 * * * *")),
        fails("cron: a month below zero", window("30 * * * *", "50 * * -3 *")),
        fails("cron: start and end are one", window("30 * * * *", "30 * * * *")),
        case(
            "cron: a time zone that is none",
            cron_of(&json!({
            "timezone": "Europe/Lodnon", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "1"})),
            Accepted,
        )
        .ebb(Warned, PARAMETERS),
    ]
}

fn resource_table() -> Vec<Case> {
    let there = || [requests::deployment(&json!({"requests": {"cpu": "1", "memory": "1Gi"}}), &Value::Null)];
    let mut cases = Vec::new();
    for kind in ["cpu", "memory"] {
        let of = |metric_type: &str, metadata: Value| {
            let mut of = json!({"type": kind, "metadata": metadata});
            if !metric_type.is_empty() {
                of["metricType"] = json!(metric_type);
            }
            trigger(&of)
        };
        let value = || json!({"value": "50"});
        let fails = |name, object| case(name, object, Fails).ebb(Warned, PARAMETERS).beside(there());
        cases.extend([
            fails("no metadata and no type", of("", json!({}))),
            fails("no type", of("", value())),
            fails("an empty value", of("Utilization", json!({"value": ""}))),
            fails("no value", of("AverageValue", json!({}))),
            fails("the type Value", of("Value", value())),
            case("Utilization", of("Utilization", value()), Accepted).beside(there()),
            case("AverageValue", of("AverageValue", value()), Accepted).beside(there()),
            case("one container", of("Utilization", json!({"value": "50", "containerName": "test"})), Accepted)
                .beside(there()),
            case("the former metadata.type", of("", json!({"type": "Utilization", "value": "50"})), Fails)
                .ebb(Accepted, "cpu and memory: `metadata.type`")
                .beside(there()),
            fails("a former type that is none", of("", json!({"type": "xxx", "value": "50"}))),
        ]);
    }
    cases
}

/// `useCachedMetrics` where there is nothing to keep.
fn cached() -> Vec<Case> {
    let cached = |mut of: Value, cached: bool| {
        of["useCachedMetrics"] = json!(cached);
        trigger(&of)
    };
    let there = || [requests::deployment(&json!({"requests": {"cpu": "1", "memory": "1Gi"}}), &Value::Null)];
    let rabbitmq = json!({"type": "rabbitmq",
        "metadata": {"host": "amqp://broker", "queueName": "q", "mode": "QueueLength", "value": "5"}});
    vec![
        case("cached cpu", cached(resource("cpu"), true), Refused).beside(there()),
        case("cached memory", cached(resource("memory"), true), Refused).beside(there()),
        case("cached cron", cached(cron(), true), Refused),
        case("cron that is not cached", cached(cron(), false), Accepted),
        case("a cached queue", cached(rabbitmq, true), Accepted),
    ]
}
