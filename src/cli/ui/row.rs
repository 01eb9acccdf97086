//! One ScaledObject as a line of the overview. Pure.

use chrono::{DateTime, Utc};
use ebb_crds::{Condition, ScaledObject, ScaledObjectStatus};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus};
use kube::ResourceExt as _;
use serde::Serialize;

use super::history::History;
use super::problems::{Problem, Subject, problems};

/// Who sets the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Driver {
    /// Ebb: between zero, or the idle count, and one.
    Ebb,
    /// The HPA: from one up.
    #[serde(rename = "HPA")]
    Hpa,
    /// Nobody, because scaling is paused.
    Paused,
    /// The fallback of a trigger that cannot be read.
    Fallback,
    /// Nobody, because the ScaledObject is not served.
    Nobody,
}

/// The workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Target {
    pub(super) kind: String,
    pub(super) name: String,
}

/// A line of the overview.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) min: i32,
    pub(super) max: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replicas: Option<i32>,
    /// What the HPA asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wanted: Option<i32>,
    pub(super) ready: String,
    pub(super) active: String,
    pub(super) paused: bool,
    pub(super) fallback: bool,
    pub(super) driver: Driver,
    pub(super) triggers: Vec<String>,
    pub(super) problems: Vec<Problem>,
    /// The last change of replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changed: Option<DateTime<Utc>>,
    /// Replicas and since when, in seconds since 1970.
    pub(super) spark: Vec<(i64, i32)>,
}

impl Row {
    /// The line of what is known of a ScaledObject.
    pub(super) fn of(subject: &Subject<'_>, history: &History) -> Self {
        let Subject { object, hpa, .. } = subject;
        let none = ScaledObjectStatus::default();
        let status = object.status.as_ref().unwrap_or(&none);
        let is = |type_| status.condition(type_).is_some_and(Condition::is_true);
        let driver = driver(object, status, *hpa);
        let replicas = history.last().map(|(_, replicas)| replicas).or(status.paused_replica_count);
        let wanted = hpa_status(*hpa).map(|status| status.desired_replicas).filter(|_| driver == Driver::Hpa);
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            target: target(object),
            min: object.spec.idle_replica_count.unwrap_or(object.spec.min_replica_count()),
            max: object.spec.max_replica_count(),
            replicas,
            wanted,
            ready: state(status, Condition::READY),
            active: state(status, Condition::ACTIVE),
            paused: is(Condition::PAUSED),
            fallback: is(Condition::FALLBACK),
            driver,
            triggers: object.spec.triggers.iter().map(|trigger| trigger.type_.clone()).collect(),
            problems: problems(subject),
            changed: history.changed(),
            spark: history.points(),
        }
    }
}

/// The workload that a ScaledObject scales.
pub(super) fn target(object: &ScaledObject) -> Target {
    let target = &object.spec.scale_target_ref;
    Target { kind: target.kind().to_owned(), name: target.name.clone() }
}

/// The replicas that an HPA sees.
pub(super) fn seen_by(hpa: &HorizontalPodAutoscaler) -> Option<i32> {
    hpa_status(Some(hpa)).and_then(|status| status.current_replicas)
}

fn hpa_status(hpa: Option<&HorizontalPodAutoscaler>) -> Option<&HorizontalPodAutoscalerStatus> {
    hpa.and_then(|hpa| hpa.status.as_ref())
}

fn state(status: &ScaledObjectStatus, type_: &str) -> String {
    status.condition(type_).map_or(Condition::UNKNOWN, |condition| &condition.status).to_owned()
}

fn driver(object: &ScaledObject, status: &ScaledObjectStatus, hpa: Option<&HorizontalPodAutoscaler>) -> Driver {
    let is = |type_: &str, word: &str| status.condition(type_).is_some_and(|condition| condition.status == word);
    if is(Condition::PAUSED, Condition::TRUE) {
        return Driver::Paused;
    }
    if object.metadata.deletion_timestamp.is_some() || !is(Condition::READY, Condition::TRUE) {
        return Driver::Nobody;
    }
    if is(Condition::FALLBACK, Condition::TRUE) {
        return Driver::Fallback;
    }
    let replicas = hpa_status(hpa).and_then(|status| status.current_replicas).unwrap_or(0);
    // The HPA rests at zero, and it knows nothing of an idle count: below its minimum it waits for Ebb.
    let least = object.spec.min_replica_count().max(1);
    if replicas >= least { Driver::Hpa } else { Driver::Ebb }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(spec: &Value, conditions: &Value) -> ScaledObject {
        let mut all = json!({"scaleTargetRef": {"name": "orders"}, "triggers": [{"type": "rabbitmq", "metadata": {}}]});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "metadata": {"name": "app", "namespace": "shop"}, "spec": all, "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn hpa(current: i32, desired: i32) -> HorizontalPodAutoscaler {
        serde_json::from_value(json!({
            "metadata": {"name": "keda-hpa-app"},
            "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "orders"}},
            "status": {"currentReplicas": current, "desiredReplicas": desired},
        }))
        .unwrap()
    }

    fn row(spec: &Value, conditions: &Value, hpa: Option<&HorizontalPodAutoscaler>) -> Row {
        let now = "2026-11-24T12:10:00Z".parse().unwrap();
        let mut history = History::default();
        if let Some(replicas) = hpa.and_then(seen_by) {
            history.note(now, replicas);
        }
        let object = object(spec, conditions);
        Row::of(&Subject { object: &object, hpa, rival: None, now }, &history)
    }

    fn ready(more: &[(&str, &str)]) -> Value {
        let all =
            [("Ready", "True")].iter().chain(more).map(|(type_, status)| json!({"type": type_, "status": status}));
        Value::Array(all.collect())
    }

    #[test]
    fn ebb_drives_up_to_one_and_the_hpa_from_there() {
        for (replicas, spec, driver) in [
            (0, json!({}), Driver::Ebb),
            (1, json!({}), Driver::Hpa),
            (1, json!({"minReplicaCount": 3, "idleReplicaCount": 1}), Driver::Ebb),
            (3, json!({"minReplicaCount": 3, "idleReplicaCount": 1}), Driver::Hpa),
        ] {
            assert_eq!(row(&spec, &ready(&[]), Some(&hpa(replicas, 5))).driver, driver, "{replicas} {spec}");
        }
        assert_eq!(row(&json!({}), &ready(&[]), None).driver, Driver::Ebb);
    }

    #[test]
    fn a_pause_a_failed_check_and_a_fallback_come_first() {
        let three = hpa(3, 3);
        for (conditions, driver) in [
            (ready(&[("Paused", "True")]), Driver::Paused),
            (ready(&[("Fallback", "True")]), Driver::Fallback),
            (ready(&[("Fallback", "False"), ("Paused", "False")]), Driver::Hpa),
            (json!([{"type": "Ready", "status": "False"}]), Driver::Nobody),
            (json!([]), Driver::Nobody),
        ] {
            assert_eq!(row(&json!({}), &conditions, Some(&three)).driver, driver, "{conditions}");
        }
    }

    #[test]
    fn what_the_hpa_wants_is_shown_while_it_drives() {
        assert_eq!(row(&json!({}), &ready(&[]), Some(&hpa(3, 5))).wanted, Some(5));
        assert_eq!(row(&json!({}), &ready(&[]), Some(&hpa(0, 5))).wanted, None);
    }

    #[test]
    fn the_page_gets_the_words_of_its_own_model() {
        let row = row(&json!({"maxReplicaCount": 7}), &ready(&[("Active", "True")]), Some(&hpa(3, 5)));
        let mut value = serde_json::to_value(row).unwrap();
        value["spark"] = json!([]);
        assert_eq!(
            value,
            json!({
                "namespace": "shop", "name": "app", "target": {"kind": "Deployment", "name": "orders"}, "min": 0, "max": 7,
                "replicas": 3, "wanted": 5, "ready": "True", "active": "True", "paused": false, "fallback": false,
                "driver": "HPA", "triggers": ["rabbitmq"], "problems": [], "spark": [],
            })
        );
    }
}
