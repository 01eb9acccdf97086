//! The inputs and the effects of the poll loop.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::activation::{Decision, ScaleReason};
use crate::fallback::Fallback;
use crate::modifiers::Modifiers;
use crate::policy::Policy;
use crate::readings::TriggerReading;
use crate::status::{Attempt, TargetFailure, Tick};

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time of day, for the status and for cron windows.
    pub at: DateTime<Utc>,
    /// The time since the start of the process, which nobody can set.
    pub steady: Duration,
}

/// The specification in force, as far as the loop depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The rules for the replicas.
    pub policy: &'a Policy,
    /// What to do while triggers cannot be read.
    pub fallback: Option<&'a Fallback>,
    /// The formula over the triggers' values.
    pub modifiers: Option<&'a Modifiers>,
    /// The external metrics of the triggers.
    pub metric_names: &'a Arc<[String]>,
    /// The number of this build of the triggers.
    pub build: u64,
    /// The part of the first `pollingInterval` that the loop waits, from 0 to 1. Loops that began together differ in it.
    pub jitter: f64,
}

/// The readings of all triggers of a ScaledObject.
#[derive(Debug, Clone, Default)]
pub struct Readings<'a> {
    /// One for each trigger, in the spec's order.
    pub triggers: Vec<TriggerReading<'a>>,
    /// The triggers that could not be read: place and error.
    pub errors: Vec<(usize, String)>,
    /// When a trigger was last found active, by a poll or by the HPA's question.
    pub last_active: Option<DateTime<Utc>>,
    /// The next edge of a cron window.
    pub next_change: Option<DateTime<Utc>>,
    /// A `pollingInterval` is over. Otherwise something else called for the tick.
    pub is_poll: bool,
}

/// A change of the replicas: from this count, to this count, and why.
pub type ReplicaChange = (i32, i32, ScaleReason);

/// Why the target's count could not be read or set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetProblem {
    /// The error.
    pub text: String,
    /// What is known of the request.
    pub kind: ProblemKind,
    /// Whether the API server gave no answer at all, or cannot keep up. Such a problem says nothing about the target.
    pub is_silence: bool,
}

impl TargetProblem {
    /// The same for the status and the event. `change` could not be made; without one the count could not be read. KEDA has
    /// the reason of the latter only.
    pub(super) fn failure(self, change: Option<ReplicaChange>) -> TargetFailure {
        let (cause, is_missing) = (self.text, self.kind == ProblemKind::Missing);
        match change {
            None => TargetFailure {
                reason: "ErrorGettingCurrentReplicas",
                message: format!("Error getting current replicas count for ScaleTarget: {cause}"),
                attempt: None,
                is_missing,
            },
            Some((from, to, reason)) => TargetFailure {
                reason: "ErrorScalingTarget",
                message: format!("Error scaling ScaleTarget: {cause}"),
                attempt: Some(Attempt { from, to, reason, cause }),
                is_missing,
            },
        }
    }
}

/// What is known of a request to the API server that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The target is not there.
    Missing,
    /// Another writer came first.
    Conflict,
    /// The API server refused it. Another try at once would give the same.
    Refused,
    /// There was no answer: it may have been carried out.
    Unanswered,
    /// The API server did not carry it out.
    Failed,
}

/// What the caller does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read the target's replicas, and call [`super::Loop::on_replicas`].
    ReadReplicas,
    /// Set the target's replicas, and call [`super::Loop::on_set`].
    SetReplicas(ReplicaChange),
    /// The tick is over.
    Report(Box<Report>),
}

/// The end of a tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// For the status and the events.
    pub tick: Tick,
    /// When a trigger was last active.
    pub last_active: Option<DateTime<Utc>>,
    /// A trigger, the formula or the target has an error.
    pub has_failed: bool,
    /// The last decision of the tick.
    pub decision: Decision,
    /// The formula's value.
    pub formula: Option<f64>,
}

/// When a loop does something next, if nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wakeup {
    /// The next tick, by [`Moment::steady`]. None before the first.
    pub at: Duration,
    /// The next poll, which may be later.
    pub poll: Duration,
    /// The target is at zero or idle, so that the triggers are listened to before that.
    pub is_idle: bool,
}
