//! The Prometheus series of KEDA's dashboards, under the same names and labels (keda.sh/docs, "Prometheus").
//!
//! Owns the series of this process; each trigger and each ScaledObject holds a handle to its own, which takes them
//! away when it is dropped. Must not know what the figures mean.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

const TRIGGER_LABELS: &[&str] = &["namespace", "metric", "scaledObject", "scaler", "triggerIndex", "type"];
const OBJECT_LABELS: &[&str] = &["namespace", "scaledObject"];
const LOOP_LABELS: &[&str] = &["namespace", "type", "resource"];
/// Seconds. A broker on the same network answers within a millisecond; three seconds is when Ebb gives up.
const LATENCY_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];

/// Every series of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    value: GaugeVec,
    latency: GaugeVec,
    latencies: HistogramVec,
    active: IntGaugeVec,
    next_change: GaugeVec,
    errors: IntCounterVec,
    triggers: IntGaugeVec,
    object_errors: IntCounterVec,
    paused: IntGaugeVec,
    resources: IntGaugeVec,
    loop_latency: GaugeVec,
}

/// The labels of one trigger's series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerLabels {
    /// The ScaledObject's namespace.
    pub namespace: String,
    /// The ScaledObject's name.
    pub scaled_object: String,
    /// The external metric's name.
    pub metric: String,
    /// The trigger's name, else KEDA's name for its kind.
    pub scaler: String,
    /// The trigger's place in the ScaledObject.
    pub index: usize,
    /// The trigger's type.
    pub kind: String,
}

impl Metrics {
    /// All series, still empty.
    ///
    /// # Errors
    /// A name that is registered twice.
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, GaugeVec::new(Opts::new(name, help), labels)?)
        };
        let whole = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let build = whole(
            "keda_build_info",
            "The release that runs.",
            &["version", "git_commit", "goversion", "goos", "goarch"],
        )?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), "", "", std::env::consts::OS, std::env::consts::ARCH])
            .set(1);
        let latencies = HistogramOpts::new("ebb_scaler_latency_seconds", "How long triggers took to be read.")
            .buckets(LATENCY_BUCKETS.to_vec());
        let metrics = Self {
            value: gauges("keda_scaler_metrics_value", "The last value of each trigger's metric.", TRIGGER_LABELS)?,
            latency: gauges(
                "keda_scaler_metrics_latency_seconds",
                "How long the last reading of each trigger took.",
                TRIGGER_LABELS,
            )?,
            latencies: registered(&registry, HistogramVec::new(latencies, &["type"])?)?,
            active: whole("keda_scaler_active", "Whether each trigger is active (1) or not (0).", TRIGGER_LABELS)?,
            next_change: gauges(
                "ebb_trigger_next_change_timestamp_seconds",
                "When each trigger's metric changes next, if that is known: the edge of a cron window, in Unix time.",
                TRIGGER_LABELS,
            )?,
            errors: counters(
                "keda_scaler_detail_errors_total",
                "Readings of each trigger that failed.",
                TRIGGER_LABELS,
            )?,
            triggers: whole("keda_trigger_registered_total", "Triggers in use, by type.", &["type"])?,
            object_errors: counters("keda_scaled_object_errors_total", "Errors of each ScaledObject.", OBJECT_LABELS)?,
            paused: whole(
                "keda_scaled_object_paused",
                "Whether each ScaledObject is paused (1) or not (0).",
                OBJECT_LABELS,
            )?,
            resources: whole(
                "keda_resource_registered_total",
                "Resources of KEDA's kinds in use.",
                &["type", "namespace"],
            )?,
            loop_latency: gauges(
                "keda_internal_scale_loop_latency_seconds",
                "How late each ScaledObject's last poll was.",
                LOOP_LABELS,
            )?,
            registry: registry.clone(),
        };
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Arc::new(metrics))
    }

    /// Everything in Prometheus's text format.
    ///
    /// # Errors
    /// A series that cannot be written.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// The series of a trigger. They exist until the handle is dropped.
    pub fn trigger(self: &Arc<Self>, labels: TriggerLabels) -> TriggerMetrics {
        let index = labels.index.to_string();
        let values = trigger_values(&labels, &index);
        self.triggers.with_label_values(&[&labels.kind]).inc();
        TriggerMetrics {
            value: self.value.with_label_values(&values),
            latency: self.latency.with_label_values(&values),
            active: self.active.with_label_values(&values),
            errors: self.errors.with_label_values(&values),
            next_change: Mutex::default(),
            latencies: self.latencies.with_label_values(&[&labels.kind]),
            labels,
            all: Arc::clone(self),
        }
    }

    /// Counts a resource of one of KEDA's kinds, by KEDA's word for it, until the handle is dropped.
    pub fn resource(self: &Arc<Self>, kind: &'static str, namespace: &str) -> ResourceMetrics {
        let count = self.resources.with_label_values(&[kind, namespace]);
        count.inc();
        ResourceMetrics { count }
    }

    /// The series of a ScaledObject. They exist until the handle is dropped.
    pub fn object(self: &Arc<Self>, namespace: &str, name: &str) -> ObjectMetrics {
        ObjectMetrics {
            _resource: self.resource("scaled_object", namespace),
            errors: self.object_errors.with_label_values(&[namespace, name]),
            paused: self.paused.with_label_values(&[namespace, name]),
            loop_latency: self.loop_latency.with_label_values(&[namespace, "scaledobject", name]),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            all: Arc::clone(self),
        }
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn trigger_values<'a>(labels: &'a TriggerLabels, index: &'a str) -> [&'a str; 6] {
    [&labels.namespace, &labels.metric, &labels.scaled_object, &labels.scaler, index, "scaledobject"]
}

/// One trigger's series.
#[derive(Debug)]
pub struct TriggerMetrics {
    /// The metric's last value.
    pub value: Gauge,
    /// How long the last reading took, in seconds.
    pub latency: Gauge,
    /// How long readings of this kind of trigger take, in seconds.
    pub latencies: prometheus::Histogram,
    /// 1 while the trigger is active.
    pub active: IntGauge,
    /// Readings that failed.
    pub errors: IntCounter,
    next_change: Mutex<Option<Gauge>>,
    labels: TriggerLabels,
    all: Arc<Metrics>,
}

impl TriggerMetrics {
    /// By which labels the series are known.
    pub fn labels(&self) -> &TriggerLabels {
        &self.labels
    }

    /// Shows when the metric changes next. Without an instant there is no such series: most triggers cannot know.
    pub fn set_next_change(&self, at: Option<DateTime<Utc>>) {
        let mut gauge = self.next_change.lock();
        if at.is_none() && gauge.is_none() {
            return;
        }
        let index = self.labels.index.to_string();
        let values = trigger_values(&self.labels, &index);
        if let Some(at) = at {
            let gauge = gauge.get_or_insert_with(|| self.all.next_change.with_label_values(&values));
            // Whole seconds of Unix time are far below 2^53.
            #[expect(clippy::cast_precision_loss)]
            gauge.set(at.timestamp() as f64);
        } else {
            *gauge = None;
            let _ = self.all.next_change.remove_label_values(&values);
        }
    }
}

impl Drop for TriggerMetrics {
    fn drop(&mut self) {
        self.set_next_change(None);
        let index = self.labels.index.to_string();
        let values = trigger_values(&self.labels, &index);
        // A series that is gone already needs no removal.
        let _ = self.all.value.remove_label_values(&values);
        let _ = self.all.latency.remove_label_values(&values);
        let _ = self.all.active.remove_label_values(&values);
        let _ = self.all.errors.remove_label_values(&values);
        self.all.triggers.with_label_values(&[&self.labels.kind]).dec();
    }
}

/// One resource in `keda_resource_registered_total`.
#[derive(Debug)]
pub struct ResourceMetrics {
    count: IntGauge,
}

impl Drop for ResourceMetrics {
    fn drop(&mut self) {
        self.count.dec();
    }
}

/// One ScaledObject's series.
#[derive(Debug)]
pub struct ObjectMetrics {
    /// Checks and ticks that went wrong.
    pub errors: IntCounter,
    /// 1 while it is paused.
    pub paused: IntGauge,
    /// How late the last poll was, in seconds.
    pub loop_latency: Gauge,
    _resource: ResourceMetrics,
    namespace: String,
    name: String,
    all: Arc<Metrics>,
}

impl Drop for ObjectMetrics {
    fn drop(&mut self) {
        let values = [self.namespace.as_str(), self.name.as_str()];
        let _ = self.all.object_errors.remove_label_values(&values);
        let _ = self.all.paused.remove_label_values(&values);
        let _ = self.all.loop_latency.remove_label_values(&[&self.namespace, "scaledobject", &self.name]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(metrics: &Arc<Metrics>) -> TriggerMetrics {
        metrics.trigger(TriggerLabels {
            namespace: "ns".into(),
            scaled_object: "app".into(),
            metric: "s0-rabbitmq-jobs".into(),
            scaler: "rabbitMQScaler".into(),
            index: 0,
            kind: "rabbitmq".into(),
        })
    }

    #[test]
    fn every_series_is_documented() {
        let (code, page) = (include_str!("metrics.rs"), include_str!("../docs/metrics.md"));
        let names: Vec<_> = ["\"keda_", "\"ebb_"]
            .iter()
            .flat_map(|start| code.match_indices(start).map(|(at, _)| &code[at + 1..]))
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next())
            .filter(|name| name.len() > 5)
            .collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("| `{name}` |")), "docs/metrics.md has no row for {name}");
        }
    }

    #[test]
    fn a_next_change_is_shown_while_one_is_known() {
        let metrics = Metrics::new().unwrap();
        let trigger = trigger(&metrics);
        let shown = || {
            let text = metrics.text().unwrap();
            let line = text.lines().find(|line| line.starts_with("ebb_trigger_next_change_timestamp_seconds{"));
            line.and_then(|line| line.rsplit(' ').next().map(str::to_owned))
        };
        assert_eq!(shown(), None);
        trigger.set_next_change("2026-03-29T01:00:00Z".parse().ok());
        assert_eq!(shown().as_deref(), Some("1774746000"));
        trigger.set_next_change(None);
        assert_eq!(shown(), None);
        trigger.set_next_change("2026-03-29T01:00:00Z".parse().ok());
        drop(trigger);
        assert_eq!(shown(), None);
    }

    #[test]
    fn series_live_as_long_as_their_trigger() {
        let metrics = Metrics::new().unwrap();
        let trigger = trigger(&metrics);
        trigger.value.set(7.0);
        let line = "keda_scaler_metrics_value{metric=\"s0-rabbitmq-jobs\",namespace=\"ns\",scaledObject=\"app\",scaler=\"rabbitMQScaler\",triggerIndex=\"0\",type=\"scaledobject\"} 7";
        assert!(metrics.text().unwrap().contains(line), "{}", metrics.text().unwrap());
        assert!(metrics.text().unwrap().contains("keda_trigger_registered_total{type=\"rabbitmq\"} 1"));
        drop(trigger);
        assert!(!metrics.text().unwrap().contains("keda_scaler_metrics_value{"));
        assert!(metrics.text().unwrap().contains("keda_trigger_registered_total{type=\"rabbitmq\"} 0"));
    }
}
