//! The explanation of a ScaledObject, put together from the reads. Pure.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use ebb_crds::{Condition, ScaledObject};
use ebb_plan::hpa::proposal::asks_for;
use ebb_plan::policy::Policy;
use ebb_plan::status::instant;
use ebb_plan::trail::object::ScalingDecision;
use ebb_scalers::cron::window::Window;
use ebb_scalers::cron::window::lead::lead_time;
use ebb_scalers::{MetricSpec, MetricType};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::ResourceExt as _;
use serde::Serialize;

use super::cluster::Facts;
use super::findings::{self, Finding};

/// How many decisions are shown.
const DECISIONS: usize = 12;

/// The explanation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `namespace/name` of the ScaledObject.
    pub scaled_object: String,
    /// The kind and the name of its target.
    pub target: String,
    /// The target's replicas.
    pub replicas: Option<i32>,
    /// `minReplicaCount`.
    pub min: i32,
    /// `maxReplicaCount`.
    pub max: i32,
    /// `idleReplicaCount`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<i32>,
    /// Who decides at present: Ebb, the HPA, another autoscaler or nobody.
    pub driver: &'static str,
    /// The conditions.
    pub conditions: Vec<ConditionLine>,
    /// The HPA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hpa: Option<HpaLine>,
    /// The triggers.
    pub triggers: Vec<TriggerLine>,
    /// The reason for the present count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<ScalingDecision>,
    /// The events to come.
    pub next: Vec<Next>,
    /// The problems.
    pub findings: Vec<Finding>,
    /// The last decisions, the latest first.
    pub decisions: Vec<ScalingDecision>,
    /// Decisions before this time are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Reads that failed, with the reasons.
    pub unknown: Vec<String>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionLine {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// True, False or Unknown.
    pub status: String,
    /// The reason.
    pub reason: String,
    /// The message.
    pub message: String,
}

/// An HPA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HpaLine {
    /// Its name.
    pub name: String,
    /// The count that it has read.
    pub current: Option<i32>,
    /// The count that it wants.
    pub desired: i32,
    /// Its conditions, in words.
    pub says: Vec<String>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerLine {
    /// Its name and type: `trigger orders (rabbitmq)`.
    pub what: String,
    /// Its metric. None: the HPA reads the resource by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Its last value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The value for each replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// It is active above this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<f64>,
    /// Whether it is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The replicas that the trigger asks for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks_for: Option<i32>,
    /// Whether the trigger asks for most.
    pub wins: bool,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Something that is to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// The event.
    pub what: String,
    /// When, if nothing changes before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Explains the reads at `now`.
pub fn report(facts: &Facts, now: DateTime<Utc>) -> Report {
    let object = &facts.object;
    let policy = Policy::of(object);
    let hpa = facts.hpa.as_ref().ok().and_then(Option::as_ref);
    let mut decisions: Vec<_> = facts.decisions.iter().flat_map(|(decisions, _)| decisions.clone()).collect();
    decisions.reverse();
    let triggers = triggers(facts, decisions.first());
    let replicas = facts.replicas.as_ref().ok().copied();
    let holds = decisions.first().cloned();
    let findings = findings::findings(facts, holds.as_ref(), now);
    let next = next(object, &policy, holds.as_ref(), now);
    decisions.truncate(DECISIONS);
    let target = &object.spec.scale_target_ref;
    Report {
        scaled_object: format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()),
        target: format!("{} {}", target.kind(), target.name),
        replicas,
        min: policy.min,
        max: policy.max,
        idle: policy.idle,
        driver: driver(object, &policy, replicas, holds.as_ref().is_some_and(|holds| holds.shadow.is_some())),
        conditions: conditions(object).iter().map(condition_line).collect(),
        hpa: hpa.map(hpa_line),
        triggers,
        holds,
        next,
        findings,
        decisions,
        since: facts.decisions.as_ref().ok().map(|(_, since)| since.clone()),
        unknown: unknown(facts),
    }
}

pub(super) fn conditions(object: &ScaledObject) -> &[Condition] {
    object.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

fn condition_line(condition: &Condition) -> ConditionLine {
    ConditionLine {
        type_: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
    }
}

/// Between one and the maximum the HPA decides; at zero or idle Ebb does, unless it only observes.
fn driver(object: &ScaledObject, policy: &Policy, replicas: Option<i32>, observes: bool) -> &'static str {
    let is_paused =
        conditions(object).iter().any(|condition| condition.type_ == Condition::PAUSED && condition.is_true());
    match replicas {
        _ if is_paused => "nobody: scaling is paused",
        _ if observes => "another autoscaler: Ebb only observes, see --compare",
        Some(0) => "Ebb: the workload is at zero",
        Some(count) if policy.idle.is_some_and(|idle| count <= idle) => "Ebb: the workload is idle",
        Some(_) => "the HPA",
        None => "unknown",
    }
}

fn hpa_line(hpa: &HorizontalPodAutoscaler) -> HpaLine {
    let status = hpa.status.clone().unwrap_or_default();
    let says = status.conditions.iter().flatten().map(|condition| {
        let reason = condition.reason.as_deref().unwrap_or_default();
        let message = condition.message.as_deref().unwrap_or_default();
        format!("{}={} {reason}: {message}", condition.type_, condition.status)
    });
    HpaLine {
        name: hpa.name_any(),
        current: status.current_replicas,
        desired: status.desired_replicas,
        says: says.collect(),
    }
}

/// The triggers, with their last readings.
fn triggers(facts: &Facts, last: Option<&ScalingDecision>) -> Vec<TriggerLine> {
    let readings = facts.readings.as_ref().ok();
    let values = readings.and_then(|readings| readings.points.last()).map(|point| &point.values);
    let replicas = facts.replicas.as_ref().ok().copied().unwrap_or(0);
    let mut lines: Vec<_> = facts
        .object
        .spec
        .triggers
        .iter()
        .enumerate()
        .map(|(index, trigger)| {
            let what = match trigger.name.as_deref().filter(|name| !name.is_empty()) {
                Some(name) => format!("trigger {name} ({})", trigger.type_),
                None => format!("trigger {index} ({})", trigger.type_),
            };
            let place = readings.and_then(|readings| readings.triggers.iter().position(|read| read.index == index));
            let read = place.and_then(|place| readings?.triggers.get(place));
            let value =
                place.and_then(|place| values?.get(place).copied().flatten()).map(|range| f64::from(range.last));
            let metric_type = match trigger.metric_type.as_deref() {
                Some("Value") => MetricType::Value,
                _ => MetricType::AverageValue,
            };
            let spec = read.map(|read| MetricSpec {
                name: read.metric.clone(),
                target: read.target,
                activation: read.activation,
                metric_type,
            });
            let asks_for = spec.as_ref().zip(value).and_then(|(spec, value)| asks_for(spec, value, replicas));
            let error = last.and_then(|last| last.triggers.iter().find(|seen| seen.index == index)?.error.clone());
            TriggerLine {
                what,
                metric: read.map(|read| read.metric.clone()),
                value,
                target: read.map(|read| read.target),
                activation: read.map(|read| read.activation),
                active: read.zip(value).map(|(read, value)| value > read.activation),
                asks_for,
                wins: false,
                error: error.filter(|_| value.is_none()),
            }
        })
        .collect();
    let most = lines.iter().filter_map(|line| line.asks_for).max().filter(|most| *most > 0);
    if let Some(winner) = lines.iter_mut().find(|line| most.is_some() && line.asks_for == most) {
        winner.wins = true;
    }
    lines
}

fn next(object: &ScaledObject, policy: &Policy, holds: Option<&ScalingDecision>, now: DateTime<Utc>) -> Vec<Next> {
    let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut next = Vec::new();
    if let Some(ends) = holds.and_then(|holds| holds.until.clone()) {
        let floor = policy.floor();
        next.push(Next { what: format!("the cooldown ends, and the workload goes to {floor}"), at: Some(ends) });
    } else if holds.is_none()
        && let Some(ends) = cooldown_ends(object, policy, now)
    {
        next.push(Next { what: "the cooldown ends, if no trigger is active".to_owned(), at: Some(shown(ends)) });
    }
    for (index, trigger) in object.spec.triggers.iter().enumerate().filter(|(_, trigger)| trigger.type_ == "cron") {
        let text = |key: &str| trigger.metadata.get(key).cloned().unwrap_or_default();
        let Ok(window) = Window::parse(&text("timezone"), &text("start"), &text("end")) else { continue };
        let window = window.opened_earlier(lead_time(&text("leadTime")).unwrap_or_default());
        let what = if window.active(now) { "closes" } else { "opens" };
        if let Some(edge) = window.next_edge(now) {
            next.push(Next { what: format!("the window of trigger {index} (cron) {what}"), at: Some(shown(edge)) });
        }
    }
    let interval = policy.polling_interval.as_secs();
    next.push(Next { what: format!("Ebb polls the triggers every {interval} s"), at: None });
    next
}

/// The end of the cooldown by the status alone.
fn cooldown_ends(object: &ScaledObject, policy: &Policy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let last_active = object.status.as_ref()?.last_active_time.as_ref().map(instant)?;
    let ends = last_active + TimeDelta::from_std(policy.cooldown).ok()?;
    (ends > now).then_some(ends)
}

fn unknown(facts: &Facts) -> Vec<String> {
    let parts = [
        ("the target's replicas", facts.replicas.as_ref().err()),
        ("the HPA", facts.hpa.as_ref().err()),
        ("other scalers of the namespace", facts.others.as_ref().err()),
        ("the decisions", facts.decisions.as_ref().err()),
        ("the readings", facts.readings.as_ref().err()),
    ];
    parts.into_iter().filter_map(|(what, error)| Some(format!("{what} cannot be read: {}", error?))).collect()
}
