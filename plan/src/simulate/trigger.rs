//! A trigger during a run: its source, and its state in Ebb.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::queue::Queue;
use super::scenario::{SimulatedTrigger, TriggerSource};
use super::series::Series;
use crate::readings::{TriggerReading, from_zero};
use crate::tick::Moment;

/// The state of a trigger.
#[derive(Debug, Clone)]
pub(super) struct TriggerState<'a> {
    pub(super) spec: &'a SimulatedTrigger,
    /// Its values, or the messages that arrive.
    series: Series,
    queue: Option<Queue>,
    /// The last reading.
    last: Option<f64>,
    failures: u32,
    last_active: Option<DateTime<Utc>>,
}

impl<'a> TriggerState<'a> {
    pub(super) fn new(spec: &'a SimulatedTrigger) -> Self {
        let (series, queue) = match &spec.source {
            TriggerSource::Values(series) | TriggerSource::Schedule(series) => (series.clone(), None),
            TriggerSource::Queue { arrivals, rate } => (arrivals.clone(), Some(Queue::new(*rate))),
        };
        Self { spec, series, queue, last: None, failures: 0, last_active: None }
    }

    /// The present value of the source.
    pub(super) fn present(&mut self, now: Duration) -> Option<f64> {
        let value = self.series.at(now)?;
        Some(self.queue.as_ref().map_or(value, Queue::length))
    }

    /// A question of the poll loop.
    pub(super) fn read(&mut self, now: Moment, is_poll: bool) {
        self.last = self.present(now.steady);
        if self.last.is_some() {
            self.failures = 0;
        } else if is_poll {
            self.failures = self.failures.saturating_add(1);
        }
        if self.is_active(self.last) {
            self.last_active = Some(now.at);
        }
    }

    /// A question of the HPA.
    pub(super) fn asked(&mut self, now: Moment) {
        if !self.spec.is_cached || self.last.is_none() {
            self.read(now, false);
        }
    }

    /// The reading of the last question.
    pub(super) fn reading(&self) -> TriggerReading<'a> {
        let (value, active) = (self.last, self.is_active(self.last));
        TriggerReading {
            name: self.spec.info.name.as_deref(),
            value,
            active,
            wanted: from_zero(&self.spec.info.metric, value),
            failures: self.failures,
        }
    }

    /// When it was last found active.
    pub(super) fn last_active(&self) -> Option<DateTime<Utc>> {
        self.last_active
    }

    fn is_active(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| value > self.spec.info.metric.activation)
    }

    /// Whether a change of the source wakes an idle loop. With a formula each other value may matter.
    pub(super) fn calls(&mut self, now: Duration, any_change: bool) -> bool {
        if !self.spec.notices_changes {
            return false;
        }
        let value = self.present(now);
        if any_change { value != self.last } else { value.is_none() && self.last.is_some() || self.is_active(value) }
    }

    /// The next edge of its schedule.
    pub(super) fn next_edge(&mut self, now: Duration) -> Option<Duration> {
        let is_schedule = matches!(self.spec.source, TriggerSource::Schedule(_));
        if is_schedule { self.series.next_change(now) } else { None }
    }

    /// The next time at which the run has to stop for it: for another rate of arrivals, or, while the workload is idle,
    /// for a change of its source.
    pub(super) fn next_stop(&mut self, now: Duration, is_idle: bool) -> Option<Duration> {
        let notices = is_idle && self.spec.notices_changes;
        if self.queue.is_none() && !notices {
            return None;
        }
        let arriving = self.series.at(now).unwrap_or_default();
        let above = self.queue.as_ref().filter(|_| notices && arriving > 0.0);
        let above = above
            .and_then(|queue| queue.until_above(self.spec.info.metric.activation, arriving))
            .map(|wait| now + wait);
        self.series.next_change(now).into_iter().chain(above).min()
    }

    /// Time goes on while `ready` replicas are ready.
    pub(super) fn advance(&mut self, from: Duration, to: Duration, ready: i32) {
        if let Some(queue) = &mut self.queue {
            queue.advance(from, to, self.series.at(from).unwrap_or_default(), ready);
        }
    }

    /// The queue that the workload works off, in a closed loop.
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }
}
