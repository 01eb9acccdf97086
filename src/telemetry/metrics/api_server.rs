//! The series about the API server.

use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use super::registered;

/// How urgent a request may be, the most urgent first: the values of the label `urgency`.
const URGENCIES: [&str; 3] = ["scale", "check", "report"];

/// The series about the API server, as requests find it.
#[derive(Debug, Clone)]
pub struct ApiServerMetrics {
    /// 1 while it cannot keep up.
    pub overloaded: IntGauge,
    /// How many requests may be out at the same time.
    pub limit: IntGauge,
    /// How many wait, the most urgent first: reads and changes of replica counts, checks, reports.
    pub waiting: [IntGauge; 3],
    /// Requests without an answer, or with one that says that it cannot keep up.
    pub overloads: IntCounter,
}

impl ApiServerMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| registered(registry, IntGauge::new(name, help)?);
        let waiting = Opts::new("ebb_apiserver_requests_waiting", "Requests to the API server that wait, by urgency.");
        let overloads = IntCounter::new(
            "ebb_apiserver_overloads_total",
            "Requests to the API server that it did not answer, or answered that it cannot keep up.",
        );
        let waiting = registered(registry, IntGaugeVec::new(waiting, &["urgency"])?)?;
        Ok(Self {
            overloaded: gauge("ebb_apiserver_overloaded", "Whether the API server cannot keep up (1) or can (0).")?,
            limit: gauge("ebb_apiserver_requests_limit", "Requests to the API server that may be out together.")?,
            // Series that are there from the start can be asked for their change.
            waiting: URGENCIES.map(|urgency| waiting.with_label_values(&[urgency])),
            overloads: registered(registry, overloads?)?,
        })
    }
}
