//! The Prometheus series of KEDA's dashboards, under the same names and labels (keda.sh/docs, "Prometheus").
//!
//! Owns the series of this process; each trigger and each ScaledObject holds a handle to its own, which takes them
//! away when it is dropped. Must not know what the figures mean.

mod series;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use series::{Family, Figure, Roll};

const TRIGGER_LABELS: [&str; 6] = ["metric", "namespace", "scaledObject", "scaler", "triggerIndex", "type"];
const OBJECT_LABELS: [&str; 2] = ["namespace", "scaledObject"];
const LOOP_LABELS: [&str; 3] = ["namespace", "resource", "type"];
/// Seconds. A broker on the same network answers within a millisecond; three seconds is when Ebb gives up.
const LATENCY_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];

const VALUE: Family = Family::gauge("keda_scaler_metrics_value", "The last value of each trigger's metric.");
const LATENCY: Family =
    Family::gauge("keda_scaler_metrics_latency_seconds", "How long the last reading of each trigger took.");
const ACTIVE: Family = Family::gauge("keda_scaler_active", "Whether each trigger is active (1) or not (0).");
const NEXT_CHANGE: Family = Family::gauge(
    "ebb_trigger_next_change_timestamp_seconds",
    "When each trigger's metric changes next, if that is known: the edge of a cron window, in Unix time.",
);
const ERRORS: Family = Family::counter("keda_scaler_detail_errors_total", "Readings of each trigger that failed.");
const OBJECT_ERRORS: Family = Family::counter("keda_scaled_object_errors_total", "Errors of each ScaledObject.");
const PAUSED: Family =
    Family::gauge("keda_scaled_object_paused", "Whether each ScaledObject is paused (1) or not (0).");
const LOOP_LATENCY: Family =
    Family::gauge("keda_internal_scale_loop_latency_seconds", "How late each ScaledObject's last poll was.");

/// Where a trigger keeps a family's figure.
type FigureOf = fn(&TriggerMetrics) -> &Figure;

/// Every series of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    latencies: HistogramVec,
    kinds: IntGaugeVec,
    resources: IntGaugeVec,
    triggers: Roll<TriggerMetrics>,
    objects: Roll<ObjectMetrics>,
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
        let whole = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
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
            latencies: registered(&registry, HistogramVec::new(latencies, &["type"])?)?,
            kinds: whole("keda_trigger_registered_total", "Triggers in use, by type.", &["type"])?,
            resources: whole(
                "keda_resource_registered_total",
                "Resources of KEDA's kinds in use.",
                &["type", "namespace"],
            )?,
            triggers: Roll::default(),
            objects: Roll::default(),
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
        // One family at a time: all of them at once would take a multiple of what the text takes.
        let mut write = |family: MetricFamily| {
            if family.get_metric().is_empty() { Ok(()) } else { TextEncoder::new().encode(&[family], &mut text) }
        };
        let triggers = self.triggers.living();
        let indices: Vec<_> = triggers.iter().map(|trigger| trigger.labels.index.to_string()).collect();
        let families: [(Family, FigureOf); 5] = [
            (VALUE, |trigger| &trigger.value),
            (LATENCY, |trigger| &trigger.latency),
            (ACTIVE, |trigger| &trigger.active),
            (NEXT_CHANGE, |trigger| &trigger.next_change),
            (ERRORS, |trigger| &trigger.errors),
        ];
        for (family, figure) in families {
            let series = triggers
                .iter()
                .zip(&indices)
                .map(|(trigger, index)| (trigger_values(&trigger.labels, index), figure(trigger).get()));
            write(family.of(TRIGGER_LABELS, series.filter(|(_, number)| !number.is_nan())))?;
        }
        let objects = self.objects.living();
        let by_object = |number: fn(&ObjectMetrics) -> f64| {
            objects.iter().map(move |object| ([object.namespace.as_str(), object.name.as_str()], number(object)))
        };
        write(OBJECT_ERRORS.of(OBJECT_LABELS, by_object(|object| object.errors.get())))?;
        write(PAUSED.of(OBJECT_LABELS, by_object(|object| object.paused.get())))?;
        let loops = by_object(|object| object.loop_latency.get());
        let loops = loops.map(|([namespace, name], number)| ([namespace, name, "scaledobject"], number));
        write(LOOP_LATENCY.of(LOOP_LABELS, loops))?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// The series of a trigger. They exist until the handle is dropped.
    pub fn trigger(&self, labels: TriggerLabels) -> Arc<TriggerMetrics> {
        let next_change = Figure::default();
        next_change.set(f64::NAN);
        let trigger = Arc::new(TriggerMetrics {
            value: Figure::default(),
            latency: Figure::default(),
            active: Figure::default(),
            errors: Figure::default(),
            next_change,
            latencies: self.latencies.with_label_values(&[&labels.kind]),
            _kind: self.kind(&labels.kind),
            labels,
        });
        self.triggers.add(&trigger);
        trigger
    }

    /// Counts a trigger of this type in `keda_trigger_registered_total`, until the handle is dropped.
    pub fn kind(&self, kind: &str) -> KindMetrics {
        let count = self.kinds.with_label_values(&[kind]);
        count.inc();
        KindMetrics(count)
    }

    /// Counts a resource of one of KEDA's kinds, by KEDA's word for it, until the handle is dropped.
    pub fn resource(self: &Arc<Self>, kind: &'static str, namespace: &str) -> ResourceMetrics {
        let count = self.resources.with_label_values(&[kind, namespace]);
        count.inc();
        ResourceMetrics { count }
    }

    /// The series of a ScaledObject. They exist until the handle is dropped.
    pub fn object(self: &Arc<Self>, namespace: &str, name: &str) -> Arc<ObjectMetrics> {
        let object = Arc::new(ObjectMetrics {
            _resource: self.resource("scaled_object", namespace),
            errors: Figure::default(),
            paused: Figure::default(),
            loop_latency: Figure::default(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
        self.objects.add(&object);
        object
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn trigger_values<'a>(labels: &'a TriggerLabels, index: &'a str) -> [&'a str; 6] {
    [&labels.metric, &labels.namespace, &labels.scaled_object, &labels.scaler, index, "scaledobject"]
}

/// One trigger's series.
#[derive(Debug)]
pub struct TriggerMetrics {
    /// The metric's last value.
    pub value: Figure,
    /// How long the last reading took, in seconds.
    pub latency: Figure,
    /// How long readings of this kind of trigger take, in seconds.
    pub latencies: Histogram,
    /// 1 while the trigger is active.
    pub active: Figure,
    /// Readings that failed.
    pub errors: Figure,
    /// Not a number while it is not known.
    next_change: Figure,
    _kind: KindMetrics,
    labels: TriggerLabels,
}

impl TriggerMetrics {
    /// By which labels the series are known.
    pub fn labels(&self) -> &TriggerLabels {
        &self.labels
    }

    /// Shows when the metric changes next. Without an instant there is no such series: most triggers cannot know.
    pub fn set_next_change(&self, at: Option<DateTime<Utc>>) {
        // Whole seconds of Unix time are far below 2^53.
        #[expect(clippy::cast_precision_loss)]
        self.next_change.set(at.map_or(f64::NAN, |at| at.timestamp() as f64));
    }
}

/// One trigger in `keda_trigger_registered_total`.
#[derive(Debug)]
pub struct KindMetrics(IntGauge);

impl Drop for KindMetrics {
    fn drop(&mut self) {
        self.0.dec();
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
    pub errors: Figure,
    /// 1 while it is paused.
    pub paused: Figure,
    /// How late the last poll was, in seconds.
    pub loop_latency: Figure,
    _resource: ResourceMetrics,
    namespace: String,
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(metrics: &Arc<Metrics>) -> Arc<TriggerMetrics> {
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
