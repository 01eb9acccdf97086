use ebb_params::{MetricSpec, MetricType};
use serde_json::json;

use super::object::object;
use super::*;
use crate::activation::Activity;
use crate::policy::Always;

const PLENTY: usize = 1 << 16;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn policy() -> Policy {
    Policy::example(at(0))
}

fn queue() -> Arc<[TriggerInfo]> {
    let metric = MetricSpec {
        name: "s0-rabbitmq-orders".into(),
        target: 20.0,
        activation: 5.0,
        metric_type: MetricType::AverageValue,
    };
    Arc::from([TriggerInfo { index: 0, name: Some("orders".into()), kind: "rabbitmq", metric }])
}

/// A ScaledObject with one queue, whose story is followed.
struct Story {
    trail: Trail,
    triggers: Arc<[TriggerInfo]>,
    policy: Policy,
    leads: bool,
}

impl Story {
    fn new() -> Self {
        Self { trail: Trail::default(), triggers: queue(), policy: policy(), leads: true }
    }

    fn view(&self, second: i64, replicas: i32, value: Option<f64>, activity: Activity) -> TickView<'_> {
        let active = value.is_some_and(|value| value > 5.0);
        TickView {
            at: at(second),
            triggers: &self.triggers,
            states: Box::new([TriggerState { value, active }]),
            error: value.is_none().then_some("trigger 0 (rabbitmq): no answer from the broker"),
            formula: None,
            formula_failed: false,
            target_error: None,
            falls_back: false,
            decision: activation::Decision { activity, scale: None, cooldown_ends: None },
            replicas: Some(replicas),
            is_read: true,
            policy: &self.policy,
            leads: self.leads,
            would_be: None,
        }
    }

    fn tick(&mut self, second: i64, replicas: i32, value: Option<f64>, activity: Activity) {
        self.tick_with(second, replicas, value, activity, |_| {});
    }

    fn tick_with(
        &mut self,
        second: i64,
        replicas: i32,
        value: Option<f64>,
        activity: Activity,
        change: impl FnOnce(&mut TickView<'_>),
    ) {
        let mut trail = std::mem::take(&mut self.trail);
        let mut view = self.view(second, replicas, value, activity);
        change(&mut view);
        trail.on_tick(&view, PLENTY);
        self.trail = trail;
    }

    fn scaled(&mut self, second: i64, change: ReplicaChange, value: Option<f64>, activity: Activity) {
        let mut trail = std::mem::take(&mut self.trail);
        let view = self.view(second, change.1, value, activity);
        trail.on_scaled(change, &view);
        trail.on_tick(&view, PLENTY);
        self.trail = trail;
    }

    fn hpa(
        &mut self,
        second: i64,
        (current, desired): (i32, i32),
        scaled_at: Option<i64>,
        conditions: &[(&str, &str, &str)],
    ) {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(type_, status, reason)| json!({"type": type_, "status": status, "reason": reason}))
            .collect();
        let mut status = json!({"currentReplicas": current, "desiredReplicas": desired, "conditions": conditions});
        if let Some(scaled_at) = scaled_at {
            status["lastScaleTime"] = json!(at(scaled_at).to_rfc3339());
        }
        let view = HpaView::of(&serde_json::from_value(status).unwrap());
        self.trail.on_hpa(view, self.leads, at(second));
    }

    /// The decisions: `0 -> 1 Ebb Activated`.
    fn lines(&self) -> Vec<String> {
        let line = |entry: &Entry| {
            let Decision { from, to, by, reason, .. } = &*entry.decision;
            let from = from.map_or_else(|| "?".to_owned(), |from| from.to_string());
            format!("{from} -> {to} {} {}", by.as_str(), reason.as_str())
        };
        self.trail.decisions().map(line).collect()
    }

    fn last_message(&self) -> String {
        let last = self.trail.decisions().next_back().unwrap();
        object(&last.decision, "app", None).message
    }
}

const ABLE: (&str, &str, &str) = ("AbleToScale", "True", "ReadyForNewScale");
const WITHIN: (&str, &str, &str) = ("ScalingLimited", "False", "DesiredWithinRange");

#[test]
fn a_backlog_from_zero_to_zero() {
    let mut story = Story::new();
    story.tick(0, 0, Some(0.0), Activity::Inactive);
    story.tick(30, 0, Some(3.0), Activity::Inactive);
    assert_eq!(story.last_message(), "stays: no trigger is active");
    story.scaled(60, (0, 1, ScaleReason::Activate), Some(120.0), Activity::Active);
    assert_eq!(story.last_message(), "trigger orders (rabbitmq) is active: 120 is above 5");
    story.hpa(61, (0, 0), None, &[("ScalingActive", "False", "ScalingDisabled")]);
    story.hpa(75, (1, 4), Some(75), &[ABLE, ("ScalingLimited", "True", "ScaleUpLimit")]);
    assert_eq!(
        story.last_message(),
        "trigger orders (rabbitmq) asks for 6 replicas: its value is 120, its target 20; the HPA's scale-up policy bounds it"
    );
    story.hpa(90, (4, 6), Some(90), &[ABLE, WITHIN]);
    story.hpa(105, (6, 6), Some(90), &[ABLE, WITHIN]);
    assert!(story.last_message().starts_with("stays: the metrics ask for this count"), "{}", story.last_message());
    story.tick_with(120, 6, Some(0.0), Activity::CoolingDown, |tick| tick.decision.cooldown_ends = Some(at(420)));
    assert_eq!(story.last_message(), "stays: no trigger is active; the cooldown ends at 2027-01-15T08:07:00Z");
    story.scaled(420, (6, 0, ScaleReason::Deactivate), Some(0.0), Activity::Inactive);
    assert_eq!(
        story.lines(),
        [
            "0 -> 0 Ebb NoTriggerActive",
            "0 -> 1 Ebb Activated",
            "1 -> 4 HPA MetricsAboveTarget",
            "4 -> 6 HPA MetricsAboveTarget",
            "6 -> 6 HPA OnTarget",
            "6 -> 6 Ebb Cooldown",
            "6 -> 0 Ebb Deactivated",
        ]
    );
    assert_eq!(story.last_message(), "no trigger is active, and the cooldown is over");
}

#[test]
fn a_users_scale_is_somebody_elses() {
    let mut story = Story::new();
    story.hpa(0, (3, 3), None, &[ABLE, WITHIN]);
    story.tick(1, 3, Some(60.0), Activity::Active);
    story.tick(31, 7, Some(60.0), Activity::Active);
    story.tick(40, 7, Some(60.0), Activity::Active);
    assert_eq!(story.lines(), ["3 -> 3 HPA OnTarget", "3 -> 7 Other ChangedElsewhere"]);
    assert_eq!(story.last_message(), "another writer set the count, neither Ebb nor the HPA");
}

#[test]
fn a_change_of_the_hpa_that_was_not_seen_is_nobody_elses() {
    let mut story = Story::new();
    story.hpa(10, (1, 2), Some(9), &[ABLE, WITHIN]);
    story.tick(11, 2, Some(40.0), Activity::Active);
    story.tick(41, 2, Some(40.0), Activity::Active);
    assert!(story.lines().is_empty(), "{:?}", story.lines());
}

#[test]
fn a_count_that_the_hpa_explains_a_moment_later_is_the_hpas() {
    let mut story = Story::new();
    story.hpa(0, (3, 3), None, &[ABLE, WITHIN]);
    story.tick(1, 3, Some(200.0), Activity::Active);
    story.tick(31, 7, Some(200.0), Activity::Active);
    story.hpa(32, (3, 7), Some(31), &[ABLE, WITHIN]);
    story.hpa(47, (7, 7), Some(31), &[ABLE, WITHIN]);
    story.tick(61, 7, Some(140.0), Activity::Active);
    assert_eq!(story.lines(), ["3 -> 3 HPA OnTarget", "3 -> 7 HPA MetricsAboveTarget", "7 -> 7 HPA OnTarget"]);
}

#[test]
fn a_count_of_an_earlier_tick_is_no_news() {
    let mut story = Story::new();
    story.hpa(0, (1, 1), None, &[ABLE, WITHIN]);
    story.tick(1, 1, Some(100.0), Activity::Active);
    story.hpa(2, (1, 5), Some(2), &[ABLE, WITHIN]);
    for second in [6, 11, 16, 21, 26, 31] {
        story.tick_with(second, 1, Some(100.0), Activity::Active, |tick| tick.is_read = false);
    }
    story.tick(36, 5, Some(100.0), Activity::Active);
    story.hpa(40, (5, 5), Some(2), &[ABLE, WITHIN]);
    assert_eq!(
        story.lines(),
        ["1 -> 1 HPA OnTarget", "1 -> 5 HPA MetricsAboveTarget", "5 -> 5 HPA OnTarget"],
        "the loop knew the count before the HPA's change"
    );
    let last = story.trail.readings().1.last().unwrap();
    assert_eq!(last.replicas, Some(5));
}

#[test]
fn an_hpa_that_has_not_seen_the_activation_says_nothing_new() {
    let mut story = Story::new();
    story.hpa(0, (0, 0), None, &[("ScalingActive", "False", "ScalingDisabled")]);
    story.tick(1, 0, Some(0.0), Activity::Inactive);
    story.scaled(30, (0, 1, ScaleReason::Activate), Some(9.0), Activity::Active);
    story.hpa(31, (0, 0), None, &[("ScalingActive", "False", "ScalingDisabled")]);
    story.tick(35, 1, Some(9.0), Activity::Active);
    story.hpa(46, (1, 1), None, &[ABLE, WITHIN]);
    assert_eq!(story.lines(), ["0 -> 0 Ebb NoTriggerActive", "0 -> 1 Ebb Activated", "1 -> 1 HPA OnTarget"]);
}

#[test]
fn a_standby_knows_that_the_leader_goes_from_and_to_zero() {
    let mut story = Story { leads: false, ..Story::new() };
    story.tick(0, 0, Some(0.0), Activity::Inactive);
    for second in [10, 13] {
        story.tick(second, 1, Some(9.0), Activity::Active);
    }
    for second in [400, 403] {
        story.tick(second, 0, Some(0.0), Activity::Inactive);
    }
    assert_eq!(story.lines()[1..], ["0 -> 1 Ebb Activated", "1 -> 0 Ebb Deactivated", "0 -> 0 Ebb NoTriggerActive"]);
}

#[test]
fn each_reason_to_stay_has_its_words() {
    for (conditions, reason, words) in [
        (
            &[ABLE, ("ScalingLimited", "True", "TooManyReplicas")][..],
            "MaxReplicas",
            "stays: maxReplicaCount is reached",
        ),
        (&[ABLE, ("ScalingLimited", "True", "TooFewReplicas")], "MinReplicas", "stays: minReplicaCount is reached"),
        (
            &[("AbleToScale", "True", "ScaleDownStabilized"), WITHIN],
            "Stabilized",
            "stays: the HPA's stabilization window",
        ),
        (
            &[ABLE, ("ScalingLimited", "True", "ScaleDownLimit")],
            "BehaviorLimit",
            "stays: a policy of the HPA's behavior",
        ),
        (
            &[ABLE, ("ScalingActive", "False", "FailedGetExternalMetric")],
            "HpaCannotRead",
            "stays: the HPA cannot read a metric",
        ),
    ] {
        let mut story = Story::new();
        story.hpa(0, (3, 3), None, &[ABLE, WITHIN]);
        story.tick(1, 3, Some(60.0), Activity::Active);
        story.hpa(15, (3, 3), None, conditions);
        assert_eq!(story.lines().last().unwrap(), &format!("3 -> 3 HPA {reason}"));
        assert!(story.last_message().starts_with(words), "{}", story.last_message());
    }
}

#[test]
fn tolerance_is_kept_apart_from_the_right_count() {
    let mut story = Story::new();
    story.hpa(0, (3, 3), None, &[ABLE, WITHIN]);
    story.tick(1, 3, Some(63.0), Activity::Active);
    assert!(story.last_message().contains("within the HPA's tolerance"), "{}", story.last_message());
    let last = story.trail.decisions().next_back().unwrap();
    assert!(last.decision.bounds.has(Bound::Tolerance));
}

#[test]
fn a_trigger_that_cannot_be_read_says_why() {
    let mut story = Story::new();
    story.tick(0, 2, None, Activity::Inactive);
    assert_eq!(story.last_message(), "stays: trigger 0 (rabbitmq): no answer from the broker");
    let decision = object(&story.trail.decisions().next_back().unwrap().decision, "app", None);
    assert_eq!(decision.triggers[0].value, None);
    assert_eq!(decision.triggers[0].error.as_deref(), Some("trigger 0 (rabbitmq): no answer from the broker"));
}

#[test]
fn a_pause_is_recorded_once_and_ends_with_the_next_tick() {
    let mut story = Story::new();
    story.tick(0, 2, Some(30.0), Activity::Active);
    story.trail.on_paused_at(2, 5, at(10));
    story.trail.on_pause(at(11));
    story.trail.on_pause(at(20));
    story.tick(60, 5, Some(0.0), Activity::Inactive);
    assert_eq!(story.lines()[..1], ["2 -> 5 Ebb Paused"]);
    assert_eq!(story.lines().len(), 2, "{:?}", story.lines());
    let mut held = Story::new();
    held.tick(0, 2, None, Activity::Inactive);
    held.trail.on_pause(at(5));
    assert_eq!(held.lines(), ["2 -> 2 Ebb TriggerFailed", "2 -> 2 Ebb Paused"]);
}

#[test]
fn two_reasons_in_turn_are_recorded_once() {
    let mut story = Story::new();
    story.hpa(0, (3, 3), None, &[ABLE, WITHIN]);
    for turn in 0..10 {
        story.tick(10 * turn, 3, Some(60.0), Activity::Active);
        story.tick(10 * turn + 5, 3, None, Activity::Inactive);
    }
    assert_eq!(story.lines(), ["3 -> 3 HPA OnTarget", "3 -> 3 Ebb TriggerFailed"]);
}

#[test]
fn forced_activation_and_the_minimum_have_reasons_of_their_own() {
    let mut story = Story { policy: Policy { always_active: Some(Always::Forced), ..policy() }, ..Story::new() };
    story.scaled(0, (0, 1, ScaleReason::Activate), Some(0.0), Activity::Active);
    assert_eq!(story.lines(), ["0 -> 1 Ebb Forced"]);
    let mut story = Story { policy: Policy { min: 2, ..policy() }, ..Story::new() };
    story.scaled(0, (0, 2, ScaleReason::Raise), Some(0.0), Activity::Inactive);
    assert_eq!(story.lines(), ["0 -> 2 Ebb RaisedToMinimum"]);
}

#[test]
fn the_trail_keeps_within_its_budget_and_scalings_outlast_the_rest() {
    let mut story = Story::new();
    let budget = 4_096;
    for turn in 0..200_i64 {
        let second = 40 * turn;
        let (value, replicas) = (f64::from(i32::try_from(turn % 7).unwrap()) * 10.0, i32::try_from(turn % 3).unwrap());
        let (mut trail, view) =
            (std::mem::take(&mut story.trail), story.view(second, replicas, Some(value), Activity::Inactive));
        if turn % 10 == 0 {
            trail.on_scaled((replicas + 1, replicas, ScaleReason::Deactivate), &view);
        }
        trail.on_tick(&view, budget);
        assert!(trail.bytes() <= budget, "{} at {turn}", trail.bytes());
        story.trail = trail;
    }
    let scalings = story.trail.decisions().filter(|entry| entry.decision.is_scaling()).count();
    assert!(scalings >= 4, "{:?}", story.lines());
}

#[test]
fn other_triggers_begin_the_readings_anew() {
    let mut story = Story::new();
    story.tick(0, 1, Some(1.0), Activity::Active);
    story.tick(5, 1, Some(2.0), Activity::Active);
    assert_eq!(story.trail.readings().1.count(), 2);
    story.triggers = queue().iter().chain(queue().iter()).cloned().collect();
    let (mut trail, mut view) = (std::mem::take(&mut story.trail), story.view(10, 1, Some(3.0), Activity::Active));
    view.states = Box::new([TriggerState { value: Some(1.0), active: false }; 2]);
    trail.on_tick(&view, PLENTY);
    assert_eq!(trail.readings().1.count(), 1);
}

/// What Ebb would have, since this second, and why.
fn would_be(replicas: i32, since: i64, reason: Reason) -> WouldBe {
    let states = Box::new([TriggerState { value: Some(120.0), active: true }]);
    let by = if matches!(reason, Reason::Activated | Reason::Deactivated) { Actor::Ebb } else { Actor::Hpa };
    let because = Decision {
        at: at(since),
        from: Some(replicas),
        to: replicas,
        by,
        reason,
        until: None,
        triggers: queue(),
        states,
        error: None,
        formula: None,
        bounds: Bounds::default(),
        would_be: None,
    };
    WouldBe { replicas, since: at(since), because: Arc::new(because) }
}

impl Story {
    fn look(&mut self, second: i64, count: i32, would_be: WouldBe) {
        self.trail.on_look(Some(count), Some(would_be), at(second), PLENTY);
    }

    fn observed(&mut self, second: i64, would_be: WouldBe) {
        self.tick_with(second, 0, Some(120.0), Activity::Active, |tick| {
            (tick.replicas, tick.is_read, tick.leads, tick.would_be) = (None, false, false, Some(would_be));
        });
    }
}

#[test]
fn the_other_autoscaler_wakes_a_workload_later_than_ebb_would() {
    let mut story = Story::new();
    story.look(0, 0, would_be(0, 0, Reason::Deactivated));
    story.observed(5, would_be(1, 5, Reason::Activated));
    story.look(5, 0, would_be(1, 5, Reason::Activated));
    assert_eq!(story.trail.next_look(at(5)), Some(TimeDelta::seconds(2)));
    story.look(7, 0, would_be(1, 5, Reason::Activated));
    assert_eq!(
        story.last_message(),
        "would have differed: the other autoscaler left it at 0, Ebb would have 1, because trigger orders (rabbitmq) is active: 120 is above 5"
    );
    story.look(30, 1, would_be(1, 5, Reason::Activated));
    story.look(33, 1, would_be(1, 5, Reason::Activated));
    assert_eq!(story.last_message(), "the other autoscaler woke it up; Ebb would have had 1 replica 25 s before");
    assert_eq!(story.lines(), ["0 -> 0 Autoscaler Differs", "0 -> 1 Autoscaler Activated"]);
    assert_eq!(story.trail.next_look(at(33)), None);
}

#[test]
fn hpas_that_look_at_different_moments_do_not_differ() {
    let mut story = Story::new();
    story.hpa(0, (1, 1), None, &[ABLE, WITHIN]);
    story.observed(1, would_be(1, 0, Reason::OnTarget));
    story.look(1, 1, would_be(1, 0, Reason::OnTarget));
    story.look(16, 1, would_be(4, 16, Reason::MetricsAboveTarget));
    story.hpa(25, (1, 4), Some(25), &[ABLE, WITHIN]);
    story.look(31, 4, would_be(4, 16, Reason::OnTarget));
    assert_eq!(story.lines(), ["1 -> 1 HPA OnTarget", "1 -> 4 HPA MetricsAboveTarget"]);
    let scaled = story.trail.decisions().nth(1).unwrap();
    assert!(words::sentence(&scaled.decision).ends_with("; Ebb would have had 4 replicas 9 s before"));
}

#[test]
fn a_difference_is_recorded_once_and_so_is_its_end() {
    let mut story = Story::new();
    story.hpa(0, (3, 3), None, &[ABLE, WITHIN]);
    story.observed(1, would_be(3, 0, Reason::OnTarget));
    story.look(1, 3, would_be(3, 0, Reason::OnTarget));
    for second in [15, 30, 45, 60] {
        story.look(second, 3, would_be(5, 15, Reason::OnTarget));
    }
    let differs = story.trail.decisions().next_back().unwrap();
    assert_eq!(differs.decision.at, at(15), "it is as old as the difference");
    assert!(
        story.last_message().starts_with(
            "would have differed: the HPA left it at 3, Ebb would have 5, because the metrics ask for this"
        )
    );
    let shown = object(&differs.decision, "app", None).shadow.unwrap();
    assert_eq!((shown.replicas, shown.by.as_str(), shown.reason.as_str()), (5, "HPA", "OnTarget"));
    story.look(75, 3, would_be(3, 75, Reason::MetricsBelowTarget));
    assert_eq!(story.last_message(), "Ebb would have 3 replicas again, too");
    assert_eq!(story.lines(), ["3 -> 3 HPA OnTarget", "3 -> 3 HPA Differs", "3 -> 3 Ebb Agrees"]);
    let (_, points) = story.trail.readings();
    let last = points.last().unwrap();
    assert_eq!((last.replicas, last.shadow), (Some(3), Some(3)));
}

/// An HPA may look before it is known who has woken the workload up.
#[test]
fn who_wakes_a_workload_up_is_known_although_the_hpa_is_fast() {
    for (leads_beside, by) in [(true, "Autoscaler"), (false, "Ebb")] {
        let mut story = Story::new();
        story.leads = false;
        story.hpa(0, (0, 0), None, &[("ScalingActive", "False", "ScalingDisabled")]);
        story.tick_with(0, 0, Some(120.0), Activity::Active, |tick| {
            tick.would_be = leads_beside.then(|| would_be(0, 0, Reason::Deactivated));
        });
        story.tick_with(30, 1, Some(120.0), Activity::Active, |tick| {
            tick.would_be = leads_beside.then(|| would_be(4, 30, Reason::Activated));
        });
        story.hpa(31, (1, 4), Some(31), &[ABLE, WITHIN]);
        assert_eq!(story.lines(), [format!("0 -> 1 {by} Activated"), "1 -> 4 HPA MetricsAboveTarget".to_owned()]);
    }
}

#[test]
fn an_observer_tells_a_user_from_the_other_autoscaler() {
    let mut story = Story::new();
    story.observed(0, would_be(3, 0, Reason::OnTarget));
    for (second, count) in [(0, 3), (15, 5), (18, 5), (30, 0), (33, 0)] {
        story.look(second, count, would_be(3, 0, Reason::OnTarget));
    }
    let lines = story.lines();
    let scalings: Vec<_> = lines.iter().filter(|line| !line.contains("Differs")).collect();
    assert_eq!(scalings, ["3 -> 5 Other ChangedElsewhere", "5 -> 0 Autoscaler Deactivated"]);
    // Ebb serves it again: the trail is its own.
    story.tick(60, 0, Some(0.0), Activity::Inactive);
    assert_eq!(story.lines().last().unwrap(), "0 -> 0 Ebb NoTriggerActive");
    assert!(story.trail.decisions().next_back().unwrap().decision.would_be.is_none());
}
