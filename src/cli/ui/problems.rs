//! What is wrong with a ScaledObject, from its status and that of its HPA. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::{Condition, HealthStatus, ScaledObject, ScaledObjectStatus};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition};
use kube::ResourceExt as _;
use serde::Serialize;

/// How long a new ScaledObject may be without a condition.
const UNSERVED: TimeDelta = TimeDelta::seconds(30);

/// How bad a problem is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// It does not scale as it should.
    Error,
    /// It scales, and somebody should look at it.
    Warning,
    /// Somebody wished it so.
    Note,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) text: String,
}

/// What is looked at.
pub(super) struct Subject<'a> {
    pub(super) object: &'a ScaledObject,
    pub(super) hpa: Option<&'a HorizontalPodAutoscaler>,
    /// The name of another ScaledObject with the same target.
    pub(super) rival: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// Everything that is wrong, the worst first.
pub(super) fn problems(subject: &Subject<'_>) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    let none = ScaledObjectStatus::default();
    let status = subject.object.status.as_ref().unwrap_or(&none);
    of_object(subject, status, &mut found);
    of_triggers(status, &mut found);
    if let Some(hpa) = subject.hpa {
        of_hpa(hpa, &mut found);
    }
    found.0.sort_by_key(|problem| problem.severity);
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, severity: Severity, text: impl Into<String>) {
        self.0.push(Problem { severity, text: text.into() });
    }
}

fn of_object(subject: &Subject<'_>, status: &ScaledObjectStatus, found: &mut Found) {
    let Subject { object, rival, now, .. } = subject;
    if object.metadata.deletion_timestamp.is_some() {
        found.add(Severity::Note, "it is being deleted");
    }
    if let Some(rival) = rival {
        found.add(Severity::Error, format!("the ScaledObject {rival} scales the same target"));
    }
    match status.condition(Condition::READY) {
        Some(ready) if ready.status == Condition::FALSE => found.add(Severity::Error, said(ready, "it is not served")),
        Some(_) => {}
        None => {
            let created = object.metadata.creation_timestamp.as_ref();
            let age = created.map(|created| *now - since(&created.0));
            if age.is_some_and(|age| age > UNSERVED)
                && object.annotations().get(ebb_crds::names::PAUSED_ANNOTATION).is_none()
            {
                found.add(Severity::Warning, "Ebb has not looked at it yet: does it run, and serve this namespace?");
            }
        }
    }
    if let Some(fallback) = status.condition(Condition::FALLBACK).filter(|fallback| fallback.is_true()) {
        found.add(Severity::Warning, said(fallback, "the fallback sets the replicas"));
    }
    if let Some(paused) = status.condition(Condition::PAUSED).filter(|paused| paused.is_true()) {
        found.add(Severity::Note, said(paused, "scaling is paused"));
    }
}

fn of_triggers(status: &ScaledObjectStatus, found: &mut Found) {
    let falls_back = status.condition(Condition::FALLBACK).is_some_and(Condition::is_true);
    for (metric, health) in status.health.iter().flatten() {
        if health.status.as_deref() == Some(HealthStatus::FAILING) {
            let failures = health.number_of_failures.unwrap_or_default();
            let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times") };
            let severity = if falls_back { Severity::Warning } else { Severity::Error };
            found.add(severity, format!("{metric} cannot be read: it has failed {times}"));
        }
    }
}

fn of_hpa(hpa: &HorizontalPodAutoscaler, found: &mut Found) {
    let conditions = hpa.status.iter().flat_map(|status| status.conditions.iter().flatten());
    for condition in conditions {
        let HorizontalPodAutoscalerCondition { type_, status, reason, .. } = condition;
        let reason = reason.as_deref().unwrap_or_default();
        let text = condition.message.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| reason.to_owned());
        match (type_.as_str(), status.as_str()) {
            ("AbleToScale", "False") => found.add(Severity::Error, format!("the HPA cannot scale: {text}")),
            // At zero replicas the HPA rests.
            ("ScalingActive", "False") if reason != "ScalingDisabled" => {
                found.add(Severity::Error, format!("the HPA cannot work: {text}"));
            }
            ("ScalingLimited", "True") if reason == "TooManyReplicas" => {
                let most = hpa.spec.max_replicas;
                found.add(Severity::Warning, format!("the HPA wants more than the maximum of {most}"));
            }
            _ => {}
        }
    }
}

fn said(condition: &Condition, otherwise: &str) -> String {
    condition.message.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

/// A time of Kubernetes as chrono has it.
pub(super) fn since(time: &k8s_openapi::jiff::Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(time.as_second(), time.subsec_nanosecond().unsigned_abs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(status: &Value) -> ScaledObject {
        serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": "app", "namespace": "shop", "creationTimestamp": "2026-11-24T12:00:00Z"},
            "spec": {"scaleTargetRef": {"name": "app"}, "triggers": [{"type": "cron", "metadata": {}}]},
            "status": status,
        }))
        .unwrap()
    }

    fn hpa(conditions: &Value) -> HorizontalPodAutoscaler {
        serde_json::from_value(json!({
            "metadata": {"name": "keda-hpa-app"},
            "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "app"}},
            "status": {"currentReplicas": 9, "desiredReplicas": 9, "conditions": conditions},
        }))
        .unwrap()
    }

    fn found(status: &Value, hpa: Option<&HorizontalPodAutoscaler>, rival: Option<&str>) -> Vec<(Severity, String)> {
        let object = object(status);
        let now = "2026-11-24T12:10:00Z".parse().unwrap();
        let all = problems(&Subject { object: &object, hpa, rival, now });
        all.into_iter().map(|problem| (problem.severity, problem.text)).collect()
    }

    fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({"type": type_, "status": status, "reason": reason, "message": message})
    }

    #[test]
    fn an_object_that_scales_has_no_problem() {
        let ready = condition("Ready", "True", "ScaledObjectReady", "ready");
        let status = json!({"conditions": [ready, condition("Fallback", "False", "", ""), condition("Paused", "False", "", "")]});
        let rests = hpa(&json!([
            condition("AbleToScale", "True", "SucceededGetScale", ""),
            condition("ScalingActive", "False", "ScalingDisabled", "at zero"),
            condition("ScalingLimited", "False", "DesiredWithinRange", ""),
        ]));
        assert_eq!(found(&status, Some(&rests), None), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let status = json!({
            "conditions": [
                condition("Ready", "True", "", ""),
                condition("Paused", "True", "", "paused at 3"),
                condition("Fallback", "True", "", "at least one trigger is falling back"),
            ],
            "health": {
                "s0-rabbitmq-a": {"status": "Failing", "numberOfFailures": 1},
                "s1-rabbitmq-b": {"status": "Happy", "numberOfFailures": 0},
            },
        });
        let limited = hpa(&json!([condition("ScalingLimited", "True", "TooManyReplicas", "more than max")]));
        assert_eq!(
            found(&status, Some(&limited), Some("shop/other")),
            [
                (Severity::Error, "the ScaledObject shop/other scales the same target".to_owned()),
                (Severity::Warning, "at least one trigger is falling back".to_owned()),
                (Severity::Warning, "s0-rabbitmq-a cannot be read: it has failed once".to_owned()),
                (Severity::Warning, "the HPA wants more than the maximum of 9".to_owned()),
                (Severity::Note, "paused at 3".to_owned()),
            ]
        );
    }

    #[test]
    fn without_a_fallback_a_trigger_that_fails_is_an_error() {
        let status = json!({
            "conditions": [condition("Ready", "True", "", "")],
            "health": {"s0-x": {"status": "Failing", "numberOfFailures": 4}},
        });
        assert_eq!(
            found(&status, None, None),
            [(Severity::Error, "s0-x cannot be read: it has failed 4 times".to_owned())]
        );
    }

    #[test]
    fn a_check_that_failed_an_hpa_that_cannot_work_and_nobody_who_looks_are_named() {
        let failed =
            json!({"conditions": [condition("Ready", "False", "ScaledObjectCheckFailed", "no such Deployment")]});
        assert_eq!(found(&failed, None, None), [(Severity::Error, "no such Deployment".to_owned())]);
        let ready = json!({"conditions": [condition("Ready", "True", "", "")]});
        let broken = hpa(&json!([
            condition("AbleToScale", "False", "FailedGetScale", "no scale"),
            condition("ScalingActive", "False", "FailedGetExternalMetric", "no metric"),
        ]));
        assert_eq!(
            found(&ready, Some(&broken), None),
            [
                (Severity::Error, "the HPA cannot scale: no scale".to_owned()),
                (Severity::Error, "the HPA cannot work: no metric".to_owned()),
            ]
        );
        assert_eq!(found(&json!({}), None, None)[0].0, Severity::Warning);
    }
}
