//! The state of one ScaledObject's poll loop, behind a lock for all parts that use it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::ScaledObjectStatus;
use parking_lot::Mutex;

use crate::clock;
use ebb_plan::hpa::TargetReport;
use ebb_plan::tick::{Effect, InProgress, Loop, Readings, ReplicaChange, Rules, TargetProblem, Wakeup};

/// The state machine of [`ebb_plan::tick`] behind a lock.
#[derive(Debug, Default)]
pub struct PollState(Mutex<Loop>);

impl PollState {
    /// The state that a status shows to a process that begins at `now`.
    pub fn found(status: &ScaledObjectStatus, now: DateTime<Utc>) -> Self {
        Self(Mutex::new(Loop::found(status, now)))
    }

    /// See [`Loop::take_over`].
    pub fn take_over(&self, status: &ScaledObjectStatus, now: DateTime<Utc>) {
        self.0.lock().take_over(status, now);
    }

    /// The target's replica count at its last reading, and the time of that reading by
    /// [`Moment::steady`](ebb_plan::tick::Moment::steady). None while the count is unknown.
    pub fn replicas(&self) -> Option<(i32, Duration)> {
        self.0.lock().replicas()
    }

    /// See [`Loop::replicas_seen`].
    pub fn replicas_seen(&self, replicas: i32, at: Duration) {
        self.0.lock().replicas_seen(replicas, at);
    }

    /// See [`Loop::target_reported`].
    pub fn target_reported(&self, report: TargetReport, confirms: bool) -> bool {
        self.0.lock().target_reported(report, confirms)
    }

    /// See [`Loop::is_failing`].
    pub fn is_failing(&self) -> bool {
        self.0.lock().is_failing()
    }

    /// See [`Loop::triggers_built`].
    pub fn triggers_built(&self, build: u64) -> BTreeMap<String, u32> {
        self.0.lock().triggers_built(build)
    }

    /// Whether a tick now is a poll.
    pub fn is_poll_due(&self) -> bool {
        self.0.lock().is_poll_due(clock::moment())
    }

    /// See [`Loop::next_wakeup`].
    pub fn next_wakeup(&self) -> Option<Wakeup> {
        self.0.lock().next_wakeup()
    }

    /// See [`Loop::on_readings`].
    pub fn on_readings(&self, rules: &Rules<'_>, readings: Readings<'_>) -> (InProgress, Effect) {
        self.0.lock().on_readings(rules, readings, clock::moment())
    }

    /// See [`Loop::on_replicas`].
    pub fn on_replicas(
        &self,
        tick: &mut InProgress,
        rules: &Rules<'_>,
        found: Result<i32, TargetProblem>,
        may_set: bool,
    ) -> (Effect, Option<ReplicaChange>) {
        self.0.lock().on_replicas(tick, rules, found, may_set, clock::moment())
    }

    /// See [`Loop::on_set`].
    pub fn on_set(
        &self,
        tick: &mut InProgress,
        rules: &Rules<'_>,
        result: Result<(), TargetProblem>,
    ) -> (Effect, Option<ReplicaChange>) {
        self.0.lock().on_set(tick, rules, result, clock::moment())
    }
}
