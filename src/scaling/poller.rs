//! The poll loop of one ScaledObject: it reads the triggers and the target, and carries out what [`ebb_plan::tick`]
//! decides.

mod observe;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use ebb_scalers::ReadError;
use ebb_scalers::pool::jitter;
use futures::FutureExt as _;
use futures::future::join_all;
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::changes::{changed, needs_poll};
use crate::clock;
use crate::kube_api::key::Key;
use crate::kube_api::scale::{Scale, TargetError, Targets};
use crate::leader::Leadership;
use crate::store::record::{Record, Serving};
use crate::store::trigger::{Sample, Trigger};
use ebb_plan::activation::ScaleReason;
use ebb_plan::modifiers::COMPOSITE_METRIC;
use ebb_plan::readings::TriggerReading;
use ebb_plan::status::Scaling;
use ebb_plan::tick::{Effect, ProblemKind, Readings, ReplicaChange, Report, Rules, TargetProblem};
use ebb_plan::trail::{TickView, TriggerState};

/// The pause before a loop that panicked begins anew.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// Runs the poll loops.
pub struct Poller {
    /// For the status.
    pub client: Client,
    /// For the replicas.
    pub targets: Targets,
    /// When replicas may be set.
    pub leadership: Arc<Leadership>,
    /// Takes ScaledObjects whose triggers cannot be read: the controller reads the objects that they refer to again, as
    /// a password may have changed.
    pub recheck: mpsc::UnboundedSender<Key>,
}

impl Poller {
    /// Begins the loop of `record`, which goes on until the record is closed.
    pub fn start(self: &Arc<Self>, record: &Arc<Record>) {
        let task = tokio::spawn(Arc::clone(self).run(Arc::clone(record)));
        record.polled_by(task.abort_handle());
    }

    async fn run(self: Arc<Self>, record: Arc<Record>) {
        loop {
            // It ends by itself only when it panicked. That is a bug, but no reason to leave the workload alone.
            let _ = AssertUnwindSafe(self.poll(&record)).catch_unwind().await;
            tracing::error!(scaled_object = %record.key, "the poll loop failed; it begins anew");
            record.metrics.errors.inc();
            sleep(AFTER_PANIC).await;
        }
    }

    async fn poll(&self, record: &Record) {
        loop {
            let Some(serving) = record.serving() else {
                record.expect_poll(None);
                record.woken().await;
                continue;
            };
            if serving.observed {
                Box::pin(self.observe(record, &serving)).await;
                continue;
            }
            // Boxed: a thousand loops that wait must not each hold the space of a tick.
            Box::pin(self.tick(record, &serving)).await;
            wait(record, &serving).await;
        }
    }

    /// One tick, from the readings to the report.
    async fn tick(&self, record: &Record, serving: &Serving) {
        let is_poll = record.poll.is_poll_due();
        let samples = samples(serving, is_poll).await;
        let readings = readings(serving, &samples);
        let rules = rules(record, serving);
        let all = poll_readings(serving, &samples, readings.clone(), is_poll);
        let (mut tick, mut effect) = record.poll.on_readings(&rules, all);
        let (mut present, mut changes, mut is_read) = (None, Vec::new(), false);
        let report = loop {
            let (next, made) = match effect {
                Effect::Report(report) => break report,
                Effect::ReadReplicas => {
                    let found = self.read(record, serving).await;
                    let replicas = found.as_ref().map(|scale| scale.replicas).map_err(problem);
                    is_read = replicas.is_ok();
                    present = found.ok();
                    record.poll.on_replicas(&mut tick, &rules, replicas, self.may_set(record, serving))
                }
                Effect::SetReplicas((_, to, _)) => {
                    let set = self.set(record, serving, present.as_ref(), to).await;
                    record.poll.on_set(&mut tick, &rules, set.map_err(|error| problem(&error)))
                }
            };
            if let Some(change) = made {
                note_scaling(record, serving, &readings, change).await;
                changes.push(change);
            }
            effect = next;
        };
        let replicas = record.poll.replicas().map(|(replicas, _)| replicas);
        record.metrics.set_replicas(replicas);
        let view = TickView {
            is_read,
            leads: self.leadership.is_leader(),
            ..tick_view(serving, &readings, &report, replicas)
        };
        record.trail.on_tick(&changes, &view);
        self.report(record, *report, &samples).await;
    }

    /// Whether this replica leads, and the specification is still in force: it may have been paused or changed during
    /// the tick.
    fn may_set(&self, record: &Record, serving: &Serving) -> bool {
        self.leadership.is_leader() && record.serving().is_some_and(|now| std::ptr::eq(Arc::as_ptr(&now), serving))
    }

    async fn read(&self, record: &Record, serving: &Serving) -> Result<Scale, TargetError> {
        // The client bounds the wait for its turn, and the wait for the answer.
        self.targets.scale(&serving.target_kind, &record.key.namespace, &serving.target.name).await
    }

    async fn set(
        &self,
        record: &Record,
        serving: &Serving,
        present: Option<&Scale>,
        replicas: i32,
    ) -> Result<(), TargetError> {
        let Some(present) = present else { return Err(TargetError::Timeout) };
        let (kind, namespace, name) = (&serving.target_kind, &record.key.namespace, &serving.target.name);
        self.targets.set(kind, namespace, name, present, replicas).await
    }

    async fn report(&self, record: &Record, report: Report, samples: &[Result<Sample, ReadError>]) {
        if report.has_failed {
            record.metrics.errors.inc();
        }
        if samples.iter().any(|sample| matches!(sample, Err(ReadError::Connect { .. }))) {
            // The controller lives as long as its loops; without it no part reads the references again.
            let _ = self.recheck.send(record.key.clone());
        }
        record
            .status
            .report(&self.client, |facts| {
                facts.note_activity(report.tick.activity, report.last_active);
                facts.tick = Some(report.tick);
            })
            .await;
    }
}

/// Reads the triggers, as a poll does or between two.
async fn samples(serving: &Serving, is_poll: bool) -> Vec<Result<Sample, ReadError>> {
    let read = async |trigger: &Arc<Trigger>| if is_poll { trigger.poll().await } else { trigger.sample().await };
    join_all(serving.triggers.iter().map(read)).await
}

fn readings<'a>(serving: &'a Serving, samples: &[Result<Sample, ReadError>]) -> Vec<TriggerReading<'a>> {
    serving.named().zip(samples).map(|((trigger, name), sample)| trigger.reading(name, sample)).collect()
}

fn rules<'a>(record: &Record, serving: &'a Serving) -> Rules<'a> {
    Rules {
        policy: &serving.policy,
        fallback: serving.fallback.as_ref(),
        modifiers: serving.modifiers.as_deref(),
        metric_names: &serving.metric_names,
        build: serving.build,
        jitter: jitter(&record.uid),
    }
}

fn poll_readings<'a>(
    serving: &Serving,
    samples: &[Result<Sample, ReadError>],
    triggers: Vec<TriggerReading<'a>>,
    is_poll: bool,
) -> Readings<'a> {
    let now = clock::now();
    Readings {
        triggers,
        errors: serving.triggers.iter().zip(samples).enumerate().filter_map(error).collect(),
        last_active: serving.triggers.iter().filter_map(|trigger| trigger.last_active()).max(),
        next_change: serving.triggers.iter().filter_map(|trigger| trigger.next_change(now)).min(),
        is_poll,
    }
}

/// Waits for the next tick: for its time, for a change of the specification, or, while the workload is idle, for a trigger
/// that may have something new.
async fn wait(record: &Record, serving: &Serving) {
    let Some(wakeup) = record.poll.next_wakeup() else { return };
    let (due, poll) = (clock::instant(wakeup.at), clock::instant(wakeup.poll));
    record.expect_poll(Some(poll));
    loop {
        tokio::select! {
            biased;
            () = record.woken() => return,
            () = sleep_until(due) => {
                record.metrics.late(Instant::now().saturating_duration_since(due));
                return;
            }
            triggers = changed(&serving.triggers), if wakeup.is_idle => {
                if Box::pin(needs_poll(serving, &triggers)).await {
                    return;
                }
            }
        }
    }
}

/// Notes that the target was scaled, with the cause for the event.
async fn note_scaling(
    record: &Record,
    serving: &Serving,
    readings: &[TriggerReading<'_>],
    (from, to, reason): ReplicaChange,
) {
    let cause = match reason {
        ScaleReason::Activate if serving.policy.is_forced() => "caused by forced activation annotation".to_owned(),
        ScaleReason::FallBack => "triggered by the fallback".to_owned(),
        ScaleReason::Activate | ScaleReason::Deactivate | ScaleReason::Raise => {
            format!("triggered by {}", active_names(serving, readings))
        }
    };
    let scaling = Box::new(Scaling { from, to, reason, cause, at: clock::now() });
    record.status.note(|facts| facts.scaling = Some(scaling)).await;
}

/// The tick for the trail of decisions.
fn tick_view<'a>(
    serving: &'a Serving,
    readings: &[TriggerReading<'_>],
    report: &'a Report,
    replicas: Option<i32>,
) -> TickView<'a> {
    let tick = &report.tick;
    TickView {
        at: clock::now(),
        triggers: &serving.trigger_infos,
        states: readings.iter().map(|seen| TriggerState { value: seen.value, active: seen.active }).collect(),
        error: tick.failures().next(),
        formula: report.formula,
        formula_failed: tick.formula_error.is_some(),
        target_error: tick.target_error.as_ref().map(|error| error.message.as_str()),
        falls_back: tick.fallback.as_ref().is_some_and(|fallback| fallback.in_effect),
        decision: report.decision,
        replicas,
        is_read: false,
        policy: &serving.policy,
        leads: true,
        would_be: None,
    }
}

/// The names of the active triggers, as events have them.
fn active_names(serving: &Serving, readings: &[TriggerReading<'_>]) -> String {
    let active = serving.triggers.iter().zip(readings).filter(|(_, reading)| reading.active);
    let names: Vec<_> = active.map(|(trigger, _)| trigger.metrics().labels().scaler.as_ref()).collect();
    if names.is_empty() { COMPOSITE_METRIC.to_owned() } else { names.join(";") }
}

/// The place of a trigger that cannot be read, and the text of the status and the event.
fn error((place, (trigger, sample)): (usize, (&Arc<Trigger>, &Result<Sample, ReadError>))) -> Option<(usize, String)> {
    Some((place, format!("{}: {}", trigger.display(), sample.as_ref().err()?)))
}

fn problem(error: &TargetError) -> TargetProblem {
    let kind = match error {
        TargetError::Missing { .. } => ProblemKind::Missing,
        error if error.is_conflict() => ProblemKind::Conflict,
        error if error.is_refusal() => ProblemKind::Refused,
        error if error.is_unanswered() => ProblemKind::Unanswered,
        _ => ProblemKind::Failed,
    };
    TargetProblem { text: error.to_string(), kind, is_silence: error.is_silence() }
}
