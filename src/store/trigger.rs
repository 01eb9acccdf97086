//! A live trigger: its scaler, and its last reading. The poll and the HPA's question take the same way here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_scalers::net::exchange::{self, Observer};
use ebb_scalers::{MetricSpec, ReadError, Reading, Scaler};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock;
use crate::telemetry::metrics::TriggerMetrics;
use ebb_plan::readings::{TriggerReading, from_zero};

/// The oldest reading that the HPA is given while the broker answers.
const FRESH: Duration = Duration::from_secs(1);

/// A reading and when it was taken.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The reading.
    pub reading: Reading,
    /// When, for the answer's time stamp.
    pub at: DateTime<Utc>,
    asked: Instant,
}

/// One trigger of a ScaledObject that is served.
#[derive(Debug)]
pub struct Trigger {
    scaler: Box<dyn Scaler>,
    use_cached_metrics: bool,
    metrics: Arc<TriggerMetrics>,
    last: Mutex<Option<Sample>>,
    last_active: Mutex<Option<DateTime<Utc>>>,
    failures: AtomicU32,
}

impl Trigger {
    /// A trigger that has not been read yet. `failures` polls of it failed before Ebb was started.
    pub fn new(scaler: Box<dyn Scaler>, use_cached_metrics: bool, metrics: Arc<TriggerMetrics>, failures: u32) -> Self {
        Self {
            scaler,
            use_cached_metrics,
            metrics,
            last: Mutex::default(),
            last_active: Mutex::default(),
            failures: AtomicU32::new(failures),
        }
    }

    /// The metric that the HPA asks for.
    pub fn metric(&self) -> &MetricSpec {
        self.scaler.metric()
    }

    /// The handle to the trigger's series.
    pub fn metrics(&self) -> &Arc<TriggerMetrics> {
        &self.metrics
    }

    /// `trigger 0 (rabbitmq)`: its name in errors.
    pub fn display(&self) -> String {
        let labels = self.metrics.labels();
        format!("trigger {} ({})", labels.index, labels.kind)
    }

    /// Reads the source now, between polls.
    ///
    /// # Errors
    /// The source cannot be read.
    pub async fn sample(&self) -> Result<Sample, ReadError> {
        self.note(self.asking(self.scaler.read(clock::now()))).await
    }

    /// Reads the source as the poll of a `pollingInterval` does.
    ///
    /// # Errors
    /// The source cannot be read.
    pub async fn poll(&self) -> Result<Sample, ReadError> {
        let read = self.note(self.asking(self.scaler.poll(clock::now()))).await;
        if read.is_err() {
            let more = |failures: u32| Some(failures.saturating_add(1));
            // The closure always gives a number.
            let _ = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
        read
    }

    /// The polls that have failed since the last reading. Failed questions of the HPA do not count.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// A reading in the form for the decision and for the HPA alike. `name` is the trigger's own name.
    pub fn reading<'a>(&self, name: Option<&'a str>, reading: &Result<Sample, ReadError>) -> TriggerReading<'a> {
        let reading = reading.as_ref().ok().map(|sample| sample.reading);
        let value = reading.map(|reading| reading.value);
        TriggerReading {
            name,
            value,
            active: reading.is_some_and(|reading| reading.active),
            wanted: from_zero(self.metric(), value),
            failures: self.failures(),
        }
    }

    /// The last reading, unless the trigger cannot be read now.
    pub fn last(&self) -> Option<Sample> {
        *self.last.lock()
    }

    /// HTTP exchanges that a question leads to count for this trigger.
    fn asking<F: Future>(&self, question: F) -> impl Future<Output = F::Output> {
        let observer: Arc<dyn Observer> = Arc::clone(&self.metrics) as _;
        exchange::on_behalf_of(observer, question)
    }

    async fn note(&self, read: impl Future<Output = Result<Reading, ReadError>>) -> Result<Sample, ReadError> {
        let begun = Instant::now();
        let read = read.await;
        self.metrics.took(begun.elapsed());
        match read {
            Ok(reading) => {
                self.failures.store(0, Ordering::Relaxed);
                self.metrics.value.set(reading.value);
                self.metrics.active.set(f64::from(u8::from(reading.active)));
                // A value is as old as its question: the broker may have read it at once and answered late.
                let sample = Sample { reading, at: clock::now(), asked: begun };
                *self.last.lock() = Some(sample);
                if reading.active {
                    *self.last_active.lock() = Some(sample.at);
                }
                Ok(sample)
            }
            Err(error) => {
                // A cached value must not outlive the broker that it came from.
                *self.last.lock() = None;
                self.metrics.errors.inc();
                Err(error.bounded())
            }
        }
    }

    /// When a poll or the HPA last found it active.
    pub fn last_active(&self) -> Option<DateTime<Utc>> {
        *self.last_active.lock()
    }

    /// The answer to the HPA: a reading not older than a second, or with `useCachedMetrics` the last poll's.
    ///
    /// # Errors
    /// The source cannot be read, and there is no earlier reading.
    pub async fn answer(&self) -> Result<Sample, ReadError> {
        match self.last() {
            Some(sample) if self.use_cached_metrics || sample.asked.elapsed() <= FRESH => Ok(sample),
            _ => self.sample().await,
        }
    }

    /// See [`Scaler::changed`].
    pub async fn changed(&self) {
        self.scaler.changed().await;
    }

    /// See [`Scaler::next_change`]. Shows it in the trigger's series, too.
    pub fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.scaler.next_change(now);
        self.metrics.set_next_change(next);
        next
    }
}
