//! Series of this process itself: its requests to the API server, its answers to HPAs, its certificate, its clients of
//! brokers. Every replica exports them.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

use super::registered;
use super::series::Family;

/// Seconds. A query of the HPA controller ends after 30; the API server is given 15.
const DURATION_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

const ANSWERS: (&str, &str) =
    ("ebb_external_metric_requests_total", "Queries of external metrics that were answered, by HTTP status.");
const ANSWER_DURATION: (&str, &str) =
    ("ebb_external_metric_request_duration_seconds", "How long answers to queries of external metrics took.");
/// The name and the labels of controller-runtime's series, which KEDA's operator exports too.
const API_REQUESTS: (&str, &str) = ("rest_client_requests_total", "Requests to the API server, without watches.");
const API_DURATION: (&str, &str) =
    ("ebb_apiserver_request_duration_seconds", "How long the API server took to answer requests, without watches.");
pub(super) const CERTIFICATE_EXPIRY: Family = Family::gauge(
    "ebb_certificate_expiry_timestamp_seconds",
    "The end of the validity of the serving certificate, in Unix time.",
);
pub(super) const BROKER_CLIENTS: Family =
    Family::gauge("ebb_broker_clients", "Clients of brokers that triggers share, by type.");
/// The status of a request without an answer, as in client-go.
const NO_ANSWER: &str = "<error>";

/// A function that is called at each scrape.
type Ask<T> = OnceLock<Box<dyn Fn() -> T + Send + Sync>>;

/// The series of this process.
pub struct ProcessMetrics {
    answers: IntCounterVec,
    answer_duration: Histogram,
    api_requests: IntCounterVec,
    api_duration: HistogramVec,
    certificate_expiry: Ask<Option<DateTime<Utc>>>,
    broker_clients: Ask<Vec<(&'static str, usize)>>,
}

impl std::fmt::Debug for ProcessMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessMetrics").finish_non_exhaustive()
    }
}

impl ProcessMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |(name, help): (&str, &str), labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let options = |(name, help): (&str, &str)| HistogramOpts::new(name, help).buckets(DURATION_BUCKETS.to_vec());
        Ok(Self {
            answers: counter(ANSWERS, &["code"])?,
            answer_duration: registered(registry, Histogram::with_opts(options(ANSWER_DURATION))?)?,
            api_requests: counter(API_REQUESTS, &["code", "host", "method"])?,
            api_duration: registered(registry, HistogramVec::new(options(API_DURATION), &["method"])?)?,
            certificate_expiry: OnceLock::new(),
            broker_clients: OnceLock::new(),
        })
    }

    /// Counts an answer to a query of an external metric.
    pub fn answered(&self, status: u16, took: Duration) {
        self.answers.with_label_values(&[&*status.to_string()]).inc();
        self.answer_duration.observe(took.as_secs_f64());
    }

    /// Counts a request to the API server at `host`. `status`: none if there was no answer.
    pub fn requested(&self, host: &str, method: &str, status: Option<u16>, took: Duration) {
        let code = status.map_or_else(|| NO_ANSWER.to_owned(), |status| status.to_string());
        self.api_requests.with_label_values(&[&*code, host, method]).inc();
        self.api_duration.with_label_values(&[method]).observe(took.as_secs_f64());
    }

    /// Has `expiry` asked at each scrape for the end of the serving certificate. The first call counts.
    pub fn expires_by(&self, expiry: impl Fn() -> Option<DateTime<Utc>> + Send + Sync + 'static) {
        // It is set once, at the start.
        let _ = self.certificate_expiry.set(Box::new(expiry));
    }

    /// Has `clients` asked at each scrape for the clients of brokers, by type. The first call counts.
    pub fn clients_from(&self, clients: impl Fn() -> Vec<(&'static str, usize)> + Send + Sync + 'static) {
        let _ = self.broker_clients.set(Box::new(clients));
    }

    /// The end of the serving certificate, in seconds of Unix time.
    pub(super) fn certificate_expiry(&self) -> Option<f64> {
        let expiry = self.certificate_expiry.get().and_then(|ask| ask())?;
        // Seconds of Unix time are far below 2^53.
        #[expect(clippy::cast_precision_loss)]
        Some(expiry.timestamp() as f64)
    }

    /// The clients of brokers, by type.
    pub(super) fn broker_clients(&self) -> Vec<(&'static str, f64)> {
        // There are far fewer than 2^53.
        #[expect(clippy::cast_precision_loss)]
        let counted = |(kind, count): (&'static str, usize)| (kind, count as f64);
        self.broker_clients.get().map(|ask| ask()).unwrap_or_default().into_iter().map(counted).collect()
    }
}

/// One resource in `keda_resource_registered_total`.
#[derive(Debug)]
pub struct ResourceMetrics {
    pub(super) count: IntGauge,
}

impl Drop for ResourceMetrics {
    fn drop(&mut self) {
        self.count.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::leader::Leadership;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn a_standby_counts_its_own_requests_and_answers() {
        let metrics = Metrics::new(false, Leadership::elected()).unwrap();
        let own = metrics.own();
        own.answered(200, Duration::from_millis(3));
        own.answered(404, Duration::from_millis(3));
        own.requested("10.0.0.1:443", "GET", Some(200), Duration::from_millis(3));
        own.requested("10.0.0.1:443", "PATCH", None, Duration::from_secs(15));
        let text = metrics.text().unwrap();
        for line in [
            "ebb_external_metric_requests_total{code=\"200\"} 1",
            "ebb_external_metric_requests_total{code=\"404\"} 1",
            "ebb_external_metric_request_duration_seconds_count 2",
            "rest_client_requests_total{code=\"200\",host=\"10.0.0.1:443\",method=\"GET\"} 1",
            "rest_client_requests_total{code=\"<error>\",host=\"10.0.0.1:443\",method=\"PATCH\"} 1",
            "ebb_apiserver_request_duration_seconds_count{method=\"PATCH\"} 1",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "no {line} in {text}");
        }
    }

    #[test]
    fn the_certificate_and_the_clients_are_asked_for_at_each_scrape() {
        let metrics = Metrics::new(false, Leadership::elected()).unwrap();
        let quiet = metrics.text().unwrap();
        assert!(!quiet.contains("ebb_certificate_expiry") && !quiet.contains("ebb_broker_clients"), "{quiet}");
        let clients = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let asked = Arc::clone(&clients);
        let own = metrics.own();
        own.expires_by(|| DateTime::from_timestamp(1_800_000_000, 0));
        own.clients_from(move || vec![("kafka", asked.load(std::sync::atomic::Ordering::Relaxed))]);
        assert!(metrics.text().unwrap().contains("\nebb_broker_clients{type=\"kafka\"} 0\n"));
        clients.store(2, std::sync::atomic::Ordering::Relaxed);
        let text = metrics.text().unwrap();
        assert!(text.contains("\nebb_certificate_expiry_timestamp_seconds 1800000000\n"), "{text}");
        assert!(text.contains("\nebb_broker_clients{type=\"kafka\"} 2\n"), "{text}");
    }
}
