//! The state of one ScaledObject that its poll loop keeps from tick to tick, across changes of the specification.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::{HealthStatus, ScaledObjectStatus};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::plan::activation::Step;
use crate::plan::status;

/// How long a count that was set without an answer counts as Ebb's where it is found.
const UNANSWERED: Duration = Duration::from_mins(1);

/// A change of the replicas: from this count, to this count, and why.
pub type ReplicaChange = (i32, i32, Step);

/// The last activity, the known replicas, and what failed before. Locked inside.
#[derive(Debug, Default)]
pub struct PollState(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_active: Option<DateTime<Utc>>,
    /// The target's count when it was last read, and when that was.
    replicas: Option<(i32, Instant)>,
    unanswered: Option<Unanswered>,
    refusals: u32,
    is_failing: bool,
    failures_found: BTreeMap<String, u32>,
}

/// A change that was sent at this time, and whose answer is still to come or was lost.
#[derive(Debug, Clone, Copy)]
pub struct Unanswered {
    change: ReplicaChange,
    sent: Instant,
}

impl State {
    fn found(status: &ScaledObjectStatus, now: DateTime<Utc>) -> Self {
        let failures = |health: &HealthStatus| health.number_of_failures.and_then(|failures| failures.try_into().ok());
        let health = status.health.iter().flatten();
        let failures_found = health
            .filter_map(|(metric, health)| Some((metric.clone(), failures(health)?)))
            .filter(|(_, failures)| *failures > 0)
            .collect();
        Self { last_active: status::last_active(status, now), failures_found, ..Self::default() }
    }
}

impl PollState {
    /// The state that a status shows to a process that begins at `now`.
    pub fn found(status: &ScaledObjectStatus, now: DateTime<Utc>) -> Self {
        Self(Mutex::new(State::found(status, now)))
    }

    /// Begins anew with the state that another replica's status shows. The later activity counts, so that no cooldown is
    /// cut short.
    pub fn take_over(&self, status: &ScaledObjectStatus, now: DateTime<Utc>) {
        let mut state = self.0.lock();
        let found = State::found(status, now);
        let last_active = state.last_active.max(found.last_active);
        *state = State { last_active, ..found };
    }

    /// When a trigger was last active.
    pub fn last_active(&self) -> Option<DateTime<Utc>> {
        self.0.lock().last_active
    }

    /// A trigger was active at this time.
    pub fn activity_seen(&self, at: Option<DateTime<Utc>>) {
        let mut state = self.0.lock();
        state.last_active = state.last_active.max(at);
    }

    /// The target's count when it was last read, and when that was. None while it is unknown.
    pub fn replicas(&self) -> Option<(i32, Instant)> {
        self.0.lock().replicas
    }

    /// The target had this count at this time.
    pub fn replicas_seen(&self, replicas: i32, at: Instant) {
        self.0.lock().replicas = Some((replicas, at));
    }

    /// The HPA reports this count. True if it contradicts the known one about zero, which is then unknown.
    pub fn replicas_reported(&self, replicas: i32) -> bool {
        let mut state = self.0.lock();
        let contradicts = state.replicas.is_some_and(|(known, _)| (known == 0) != (replicas == 0));
        if contradicts {
            state.replicas = None;
        }
        contradicts
    }

    /// A change is being sent: the count is unknown until its answer comes. Returns the change before, if that is still
    /// unanswered.
    pub fn change_sent(&self, change: ReplicaChange) -> Option<Unanswered> {
        let mut state = self.0.lock();
        state.replicas = None;
        state.unanswered.replace(Unanswered { change, sent: Instant::now() })
    }

    /// The API server has made the change.
    pub fn change_made(&self, replicas: i32) {
        let mut state = self.0.lock();
        state.replicas = Some((replicas, Instant::now()));
        state.unanswered = None;
    }

    /// The API server has not made the change: `earlier` is the one that is unanswered still.
    pub fn change_refused(&self, earlier: Option<Unanswered>) {
        self.0.lock().unanswered = earlier;
    }

    /// The unanswered change, if `replicas` shows that it was made. After a minute the count may be anybody's.
    pub fn unanswered_change_made(&self, replicas: i32) -> Option<ReplicaChange> {
        let mut state = self.0.lock();
        let Unanswered { change, sent } = state.unanswered?;
        if sent.elapsed() > UNANSWERED {
            state.unanswered = None;
            return None;
        }
        (change.1 == replicas).then(|| {
            state.unanswered = None;
            change
        })
    }

    /// Counts the refusals of the API server in a row; a tick without one ends the row.
    pub fn scaling_ended(&self, refused: bool) -> u32 {
        let mut state = self.0.lock();
        state.refusals = if refused { state.refusals.saturating_add(1) } else { 0 };
        state.refusals
    }

    /// Whether the last tick could not read one of the triggers, which are still the same.
    pub fn is_failing(&self) -> bool {
        self.0.lock().is_failing
    }

    /// The last tick could read all triggers, or not.
    pub fn triggers_read(&self, failing: bool) {
        self.0.lock().is_failing = failing;
    }

    /// New triggers are built: nothing is known of them yet. Returns how many polls of each metric had failed before
    /// this process, once.
    pub fn triggers_built(&self) -> BTreeMap<String, u32> {
        let mut state = self.0.lock();
        state.is_failing = false;
        std::mem::take(&mut state.failures_found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UP: ReplicaChange = (0, 3, Step::Activate);

    #[test]
    fn a_lost_answer_is_settled_by_the_count_that_is_found() {
        let state = PollState::default();
        state.replicas_seen(0, Instant::now());
        assert!(state.change_sent(UP).is_none());
        assert_eq!(state.replicas(), None, "unknown until the answer comes");
        assert_eq!(state.unanswered_change_made(0), None);
        assert_eq!(state.unanswered_change_made(3), Some(UP));
        assert_eq!(state.unanswered_change_made(3), None, "it is reported once");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_minute_the_count_is_anybodys() {
        let state = PollState::default();
        state.change_sent(UP);
        tokio::time::sleep(UNANSWERED + Duration::from_secs(1)).await;
        assert_eq!(state.unanswered_change_made(3), None);
    }

    #[test]
    fn a_refusal_leaves_the_earlier_change_unanswered() {
        let state = PollState::default();
        state.change_sent(UP);
        let earlier = state.change_sent((0, 5, Step::Activate));
        state.change_refused(earlier);
        assert_eq!(state.unanswered_change_made(3), Some(UP));
        state.change_sent(UP);
        state.change_made(3);
        assert_eq!((state.replicas().map(|(replicas, _)| replicas), state.unanswered_change_made(3)), (Some(3), None));
    }

    #[test]
    fn a_report_counts_where_it_is_about_zero() {
        for (known, reported, contradicts) in
            [(None, 0, false), (Some(0), 0, false), (Some(2), 5, false), (Some(0), 1, true), (Some(1), 0, true)]
        {
            let state = PollState::default();
            if let Some(known) = known {
                state.replicas_seen(known, Instant::now());
            }
            assert_eq!(state.replicas_reported(reported), contradicts, "{known:?} {reported}");
            assert_eq!(state.replicas().is_some(), known.is_some() && !contradicts, "{known:?} {reported}");
        }
    }

    #[test]
    fn refusals_are_counted_in_a_row() {
        let state = PollState::default();
        assert_eq!([true, true, false, true].map(|refused| state.scaling_ended(refused)), [1, 2, 0, 1]);
    }

    #[test]
    fn a_takeover_keeps_the_later_activity_and_takes_the_failures() {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let left = |active: &str| -> ScaledObjectStatus {
            serde_json::from_value(json!({
                "conditions": [{"type": "Active", "status": "False"}], "lastActiveTime": active,
                "health": {"s0": {"numberOfFailures": 3, "status": "Failing"}, "s1": {"numberOfFailures": 0, "status": "Happy"}},
            }))
            .unwrap()
        };
        let state = PollState::default();
        state.activity_seen(Some(at(100)));
        state.take_over(&left(&at(50).to_rfc3339()), at(200));
        assert_eq!(state.last_active(), Some(at(100)));
        state.take_over(&left(&at(150).to_rfc3339()), at(200));
        assert_eq!(state.last_active(), Some(at(150)));
        assert_eq!(state.triggers_built(), [("s0".to_owned(), 3)].into());
        assert!(state.triggers_built().is_empty(), "once");
    }
}
