//! The loop of one ScaledObject: look, decide, scale, tell.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_scalers::ReadError;
use ebb_scalers::pool::jitter;
use futures::FutureExt as _;
use futures::future::join_all;
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::changes::{changed, needs_poll};
use super::schedule::{Rhythm, Schedule};
use super::trigger::{Sample, Trigger};
use crate::clock;
use crate::key::Key;
use crate::lease::Term;
use crate::plan::activation::{self, Activity, Decision, Sight, Step};
use crate::plan::modifiers::COMPOSITE_METRIC;
use crate::plan::readings::{self, Seen, Sum};
use crate::plan::status::{Attempt, Scaling, TargetFailure, Tick};
use crate::store::poll_state::ReplicaChange;
use crate::store::record::{Record, Serving};
use crate::target::{Scale, TargetError, Targets};

/// How long the API server may take for one question.
const API_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a count of replicas is taken for the present one while nothing asks for another.
const REPLICAS_KNOWN_FOR: Duration = Duration::from_secs(30);
/// When to try again after the target could not be read or scaled.
const RETRY: Duration = Duration::from_secs(1);
/// When to look again at a trigger that could not be read, if the next poll is farther away.
const RECOVERY: Duration = Duration::from_secs(5);

/// What every loop needs.
pub struct Ticker {
    /// For the status.
    pub client: Client,
    /// For the replicas.
    pub targets: Targets,
    /// When replicas may be set.
    pub term: Arc<Term>,
    /// Takes ScaledObjects whose triggers cannot be read: what they refer to, a changed password above all, is read
    /// again.
    pub recheck: mpsc::UnboundedSender<Key>,
}

impl Ticker {
    /// Begins the loop of `object`, which goes on until the object is closed.
    pub fn start(self: &Arc<Self>, object: &Arc<Record>) {
        let ticking = tokio::spawn(Arc::clone(self).run(Arc::clone(object)));
        object.polled_by(ticking.abort_handle());
    }

    async fn run(self: Arc<Self>, object: Arc<Record>) {
        loop {
            // It ends by itself only when it panicked. That is a bug, but no reason to leave the workload alone.
            let _ = AssertUnwindSafe(self.keep_ticking(&object)).catch_unwind().await;
            tracing::error!(scaled_object = %object.key, "the poll loop failed; it begins anew");
            object.metrics.errors.inc();
            sleep(RECOVERY).await;
        }
    }

    async fn keep_ticking(&self, object: &Record) {
        let mut rhythm = Rhythm::default();
        loop {
            let Some(live) = object.serving() else {
                object.expect_poll(None);
                object.woken().await;
                continue;
            };
            let is_poll = rhythm.is_due(Instant::now());
            // Boxed: a thousand loops that wait must not each hold the space of a tick.
            let tried = Box::pin(self.tick(object, &live, is_poll)).await;
            let poll = rhythm.next(is_poll, Instant::now(), live.policy.polling_interval, jitter(&object.uid));
            let schedule = plan_ahead(object, &live, poll, &tried);
            object.expect_poll(Some(schedule.poll));
            loop {
                tokio::select! {
                    biased;
                    () = object.woken() => break,
                    () = sleep_until(schedule.wake()) => {
                        object.metrics.late(Instant::now().saturating_duration_since(schedule.wake()));
                        break;
                    }
                    triggers = changed(&live.triggers), if schedule.idle => {
                        if Box::pin(needs_poll(&live, &triggers)).await {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Reads every trigger and does what follows. Tells when to look again. `is_poll` says that a `pollingInterval` is over,
    /// not that something else called for it.
    async fn tick(&self, object: &Record, live: &Serving, is_poll: bool) -> Tried {
        let read = async |trigger: &Arc<Trigger>| if is_poll { trigger.poll().await } else { trigger.sample().await };
        let samples = join_all(live.triggers.iter().map(read)).await;
        let seen: Vec<_> =
            live.named().zip(&samples).map(|((trigger, name), sample)| trigger.seen(name, sample)).collect();
        let sum = readings::add_up(&seen, live.fallback.as_ref(), live.modifiers.as_deref());
        let errors: Vec<_> = live.triggers.iter().zip(&samples).enumerate().filter_map(error).collect();
        note_activity(object, live);

        let outcome = self.scale(object, live, &seen, &sum).await;
        let (decision, trouble) = match outcome {
            Ok(decision) => (decision, None),
            Err((decision, error)) => (decision, Some(error)),
        };
        if decision.activity == Activity::Active {
            object.poll.activity_seen(Some(clock::now()));
        }
        let refusals = object.poll.scaling_ended(trouble.as_ref().is_some_and(|trouble| trouble.cause().is_refusal()));
        let failed = !errors.is_empty() || sum.formula_error.is_some();
        if object.serving().is_some_and(|now| now.build == live.build) {
            object.poll.triggers_read(failed);
        }
        if failed || trouble.is_some() {
            object.metrics.errors.inc();
        }
        if samples.iter().any(|sample| matches!(sample, Err(ReadError::Connect { .. }))) {
            // The controller lives as long as its loops; without it nobody reads the references again.
            let _ = self.recheck.send(object.key.clone());
        }
        let last_active = object.poll.last_active();
        object
            .ledger
            .report(&self.client, |facts| {
                facts.note_activity(decision.activity, last_active);
                facts.tick = Some(Tick {
                    build: live.build,
                    activity: decision.activity,
                    forced: live.policy.is_forced(),
                    metric_names: Arc::clone(&live.metric_names),
                    active: sum.triggers,
                    errors,
                    formula_error: sum.formula_error,
                    composed: live.modifiers.is_some(),
                    fallback: sum.standing,
                    target_error: trouble.as_ref().map(|trouble| Box::new(trouble.failure())),
                });
            })
            .await;
        let within = match (&trouble, failed) {
            (None, false) => Duration::MAX,
            (Some(Trouble::Reading(TargetError::Missing { .. })) | None, _) => RECOVERY,
            (Some(_), _) => RETRY * 2_u32.pow(refusals.min(5)),
        };
        Tried { within, cooldown_ends: decision.cooldown_ends }
    }

    /// Brings the target to the count that the readings ask for. With an error comes what was decided before it.
    async fn scale(
        &self,
        object: &Record,
        live: &Serving,
        seen: &[Seen<'_>],
        sum: &Sum,
    ) -> Result<Decision, (Decision, Trouble)> {
        let decide = |replicas| decide(object, live, sum, replicas);
        let known = object.poll.replicas();
        if let Some((replicas, _)) = known.filter(|(_, seen)| seen.elapsed() < REPLICAS_KNOWN_FOR) {
            let decision = decide(replicas);
            if decision.scale.is_none() {
                return Ok(decision);
            }
        }
        let mut attempts = 3;
        loop {
            // The HPA's own floor stands for a count that cannot be read: it keeps the Active condition right.
            let unknown = || decide(known.map_or(1, |(replicas, _)| replicas));
            let present = self.present(object, live).await.map_err(|error| (unknown(), Trouble::Reading(error)))?;
            if let Some(change) = object.poll.unanswered_change_made(present.replicas) {
                note_scaling(object, live, seen, change).await;
            }
            let decision = decide(present.replicas);
            let Some((replicas, step)) = decision.scale else { return Ok(decision) };
            if !self.term.leads() {
                return Ok(decision);
            }
            if object.serving().is_none_or(|now| !std::ptr::eq(Arc::as_ptr(&now), live)) {
                // It was paused or changed meanwhile: the next tick goes by what holds now.
                return Ok(decision);
            }
            let change = (present.replicas, replicas, step);
            let earlier = object.poll.change_sent(change);
            match self.set(object, live, &present, replicas).await {
                Ok(()) => {
                    object.poll.change_made(replicas);
                    note_scaling(object, live, seen, change).await;
                    return Ok(decision);
                }
                Err(TargetError::Api(error)) if attempts > 1 && is_conflict(&error) => {
                    object.poll.change_refused(earlier);
                    attempts -= 1;
                }
                // Once more: each try may take as long as the API server is given.
                Err(error) if attempts > 1 && error.is_unanswered() => attempts = 1,
                Err(cause) => {
                    if !cause.is_unanswered() {
                        object.poll.change_refused(earlier);
                    }
                    return Err((decision, Trouble::Writing { cause, change, target: display_target(object, live) }));
                }
            }
        }
    }

    async fn present(&self, object: &Record, live: &Serving) -> Result<Scale, TargetError> {
        let question = self.targets.scale(&live.target_kind, &object.key.namespace, &live.target.name);
        let scale = timeout(API_TIMEOUT, question).await.map_err(|_| TargetError::Timeout)??;
        object.poll.replicas_seen(scale.replicas, Instant::now());
        Ok(scale)
    }

    async fn set(&self, object: &Record, live: &Serving, present: &Scale, replicas: i32) -> Result<(), TargetError> {
        let namespace = &object.key.namespace;
        let order = self.targets.set(&live.target_kind, namespace, &live.target.name, present, replicas);
        timeout(API_TIMEOUT, order).await.map_err(|_| TargetError::Timeout)?
    }
}

/// Notes that the target was scaled, with the cause for the event.
async fn note_scaling(object: &Record, live: &Serving, seen: &[Seen<'_>], (from, to, step): ReplicaChange) {
    let cause = match step {
        Step::Activate if live.policy.is_forced() => "caused by forced activation annotation".to_owned(),
        Step::FallBack => "triggered by the fallback".to_owned(),
        Step::Activate | Step::Deactivate | Step::Raise => format!("triggered by {}", active_names(live, seen)),
    };
    let target = display_target(object, live);
    let scaling = Box::new(Scaling { target, from, to, step, cause, at: clock::now() });
    object.ledger.note(|facts| facts.scaling = Some(scaling)).await;
}

/// What the readings call for at this count of replicas.
fn decide(object: &Record, live: &Serving, sum: &Sum, replicas: i32) -> Decision {
    let sight = Sight {
        replicas,
        active: usize::from(sum.active),
        failed: sum.failed,
        fallback: sum.fallback,
        last_active: object.poll.last_active(),
        now: clock::now(),
    };
    activation::decide(&live.policy, &sight)
}

/// The place of a trigger that cannot be read, and the text of the status and the event.
fn error((place, (trigger, sample)): (usize, (&Arc<Trigger>, &Result<Sample, ReadError>))) -> Option<(usize, String)> {
    Some((place, format!("{}: {}", trigger.display(), sample.as_ref().err()?)))
}

/// What is active, as events call it.
fn active_names(live: &Serving, seen: &[Seen<'_>]) -> String {
    let active = live.triggers.iter().zip(seen).filter(|(_, seen)| seen.active);
    let names: Vec<_> = active.map(|(trigger, _)| trigger.metrics().labels().scaler.as_ref()).collect();
    if names.is_empty() { COMPOSITE_METRIC.to_owned() } else { names.join(";") }
}

/// Why the target was not brought to the count that the readings ask for. The texts are those of the Ready condition.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("Error getting current replicas count for ScaleTarget: {0}")]
    Reading(#[source] TargetError),
    #[error("Error scaling ScaleTarget: {cause}")]
    Writing {
        #[source]
        cause: TargetError,
        change: ReplicaChange,
        target: String,
    },
}

impl Trouble {
    fn cause(&self) -> &TargetError {
        match self {
            Self::Reading(cause) | Self::Writing { cause, .. } => cause,
        }
    }

    /// The same for the status and the event. KEDA has the first reason only.
    fn failure(&self) -> TargetFailure {
        let (reason, attempt) = match self {
            Self::Reading(_) => ("ErrorGettingCurrentReplicas", None),
            Self::Writing { cause, change: (from, to, step), target } => {
                let (target, cause) = (target.clone(), cause.to_string());
                ("ErrorScalingTarget", Some(Attempt { target, from: *from, to: *to, step: *step, cause }))
            }
        };
        TargetFailure { reason, message: self.to_string(), attempt }
    }
}

/// What is left over from a tick.
struct Tried {
    /// The longest pause before the next poll.
    within: Duration,
    cooldown_ends: Option<DateTime<Utc>>,
}

/// The HPA's questions between two polls find activity too: the cooldown begins after the last of it. With a formula a
/// trigger's own activity says nothing.
fn note_activity(object: &Record, live: &Serving) {
    if live.modifiers.is_some() {
        return;
    }
    let found = live.triggers.iter().filter_map(|trigger| trigger.last_active()).max();
    object.poll.activity_seen(found);
}

fn plan_ahead(object: &Record, live: &Serving, poll: Instant, tried: &Tried) -> Schedule {
    let (now, present) = (Instant::now(), clock::now());
    let edges = live.triggers.iter().filter_map(|trigger| trigger.next_change(present));
    let change = edges.chain(tried.cooldown_ends).min();
    let at_rest = object.poll.replicas().is_some_and(|(replicas, _)| replicas <= live.policy.idle.unwrap_or(0));
    let idle = at_rest && !live.policy.scale_out_paused;
    Schedule {
        poll: now.checked_add(tried.within).map_or(poll, |within| poll.min(within)),
        change: change.map(|at| now + (at - present).to_std().unwrap_or_default()),
        idle,
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn display_target(object: &Record, live: &Serving) -> String {
    format!("{} {}/{}", live.target_kind.display(), object.key.namespace, live.target.name)
}
