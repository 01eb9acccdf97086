use serde_json::json;

use super::*;
use crate::activation::ScaleReason::{Activate, Deactivate};
use crate::policy::Policy;
use crate::readings::TriggerReading;
use crate::status::Attempt;

fn policy() -> Policy {
    Policy::example(at(0).at)
}

fn at(seconds: u64) -> Moment {
    let offset = i64::try_from(seconds).unwrap();
    Moment { at: DateTime::from_timestamp(1_800_000_000 + offset, 0).unwrap(), steady: Duration::from_secs(seconds) }
}

/// One trigger with this value; none where it cannot be read.
fn readings(value: Option<f64>) -> Readings<'static> {
    let active = value.is_some_and(|value| value > 0.0);
    let errors = if value.is_none() { vec![(0, "trigger 0: gone".to_owned())] } else { Vec::new() };
    Readings {
        triggers: vec![TriggerReading { name: None, value, active, wanted: 0, failures: 0 }],
        errors,
        is_poll: true,
        ..Readings::default()
    }
}

fn problem(kind: ProblemKind) -> TargetProblem {
    TargetProblem { text: format!("{kind:?}"), kind, is_silence: kind == ProblemKind::Unanswered }
}

/// The API server's answers, in order.
enum Answer {
    Replicas(Result<i32, ProblemKind>),
    Set(Result<(), ProblemKind>),
}
use Answer::{Replicas, Set};

/// A tick with these answers: the changes that were asked for, those that were made, and the report.
struct Ticked {
    sent: Vec<ReplicaChange>,
    made: Vec<ReplicaChange>,
    report: Report,
}

fn tick_as(lead: bool, state: &mut Loop, readings: Readings<'_>, answers: Vec<Answer>, now: Moment) -> Ticked {
    let (policy, names) = (policy(), Arc::new(["s0".to_owned()]) as Arc<[String]>);
    let rules = Rules { policy: &policy, fallback: None, modifiers: None, metric_names: &names, build: 0, jitter: 1.0 };
    let (mut sent, mut made) = (Vec::new(), Vec::new());
    let (mut tick, mut effect) = state.on_readings(&rules, readings, now);
    let mut answers = answers.into_iter();
    let report = loop {
        let (next, change) = match (effect, answers.next()) {
            (Effect::Report(report), None) => break *report,
            (Effect::ReadReplicas, Some(Replicas(found))) => {
                state.on_replicas(&mut tick, &rules, found.map_err(problem), lead, now)
            }
            (Effect::SetReplicas(change), Some(Set(result))) => {
                sent.push(change);
                state.on_set(&mut tick, &rules, result.map_err(problem), now)
            }
            (effect, _) => panic!("{effect:?} without an answer, or an answer too many"),
        };
        made.extend(change);
        effect = next;
    };
    Ticked { sent, made, report }
}

fn tick(state: &mut Loop, value: Option<f64>, answers: Vec<Answer>, now: Moment) -> Ticked {
    tick_as(true, state, readings(value), answers, now)
}

const UP: ReplicaChange = (0, 1, Activate);

#[test]
fn a_count_is_read_before_it_is_changed_and_known_for_a_while() {
    let mut state = Loop::default();
    let ticked = tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), Set(Ok(()))], at(0));
    assert_eq!((ticked.sent, ticked.made, ticked.report.has_failed), (vec![UP], vec![UP], false));
    assert_eq!(tick(&mut state, Some(3.0), vec![], at(29)).report.tick.activity, Activity::Active);
    tick(&mut state, Some(3.0), vec![Replicas(Ok(1))], at(30));
}

#[test]
fn a_replica_that_does_not_lead_sets_nothing() {
    let ticked = tick_as(false, &mut Loop::default(), readings(Some(3.0)), vec![Replicas(Ok(0))], at(0));
    assert_eq!((ticked.sent.len(), ticked.report.tick.activity), (0, Activity::Active));
}

#[test]
fn a_conflict_is_decided_anew() {
    let conflict = || Set(Err(ProblemKind::Conflict));
    let mut state = Loop::default();
    let ticked = tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), conflict(), Replicas(Ok(2))], at(0));
    assert_eq!((ticked.sent, ticked.made, ticked.report.has_failed), (vec![UP], vec![], false), "the HPA came first");
    let mut state = Loop::default();
    let answers = || vec![Replicas(Ok(0)), conflict(), Replicas(Ok(0)), conflict(), Replicas(Ok(0)), conflict()];
    let ticked = tick(&mut state, Some(3.0), answers(), at(0));
    let error = ticked.report.tick.target_error.unwrap();
    assert_eq!(error.attempt, Some(Attempt { from: 0, to: 1, reason: Activate, cause: "Conflict".into() }));
}

/// The table of lost answers: the API server's answers, the changes that count as made, and whether there is an error.
#[test]
fn a_lost_answer_is_settled_by_the_count_that_is_found() {
    let lost = || Set(Err(ProblemKind::Unanswered));
    for (case, answers, made, fails) in [
        ("it was carried out", vec![Replicas(Ok(0)), lost(), Replicas(Ok(1))], vec![UP], false),
        ("it was carried out, and the HPA went on", vec![Replicas(Ok(0)), lost(), Replicas(Ok(4))], vec![UP], false),
        ("it was not, and is now", vec![Replicas(Ok(0)), lost(), Replicas(Ok(0)), Set(Ok(()))], vec![UP], false),
        ("it is lost again", vec![Replicas(Ok(0)), lost(), Replicas(Ok(0)), lost()], vec![], true),
        (
            "another writer came in between",
            vec![Replicas(Ok(0)), lost(), Replicas(Ok(0)), Set(Err(ProblemKind::Conflict))],
            vec![],
            true,
        ),
        (
            "the count cannot be read",
            vec![Replicas(Ok(0)), lost(), Replicas(Err(ProblemKind::Unanswered))],
            vec![],
            true,
        ),
    ] {
        let mut state = Loop::default();
        let ticked = tick(&mut state, Some(3.0), answers, at(0));
        assert_eq!((ticked.made.clone(), ticked.report.has_failed), (made, fails), "{case}");
        let next = tick(&mut state, Some(3.0), if fails { vec![Replicas(Ok(1))] } else { vec![] }, at(5));
        assert_eq!(next.made, if fails { vec![UP] } else { vec![] }, "{case}: it is found later, and reported once");
    }
}

/// The leadership ends while the answer is awaited, and comes back.
#[test]
fn a_lost_answer_is_settled_after_a_takeover_too() {
    let mut state = Loop::default();
    let lost = || Set(Err(ProblemKind::Unanswered));
    tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), lost(), Replicas(Err(ProblemKind::Unanswered))], at(0));
    state.take_over(&ScaledObjectStatus::default(), at(20).at);
    assert_eq!(tick(&mut state, Some(3.0), vec![Replicas(Ok(1))], at(21)).made, [UP]);
}

#[test]
fn after_a_minute_the_count_is_anybodys() {
    let mut state = Loop::default();
    let lost = || Set(Err(ProblemKind::Unanswered));
    tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), lost(), Replicas(Ok(0)), lost()], at(0));
    assert_eq!(tick(&mut state, Some(3.0), vec![Replicas(Ok(1))], at(61)).made, []);
    let mut state = Loop::default();
    tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), lost(), Replicas(Ok(0)), lost()], at(0));
    assert_eq!(tick(&mut state, Some(3.0), vec![Replicas(Ok(1))], at(60)).made, [UP], "not before");
}

#[test]
fn a_refusal_is_no_try_and_leaves_the_earlier_change_unanswered() {
    let mut state = Loop::default();
    let lost = || Set(Err(ProblemKind::Unanswered));
    tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), lost(), Replicas(Ok(0)), lost()], at(0));
    let refused = tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), Set(Err(ProblemKind::Refused))], at(2));
    assert_eq!(refused.report.tick.target_error.unwrap().message, "Error scaling ScaleTarget: Refused");
    assert_eq!(tick(&mut state, Some(3.0), vec![Replicas(Ok(1))], at(5)).made, [UP]);
}

#[test]
fn the_next_tick_is_due_by_the_first_reason_for_it() {
    let due = |state: &Loop| state.next_wakeup().unwrap().at.as_secs();
    // A poll.
    let mut state = Loop::default();
    tick(&mut state, Some(0.0), vec![Replicas(Ok(0))], at(0));
    assert_eq!((due(&state), state.next_wakeup().unwrap().is_idle), (30, true));
    assert_eq!([29, 30].map(|second| state.is_poll_due(at(second))), [false, true]);
    // The end of the cooldown.
    let mut state = Loop::default();
    tick(&mut state, Some(3.0), vec![Replicas(Ok(4))], at(100));
    tick(&mut state, Some(0.0), vec![Replicas(Ok(4))], at(390));
    assert_eq!((due(&state), state.next_wakeup().unwrap().is_idle), (400, false));
    // The edge of a cron window.
    let mut state = Loop::default();
    let edge = Readings { next_change: Some(at(7).at), ..readings(Some(0.0)) };
    tick_as(true, &mut state, edge, vec![Replicas(Ok(0))], at(0));
    assert_eq!((due(&state), state.next_wakeup().unwrap().poll.as_secs()), (7, 30));
    // A trigger or a target that is to recover.
    for (value, answer) in [(None, Ok(0)), (Some(0.0), Err(ProblemKind::Missing))] {
        let mut state = Loop::default();
        tick(&mut state, value, vec![Replicas(answer)], at(0));
        assert_eq!(due(&state), 5, "{value:?} {answer:?}");
    }
    // A target that the API server refuses to scale, ever more seldom.
    let mut state = Loop::default();
    let pauses = [1, 2, 3, 4].map(|number| {
        let now = at(number * 100);
        tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), Set(Err(ProblemKind::Refused))], now);
        due(&state) - now.steady.as_secs()
    });
    assert_eq!(pauses, [2, 4, 8, 16]);
    tick(&mut state, Some(3.0), vec![Replicas(Ok(0)), Set(Err(ProblemKind::Failed))], at(500));
    assert_eq!(due(&state), 501, "another error ends the row");
}

/// While the count cannot be read the decision goes by the last one that was known.
#[test]
fn an_unreadable_target_keeps_what_is_known() {
    let mut state = Loop::default();
    tick(&mut state, Some(3.0), vec![Replicas(Ok(4))], at(0));
    let ticked = tick(&mut state, Some(0.0), vec![Replicas(Err(ProblemKind::Failed))], at(40));
    let error = ticked.report.tick.target_error.unwrap();
    assert_eq!((error.reason, error.attempt), ("ErrorGettingCurrentReplicas", None));
    assert_eq!(ticked.report.tick.activity, Activity::CoolingDown);
}

/// An API server that does not answer says nothing about the target: the conditions stay as they are, and it is asked again.
#[test]
fn silence_is_no_fact_about_the_target() {
    let lost = || Set(Err(ProblemKind::Unanswered));
    for answers in
        [vec![Replicas(Err(ProblemKind::Unanswered))], vec![Replicas(Ok(0)), lost(), Replicas(Ok(0)), lost()]]
    {
        let mut state = Loop::default();
        let ticked = tick(&mut state, Some(3.0), answers, at(0));
        assert_eq!((ticked.report.tick.target_error, ticked.report.has_failed), (None, true));
        assert_eq!(state.next_wakeup().unwrap().at, at(1).steady);
    }
}

#[test]
fn the_hpas_report_counts_where_it_is_about_zero() {
    for (known, reported, contradicts) in
        [(None, 0, false), (Some(0), 0, false), (Some(2), 5, false), (Some(0), 1, true), (Some(1), 0, true)]
    {
        let reported = TargetReport::Count(reported);
        let mut state = Loop::default();
        if let Some(known) = known {
            state.replicas_seen(known, at(0).steady);
        }
        assert_eq!(state.target_reported(reported, true), contradicts, "{known:?} {reported:?}");
        assert_eq!(state.replicas().is_some(), known.is_some() && !contradicts, "{known:?} {reported:?}");
    }
}

/// The HPA controller looks at the target every 15 s: while its status agrees, the count is read every five minutes only.
#[test]
fn a_count_that_the_hpa_confirms_is_read_less_often() {
    let mut state = Loop::default();
    tick(&mut state, Some(0.0), vec![Replicas(Ok(0))], at(0));
    assert!(!state.target_reported(TargetReport::Count(0), true));
    tick(&mut state, Some(0.0), vec![], at(299));
    tick(&mut state, Some(0.0), vec![Replicas(Ok(0))], at(301));
    assert!(!state.target_reported(TargetReport::None, true), "the HPA was made anew");
    tick(&mut state, Some(0.0), vec![Replicas(Ok(0))], at(331));
    assert!(state.target_reported(TargetReport::Count(3), true), "a user has scaled it");
    tick(&mut state, Some(0.0), vec![Replicas(Ok(3)), Set(Ok(()))], at(700));
    tick(&mut state, Some(0.0), vec![], at(729));
    tick(&mut state, Some(0.0), vec![Replicas(Ok(0))], at(731));
    assert!(!state.target_reported(TargetReport::Count(0), true));
    assert!(!state.target_reported(TargetReport::Count(0), false));
    tick(&mut state, Some(0.0), vec![Replicas(Ok(0))], at(769));
    assert!(state.target_reported(TargetReport::Unreadable, true), "the target was deleted");
    assert!(!state.target_reported(TargetReport::Unreadable, true), "and is known to be unknown");
    tick(&mut state, Some(0.0), vec![Replicas(Err(ProblemKind::Missing))], at(770));
    // A count above zero is the HPA's to change.
    let mut state = Loop::default();
    tick(&mut state, Some(3.0), vec![Replicas(Ok(3))], at(0));
    assert!(!state.target_reported(TargetReport::Count(3), true));
    tick(&mut state, Some(3.0), vec![Replicas(Ok(3))], at(30));
}

#[test]
fn the_cooldown_begins_after_the_last_activity_that_anybody_saw() {
    let mut state = Loop::default();
    tick(&mut state, Some(3.0), vec![Replicas(Ok(4))], at(0));
    let asked = Readings { last_active: Some(at(200).at), ..readings(Some(0.0)) };
    tick_as(true, &mut state, asked, vec![Replicas(Ok(4))], at(310));
    assert_eq!(state.last_active(), Some(at(200).at));
    let ticked = tick(&mut state, Some(0.0), vec![Replicas(Ok(4)), Set(Ok(()))], at(500));
    assert_eq!(ticked.sent, [(4, 0, Deactivate)]);
}

#[test]
fn new_triggers_are_not_failing_until_they_have_been_read() {
    let mut state = Loop::default();
    tick(&mut state, None, vec![Replicas(Ok(0))], at(0));
    assert!(state.is_failing());
    state.triggers_built(1);
    tick(&mut state, None, vec![], at(1));
    assert!(!state.is_failing(), "a tick with the old ones says nothing of the new ones");
}

#[test]
fn a_takeover_keeps_the_later_activity_and_takes_the_failures() {
    let left = |active: Moment| -> ScaledObjectStatus {
        serde_json::from_value(json!({
            "conditions": [{"type": "Active", "status": "False"}], "lastActiveTime": active.at.to_rfc3339(),
            "health": {"s0": {"numberOfFailures": 3, "status": "Failing"}, "s1": {"numberOfFailures": 0, "status": "Happy"}},
        }))
        .unwrap()
    };
    let mut state = Loop::default();
    state.triggers_built(7);
    tick(&mut state, Some(3.0), vec![Replicas(Ok(4))], at(100));
    let wakeup = state.next_wakeup();
    state.take_over(&left(at(50)), at(110).at);
    assert_eq!((state.last_active(), state.replicas()), (Some(at(100).at), None));
    assert_eq!((state.next_wakeup(), state.is_poll_due(at(129))), (wakeup, false), "the polls go on");
    tick(&mut state, None, vec![Replicas(Ok(4))], at(115));
    assert!(!state.is_failing(), "that was a tick of other triggers");
    state.take_over(&left(at(150)), at(200).at);
    assert_eq!(state.last_active(), Some(at(150).at));
    assert_eq!(state.triggers_built(0), [("s0".to_owned(), 3)].into());
    assert!(state.triggers_built(0).is_empty(), "once");
}
