//! A ScaledObject's status as a function of what Ebb knows about it: KEDA's fields, reasons and texts.
//!
//! The status follows from the specification and from what is observed. Four things are history by their meaning and are
//! carried over from the status that is there: `lastActiveTime`, `originalReplicaCount`, every `lastTransitionTime`, and
//! the reason of `Paused=False`, which says whether the ScaledObject has been paused before. Everything else is carried
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
pub use facts::{Check, Facts, FallbackTick, KindFound, Outline, Served, TargetKind, Tick};

/// Adds what is known before the check has come to an end.
pub fn outline(mut status: ScaledObjectStatus, outline: &Outline) -> ScaledObjectStatus {
    match &outline.target {
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
    if status.original_replica_count.is_none() || (outline.moved && outline.replicas.is_some()) {
        status.original_replica_count = outline.replicas;
    }
    status.triggers_types = Some(outline.triggers_types.clone());
    status.authentications_types = Some(outline.authentications_types.clone());
    status
}

/// The status that follows from `facts`. `previous` gives what stays: transition times, and what a failed check knows
/// nothing about.
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
    status
}

/// Adds what follows from the specification that is in force, and removes what one before it left.
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

/// None while nothing is known: what was said before stays.
fn ready(facts: &Facts) -> Option<State> {
    Some(match (&facts.check, &facts.tick) {
        (Check::Pending, _) => return None,
        (Check::Failed(why), _) => (Condition::FALSE, "ScaledObjectCheckFailed", why.clone()),
        (Check::Paused, _) => (Condition::TRUE, "ScaledObjectReady", "ScaledObject is paused".into()),
        (Check::Served, Some(Tick { trouble: Some((reason, text)), failures, .. })) => {
            let lines: Vec<_> = std::iter::once(text).chain(failures).map(String::as_str).collect();
            (Condition::FALSE, reason, lines.join("\n"))
        }
        // With a fallback it stays ready: the condition Fallback tells how things stand.
        (Check::Served, Some(tick))
            if !tick.failures.is_empty() && (tick.fallback.is_none() || tick.activity == Activity::Active) =>
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
            (status, reason, format!("{headline}\n{}", tick.failures.join("\n")))
        }
        (Check::Served, _) => {
            (Condition::TRUE, "ScaledObjectReady", "ScaledObject is defined correctly and is ready for scaling".into())
        }
    })
}

/// None while nothing is known: what was said before stays.
fn fallback(facts: &Facts) -> Option<State> {
    let in_effect = |tick: &Tick| tick.fallback.as_ref().is_some_and(|fallback| fallback.in_effect);
    Some(match (&facts.check, &facts.tick) {
        (Check::Pending, _) | (Check::Served, None) => return None,
        (Check::Served, Some(tick)) if in_effect(tick) => {
            (Condition::TRUE, "FallbackExists", "At least one trigger is falling back on this scaled object".into())
        }
        _ => (Condition::FALSE, "NoFallbackFound", "No fallbacks are active on this scaled object".into()),
    })
}

fn health(failures: u32) -> HealthStatus {
    let status = if failures == 0 { HealthStatus::HAPPY } else { HealthStatus::FAILING };
    HealthStatus { number_of_failures: failures.try_into().ok(), status: Some(status.to_owned()) }
}

/// None while nothing is known: what was said before stays.
fn active(facts: &Facts) -> Option<State> {
    Some(match (&facts.check, &facts.tick) {
        (Check::Failed(_), _) => (Condition::UNKNOWN, "UnknownState", "ScaledObject check failed".into()),
        (Check::Paused, _) => (Condition::UNKNOWN, "", String::new()),
        (Check::Pending, _) | (_, None) => return None,
        (Check::Served, Some(tick)) => match tick.activity {
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

/// When the workload was last active, as far as a status can tell an Ebb that begins at `now`.
///
/// One that was active when the status was written may have been so until a moment ago. So may one of which the status
/// does not say: it was paused, or could not be served, and its time was written up to five minutes before that. Where
/// nobody saw the end of activity, it is now, never earlier: the cooldown must not be cut short.
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
mod tests {
    use std::sync::Arc;

    use ebb_crds::GroupVersionKindResource;
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn facts_are_whole_when_nothing_is_about_to_be_added() {
        let before_a_tick = Facts { tick: None, ..served(Activity::Inactive, &[]) };
        for (facts, whole) in [
            (Facts::default(), false),
            (before_a_tick, false),
            (served(Activity::Inactive, &[]), true),
            (Facts { check: Check::Failed("no target".into()), ..Facts::default() }, true),
            (Facts { check: Check::Paused, ..Facts::default() }, true),
        ] {
            assert_eq!(facts.are_whole(), whole, "{facts:?}");
        }
    }

    fn served(activity: Activity, failures: &[&str]) -> Facts {
        Facts {
            generation: Some(2),
            check: Check::Served,
            served: Some(Served {
                hpa_name: "keda-hpa-app".into(),
                metric_names: Arc::new(["s0".into()]),
                resource_names: Vec::new(),
                composite: false,
            }),
            left_hpa: None,
            tick: Some(Tick {
                activity,
                forced: false,
                metric_names: Arc::new(["s0".into()]),
                active: [activity == Activity::Active].into(),
                failures: failures.iter().map(|text| (*text).to_owned()).collect(),
                fallback: None,
                trouble: None,
            }),
            last_active: None,
            paused: Some(false),
            paused_replicas: None,
            hpa: None,
        }
    }

    fn paused_at(replicas: i32) -> Facts {
        Facts { check: Check::Paused, paused: Some(true), paused_replicas: Some(replicas), ..Facts::default() }
    }

    fn shown(status: &ScaledObjectStatus, type_: &str) -> (String, String, String) {
        let condition = status.condition(type_).unwrap();
        (
            condition.status.clone(),
            condition.reason.clone().unwrap_or_default(),
            condition.message.clone().unwrap_or_default(),
        )
    }

    #[test]
    fn ready_and_active_follow_check_and_tick() {
        for (facts, ready, active) in [
            (
                Facts { check: Check::Failed("why".into()), ..Facts::default() },
                "False ScaledObjectCheckFailed why",
                "Unknown UnknownState",
            ),
            (
                Facts { check: Check::Paused, ..Facts::default() },
                "True ScaledObjectReady ScaledObject is paused",
                "Unknown ",
            ),
            (served(Activity::Active, &[]), "True ScaledObjectReady", "True ScalerActive"),
            (served(Activity::CoolingDown, &[]), "True ScaledObjectReady", "False ScalerCooldown"),
            (
                served(Activity::Inactive, &["trigger 0: gone"]),
                "False TriggerError Triggers defined in ScaledObject are not working correctly\ntrigger 0: gone",
                "False ScalerNotActive",
            ),
            (served(Activity::Active, &["trigger 0: gone"]), "Unknown PartialTriggerError", "True ScalerActive"),
        ] {
            let status = status(&ScaledObjectStatus::default(), &facts, at(0));
            let line = |type_| {
                let (status, reason, message) = shown(&status, type_);
                format!("{status} {reason} {message}")
            };
            assert!(line("Ready").starts_with(ready), "{}", line("Ready"));
            assert!(line("Active").starts_with(active), "{}", line("Active"));
            assert_eq!(status.conditions.as_ref().unwrap().len(), 4);
        }
    }

    #[test]
    fn the_last_activity_is_written_when_it_says_something_new() {
        use Activity::{Active, CoolingDown};
        for (name, before, noted, after, last, expected) in [
            ("activity begins", Some(CoolingDown), Some(0), Active, Some(100), Some(100)),
            ("it goes on", Some(Active), Some(0), Active, Some(299), Some(0)),
            ("for five minutes", Some(Active), Some(0), Active, Some(300), Some(300)),
            ("it ends", Some(Active), Some(0), CoolingDown, Some(100), Some(100)),
            ("and is over", Some(CoolingDown), Some(100), CoolingDown, Some(100), Some(100)),
            (
                "the HPA has found some that no tick saw",
                Some(CoolingDown),
                Some(100),
                CoolingDown,
                Some(150),
                Some(150),
            ),
            ("a first tick", None, None, CoolingDown, Some(100), Some(100)),
            ("there has never been any", Some(CoolingDown), None, CoolingDown, None, None),
        ] {
            let mut facts = served(before.unwrap_or(CoolingDown), &[]);
            facts.tick = facts.tick.filter(|_| before.is_some());
            facts.last_active = noted.map(at);
            facts.note_activity(after, last.map(at));
            assert_eq!(facts.last_active, expected.map(at), "{name}");
        }
    }

    #[test]
    fn an_end_of_activity_that_nobody_saw_is_now() {
        let written = |facts: Facts, noted: Option<i64>| {
            status(&ScaledObjectStatus::default(), &Facts { last_active: noted.map(at), ..facts }, at(0))
        };
        let paused = || Facts { check: Check::Paused, ..Facts::default() };
        for (name, facts, noted, expected) in [
            ("active", served(Activity::Active, &[]), Some(0), Some(1000)),
            ("its end was written", served(Activity::CoolingDown, &[]), Some(0), Some(0)),
            ("never active", served(Activity::Inactive, &[]), None, None),
            ("paused", paused(), Some(0), Some(1000)),
            ("paused before any activity", paused(), None, None),
            ("not served", Facts { check: Check::Failed("why".into()), ..Facts::default() }, Some(0), Some(1000)),
        ] {
            assert_eq!(last_active(&written(facts, noted), at(1000)), expected.map(at), "{name}");
        }
    }

    #[test]
    fn nothing_changes_while_nothing_happens() {
        let facts = served(Activity::Active, &[]);
        let first = status(&ScaledObjectStatus::default(), &facts, at(0));
        assert_eq!(status(&first, &facts, at(100)), first);
        let later = status(&first, &served(Activity::Inactive, &[]), at(100));
        assert_eq!(later.condition("Active").unwrap().last_transition_time, Some(time(at(100))));
        assert_eq!(later.condition("Ready").unwrap().last_transition_time, Some(time(at(0))));
    }

    #[test]
    fn a_pause_and_its_end_leave_their_marks() {
        let paused = status(&ScaledObjectStatus::default(), &paused_at(3), at(0));
        assert_eq!((paused.paused_replica_count, shown(&paused, "Paused").1.as_str()), (Some(3), "ScaledObjectPaused"));
        let resumed = status(&paused, &served(Activity::Inactive, &[]), at(1));
        assert_eq!(
            (resumed.paused_replica_count, shown(&resumed, "Paused").1.as_str()),
            (None, "ScaledObjectUnpaused")
        );
        assert_eq!(status(&resumed, &served(Activity::Inactive, &[]), at(2)), resumed);
    }

    #[test]
    fn a_fallback_is_told_and_leaves_it_ready() {
        let facts = |in_effect, failures| {
            let mut facts = served(Activity::Inactive, &["trigger 0: gone"]);
            let tick = facts.tick.as_mut().unwrap();
            tick.fallback = Some(FallbackTick { in_effect, failures: [failures].into() });
            facts
        };
        let health = |status: &ScaledObjectStatus| status.health.clone().and_then(|mut health| health.remove("s0"));
        for (in_effect, failures, shown_health, reason) in [
            (false, 1, "Failing", "NoFallbackFound"),
            (true, 4, "Failing", "FallbackExists"),
            (false, 0, "Happy", "NoFallbackFound"),
        ] {
            let status = status(&ScaledObjectStatus::default(), &facts(in_effect, failures), at(0));
            assert_eq!((shown(&status, "Ready").0.as_str(), shown(&status, "Fallback").1.as_str()), ("True", reason));
            let health = health(&status).unwrap();
            assert_eq!(
                (health.number_of_failures, health.status.as_deref()),
                (i32::try_from(failures).ok(), Some(shown_health))
            );
        }
        let before = status(&ScaledObjectStatus::default(), &facts(true, 4), at(0));
        let after = status(&before, &served(Activity::Inactive, &[]), at(1));
        assert_eq!((health(&after), shown(&after, "Fallback").0.as_str()), (None, "False"));
    }

    #[test]
    fn one_direction_paused_is_paused_and_served() {
        let held = Facts { paused: Some(true), ..served(Activity::Active, &[]) };
        let status = status(&ScaledObjectStatus::default(), &held, at(0));
        assert_eq!(shown(&status, "Paused").1, "ScaledObjectPaused");
        assert_eq!((shown(&status, "Active").0.as_str(), status.hpa_name.as_deref()), ("True", Some("keda-hpa-app")));
        assert_eq!(status.paused_replica_count, None);
    }

    #[test]
    fn the_original_count_is_the_first_of_each_target() {
        let found = |replicas, moved| Outline { replicas, moved, ..Outline::default() };
        let original = |status: &ScaledObjectStatus| status.original_replica_count;
        let first = outline(ScaledObjectStatus::default(), &found(Some(3), false));
        assert_eq!(original(&first), Some(3));
        assert_eq!(original(&outline(first.clone(), &found(Some(0), false))), Some(3));
        assert_eq!(original(&outline(first.clone(), &found(None, true))), Some(3));
        assert_eq!(original(&outline(first, &found(Some(2), true))), Some(2));
    }

    #[test]
    fn a_failed_check_ends_no_pause() {
        let paused = status(&ScaledObjectStatus::default(), &paused_at(3), at(0));
        let failed = Facts { check: Check::Failed("why".into()), ..paused_at(3) };
        let still = status(&paused, &failed, at(1));
        assert_eq!((shown(&still, "Paused").0.as_str(), still.paused_replica_count), ("True", Some(3)));
        let ended = status(&still, &Facts { paused: Some(false), paused_replicas: None, ..failed }, at(2));
        assert_eq!((shown(&ended, "Paused").0.as_str(), ended.paused_replica_count), ("False", None));
    }

    /// Every fact that is not history gives the same status, whatever the status was before.
    #[test]
    fn the_status_does_not_depend_on_the_one_before() {
        let hpa = HorizontalPodAutoscalerCondition { status: "True".into(), ..Default::default() };
        let running = || Facts { hpa: Some(Arc::new(hpa.clone())), ..served(Activity::Active, &[]) };
        let failed = || Facts { check: Check::Failed("why".into()), paused: Some(false), ..Facts::default() };
        let all = [
            ("served", running()),
            ("served, nothing active", served(Activity::Inactive, &["trigger 0: gone"])),
            ("paused", Facts { paused_replicas: None, ..paused_at(0) }),
            ("paused at a count", paused_at(2)),
            ("paused at a count, without a target", Facts { check: Check::Failed("why".into()), ..paused_at(2) }),
            ("never served", failed()),
            ("never served by this process", Facts { left_hpa: Some("keda-hpa-app".into()), ..failed() }),
            ("the last valid one stays in force", Facts { check: Check::Failed("why".into()), ..running() }),
        ];
        let timeless = |mut status: ScaledObjectStatus| {
            for condition in status.conditions.iter_mut().flatten() {
                condition.last_transition_time = None;
                if condition.type_ == Condition::PAUSED && condition.status == Condition::FALSE {
                    (condition.reason, condition.message) = (None, None);
                }
            }
            status
        };
        for (name, facts) in &all {
            let fresh = timeless(status(&ScaledObjectStatus::default(), facts, at(0)));
            for (history, before) in &all {
                let before = status(&ScaledObjectStatus::default(), before, at(-1));
                let mut after = timeless(status(&before, facts, at(0)));
                // The HPA's word of a moment ago stays until it has another.
                if facts.hpa.is_none() && facts.hpa_name().is_some() {
                    let kept = |condition: &Condition| condition.type_ != Condition::HPA_ACTIVE;
                    after.conditions.as_mut().unwrap().retain(kept);
                }
                assert_eq!(after, fresh, "{name}, after {history}");
            }
        }
    }

    #[test]
    fn a_kind_that_the_cluster_does_not_have_leaves_the_status() {
        let kind = TargetKind { display: "apps/v1.Deployment".into(), gvkr: GroupVersionKindResource::default() };
        let found = |target| Outline { target, ..Outline::default() };
        let known = outline(ScaledObjectStatus::default(), &found(KindFound::Is(Arc::new(kind))));
        assert_eq!(known.scale_target_kind.as_deref(), Some("apps/v1.Deployment"));
        assert_eq!(outline(known.clone(), &found(KindFound::Unknown)), known);
        let absent = outline(known, &found(KindFound::Absent));
        assert_eq!((absent.scale_target_kind, absent.scale_target_gvkr), (None, None));
    }

    #[test]
    fn before_the_first_check_what_was_said_before_stays() {
        let hpa = HorizontalPodAutoscalerCondition { status: "True".into(), ..Default::default() };
        let facts = Facts { hpa: Some(Arc::new(hpa)), ..served(Activity::Active, &[]) };
        let before = status(&ScaledObjectStatus::default(), &facts, at(0));
        assert_eq!(status(&before, &Facts::default(), at(1)), before);
        let new = status(&ScaledObjectStatus::default(), &Facts::default(), at(0));
        assert_eq!((shown(&new, "Ready").0.as_str(), shown(&new, "Active").0.as_str()), ("Unknown", "Unknown"));
    }

    #[test]
    fn the_hpas_own_word_is_passed_on() {
        let hpa = |status: &str, reason: &str| HorizontalPodAutoscalerCondition {
            status: status.into(),
            reason: Some(reason.into()),
            message: Some("said".into()),
            ..HorizontalPodAutoscalerCondition::default()
        };
        assert_eq!(
            hpa_active(&hpa("True", "ValidMetricFound")),
            ("True", "HPAActive", "HPA is actively scaling".into())
        );
        assert_eq!(hpa_active(&hpa("False", "ScalingDisabled")), ("True", "ScalingDisabled", "said".into()));
        assert_eq!(
            hpa_active(&hpa("False", "FailedGetExternalMetric")),
            ("False", "FailedGetExternalMetric", "said".into())
        );
    }

    #[test]
    fn a_merge_patch_holds_just_the_changes() {
        let from = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1]});
        let to = json!({"a": 1, "b": {"c": 3}, "e": [1, 2]});
        assert_eq!(merge_patch(&from, &to), Some(json!({"b": {"c": 3, "d": null}, "e": [1, 2]})));
        assert_eq!(merge_patch(&to, &to), None);
    }
}
