use std::sync::Arc;

use chrono::DateTime;

use super::*;
use crate::activation::Activity;
use crate::status::{FallbackTick, Found, TargetFailure};

fn served() -> Served {
    Served {
        generation: Some(1),
        target: "apps/v1.Deployment shop/app".into(),
        kinds: Arc::new(["cron".into(), "rabbitmq".into()]),
        unknown_parameters: Box::default(),
        hpa_name: "keda-hpa-app".into(),
        metric_names: Arc::new(["s0-rabbitmq".into()]),
        resource_names: Vec::new(),
        composite: false,
    }
}

fn tick(errors: &[(usize, &str)]) -> Tick {
    Tick {
        build: 0,
        activity: Activity::Inactive,
        forced: false,
        metric_names: Arc::new([]),
        active: Box::default(),
        errors: errors.iter().map(|(place, error)| (*place, (*error).to_owned())).collect(),
        formula_error: None,
        composed: false,
        fallback: None,
        target_error: None,
    }
}

fn running() -> Facts {
    Facts {
        check: Check::Served,
        served: Some(served()),
        tick: Some(tick(&[])),
        paused: Some(false),
        ..Facts::default()
    }
}

fn ticked(change: impl FnOnce(&mut Tick)) -> Facts {
    let mut tick = tick(&[]);
    change(&mut tick);
    Facts { tick: Some(tick), ..running() }
}

fn failed(message: &str) -> Facts {
    let failure = CheckFailure {
        message: message.into(),
        reason: Reason::ScaledObjectCheckFailed,
        note: message.into(),
        about_target: Some("Target resource doesn't exist"),
    };
    Facts { check: Check::Failed(Box::new(failure)), paused: Some(false), ..Facts::default() }
}

fn scaled_at(seconds: i64, reason: ScaleReason) -> Facts {
    let scaling = Scaling {
        from: 0,
        to: 1,
        reason,
        cause: "triggered by rabbitMQScaler".into(),
        at: DateTime::from_timestamp(seconds, 0).unwrap(),
    };
    Facts { scaling: Some(Box::new(scaling)), ..running() }
}

fn not_scaled(reason: ScaleReason, cause: &str) -> Facts {
    let attempt = Attempt { from: 0, to: 1, reason, cause: cause.into() };
    let message = format!("Error scaling ScaleTarget: {cause}");
    let failure = TargetFailure { reason: "ErrorScalingTarget", message, attempt: Some(attempt), is_missing: false };
    ticked(|tick| tick.target_error = Some(Box::new(failure)))
}

fn unreadable() -> Facts {
    let failure = TargetFailure {
        reason: "ErrorGettingCurrentReplicas",
        message: "gone".into(),
        attempt: None,
        is_missing: false,
    };
    ticked(|tick| tick.target_error = Some(Box::new(failure)))
}

fn falling_back(in_effect: bool) -> Facts {
    ticked(|tick| tick.fallback = Some(FallbackTick { in_effect, failures: Box::default() }))
}

fn paused() -> Facts {
    Facts { check: Check::Paused, paused: Some(true), ..Facts::default() }
}

fn found(ready: bool, paused: bool, falling_back: bool) -> Facts {
    Facts { found: Found { ready, paused, falling_back }, ..Facts::default() }
}

/// The events from `before` to `after`, `Reason text` each.
fn events(before: &Facts, after: &Facts) -> Vec<String> {
    let mut before = before.clone();
    before.settle();
    // A ScaledObject that has been polled was ready before that.
    before.ready_told |= before.check == Check::Served && before.tick.is_some();
    let mut after = Facts { ready_told: before.ready_told, ..after.clone() };
    after.settle();
    let changes = changes(&before, &after);
    let events = changes.iter().flat_map(Change::events);
    events.map(|(reason, note)| format!("{} {note}", reason.as_str())).collect()
}

/// Facts before and after, and the events that follow.
type Case = (&'static str, Facts, Facts, Vec<&'static str>);

fn check_events(cases: Vec<Case>) {
    for (case, before, after, expected) in cases {
        assert_eq!(events(&before, &after), expected, "{case}");
    }
}

#[test]
fn it_is_ready_once_its_triggers_can_be_read() {
    let failing = ticked(|tick| tick.errors = vec![(0, "gone".into())]);
    let history = [
        (Facts::default(), 0),
        (Facts { tick: None, ..running() }, 0),
        (failing.clone(), 0),
        (running(), 1),
        (failing, 0),
        (running(), 0),
        (failed("wrong"), 0),
        (running(), 1),
        (paused(), 0),
    ];
    let mut before = Facts::default();
    for (place, (after, expected)) in history.into_iter().enumerate() {
        let mut after = Facts { ready_told: before.ready_told, ..after };
        after.settle();
        let told = changes(&before, &after).into_iter().filter(|change| *change == Change::Ready).count();
        assert_eq!(told, expected, "{place}");
        before = after;
    }
}

#[test]
fn a_target_that_has_gone_has_an_event() {
    let failure = TargetFailure {
        reason: "ErrorGettingCurrentReplicas",
        message: "deployments.apps \"app\" not found".into(),
        attempt: None,
        is_missing: true,
    };
    let missing = ticked(|tick| tick.target_error = Some(Box::new(failure)));
    assert_eq!(events(&running(), &missing), ["ScaledObjectCheckFailed deployments.apps \"app\" not found"]);
    assert_eq!(events(&missing, &missing), [""; 0]);
}

const STARTED: [&str; 3] = [
    "KEDAScalersStarted Scaler cron is built",
    "KEDAScalersStarted Scaler rabbitmq is built",
    "KEDAScalersStarted Started scalers watch",
];
const READY: &str = "ScaledObjectReady ScaledObject is ready for scaling";
const STOPPED: &str = "KEDAScalersStopped Stopped scalers watch";

#[test]
fn checks_and_pauses_become_kedas_events() {
    check_events(vec![
        ("nothing changes", running(), running(), vec![]),
        ("a new one is served", Facts::default(), running(), [&STARTED[..], &[READY]].concat()),
        (
            "a process begins again",
            found(true, false, false),
            Facts { found: found(true, false, false).found, ..running() },
            STARTED.to_vec(),
        ),
        (
            "a check fails",
            running(),
            Facts { check: failed("why").check, ..running() },
            vec!["ScaledObjectCheckFailed Target resource doesn't exist", "ScaledObjectCheckFailed why"],
        ),
        ("it fails again", failed("why"), failed("why"), vec![]),
        (
            "it fails in another way",
            failed("why"),
            failed("because"),
            vec!["ScaledObjectCheckFailed Target resource doesn't exist", "ScaledObjectCheckFailed because"],
        ),
        ("it succeeds again", Facts { check: failed("why").check, ..running() }, running(), vec![READY]),
        ("it succeeds for the first time", failed("why"), running(), [&STARTED[..], &[READY]].concat()),
        ("a pause", running(), paused(), vec!["ScaledObjectPaused ScaledObject is paused", STOPPED]),
        ("its end", paused(), running(), [&["ScaledObjectUnpaused ScaledObject is unpaused"], &STARTED[..]].concat()),
        ("a new one is paused", Facts::default(), paused(), vec!["ScaledObjectPaused ScaledObject is paused", READY]),
        (
            "a process begins during a pause",
            found(true, true, false),
            Facts { found: found(true, true, false).found, ..paused() },
            vec![],
        ),
        (
            "a pause ended while no process ran",
            found(true, true, false),
            Facts { found: found(true, true, false).found, ..running() },
            [&["ScaledObjectUnpaused ScaledObject is unpaused"], &STARTED[..]].concat(),
        ),
        (
            "one direction is paused",
            running(),
            Facts { paused: Some(true), ..running() },
            vec!["ScaledObjectPaused ScaledObject is paused"],
        ),
    ]);
}

fn unknown(generation: i64, key: &str) -> Facts {
    let parameter = UnknownParameter { trigger: 1, kind: "rabbitmq".into(), key: key.into() };
    let served = Served { generation: Some(generation), unknown_parameters: [parameter].into(), ..served() };
    Facts { served: Some(served), ..running() }
}

fn conflicts(conflicts: &[&str]) -> Facts {
    Facts { vpa_conflicts: conflicts.iter().map(|conflict| (*conflict).to_owned()).collect(), ..running() }
}

fn contested(text: Option<&str>) -> Facts {
    Facts { contested_hpa: text.map(Into::into), ..running() }
}

#[test]
fn warnings_about_a_specification_become_events() {
    check_events(vec![
        (
            "an unknown parameter",
            running(),
            unknown(2, "queueNam"),
            vec![
                "KEDAScalerInfo Unmatched input property queueNam in scaler ScaledObject: trigger 1 (rabbitmq) does not read it",
            ],
        ),
        ("it is reported once", unknown(2, "queueNam"), unknown(2, "queueNam"), vec![]),
        (
            "and for each specification",
            unknown(2, "queueNam"),
            unknown(3, "queueNam"),
            vec![
                "KEDAScalerInfo Unmatched input property queueNam in scaler ScaledObject: trigger 1 (rabbitmq) does not read it",
            ],
        ),
        (
            "a VerticalPodAutoscaler",
            conflicts(&["one"]),
            conflicts(&["one", "two"]),
            vec!["VerticalPodAutoscalerConflict two"],
        ),
        ("it goes", conflicts(&["one"]), conflicts(&[]), vec![]),
        ("a contested HPA", contested(None), contested(Some("text")), vec!["HPAContested text"]),
        ("it stays contested", contested(Some("text")), contested(Some("text")), vec![]),
        ("the contest is over", contested(Some("text")), contested(None), vec![]),
    ]);
}

fn failing(build: u64, errors: &[(usize, &str)]) -> Facts {
    Facts { tick: Some(Tick { build, ..tick(errors) }), ..running() }
}

#[test]
fn errors_of_triggers_become_kedas_events() {
    check_events(vec![
        ("a trigger fails", running(), failing(0, &[(0, "trigger 0: gone")]), vec!["KEDAScalerFailed trigger 0: gone"]),
        ("its error stays", failing(0, &[(0, "a")]), failing(0, &[(0, "a")]), vec![]),
        (
            "its error changes",
            failing(0, &[(0, "a")]),
            failing(0, &[(0, "b"), (1, "a")]),
            vec!["KEDAScalerFailed b", "KEDAScalerFailed a"],
        ),
        ("it recovers", failing(0, &[(0, "a")]), running(), vec![]),
        (
            "new triggers fail as the old ones did",
            failing(0, &[(0, "a")]),
            failing(1, &[(0, "a")]),
            vec!["KEDAScalerFailed a"],
        ),
        (
            "a trigger of a formula fails",
            running(),
            ticked(|tick| (tick.composed, tick.errors) = (true, vec![(0, "a".into())])),
            vec!["KEDAMetricSourceFailed a"],
        ),
        (
            "the formula fails",
            running(),
            ticked(|tick| tick.formula_error = Some("no value".into())),
            vec!["KEDAMetricSourceFailed no value"],
        ),
    ]);
}

#[test]
fn scalings_and_fallbacks_become_kedas_events() {
    check_events(vec![
        (
            "it scales up",
            running(),
            scaled_at(0, ScaleReason::Activate),
            vec![
                "KEDAScaleTargetActivated Scaled apps/v1.Deployment shop/app from 0 to 1, triggered by rabbitMQScaler",
            ],
        ),
        (
            "it scales up once more",
            scaled_at(0, ScaleReason::Activate),
            scaled_at(1, ScaleReason::Activate),
            vec![
                "KEDAScaleTargetActivated Scaled apps/v1.Deployment shop/app from 0 to 1, triggered by rabbitMQScaler",
            ],
        ),
        (
            "it scales down",
            running(),
            scaled_at(0, ScaleReason::Deactivate),
            vec!["KEDAScaleTargetDeactivated Deactivated apps/v1.Deployment shop/app from 0 to 1"],
        ),
        ("it rises to the minimum", running(), scaled_at(0, ScaleReason::Raise), vec![]),
        (
            "it cannot scale up",
            running(),
            not_scaled(ScaleReason::Activate, "denied"),
            vec!["KEDAScaleTargetActivationFailed Failed to scale apps/v1.Deployment shop/app from 0 to 1: denied"],
        ),
        (
            "it still cannot",
            not_scaled(ScaleReason::Activate, "denied"),
            not_scaled(ScaleReason::Activate, "denied"),
            vec![],
        ),
        (
            "it cannot scale down",
            running(),
            not_scaled(ScaleReason::Deactivate, "denied"),
            vec![
                "KEDAScaleTargetDeactivationFailed Failed to deactivate apps/v1.Deployment shop/app from 0 to 1: denied",
            ],
        ),
        ("the target cannot be read", running(), unreadable(), vec![]),
        (
            "a fallback",
            running(),
            falling_back(true),
            vec!["ScaledObjectFallbackActivated ScaledObject fallback is active"],
        ),
        (
            "its end",
            falling_back(true),
            falling_back(false),
            vec!["ScaledObjectFallbackDeactivated ScaledObject fallback is no longer active"],
        ),
        (
            "a pause ends it",
            Facts { served: None, ..falling_back(true) },
            paused(),
            vec![
                "ScaledObjectPaused ScaledObject is paused",
                "ScaledObjectFallbackDeactivated ScaledObject fallback is no longer active",
            ],
        ),
        (
            "a deletion",
            running(),
            Facts { served: None, tick: None, released: true, ..running() },
            vec![STOPPED, "ScaledObjectDeleted ScaledObject was deleted"],
        ),
    ]);
}

/// The new leader reports the errors that it has seen, and neither scalers that were started nor replicas that
/// were set.
#[test]
fn a_new_leader_reports_what_the_status_does_not_say() {
    let standby = Facts {
        scaling: scaled_at(0, ScaleReason::Activate).scaling,
        ..ticked(|tick| tick.errors = vec![(0, "a".into())])
    };
    for (case, status, expected) in [
        ("it was well", Found { ready: true, ..Found::default() }, vec!["KEDAScalerFailed a"]),
        ("it was not ready", Found::default(), vec!["KEDAScalerFailed a"]),
        (
            "it was paused",
            Found { ready: true, paused: true, falling_back: false },
            vec!["ScaledObjectUnpaused ScaledObject is unpaused", "KEDAScalerFailed a"],
        ),
        (
            "it fell back",
            Found { ready: true, paused: false, falling_back: true },
            vec!["KEDAScalerFailed a", "ScaledObjectFallbackDeactivated ScaledObject fallback is no longer active"],
        ),
    ] {
        let after = Facts { found: status, ..standby.clone() };
        assert_eq!(events(&standby.reported_by_another(status), &after), expected, "{case}");
    }
}

#[test]
fn the_recovery_of_triggers_and_targets_is_a_change_without_an_event() {
    let (failing, well) = (ticked(|tick| tick.errors = vec![(2, "a".into())]), running());
    assert_eq!(changes(&failing, &well), [Change::TriggerRecovered(2)]);
    assert_eq!(changes(&unreadable(), &well), [Change::TargetRecovered]);
    assert_eq!(changes(&well, &unreadable()), [Change::TargetUnreadable("gone")]);
}
