//! The poll loop of one ScaledObject, as a state machine without I/O.
//!
//! A tick begins with readings ([`Loop::on_readings`]). The machine answers each input with the next [`Effect`]: read the
//! target's replicas, set them, or report. The caller carries the effect out and gives the result back, until the effect is a
//! [`Report`]. [`Loop::next_wakeup`] says when the next tick is due. The process, and the simulation of whole histories, drive
//! the same machine.

mod inputs;
mod timer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::{HealthStatus, ScaledObjectStatus};

use super::activation::{self, Activity, Decision, Observation};
use super::hpa::TargetReport;
use super::readings::{self, Aggregate};
use super::status::{self, Tick};
pub use inputs::{Effect, Moment, ProblemKind, Readings, ReplicaChange, Report, Rules, TargetProblem, Wakeup};
use timer::PollTimer;

/// How long a count of replicas is taken for the present one while nothing asks for another.
const REPLICAS_KNOWN_FOR: Duration = Duration::from_secs(30);
/// The same for a count of zero that the HPA's status has too. The HPA controller looks every 15 s, so that its silence means
/// no change; this bound holds where that controller has ended.
const REPLICAS_CONFIRMED_FOR: Duration = Duration::from_mins(5);
/// How long a count that was set without an answer counts as Ebb's where it is found.
const UNANSWERED: Duration = Duration::from_mins(1);
/// When to try again after the target could not be read or scaled.
const RETRY: Duration = Duration::from_secs(1);
/// When to read again after a trigger could not be read, if the next poll is farther away.
const RECOVERY: Duration = Duration::from_secs(5);
/// How often one tick tries to set a count that another writer came before.
const ATTEMPTS: u8 = 3;

/// The state of a loop. It outlives changes of the specification.
#[derive(Debug, Default)]
pub struct Loop {
    last_active: Option<DateTime<Utc>>,
    /// The target's count when it was last read, and when that was.
    replicas: Option<(i32, Duration)>,
    /// Whether that count is zero and the HPA's status agrees.
    is_confirmed: bool,
    /// A change whose answer is still to come or was lost, and when it was sent.
    unanswered: Option<(ReplicaChange, Duration)>,
    refusals: u32,
    /// The last build of the triggers, and whether its last tick could not read one of them.
    build: u64,
    is_failing: bool,
    /// How many polls of each metric had failed before this process.
    failures_found: BTreeMap<String, u32>,
    timer: PollTimer,
    wakeup: Option<Wakeup>,
}

/// A tick between its readings and its report.
#[derive(Debug)]
pub struct InProgress {
    aggregate: Aggregate,
    errors: Vec<(usize, String)>,
    next_change: Option<DateTime<Utc>>,
    is_poll: bool,
    /// The count that was known when the tick began.
    known: Option<i32>,
    attempts: u8,
    sent: Option<Sent>,
}

/// A change that is being made.
#[derive(Debug)]
struct Sent {
    decision: Decision,
    change: ReplicaChange,
    /// The change before it, if that is unanswered.
    earlier: Option<(ReplicaChange, Duration)>,
}

impl Loop {
    /// The state that a status shows to a process that begins at `now`.
    pub fn found(status: &ScaledObjectStatus, now: DateTime<Utc>) -> Self {
        let failures = |health: &HealthStatus| health.number_of_failures.and_then(|failures| failures.try_into().ok());
        let health = status.health.iter().flatten();
        let failures_found = health
            .filter_map(|(metric, health)| Some((metric.clone(), failures(health)?)))
            .filter(|(_, failures)| *failures > 0)
            .collect();
        Self { last_active: status::last_active(status, now), failures_found, ..Self::default() }
    }

    /// Begins anew with the state that another replica's status shows. The later activity counts, so that no cooldown is
    /// cut short. The polls go on as they were, and a change without an answer is still this replica's: the leadership may
    /// have ended while it waited for the answer.
    pub fn take_over(&mut self, status: &ScaledObjectStatus, now: DateTime<Utc>) {
        let found = Self::found(status, now);
        let last_active = self.last_active.max(found.last_active);
        let Self { unanswered, build, timer, wakeup, .. } = *self;
        *self = Self { last_active, unanswered, build, timer, wakeup, ..found };
    }

    /// When a trigger was last active.
    pub fn last_active(&self) -> Option<DateTime<Utc>> {
        self.last_active
    }

    /// The target's count when it was last read, and when that was. None while it is unknown.
    pub fn replicas(&self) -> Option<(i32, Duration)> {
        self.replicas
    }

    /// The target had this count at this time.
    pub fn replicas_seen(&mut self, replicas: i32, at: Duration) {
        self.replicas = Some((replicas, at));
    }

    /// The HPA's status says this of the target. True if the known count is unknown then: the report contradicts it about zero,
    /// or the target cannot be read. `confirms` is false for a target that the HPA controller may read by another version of its
    /// kind than Ebb.
    pub fn target_reported(&mut self, report: TargetReport, confirms: bool) -> bool {
        let count = match report {
            TargetReport::Count(count) => Some(count),
            TargetReport::Unreadable | TargetReport::None => None,
        };
        let agrees = self.replicas.zip(count).map(|((known, _), count)| (known == 0) == (count == 0));
        self.is_confirmed = confirms && agrees == Some(true) && count == Some(0);
        let unknown = agrees == Some(false) || (report == TargetReport::Unreadable && self.replicas.is_some());
        if unknown {
            self.replicas = None;
        }
        unknown
    }

    /// Whether the count that was read last can be taken for the present one.
    fn is_known(&self, read: Duration, now: Moment) -> bool {
        let life = if self.is_confirmed { REPLICAS_CONFIRMED_FOR } else { REPLICAS_KNOWN_FOR };
        now.steady.saturating_sub(read) < life
    }

    /// Whether the last tick could not read one of the triggers, which are still the same.
    pub fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// New triggers are built, and this is the number of the build: nothing is known of them yet. Returns how many polls
    /// of each metric had failed before this process, once.
    pub fn triggers_built(&mut self, build: u64) -> BTreeMap<String, u32> {
        (self.is_failing, self.build) = (false, build);
        std::mem::take(&mut self.failures_found)
    }

    /// Whether a tick at this time is a poll.
    pub fn is_poll_due(&self, now: Moment) -> bool {
        self.timer.is_due(now.steady)
    }

    /// When the next tick is due. None before the end of the first.
    pub fn next_wakeup(&self) -> Option<Wakeup> {
        self.wakeup
    }

    /// A tick begins.
    pub fn on_readings(&mut self, rules: &Rules<'_>, readings: Readings<'_>, now: Moment) -> (InProgress, Effect) {
        // The HPA's questions between two polls find activity too: the cooldown begins after the last of it. With a
        // formula a trigger's own activity decides nothing.
        if rules.modifiers.is_none() {
            self.last_active = self.last_active.max(readings.last_active);
        }
        let mut tick = InProgress {
            aggregate: readings::aggregate(&readings.triggers, rules.fallback, rules.modifiers),
            errors: readings.errors,
            next_change: readings.next_change,
            is_poll: readings.is_poll,
            known: self.replicas.map(|(replicas, _)| replicas),
            attempts: ATTEMPTS,
            sent: None,
        };
        if let Some((replicas, at)) = self.replicas
            && self.is_known(at, now)
        {
            let decision = self.decide(&tick, rules, replicas, now);
            if decision.scale.is_none() {
                let effect = self.end(&mut tick, rules, &decision, None, now);
                return (tick, effect);
            }
        }
        (tick, Effect::ReadReplicas)
    }

    /// The target's replicas were read. `may_set` says that this replica leads and that the specification is still in force.
    /// With the effect comes the earlier change that the count shows to have been made, although its answer was lost.
    pub fn on_replicas(
        &mut self,
        tick: &mut InProgress,
        rules: &Rules<'_>,
        found: Result<i32, TargetProblem>,
        may_set: bool,
        now: Moment,
    ) -> (Effect, Option<ReplicaChange>) {
        let replicas = match found {
            Ok(replicas) => replicas,
            Err(problem) => {
                // The HPA's own floor takes the place of a count that cannot be read: it keeps the Active condition right.
                let decision = self.decide(tick, rules, tick.known.unwrap_or(1), now);
                return (self.end(tick, rules, &decision, Some((problem, None)), now), None);
            }
        };
        self.replicas = Some((replicas, now.steady));
        let made = self.unanswered_change_made(replicas, now);
        let decision = self.decide(tick, rules, replicas, now);
        let Some((count, reason)) = decision.scale.filter(|_| may_set) else {
            return (self.end(tick, rules, &decision, None, now), made);
        };
        let change = (replicas, count, reason);
        // Its count is unknown until the answer comes, and may be found at the next look if none does.
        let earlier = self.unanswered.replace((change, now.steady));
        self.replicas = None;
        tick.sent = Some(Sent { decision, change, earlier });
        (Effect::SetReplicas(change), made)
    }

    /// The API server has answered to the change, or has not. With the effect comes the change if it was made.
    pub fn on_set(
        &mut self,
        tick: &mut InProgress,
        rules: &Rules<'_>,
        result: Result<(), TargetProblem>,
        now: Moment,
    ) -> (Effect, Option<ReplicaChange>) {
        let Some(Sent { decision, change, earlier }) = tick.sent.take() else { return (Effect::ReadReplicas, None) };
        let problem = match result {
            Ok(()) => {
                self.unanswered = None;
                // The HPA's status is about the count before.
                (self.replicas, self.is_confirmed) = (Some((change.1, now.steady)), false);
                return (self.end(tick, rules, &decision, None, now), Some(change));
            }
            Err(problem) => problem,
        };
        tick.attempts = match problem.kind {
            ProblemKind::Conflict => tick.attempts.saturating_sub(1),
            // Once more: each try may take as long as the API server is given.
            ProblemKind::Unanswered => u8::from(tick.attempts > 1),
            ProblemKind::Missing | ProblemKind::Refused | ProblemKind::Failed => 0,
        };
        if problem.kind != ProblemKind::Unanswered {
            self.unanswered = earlier;
        }
        if tick.attempts > 0 {
            return (Effect::ReadReplicas, None);
        }
        (self.end(tick, rules, &decision, Some((problem, Some(change))), now), None)
    }

    /// The unanswered change, if `replicas` shows that it was made. An HPA changes the count at once after an activation,
    /// but leaves zero alone: any count above zero shows that the activation was made. After a minute the count may be
    /// anybody's.
    fn unanswered_change_made(&mut self, replicas: i32, now: Moment) -> Option<ReplicaChange> {
        let (change, sent) = self.unanswered?;
        if now.steady.saturating_sub(sent) > UNANSWERED {
            self.unanswered = None;
            return None;
        }
        let (from, to, _) = change;
        let is_made = replicas == to || (from == 0 && replicas > 0);
        is_made.then(|| {
            self.unanswered = None;
            change
        })
    }

    /// What the readings call for at this count of replicas.
    fn decide(&self, tick: &InProgress, rules: &Rules<'_>, replicas: i32, now: Moment) -> Decision {
        let Aggregate { active, wanted, failed, fallback, .. } = tick.aggregate;
        let (active, last_active, now) = (usize::from(active), self.last_active, now.at);
        activation::decide(rules.policy, &Observation { replicas, active, failed, fallback, wanted, last_active, now })
    }

    /// Ends the tick. A problem comes with the change that could not be made.
    fn end(
        &mut self,
        tick: &mut InProgress,
        rules: &Rules<'_>,
        decision: &Decision,
        problem: Option<(TargetProblem, Option<ReplicaChange>)>,
        now: Moment,
    ) -> Effect {
        if decision.activity == Activity::Active {
            self.last_active = Some(now.at);
        }
        let is_refused = problem.as_ref().is_some_and(|(problem, _)| problem.kind == ProblemKind::Refused);
        self.refusals = if is_refused { self.refusals.saturating_add(1) } else { 0 };
        let is_failing = !tick.errors.is_empty() || tick.aggregate.formula_error.is_some();
        if rules.build == self.build {
            self.is_failing = is_failing;
        }
        let within = match &problem {
            None if !is_failing => Duration::MAX,
            None | Some((TargetProblem { kind: ProblemKind::Missing, .. }, None)) => RECOVERY,
            Some(_) => RETRY * 2_u32.pow(self.refusals.min(5)),
        };
        let poll = self.timer.next(tick.is_poll, now.steady, rules.policy.polling_interval, rules.jitter);
        self.wakeup = Some(self.plan_ahead(rules, decision, (poll, within), tick.next_change, now));
        let has_failed = is_failing || problem.is_some();
        Effect::Report(Box::new(Report {
            tick: Tick {
                build: rules.build,
                activity: decision.activity,
                forced: rules.policy.is_forced(),
                metric_names: Arc::clone(rules.metric_names),
                active: std::mem::take(&mut tick.aggregate.triggers),
                errors: std::mem::take(&mut tick.errors),
                formula_error: tick.aggregate.formula_error.take(),
                composed: rules.modifiers.is_some(),
                fallback: tick.aggregate.standing.take(),
                // The API server's silence says nothing about the target.
                target_error: problem
                    .filter(|(problem, _)| !problem.is_silence)
                    .map(|(problem, change)| Box::new(problem.failure(change))),
            },
            last_active: self.last_active,
            has_failed,
            decision: *decision,
            formula: tick.aggregate.formula,
        }))
    }

    fn plan_ahead(
        &self,
        rules: &Rules<'_>,
        decision: &Decision,
        (poll, within): (Duration, Duration),
        next_change: Option<DateTime<Utc>>,
        now: Moment,
    ) -> Wakeup {
        let poll = poll.min(now.steady.saturating_add(within));
        let change = next_change.into_iter().chain(decision.cooldown_ends).min();
        let change = change.map(|change| now.steady + (change - now.at).to_std().unwrap_or_default());
        let at_rest = self.replicas.is_some_and(|(replicas, _)| replicas <= rules.policy.idle.unwrap_or(0));
        Wakeup {
            at: change.map_or(poll, |change| change.min(poll)),
            poll,
            is_idle: at_rest && !rules.policy.scale_out_paused,
        }
    }
}

#[cfg(test)]
mod tests;
