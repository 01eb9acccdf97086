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
        (Facts { check: failed_check("no target"), ..Facts::default() }, true),
        (Facts { check: Check::Paused, ..Facts::default() }, true),
    ] {
        assert_eq!(facts.are_whole(), whole, "{facts:?}");
    }
}

fn failed_check(why: &str) -> Check {
    Check::Failed(Box::new(CheckFailure {
        message: why.into(),
        reason: crate::events::Reason::ScaledObjectCheckFailed,
        note: why.into(),
        about_target: None,
    }))
}

fn served(activity: Activity, failures: &[&str]) -> Facts {
    Facts {
        generation: Some(2),
        check: Check::Served,
        served: Some(Served {
            generation: Some(2),
            target: "apps/v1.Deployment shop/app".into(),
            kinds: Arc::new([]),
            unknown_parameters: Box::default(),
            hpa_name: "keda-hpa-app".into(),
            metric_names: Arc::new(["s0".into()]),
            resource_names: Vec::new(),
            composite: false,
        }),
        tick: Some(Tick {
            build: 0,
            activity,
            forced: false,
            metric_names: Arc::new(["s0".into()]),
            active: [activity == Activity::Active].into(),
            errors: failures.iter().map(|text| (*text).to_owned()).enumerate().collect(),
            formula_error: None,
            composed: false,
            fallback: None,
            target_error: None,
        }),
        paused: Some(false),
        ..Facts::default()
    }
}

fn with_target(before: &ScaledObjectStatus, target: TargetInfo) -> ScaledObjectStatus {
    status(before, &Facts { target: Some(target), ..Facts::default() }, at(0))
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

/// A condition's status as a series has it.
fn shown_state(status: &str) -> Option<bool> {
    match status {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

#[test]
fn ready_and_active_follow_check_and_tick() {
    for (facts, ready, active) in [
        (
            Facts { check: failed_check("why"), ..Facts::default() },
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
            "False ScalerNotActive Scaling is not performed because triggers cannot be read: the replica count stays",
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
        ("the HPA has found some that no tick saw", Some(CoolingDown), Some(100), CoolingDown, Some(150), Some(150)),
        ("a first tick", None, None, CoolingDown, Some(100), Some(100)),
        ("there has never been any", Some(CoolingDown), None, CoolingDown, None, None),
        ("an earlier one is no news", Some(CoolingDown), Some(100), CoolingDown, Some(50), Some(100)),
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
        ("not served", Facts { check: failed_check("why"), ..Facts::default() }, Some(0), Some(1000)),
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
    assert_eq!((resumed.paused_replica_count, shown(&resumed, "Paused").1.as_str()), (None, "ScaledObjectUnpaused"));
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
    let after = |before: &ScaledObjectStatus, replicas, moved| {
        with_target(before, TargetInfo { replicas, moved, ..TargetInfo::default() })
    };
    let original = |status: &ScaledObjectStatus| status.original_replica_count;
    let first = after(&ScaledObjectStatus::default(), Some(3), false);
    assert_eq!(original(&first), Some(3));
    assert_eq!(original(&after(&first, Some(0), false)), Some(3));
    assert_eq!(original(&after(&first, None, true)), Some(3));
    assert_eq!(original(&after(&first, Some(2), true)), Some(2));
}

#[test]
fn a_failed_check_ends_no_pause() {
    let paused = status(&ScaledObjectStatus::default(), &paused_at(3), at(0));
    let failed = Facts { check: failed_check("why"), ..paused_at(3) };
    let still = status(&paused, &failed, at(1));
    assert_eq!((shown(&still, "Paused").0.as_str(), still.paused_replica_count), ("True", Some(3)));
    let ended = status(&still, &Facts { paused: Some(false), paused_replicas: None, ..failed }, at(2));
    assert_eq!((shown(&ended, "Paused").0.as_str(), ended.paused_replica_count), ("False", None));
}

/// Every fact that is not history gives the same status after every other status.
#[test]
fn the_status_does_not_depend_on_the_one_before() {
    let hpa = HorizontalPodAutoscalerCondition { status: "True".into(), ..Default::default() };
    let running = || Facts { hpa: Some(Arc::new(hpa.clone())), ..served(Activity::Active, &[]) };
    let failed = || Facts { check: failed_check("why"), paused: Some(false), ..Facts::default() };
    let all = [
        ("served", running()),
        ("served, nothing active", served(Activity::Inactive, &["trigger 0: gone"])),
        ("paused", Facts { paused_replicas: None, ..paused_at(0) }),
        ("paused at a count", paused_at(2)),
        ("paused at a count, without a target", Facts { check: failed_check("why"), ..paused_at(2) }),
        ("never served", failed()),
        ("never served by this process", Facts { left_hpa: Some("keda-hpa-app".into()), ..failed() }),
        ("the last valid one stays in force", Facts { check: failed_check("why"), ..running() }),
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
        for (type_, state) in
            [Condition::READY, Condition::ACTIVE, Condition::FALLBACK].into_iter().zip(conditions(facts))
        {
            let shown = shown(&fresh, type_).0;
            // Before anything is known there is no fallback, and no series.
            let wanted =
                if type_ == Condition::FALLBACK && fallback(facts).is_none() { None } else { shown_state(&shown) };
            assert_eq!(state, wanted, "{name}: {type_} is {shown}");
        }
        for (history, before) in &all {
            let before = status(&ScaledObjectStatus::default(), before, at(-1));
            let mut after = timeless(status(&before, facts, at(0)));
            // The HPA's former condition stays until it has another.
            if facts.hpa.is_none() && facts.hpa_name().is_some() {
                let kept = |condition: &Condition| condition.type_ != Condition::HPA_ACTIVE;
                after.conditions.as_mut().unwrap().retain(kept);
            }
            assert_eq!(after, fresh, "{name}, after {history}");
        }
    }
}

#[test]
fn a_pause_ends_what_is_in_force() {
    let mut facts = served(Activity::Active, &[]);
    (facts.hpa, facts.left_hpa) = (Some(Arc::default()), Some("keda-hpa-app".into()));
    facts.found = Found { ready: true, paused: false, falling_back: true };
    facts.pause();
    assert_eq!((&facts.served, &facts.tick, &facts.hpa, facts.hpa_name()), (&None, &None, &None, None));
    assert_eq!((facts.check, facts.found.falling_back), (Check::Paused, false));
}

#[test]
fn a_process_finds_what_the_status_says() {
    let mut falling_back = served(Activity::Inactive, &[]);
    falling_back.tick.as_mut().unwrap().fallback = Some(FallbackTick { in_effect: true, failures: [4].into() });
    for (facts, ready, paused, falling_back) in [
        (Facts { check: failed_check("why"), ..Facts::default() }, false, false, false),
        (served(Activity::Active, &[]), true, false, false),
        (paused_at(2), true, true, false),
        (falling_back, true, false, true),
    ] {
        let found = Found::of(&status(&ScaledObjectStatus::default(), &facts, at(0)));
        assert_eq!(found, Found { ready, paused, falling_back });
    }
}

/// The fields that follow from the specification in force: external metrics, resources, the formula's metric,
/// and activity.
#[test]
fn what_is_in_force_is_named() {
    let with = |metrics: &[&str], resources: &[&str], composite| {
        let mut facts = served(Activity::Active, &[]);
        let names: Arc<[String]> = metrics.iter().map(|name| (*name).to_owned()).collect();
        let mut served = facts.served.unwrap();
        (served.metric_names, served.composite) = (Arc::clone(&names), composite);
        served.resource_names = resources.iter().map(|name| (*name).to_owned()).collect();
        let mut tick = facts.tick.unwrap();
        (tick.active, tick.metric_names) = (vec![true; names.len()].into(), names);
        (facts.served, facts.tick) = (Some(served), Some(tick));
        status(&ScaledObjectStatus::default(), &facts, at(0))
    };
    for (metrics, resources, composite) in
        [(&["s0", "s1"][..], &[][..], false), (&[], &["cpu"], false), (&["s0"], &["cpu"], true)]
    {
        let status = with(metrics, resources, composite);
        let list = |names: &[&str]| {
            Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).filter(|names| !names.is_empty())
        };
        assert_eq!(status.external_metric_names, list(metrics));
        assert_eq!(status.resource_metric_names, list(resources));
        assert_eq!(status.composite_scaler_name.as_deref(), composite.then_some("composite-metric"));
        let activity = status.triggers_activity.map(|all| all.into_keys().collect::<Vec<_>>());
        assert_eq!(activity, list(metrics));
    }
}

/// Serves, then has no tick: a new build has not ticked yet, or a pause has ended it.
#[test]
fn the_activity_stays_while_something_is_in_force() {
    let before = status(&ScaledObjectStatus::default(), &served(Activity::Active, &[]), at(0));
    let unticked = Facts { tick: None, ..served(Activity::Active, &[]) };
    assert_eq!(status(&before, &unticked, at(1)).triggers_activity, before.triggers_activity);
    assert!(before.triggers_activity.is_some());
    assert_eq!(status(&before, &paused_at(1), at(1)).triggers_activity, None);
}

#[test]
fn an_activity_that_was_forced_says_so() {
    for (forced, why) in [(true, "activation is being forced by annotation"), (false, "triggers are active")] {
        let mut facts = served(Activity::Active, &[]);
        facts.tick.as_mut().unwrap().forced = forced;
        let status = status(&ScaledObjectStatus::default(), &facts, at(0));
        assert_eq!(shown(&status, "Active").2, format!("Scaling is performed because {why}"));
    }
}

#[test]
fn a_target_that_cannot_be_scaled_is_named_before_the_triggers() {
    let mut facts = served(Activity::Active, &["trigger 0: gone"]);
    let error =
        TargetFailure { reason: "ErrorScalingTarget", message: "denied".into(), attempt: None, is_missing: false };
    facts.tick.as_mut().unwrap().target_error = Some(Box::new(error));
    let status = status(&ScaledObjectStatus::default(), &facts, at(0));
    let expected = ("False".into(), "ErrorScalingTarget".into(), "denied\ntrigger 0: gone".into());
    assert_eq!(shown(&status, "Ready"), expected);
}

/// A failed check knows no condition of the HPA; an HPA that is there keeps its last.
#[test]
fn the_hpas_condition_goes_with_the_hpa() {
    let hpa = HorizontalPodAutoscalerCondition { status: "True".into(), ..Default::default() };
    let running = Facts { hpa: Some(Arc::new(hpa.clone())), ..served(Activity::Active, &[]) };
    let before = status(&ScaledObjectStatus::default(), &running, at(0));
    let has = |facts: &Facts| status(&before, facts, at(1)).condition(Condition::HPA_ACTIVE).is_some();
    assert!(has(&served(Activity::Active, &[])), "it has said nothing new");
    assert!(!has(&Facts { hpa: Some(Arc::new(hpa)), ..paused_at(1) }), "it has gone");
    let none = status(&ScaledObjectStatus::default(), &served(Activity::Active, &[]), at(0));
    assert!(none.condition(Condition::HPA_ACTIVE).is_none());
}

#[test]
fn a_kind_that_the_cluster_does_not_have_leaves_the_status() {
    let kind = TargetKind { display: "apps/v1.Deployment".into(), gvkr: GroupVersionKindResource::default() };
    let found =
        |before: &ScaledObjectStatus, target| with_target(before, TargetInfo { target, ..TargetInfo::default() });
    let known = found(&ScaledObjectStatus::default(), KindFound::Is(Arc::new(kind)));
    assert_eq!(known.scale_target_kind.as_deref(), Some("apps/v1.Deployment"));
    assert_eq!(found(&known, KindFound::Unknown), known);
    let absent = found(&known, KindFound::Absent);
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
fn a_target_that_has_gone_leaves_nothing_active() {
    let hpa = HorizontalPodAutoscalerCondition { status: "True".into(), ..Default::default() };
    let mut facts =
        Facts { hpa: Some(Arc::new(hpa)), left_hpa: Some("keda-hpa-app".into()), ..served(Activity::Active, &[]) };
    for (is_missing, active, hpa_active) in [(false, "True", "True"), (true, "Unknown", "False")] {
        let failure = TargetFailure {
            reason: "ErrorGettingCurrentReplicas",
            message: "not found".into(),
            attempt: None,
            is_missing,
        };
        facts.tick.as_mut().unwrap().target_error = Some(Box::new(failure));
        let status = status(&ScaledObjectStatus::default(), &facts, at(0));
        let all = ["Ready", "Active", "HPAActive"].map(|type_| shown(&status, type_).0);
        assert_eq!(all, ["False", active, hpa_active], "{is_missing}");
    }
}

#[test]
fn the_hpas_own_word_is_passed_on() {
    let hpa = |status: &str, reason: &str| HorizontalPodAutoscalerCondition {
        status: status.into(),
        reason: Some(reason.into()),
        message: Some("said".into()),
        ..HorizontalPodAutoscalerCondition::default()
    };
    assert_eq!(hpa_active(&hpa("True", "ValidMetricFound")), ("True", "HPAActive", "HPA is actively scaling".into()));
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
