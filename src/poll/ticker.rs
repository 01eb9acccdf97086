//! The loop of one ScaledObject: look, decide, scale, tell.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_scalers::ReadError;
use ebb_scalers::broker::chance;
use futures::FutureExt as _;
use futures::future::{join_all, select_all};
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::registry::{Live, Object};
use super::schedule::{Due, Rhythm, Schedule};
use super::trigger::{Sample, Trigger};
use crate::clock;
use crate::events::{Events, Reason};
use crate::key::Key;
use crate::lease::Term;
use crate::plan::activation::{self, Activity, Decision, Sight, Step};
use crate::plan::modifiers::COMPOSITE_METRIC;
use crate::plan::readings::{self, Seen, Sum};
use crate::plan::status::Tick;
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
    /// For the events.
    pub events: Events,
    /// When replicas may be set.
    pub term: Arc<Term>,
    /// Takes ScaledObjects whose triggers cannot be read: what they refer to, a changed password above all, is read
    /// again.
    pub recheck: mpsc::UnboundedSender<Key>,
}

impl Ticker {
    /// Begins the loop of `object`, which goes on until the object is closed.
    pub fn start(self: &Arc<Self>, object: &Arc<Object>) {
        let ticking = tokio::spawn(Arc::clone(self).run(Arc::clone(object)));
        object.ticks(ticking.abort_handle());
    }

    async fn run(self: Arc<Self>, object: Arc<Object>) {
        loop {
            // It ends by itself only when it panicked. That is a bug, but no reason to leave the workload alone.
            let _ = AssertUnwindSafe(self.keep_ticking(&object)).catch_unwind().await;
            tracing::error!(scaled_object = %object.key, "the poll loop failed; it begins anew");
            object.metrics.errors.inc();
            sleep(RECOVERY).await;
        }
    }

    async fn keep_ticking(&self, object: &Object) {
        let mut rhythm = Rhythm::default();
        loop {
            let Some(live) = object.live() else {
                object.expect_poll(None);
                object.woken().await;
                continue;
            };
            let is_poll = rhythm.is_due(Instant::now());
            // Boxed: a thousand loops that wait must not each hold the space of a tick.
            let tried = Box::pin(self.tick(object, &live, is_poll)).await;
            let poll = rhythm.next(is_poll, Instant::now(), live.policy.polling_interval, chance(&object.uid));
            let mut schedule = plan_ahead(object, &live, poll, &tried);
            loop {
                object.expect_poll(Some(schedule.poll));
                let mut looked_at = None;
                tokio::select! {
                    () = object.woken() => break,
                    () = sleep_until(schedule.wake()) => {}
                    trigger = stirred(&live), if schedule.idle => looked_at = Some(vec![trigger]),
                }
                let now = Instant::now();
                match looked_at.map(Due::Look).or_else(|| schedule.due(now)) {
                    Some(Due::Poll) => {
                        object.metrics.late(now.saturating_duration_since(schedule.wake()));
                        break;
                    }
                    Some(Due::Look(triggers)) => {
                        if Box::pin(worth_a_poll(&live, &triggers)).await {
                            break;
                        }
                        schedule.looks = next_looks(&live);
                    }
                    None => {}
                }
            }
        }
    }

    /// Reads every trigger and does what follows. Tells when to look again. `is_poll` says that a `pollingInterval` is over,
    /// not that something else called for it.
    async fn tick(&self, object: &Object, live: &Live, is_poll: bool) -> Tried {
        let read = async |trigger: &Arc<Trigger>| if is_poll { trigger.poll().await } else { trigger.sample().await };
        let samples = join_all(live.triggers.iter().map(read)).await;
        let seen: Vec<_> =
            live.named().zip(&samples).map(|((trigger, name), sample)| trigger.seen(name, sample)).collect();
        let sum = readings::add_up(&seen, live.fallback.as_ref(), live.modifiers.as_deref());
        let errors: Vec<_> =
            live.triggers.iter().zip(&samples).map(|(trigger, sample)| error(trigger, sample)).collect();
        note_activity(object, live);
        self.tell_failures(object, live, &errors, sum.formula_error.as_ref());

        let outcome = self.scale(object, live, &seen, &sum).await;
        let (decision, trouble) = match outcome {
            Ok(decision) => (decision, None),
            Err((decision, error)) => (decision, Some(error)),
        };
        let now = clock::now();
        if decision.activity == Activity::Active {
            object.memory.lock().last_active = Some(now);
        }
        let last_active = object.memory.lock().last_active;
        let refusals = tell_target(object, trouble.as_ref());
        self.tell_fallback(object, sum.standing.as_ref().is_some_and(|standing| standing.in_effect));
        let failures: Vec<_> = errors.into_iter().flatten().chain(sum.formula_error).collect();
        let failed = !failures.is_empty();
        if failed || trouble.is_some() {
            object.metrics.errors.inc();
        }
        if samples.iter().any(|sample| matches!(sample, Err(ReadError::Connect { .. }))) {
            // The controller lives as long as its loops; without it there is nobody to tell.
            let _ = self.recheck.send(object.key.clone());
        }
        object
            .ledger
            .report(&self.client, |facts| {
                facts.note_activity(decision.activity, last_active);
                facts.tick = Some(Tick {
                    activity: decision.activity,
                    forced: live.policy.is_forced(),
                    metric_names: Arc::clone(&live.metric_names),
                    active: sum.triggers,
                    failures,
                    fallback: sum.standing,
                    trouble: trouble.as_ref().map(|trouble| (trouble.reason(), trouble.to_string())),
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
        object: &Object,
        live: &Live,
        seen: &[Seen<'_>],
        sum: &Sum,
    ) -> Result<Decision, (Decision, Trouble)> {
        let decide = |replicas| decide(object, live, sum, replicas);
        let known = object.memory.lock().replicas;
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
            if let Some((from, to, step)) = object.memory.lock().unanswered_is_there(present.replicas) {
                self.tell_scaled(object, live, seen, (from, to), step);
            }
            let decision = decide(present.replicas);
            let Some((replicas, step)) = decision.scale else { return Ok(decision) };
            if !self.term.leads() {
                return Ok(decision);
            }
            if object.live().is_none_or(|now| !std::ptr::eq(Arc::as_ptr(&now), live)) {
                // It was paused or changed meanwhile: the next tick goes by what holds now.
                return Ok(decision);
            }
            // A count that is set without an answer may be found at the next look.
            let earlier = object.memory.lock().asked_for((present.replicas, replicas, step));
            match self.set(object, live, &present, replicas).await {
                Ok(()) => {
                    self.tell_scaled(object, live, seen, (present.replicas, replicas), step);
                    let mut memory = object.memory.lock();
                    memory.replicas = Some((replicas, Instant::now()));
                    memory.unanswered = None;
                    return Ok(decision);
                }
                Err(TargetError::Api(error)) if attempts > 1 && is_conflict(&error) => {
                    object.memory.lock().unanswered = earlier;
                    attempts -= 1;
                }
                // Once more: each try may take as long as the API server is given.
                Err(error) if attempts > 1 && error.is_unanswered() => attempts = 1,
                Err(error) => {
                    let mut memory = object.memory.lock();
                    memory.replicas = None;
                    if !error.is_unanswered() {
                        memory.unanswered = earlier;
                    }
                    drop(memory);
                    let trouble = Trouble::Writing(error);
                    self.tell_not_scaled(object, live, (present.replicas, replicas), step, &trouble);
                    return Err((decision, trouble));
                }
            }
        }
    }

    async fn present(&self, object: &Object, live: &Live) -> Result<Scale, TargetError> {
        let question = self.targets.scale(&live.target_kind, &object.key.namespace, &live.target.name);
        let scale = timeout(API_TIMEOUT, question).await.map_err(|_| TargetError::Timeout)??;
        object.memory.lock().replicas = Some((scale.replicas, Instant::now()));
        Ok(scale)
    }

    async fn set(&self, object: &Object, live: &Live, present: &Scale, replicas: i32) -> Result<(), TargetError> {
        let namespace = &object.key.namespace;
        let order = self.targets.set(&live.target_kind, namespace, &live.target.name, present, replicas);
        timeout(API_TIMEOUT, order).await.map_err(|_| TargetError::Timeout)?
    }

    fn tell_scaled(&self, object: &Object, live: &Live, seen: &[Seen<'_>], (from, to): (i32, i32), step: Step) {
        let target = display_target(object, live);
        tracing::info!(scaled_object = %object.key, target, from, to, ?step, "scaled");
        match step {
            Step::Activate => {
                let cause = if live.policy.is_forced() {
                    "caused by forced activation annotation".to_owned()
                } else {
                    format!("triggered by {}", active_names(live, seen))
                };
                let note = format!("Scaled {target} from {from} to {to}, {cause}");
                self.events.emit(&object.reference(), Reason::ScaleTargetActivated, note);
            }
            Step::FallBack => {
                let note = format!("Scaled {target} from {from} to {to}, triggered by the fallback");
                self.events.emit(&object.reference(), Reason::ScaleTargetActivated, note);
            }
            Step::Deactivate => {
                let note = format!("Deactivated {target} from {from} to {to}");
                self.events.emit(&object.reference(), Reason::ScaleTargetDeactivated, note);
            }
            Step::Raise => {}
        }
    }

    /// One event for each beginning and each end of a fallback.
    fn tell_fallback(&self, object: &Object, falls_back: bool) {
        let before = std::mem::replace(&mut object.memory.lock().falling_back, falls_back);
        if before == falls_back {
            return;
        }
        let (reason, note) = if falls_back {
            (Reason::FallbackActivated, "ScaledObject fallback is active")
        } else {
            (Reason::FallbackDeactivated, "ScaledObject fallback is no longer active")
        };
        tracing::info!(scaled_object = %object.key, note);
        self.events.emit(&object.reference(), reason, note);
    }

    /// One event for each error, for as long as it stays the same.
    fn tell_not_scaled(&self, object: &Object, live: &Live, (from, to): (i32, i32), step: Step, trouble: &Trouble) {
        if object.memory.lock().told_target.as_ref() == Some(&trouble.to_string()) {
            return;
        }
        let (reason, words) = match step {
            Step::Deactivate => (Reason::ScaleTargetDeactivationFailed, "Failed to deactivate"),
            Step::Activate | Step::FallBack | Step::Raise => (Reason::ScaleTargetActivationFailed, "Failed to scale"),
        };
        let note = format!("{words} {} from {from} to {to}: {}", display_target(object, live), trouble.cause());
        self.events.emit(&object.reference(), reason, note);
    }

    /// One event for each error of each trigger and of the formula, for as long as it stays the same.
    fn tell_failures(&self, object: &Object, live: &Live, errors: &[Option<String>], formula_error: Option<&String>) {
        let mut memory = object.memory.lock();
        // What is wrong with the formula itself has its place behind the triggers.
        let formula = live.triggers.len();
        if memory.told.get(&formula) != formula_error {
            memory.told.remove(&formula);
            if let Some(error) = formula_error {
                tracing::warn!(scaled_object = %object.key, error, "the formula has no value");
                self.events.emit(&object.reference(), Reason::MetricSourceFailed, error.clone());
                memory.told.insert(formula, error.clone());
            }
        }
        let reason = if live.modifiers.is_some() { Reason::MetricSourceFailed } else { Reason::ScalerFailed };
        for (index, (trigger, error)) in live.triggers.iter().zip(errors).enumerate() {
            match error {
                None => {
                    if memory.told.remove(&index).is_some() {
                        tracing::info!(scaled_object = %object.key, trigger = trigger.display(), "the trigger can be read again");
                    }
                }
                Some(text) => {
                    if memory.told.get(&index) != Some(text) {
                        tracing::warn!(scaled_object = %object.key, error = text, "a trigger cannot be read");
                        self.events.emit(&object.reference(), reason, text.clone());
                        memory.told.insert(index, text.clone());
                    }
                }
            }
        }
    }
}

/// What the readings call for at this count of replicas.
fn decide(object: &Object, live: &Live, sum: &Sum, replicas: i32) -> Decision {
    let sight = Sight {
        replicas,
        active: usize::from(sum.active),
        failed: sum.failed,
        fallback: sum.fallback,
        last_active: object.memory.lock().last_active,
        now: clock::now(),
    };
    activation::decide(&live.policy, &sight)
}

/// How the status and events tell that a trigger cannot be read.
fn error(trigger: &Trigger, sample: &Result<Sample, ReadError>) -> Option<String> {
    Some(format!("{}: {}", trigger.display(), sample.as_ref().err()?))
}

/// What is active, as events call it.
fn active_names(live: &Live, seen: &[Seen<'_>]) -> String {
    let active = live.triggers.iter().zip(seen).filter(|(_, seen)| seen.active);
    let names: Vec<_> = active.map(|(trigger, _)| trigger.metrics().labels().scaler.as_ref()).collect();
    if names.is_empty() { COMPOSITE_METRIC.to_owned() } else { names.join(";") }
}

/// Why the target was not brought to the count that the readings ask for. The texts are those of the Ready condition.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("Error getting current replicas count for ScaleTarget: {0}")]
    Reading(#[source] TargetError),
    #[error("Error scaling ScaleTarget: {0}")]
    Writing(#[source] TargetError),
}

impl Trouble {
    fn cause(&self) -> &TargetError {
        match self {
            Self::Reading(cause) | Self::Writing(cause) => cause,
        }
    }

    /// Of the Ready condition. KEDA knows the first.
    fn reason(&self) -> &'static str {
        match self {
            Self::Reading(_) => "ErrorGettingCurrentReplicas",
            Self::Writing(_) => "ErrorScalingTarget",
        }
    }
}

/// What is left over from a tick.
struct Tried {
    /// The longest pause before the next poll.
    within: Duration,
    cooldown_ends: Option<DateTime<Utc>>,
}

/// Logs why the target cannot be scaled, for as long as it stays the same once. Tells how often the API server has refused
/// it in a row.
fn tell_target(object: &Object, trouble: Option<&Trouble>) -> u32 {
    let text = trouble.map(ToString::to_string);
    let mut memory = object.memory.lock();
    let refused = trouble.is_some_and(|trouble| trouble.cause().is_refusal());
    memory.refusals = if refused { memory.refusals.saturating_add(1) } else { 0 };
    if text != memory.told_target {
        if let Some(error) = &text {
            tracing::warn!(scaled_object = %object.key, error, "cannot scale the target");
        } else {
            tracing::info!(scaled_object = %object.key, "the target can be scaled again");
        }
        memory.told_target = text;
    }
    memory.refusals
}

/// The HPA's questions between two polls find activity too: the cooldown begins after the last of it. With a formula a
/// trigger's own activity says nothing.
fn note_activity(object: &Object, live: &Live) {
    if live.modifiers.is_some() {
        return;
    }
    let found = live.triggers.iter().filter_map(|trigger| trigger.last_active()).max();
    let mut memory = object.memory.lock();
    memory.last_active = memory.last_active.max(found);
}

fn plan_ahead(object: &Object, live: &Live, poll: Instant, tried: &Tried) -> Schedule {
    let (now, present) = (Instant::now(), clock::now());
    let edges = live.triggers.iter().filter_map(|trigger| trigger.next_change(present));
    let change = edges.chain(tried.cooldown_ends).min();
    let at_rest = object.memory.lock().replicas.is_some_and(|(replicas, _)| replicas <= live.policy.idle.unwrap_or(0));
    let idle = at_rest && !live.policy.scale_out_paused;
    Schedule {
        poll: now.checked_add(tried.within).map_or(poll, |within| poll.min(within)),
        change: change.map(|at| now + (at - present).to_std().unwrap_or_default()),
        looks: if idle { next_looks(live) } else { Vec::new() },
        idle,
    }
}

/// Waits until one of the triggers may have something new, and tells its place.
async fn stirred(live: &Live) -> usize {
    match &live.triggers[..] {
        [] => return std::future::pending().await,
        [trigger] => {
            trigger.stirred().await;
            return 0;
        }
        _ => {}
    }
    select_all(live.triggers.iter().map(|trigger| Box::pin(trigger.stirred()))).await.1
}

fn next_looks(live: &Live) -> Vec<(usize, Instant)> {
    let now = Instant::now();
    let looks = live.triggers.iter().enumerate();
    looks.filter_map(|(index, trigger)| trigger.next_look(now).map(|turn| (index, turn))).collect()
}

/// Whether an early look found activity, or an error, which the poll will come upon and tell. With a formula a trigger's
/// own activity says nothing: there it is another value that is worth asking the others.
async fn worth_a_poll(live: &Live, triggers: &[usize]) -> bool {
    let looked_at: Vec<&Arc<Trigger>> = triggers.iter().filter_map(|index| live.triggers.get(*index)).collect();
    let looks = looked_at.iter().map(|trigger| async {
        let before = trigger.last();
        let Ok(sample) = trigger.sample().await else { return true };
        if live.modifiers.is_none() {
            return sample.reading.active;
        }
        before.is_none_or(|before| (before.reading.value - sample.reading.value).abs() > f64::EPSILON)
    });
    join_all(looks).await.contains(&true)
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn display_target(object: &Object, live: &Live) -> String {
    format!("{} {}/{}", live.target_kind.display(), object.key.namespace, live.target.name)
}
