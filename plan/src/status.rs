//! A ScaledObject's status as a function of the facts: KEDA's fields, reasons and texts.
//!
//! The status follows from the specification and from observations. Four things are history by their meaning and are
//! carried over from the present status: `lastActiveTime`, `originalReplicaCount`, every `lastTransitionTime`, and the
//! reason of `Paused=False`, which says whether the ScaledObject has been paused before. Everything else is carried
//! over only until the first check has come to an end.

mod facts;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ebb_crds::{Condition, HealthStatus, ScaledObjectStatus, TriggerActivity};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::activation::Activity;
use super::modifiers::COMPOSITE_METRIC;
pub use facts::{
    Attempt, Check, CheckFailure, Facts, FallbackTick, Found, KindFound, Scaling, Served, TargetFailure, TargetInfo,
    TargetKind, Tick, UnknownParameter,
};

/// The status that follows from `facts`. `previous` gives the parts that stay: transition times, and fields that a
/// failed check cannot know.
pub fn status(previous: &ScaledObjectStatus, facts: &Facts, now: DateTime<Utc>) -> ScaledObjectStatus {
    let mut status = previous.clone();
    let mut conditions = Conditions { previous, generation: facts.generation, now, list: Vec::new() };

    match ready(facts) {
        Some(ready) => conditions.add(Condition::READY, &ready),
        None => conditions.keep(Condition::READY, Condition::UNKNOWN),
    }
    match active(facts) {
        Some(active) => conditions.add(Condition::ACTIVE, &active),
        None => conditions.keep(Condition::ACTIVE, Condition::UNKNOWN),
    }
    match fallback(facts) {
        Some(fallback) => conditions.add(Condition::FALLBACK, &fallback),
        None => conditions.keep(Condition::FALLBACK, Condition::FALSE),
    }
    match facts.paused {
        Some(true) => {
            conditions
                .add(Condition::PAUSED, &(Condition::TRUE, "ScaledObjectPaused", "ScaledObject is paused".into()));
        }
        Some(false) => conditions.add(Condition::PAUSED, &unpaused(previous)),
        None => conditions.keep(Condition::PAUSED, Condition::FALSE),
    }
    if facts.paused.is_some() {
        status.paused_replica_count = facts.paused_replicas;
    }
    if facts.check != Check::Pending {
        in_force(&mut status, facts);
    }
    match &facts.hpa {
        _ if facts.target_is_missing() && facts.hpa_name().is_some() => {
            let text = "the HPA has no target to scale".to_owned();
            conditions.add(Condition::HPA_ACTIVE, &(Condition::FALSE, "FailedGetScale", text));
        }
        Some(hpa) if facts.hpa_name().is_some() => conditions.add(Condition::HPA_ACTIVE, &hpa_active(hpa)),
        _ if facts.check == Check::Pending || facts.hpa_name().is_some() => {
            conditions.keep_if_there(Condition::HPA_ACTIVE);
        }
        _ => {}
    }
    if let Some(last_active) = facts.last_active {
        status.last_active_time = Some(time(last_active));
    }
    status.conditions = Some(conditions.list);
    if let Some(info) = &facts.target {
        target(&mut status, info);
    }
    status
}

/// The conditions Ready, Active and Fallback that follow from `facts`. None: Unknown, or not known yet.
pub fn conditions(facts: &Facts) -> [Option<bool>; 3] {
    [ready(facts), active(facts), fallback(facts)].map(|state| match state?.0 {
        Condition::TRUE => Some(true),
        Condition::FALSE => Some(false),
        _ => None,
    })
}

/// Adds the fields of the target and the triggers that are known before the check has come to an end.
fn target(status: &mut ScaledObjectStatus, info: &TargetInfo) {
    match &info.target {
        KindFound::Unknown => {}
        KindFound::Absent => {
            status.scale_target_kind = None;
            status.scale_target_gvkr = None;
        }
        KindFound::Is(target) => {
            status.scale_target_kind = Some(target.display.clone());
            status.scale_target_gvkr = Some(target.gvkr.clone());
        }
    }
    if status.original_replica_count.is_none() || (info.moved && info.replicas.is_some()) {
        status.original_replica_count = info.replicas;
    }
    status.triggers_types = Some(info.triggers_types.clone());
    status.authentications_types = Some(info.authentications_types.clone());
}

/// Adds the fields of the specification in force, and removes those of the one before it.
fn in_force(status: &mut ScaledObjectStatus, facts: &Facts) {
    let served = facts.served.as_ref();
    status.hpa_name = facts.hpa_name().map(str::to_owned);
    status.external_metric_names = served.map(|served| served.metric_names.to_vec()).filter(|names| !names.is_empty());
    status.resource_metric_names = served.map(|served| served.resource_names.clone()).filter(|names| !names.is_empty());
    status.composite_scaler_name = served.is_some_and(|served| served.composite).then(|| COMPOSITE_METRIC.to_owned());
    let Some(tick) = &facts.tick else {
        if served.is_none() {
            (status.triggers_activity, status.health) = (None, None);
        }
        return;
    };
    let names = || tick.metric_names.iter().cloned();
    let activity = tick.active.iter().map(|active| TriggerActivity { is_active: Some(*active) });
    status.triggers_activity = Some(names().zip(activity).collect()).filter(|all: &BTreeMap<_, _>| !all.is_empty());
    status.health =
        tick.fallback.as_ref().map(|fallback| names().zip(fallback.failures.iter().copied().map(health)).collect());
}

type State = (&'static str, &'static str, String);

/// `Paused=False`: its reason says whether there has been a pause.
fn unpaused(previous: &ScaledObjectStatus) -> State {
    const REASON: &str = "ScaledObjectUnpaused";
    let before = previous.condition(Condition::PAUSED);
    if before.is_some_and(|before| before.is_true() || before.reason.as_deref() == Some(REASON)) {
        (Condition::FALSE, REASON, "pause annotation removed for ScaledObject".into())
    } else {
        (Condition::FALSE, "", String::new())
    }
}

/// The Ready condition. None while nothing is known: the former condition stays.
fn ready(facts: &Facts) -> Option<State> {
    Some(match (&facts.check, &facts.tick) {
        (Check::Pending, _) => return None,
        (Check::Failed(why), _) => (Condition::FALSE, "ScaledObjectCheckFailed", why.message.clone()),
        (Check::Paused, _) => (Condition::TRUE, "ScaledObjectReady", "ScaledObject is paused".into()),
        (Check::Served, Some(tick @ Tick { target_error: Some(error), .. })) => {
            let lines: Vec<_> = std::iter::once(error.message.as_str()).chain(tick.failures()).collect();
            (Condition::FALSE, error.reason, lines.join("\n"))
        }
        // With a fallback it stays ready: the condition Fallback reports it.
        (Check::Served, Some(tick))
            if tick.failures().next().is_some() && (tick.fallback.is_none() || tick.activity == Activity::Active) =>
        {
            let (status, reason, headline) = if tick.activity == Activity::Active {
                (
                    Condition::UNKNOWN,
                    "PartialTriggerError",
                    "Some triggers defined in ScaledObject are not working correctly",
                )
            } else {
                (Condition::FALSE, "TriggerError", "Triggers defined in ScaledObject are not working correctly")
            };
            (status, reason, format!("{headline}\n{}", tick.failures().collect::<Vec<_>>().join("\n")))
        }
        (Check::Served, _) => {
            (Condition::TRUE, "ScaledObjectReady", "ScaledObject is defined correctly and is ready for scaling".into())
        }
    })
}

/// Whether the status says that the ScaledObject is ready.
fn is_ready(facts: &Facts) -> bool {
    ready(facts).is_some_and(|(status, ..)| status == Condition::TRUE)
}

/// The Fallback condition. None while nothing is known: the former condition stays.
fn fallback(facts: &Facts) -> Option<State> {
    Some(match (&facts.check, &facts.tick) {
        (Check::Pending, _) | (Check::Served, None) => return None,
        (Check::Served, Some(_)) if facts.falls_back() => {
            (Condition::TRUE, "FallbackExists", "At least one trigger is falling back on this scaled object".into())
        }
        _ => (Condition::FALSE, "NoFallbackFound", "No fallbacks are active on this scaled object".into()),
    })
}

fn health(failures: u32) -> HealthStatus {
    let status = if failures == 0 { HealthStatus::HAPPY } else { HealthStatus::FAILING };
    HealthStatus { number_of_failures: failures.try_into().ok(), status: Some(status.to_owned()) }
}

/// The Active condition. None while nothing is known: the former condition stays.
fn active(facts: &Facts) -> Option<State> {
    Some(match (&facts.check, &facts.tick) {
        (Check::Failed(_), _) => (Condition::UNKNOWN, "UnknownState", "ScaledObject check failed".into()),
        (Check::Paused, _) => (Condition::UNKNOWN, "", String::new()),
        (Check::Pending, _) | (_, None) => return None,
        (Check::Served, Some(_)) if facts.target_is_missing() => {
            (Condition::UNKNOWN, "UnknownState", "there is no target to scale".into())
        }
        (Check::Served, Some(tick)) => match tick.activity {
            // KEDA's reason, without a claim about triggers that could not be read.
            Activity::Inactive if tick.failures().next().is_some() => (
                Condition::FALSE,
                "ScalerNotActive",
                "Scaling is not performed because triggers cannot be read: the replica count stays".into(),
            ),
            Activity::Active if tick.forced => (
                Condition::TRUE,
                "ScalerActive",
                "Scaling is performed because activation is being forced by annotation".into(),
            ),
            Activity::Active => {
                (Condition::TRUE, "ScalerActive", "Scaling is performed because triggers are active".into())
            }
            Activity::Inactive => {
                (Condition::FALSE, "ScalerNotActive", "Scaling is not performed because triggers are not active".into())
            }
            Activity::CoolingDown => {
                (Condition::FALSE, "ScalerCooldown", "Scaler cooling down because triggers are not active".into())
            }
        },
    })
}

/// KEDA takes a workload at zero, for which the HPA reports that it does not scale, for a healthy one.
fn hpa_active(hpa: &HorizontalPodAutoscalerCondition) -> (&'static str, &str, String) {
    let reason = hpa.reason.as_deref().unwrap_or_default();
    let message = hpa.message.clone().unwrap_or_default();
    match (hpa.status.as_str(), reason) {
        (Condition::TRUE, _) => (Condition::TRUE, "HPAActive", "HPA is actively scaling".into()),
        (_, "ScalingDisabled") => (Condition::TRUE, "ScalingDisabled", message),
        _ => (Condition::FALSE, reason, message),
    }
}

struct Conditions<'a> {
    previous: &'a ScaledObjectStatus,
    generation: Option<i64>,
    now: DateTime<Utc>,
    list: Vec<Condition>,
}

impl Conditions<'_> {
    fn add(&mut self, type_: &str, (status, reason, message): &(&str, &str, String)) {
        let before = self.previous.condition(type_).filter(|before| before.status == *status);
        let since = before.and_then(|before| before.last_transition_time.clone());
        self.list.push(Condition {
            type_: type_.to_owned(),
            status: (*status).to_owned(),
            reason: Some((*reason).to_owned()).filter(|reason| !reason.is_empty()),
            message: Some(message.clone()).filter(|message| !message.is_empty()),
            last_transition_time: Some(since.unwrap_or_else(|| time(self.now))),
            observed_generation: self.generation,
        });
    }

    fn keep(&mut self, type_: &str, status: &str) {
        match self.previous.condition(type_) {
            Some(before) => self.list.push(before.clone()),
            None => self.add(type_, &(status, "", String::new())),
        }
    }

    fn keep_if_there(&mut self, type_: &str) {
        self.list.extend(self.previous.condition(type_).cloned());
    }
}

/// The time at which the workload was last active, for an Ebb that starts at `now` and knows the status alone.
///
/// A workload that was active when the status was written may have been active until a moment ago. The same holds where
/// the status names no activity: the workload was paused, or could not be served, and its time was written up to five
/// minutes before that. The result is then `now`, never earlier: the cooldown must not be cut short.
pub fn last_active(written: &ScaledObjectStatus, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // A clock that was ahead must not begin the cooldown in the future.
    let noted = written.last_active_time.as_ref().map(instant).map(|noted| noted.min(now));
    let active = written.condition(Condition::ACTIVE);
    if active.is_some_and(Condition::is_true) {
        return Some(now);
    }
    let ended = active.is_some_and(|active| active.status == Condition::FALSE);
    if ended { noted } else { noted.map(|_| now) }
}

/// An instant as the API writes it: whole seconds.
pub fn time(instant: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(instant.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// An instant that the API wrote.
pub fn instant(time: &Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.0.as_second(), 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The JSON merge patch (RFC 7386) that turns `from` into `to`; none when they are equal.
pub fn merge_patch(from: &serde_json::Value, to: &serde_json::Value) -> Option<serde_json::Value> {
    use serde_json::Value;
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return Some(to.clone()) };
    let mut patch = serde_json::Map::new();
    for (key, value) in to {
        if let Some(change) = merge_patch(from.get(key).unwrap_or(&Value::Null), value) {
            patch.insert(key.clone(), change);
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests;
