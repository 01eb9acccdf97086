//! The Prometheus series of KEDA's dashboards, under the same names and labels (keda.sh/docs, "Prometheus").
//!
//! Owns the series of this process; each trigger and each ScaledObject holds a handle to its own, which takes them
//! away when it is dropped. Must not know what the figures mean.
//!
//! Series of ScaledObjects and their triggers come from the leader only, so that a sum over all replicas counts each
//! once. [`Metrics::text`] decides that at each scrape. A gauge is set on every replica, and is current when its
//! replica takes over; a count moves only while its replica leads ([`LeaderCount`]).

mod api_server;
mod decisions;
mod exchanges;
mod process;
mod series;
mod text;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_scalers::net::exchange::Observer;
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::build_info;
use crate::kube_api::key::Key;
use crate::leader::Leadership;
pub use api_server::ApiServerMetrics;
use decisions::DecisionCounts;
use exchanges::{DURATION_BUCKETS, Traffic, status_code};
pub use process::{ProcessMetrics, ResourceMetrics};
use series::{Family, Figure, LeaderCount, Roll};

const TRIGGER_LABELS: [&str; 6] = ["metric", "namespace", "scaledObject", "scaler", "triggerIndex", "type"];
const OBJECT_LABELS: [&str; 2] = ["namespace", "scaledObject"];
const LOOP_LABELS: [&str; 3] = ["namespace", "resource", "type"];
const REQUEST_LABELS: [&str; 6] =
    ["metric_name", "namespace", "scaled_resource", "scaler", "status_code", "trigger_name"];
const EMPTY_LABELS: [&str; 6] =
    ["ignoreNullValues", "metricName", "namespace", "resourceType", "scaledResource", "triggerName"];
/// Seconds. A broker on the same network answers within a millisecond; three seconds is when Ebb gives up.
const LATENCY_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];
/// Seconds. A poll is to be on time; one that is a second late was held up.
const LATENESS_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// KEDA's word for the namespace of objects that belong to none.
const NO_NAMESPACE: &str = "default";

const VALUE: Family = Family::gauge("keda_scaler_metrics_value", "The last value of each trigger's metric.");
const LATENCY: Family =
    Family::gauge("keda_scaler_metrics_latency_seconds", "How long the last reading of each trigger took.");
const ACTIVE: Family = Family::gauge("keda_scaler_active", "Whether each trigger is active (1) or not (0).");
const TARGET: Family =
    Family::gauge("ebb_scaler_metrics_target", "The value of each trigger's metric that the HPA aims at.");
const NEXT_CHANGE: Family = Family::gauge(
    "ebb_trigger_next_change_timestamp_seconds",
    "When each trigger's metric changes next, if that is known: the edge of a cron window, in Unix time.",
);
const ERRORS: Family = Family::counter("keda_scaler_detail_errors_total", "Readings of each trigger that failed.");
const OBJECT_ERRORS: Family = Family::counter("keda_scaled_object_errors_total", "Errors of each ScaledObject.");
const PAUSED: Family =
    Family::gauge("keda_scaled_object_paused", "Whether each ScaledObject is paused (1) or not (0).");
const CONDITION: Family = Family::gauge(
    "ebb_scaled_object_condition",
    "Whether each condition of each ScaledObject is True (1) or False (0); there is no series while it is Unknown.",
);
const CONDITION_LABELS: [&str; 3] = ["condition", "namespace", "scaledObject"];
const REPLICAS: Family =
    Family::gauge("ebb_scaled_object_replicas", "The replicas of each target, when they were last seen.");
const MIN_REPLICAS: Family =
    Family::gauge("ebb_scaled_object_min_replicas", "The least replicas of each ScaledObject.");
const MAX_REPLICAS: Family = Family::gauge("ebb_scaled_object_max_replicas", "The most replicas of each ScaledObject.");
const LOOP_LATENCY: Family =
    Family::gauge("keda_internal_scale_loop_latency_seconds", "How late each ScaledObject's last poll was.");

const EMPTY: Family = Family::counter(
    "keda_scaler_empty_upstream_responses_total",
    "Answers to each trigger that held no value, such as a query without a result.",
);
const REQUESTS: Family = Family::counter("keda_scaler_http_requests_total", "HTTP requests made for each trigger.");
const REQUEST_DURATION: (&str, &str) =
    ("keda_scaler_http_request_duration_seconds", "How long HTTP requests made for triggers took.");

const LEADER: Family = Family::gauge("ebb_leader", "Whether this replica leads (1) or stands by (0).");

const REVIEWS: (&str, &str) =
    ("keda_webhook_scaled_object_validations_total", "ScaledObjects that were reviewed at admission.");
const REFUSALS: (&str, &str) =
    ("keda_webhook_scaled_object_validation_errors_total", "ScaledObjects that were refused at admission.");
const REVIEW_LABELS: [&str; 3] = ["namespace", "action", "reason"];

/// The conditions of a ScaledObject that have a series. `keda_scaled_object_paused` has `Paused`.
pub const CONDITIONS: [&str; 3] = ["Ready", "Active", "Fallback"];

/// Every series of the process.
#[derive(Debug)]
pub struct Metrics {
    /// Whether this replica leads.
    leadership: Arc<Leadership>,
    /// Series of this process, which every replica exports.
    process: Registry,
    /// Those of them that are about the API server, HPAs, certificates and clients of brokers.
    own: ProcessMetrics,
    /// Series of ScaledObjects, which the leader exports.
    scaled_objects: Registry,
    latencies: HistogramVec,
    lateness: Histogram,
    /// None: the durations of each trigger are kept, with the trigger.
    requests: Option<HistogramVec>,
    kinds: IntGaugeVec,
    resources: IntGaugeVec,
    /// The API server, as requests find it.
    pub api_server: ApiServerMetrics,
    /// Reviews of ScaledObjects at admission.
    reviews: IntCounterVec,
    /// Those that ended with a refusal.
    refusals: IntCounterVec,
    triggers: Roll<TriggerMetrics>,
    objects: Roll<ObjectMetrics>,
}

/// The labels of one trigger's series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TriggerLabels {
    /// The ScaledObject.
    pub scaled_object: Key,
    /// The external metric's name.
    pub metric: String,
    /// The trigger's name, else KEDA's name for its kind.
    pub scaler: Cow<'static, str>,
    /// Whether that is the trigger's own name.
    pub named: bool,
    /// The trigger's place in the ScaledObject.
    pub index: usize,
    /// The trigger's type.
    pub kind: &'static str,
}

impl Metrics {
    /// All series, still empty. `high_cardinality`: the durations of HTTP requests are kept for each trigger.
    /// `leadership`: whether this replica leads.
    ///
    /// # Errors
    /// A name that is registered twice.
    pub fn new(high_cardinality: bool, leadership: Arc<Leadership>) -> Result<Arc<Self>, prometheus::Error> {
        let (process, scaled_objects) = (Registry::new(), Registry::new());
        let gauges = |registry: &Registry, name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
        };
        let counters = |(name, help): (&str, &str), labels: &[&str]| {
            registered(&process, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let build_labels = ["version", "git_commit", "goversion", "goos", "goarch"];
        let build = gauges(&process, "keda_build_info", "The release that runs.", &build_labels)?;
        build.with_label_values(&build_info()).set(1);
        let lateness = HistogramOpts::new("ebb_scale_loop_latency_seconds", "How late polls were.")
            .buckets(LATENESS_BUCKETS.to_vec());
        let requests = HistogramOpts::new(REQUEST_DURATION.0, REQUEST_DURATION.1).buckets(DURATION_BUCKETS.to_vec());
        let requests = HistogramVec::new(requests, &["scaler", "status_code"])?;
        let requests = if high_cardinality { None } else { Some(registered(&scaled_objects, requests)?) };
        let latencies = HistogramOpts::new("ebb_scaler_latency_seconds", "How long triggers took to be read.")
            .buckets(LATENCY_BUCKETS.to_vec());
        #[cfg(target_os = "linux")]
        process.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Arc::new(Self {
            leadership,
            latencies: registered(&scaled_objects, HistogramVec::new(latencies, &["type"])?)?,
            lateness: registered(&scaled_objects, Histogram::with_opts(lateness)?)?,
            own: ProcessMetrics::new(&process)?,
            requests,
            kinds: gauges(&scaled_objects, "keda_trigger_registered_total", "Triggers in use, by type.", &["type"])?,
            resources: gauges(
                &scaled_objects,
                "keda_resource_registered_total",
                "Resources of KEDA's kinds in use.",
                &["type", "namespace"],
            )?,
            api_server: ApiServerMetrics::new(&process)?,
            reviews: counters(REVIEWS, &REVIEW_LABELS[..2])?,
            refusals: counters(REFUSALS, &REVIEW_LABELS)?,
            triggers: Roll::default(),
            objects: Roll::default(),
            process,
            scaled_objects,
        }))
    }

    /// The series of a trigger. They exist until the handle is dropped.
    pub fn trigger(self: &Arc<Self>, labels: TriggerLabels) -> Arc<TriggerMetrics> {
        let trigger = Arc::new(TriggerMetrics {
            value: Figure::unknown(),
            target: Figure::unknown(),
            latency: Figure::unknown(),
            active: Figure::unknown(),
            errors: LeaderCount::new(Arc::clone(&self.leadership)),
            next_change: Figure::unknown(),
            traffic: Traffic::default(),
            empty: [Figure::default(), Figure::default()],
            latencies: self.latencies.with_label_values(&[labels.kind]),
            all: Arc::clone(self),
            labels,
        });
        self.triggers.add(&trigger);
        trigger
    }

    /// Counts a resource of one of KEDA's kinds, by KEDA's word for it, until the handle is dropped.
    pub fn resource(self: &Arc<Self>, kind: &'static str, namespace: &str) -> ResourceMetrics {
        let namespace = if namespace.is_empty() { NO_NAMESPACE } else { namespace };
        let count = self.resources.with_label_values(&[kind, namespace]);
        count.inc();
        ResourceMetrics { count }
    }

    /// Counts a review of a ScaledObject at admission, and each reason to refuse it.
    pub fn reviewed<'a>(&self, namespace: &str, action: &str, refusals: impl IntoIterator<Item = &'a str>) {
        self.reviews.with_label_values(&[namespace, action]).inc();
        for reason in refusals {
            self.refusals.with_label_values(&[namespace, action, reason]).inc();
        }
    }

    /// The series of this process itself.
    pub fn own(&self) -> &ProcessMetrics {
        &self.own
    }

    /// The series of a ScaledObject. They exist until the handle is dropped.
    pub fn object(self: &Arc<Self>, key: &Key) -> Arc<ObjectMetrics> {
        let object = Arc::new(ObjectMetrics {
            _resource: self.resource("scaled_object", &key.namespace),
            errors: LeaderCount::new(Arc::clone(&self.leadership)),
            paused: Figure::default(),
            conditions: std::array::from_fn(|_| Figure::unknown()),
            replicas: Figure::unknown(),
            shadow: Figure::unknown(),
            bounds: [Figure::unknown(), Figure::unknown()],
            loop_latency: Figure::unknown(),
            decisions: DecisionCounts::default(),
            triggers: Mutex::default(),
            all: Arc::clone(self),
            key: key.clone(),
        });
        self.objects.add(&object);
        object
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// The values of the labels of `keda_build_info`.
fn build_info() -> [&'static str; 5] {
    [build_info::RELEASE, build_info::COMMIT, "", std::env::consts::OS, go_architecture(std::env::consts::ARCH)]
}

/// Go's name of a processor's architecture.
fn go_architecture(name: &'static str) -> &'static str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// One trigger's series.
#[derive(Debug)]
pub struct TriggerMetrics {
    /// The metric's last value.
    pub value: Figure,
    /// The value that the HPA aims at.
    pub target: Figure,
    /// How long the last reading took, in seconds.
    latency: Figure,
    /// How long readings of this kind of trigger take, in seconds.
    latencies: Histogram,
    /// 1 while the trigger is active.
    pub active: Figure,
    /// Readings that failed.
    pub errors: LeaderCount,
    /// Not a number while it is not known.
    next_change: Figure,
    all: Arc<Metrics>,
    traffic: Traffic,
    /// Answers without a value: those that were errors, and those that were taken for 0.
    empty: [Figure; 2],
    labels: TriggerLabels,
}

impl Observer for TriggerMetrics {
    fn exchanged(&self, status: Option<u16>, took: Duration) {
        if !self.all.leadership.speaks() {
            return;
        }
        if let Some(durations) = &self.all.requests {
            durations.with_label_values(&[self.labels.kind, status_code(status).as_str()]).observe(took.as_secs_f64());
        }
        self.traffic.add(status, took, self.all.requests.is_none());
    }

    fn found_nothing(&self, ignored: bool) {
        if self.all.leadership.speaks() {
            self.empty[usize::from(ignored)].inc();
        }
    }
}

impl TriggerMetrics {
    /// By which labels the series are known.
    pub fn labels(&self) -> &TriggerLabels {
        &self.labels
    }

    /// Notes how long a reading took.
    pub fn took(&self, time: Duration) {
        self.latency.set(time.as_secs_f64());
        if self.all.leadership.speaks() {
            self.latencies.observe(time.as_secs_f64());
        }
    }

    /// Shows when the metric changes next. Without an instant there is no such series: most triggers cannot know.
    pub fn set_next_change(&self, at: Option<DateTime<Utc>>) {
        // Whole seconds of Unix time are far below 2^53.
        #[expect(clippy::cast_precision_loss)]
        self.next_change.set(at.map_or(f64::NAN, |at| at.timestamp() as f64));
    }
}

/// One ScaledObject's series.
#[derive(Debug)]
pub struct ObjectMetrics {
    /// Checks and ticks that went wrong.
    pub errors: LeaderCount,
    /// 1 while it is paused.
    pub paused: Figure,
    /// In the order of [`CONDITIONS`].
    conditions: [Figure; CONDITIONS.len()],
    replicas: Figure,
    shadow: Figure,
    /// The least and the most replicas.
    bounds: [Figure; 2],
    /// How late the last poll was, in seconds.
    loop_latency: Figure,
    /// The changes of its replicas, by actor and reason.
    decisions: DecisionCounts,
    /// The counters of its triggers' types.
    triggers: Mutex<Box<[IntGauge]>>,
    _resource: ResourceMetrics,
    key: Key,
    all: Arc<Metrics>,
}

impl ObjectMetrics {
    /// Counts its triggers, by their types, until the handle is dropped or this is called again.
    pub fn set_triggers<'a>(&self, kinds: impl Iterator<Item = &'a str>) {
        let kinds: Box<[_]> = kinds.map(|kind| self.all.kinds.with_label_values(&[kind])).collect();
        // In this order the figure of one that stays never shows less.
        kinds.iter().for_each(IntGauge::inc);
        std::mem::replace(&mut *self.triggers.lock(), kinds).iter().for_each(IntGauge::dec);
    }

    /// Shows its conditions, in the order of [`CONDITIONS`]. None: it is Unknown.
    pub fn set_conditions(&self, conditions: [Option<bool>; CONDITIONS.len()]) {
        for (figure, state) in self.conditions.iter().zip(conditions) {
            figure.set(state.map_or(f64::NAN, |state| f64::from(u8::from(state))));
        }
    }

    /// Shows how many replicas its target has. None: that is unknown.
    pub fn set_replicas(&self, replicas: Option<i32>) {
        self.replicas.set(replicas.map_or(f64::NAN, f64::from));
    }

    /// Shows the least and the most replicas. None: nothing is in force.
    pub fn set_bounds(&self, bounds: Option<(i32, i32)>) {
        let (min, max) = bounds.map_or((f64::NAN, f64::NAN), |(min, max)| (min.into(), max.into()));
        self.bounds[0].set(min);
        self.bounds[1].set(max);
    }

    /// Notes how late a poll was.
    pub fn late(&self, by: Duration) {
        self.loop_latency.set(by.as_secs_f64());
        if self.all.leadership.speaks() {
            self.all.lateness.observe(by.as_secs_f64());
        }
    }
}

impl Drop for ObjectMetrics {
    fn drop(&mut self) {
        self.triggers.get_mut().iter().for_each(IntGauge::dec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(metrics: &Arc<Metrics>) -> Arc<TriggerMetrics> {
        metrics.trigger(TriggerLabels {
            scaled_object: Key::new("ns", "app"),
            metric: "s0-rabbitmq-jobs".into(),
            scaler: "rabbitMQScaler".into(),
            named: false,
            index: 0,
            kind: "rabbitmq",
        })
    }

    #[test]
    fn every_series_is_documented() {
        let page = include_str!("../../docs/metrics.md");
        let code = [
            include_str!("metrics.rs"),
            include_str!("metrics/api_server.rs"),
            include_str!("metrics/process.rs"),
            include_str!("metrics/decisions.rs"),
        ];
        let code = code.map(|code| code.split("#[cfg(test)]").next().unwrap()).concat();
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

    /// Every series of a replica that has had something to count, and what keeps them.
    fn full(high_cardinality: bool, leadership: Arc<Leadership>) -> (Arc<Metrics>, impl Sized) {
        let metrics = Metrics::new(high_cardinality, leadership).unwrap();
        let (trigger, object) = (trigger(&metrics), metrics.object(&Key::new("ns", "app")));
        happen(&trigger, &object);
        metrics.reviewed("ns", "create", ["incorrect-replicas"]);
        let own = metrics.own();
        own.answered(200, Duration::from_millis(3));
        own.requested("10.0.0.1:443", "GET", Some(200), Duration::from_millis(3));
        own.expires_by(|| DateTime::from_timestamp(1_800_000_000, 0));
        own.clients_from(|| vec![("kafka", 2)]);
        (metrics, (trigger, object))
    }

    fn happen(trigger: &TriggerMetrics, object: &ObjectMetrics) {
        trigger.value.set(7.0);
        trigger.target.set(5.0);
        trigger.active.set(1.0);
        trigger.took(Duration::from_millis(3));
        trigger.set_next_change("2026-03-29T01:00:00Z".parse().ok());
        trigger.errors.inc();
        trigger.exchanged(Some(200), Duration::from_millis(3));
        trigger.found_nothing(true);
        object.set_triggers(["rabbitmq"].into_iter());
        object.set_conditions([Some(true), Some(true), Some(false)]);
        object.set_replicas(Some(2));
        object.set_shadow(Some(3));
        object.set_bounds(Some((0, 10)));
        object.late(Duration::from_millis(20));
        object.decided("Ebb", "Activated");
        object.errors.inc();
    }

    fn exports(text: &str, series: &str) -> bool {
        text.lines().any(|line| line.starts_with(&format!("# TYPE {series}")))
    }

    #[test]
    fn a_standby_exports_what_the_documentation_says() {
        let page = include_str!("../../docs/metrics.md");
        let rows = page.split("## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
        for high_cardinality in [false, true] {
            let leader = full(high_cardinality, Leadership::always()).0.text().unwrap();
            let standby = full(high_cardinality, Leadership::elected()).0.text().unwrap();
            assert!(leader.contains("\nebb_leader 1\n") && standby.contains("\nebb_leader 0\n"), "{standby}");
            let mut documented = Vec::new();
            for row in rows.clone() {
                let (series, rest) = row.split_once("` | ").unwrap();
                let series = series.trim_end_matches('…');
                let from_all = match rest.split(' ').next().unwrap() {
                    "all" => true,
                    "leader" => false,
                    other => panic!("{series} comes from {other}"),
                };
                assert!(exports(&leader, series), "{series} of the leader");
                assert_eq!(exports(&standby, series), from_all, "{series} of a standby");
                documented.push(series);
            }
            assert!(documented.len() > 15, "{documented:?}");
            let families = leader.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
            for family in families {
                assert!(documented.iter().any(|series| family.starts_with(series)), "{family} is not documented");
            }
        }
    }

    #[test]
    fn what_is_unknown_has_no_series() {
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
        let object = metrics.object(&Key::new("ns", "app"));
        let ours = || {
            let text = metrics.text().unwrap();
            let lines = text.lines().filter(|line| line.starts_with("ebb_scaled_object_"));
            lines.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert!(ours().is_empty(), "{:?}", ours());
        object.set_conditions([Some(false), None, Some(true)]);
        object.set_replicas(Some(0));
        object.set_bounds(Some((0, 10)));
        let labels = "namespace=\"ns\",scaledObject=\"app\"";
        assert_eq!(
            ours(),
            [
                format!("ebb_scaled_object_replicas{{{labels}}} 0"),
                format!("ebb_scaled_object_min_replicas{{{labels}}} 0"),
                format!("ebb_scaled_object_max_replicas{{{labels}}} 10"),
                format!("ebb_scaled_object_condition{{condition=\"Ready\",{labels}}} 0"),
                format!("ebb_scaled_object_condition{{condition=\"Fallback\",{labels}}} 1"),
            ]
        );
        object.set_conditions([None; 3]);
        object.set_replicas(None);
        object.set_bounds(None);
        assert!(ours().is_empty(), "{:?}", ours());
    }

    /// The number of the first series of a family.
    fn number(text: &str, family: &str) -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with(family))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn counts_stand_still_while_another_replica_leads_and_go_on_in_the_next_term() {
        const COUNTS: [&str; 7] = [
            "keda_scaler_detail_errors_total{",
            "keda_scaled_object_errors_total{",
            "keda_scaler_empty_upstream_responses_total{",
            "keda_scaler_http_requests_total{",
            "keda_scaler_http_request_duration_seconds_count{",
            "ebb_scaler_latency_seconds_count{",
            "ebb_scale_loop_latency_seconds_count",
        ];
        let end = || tokio::time::Instant::now() + Duration::from_secs(10);
        for high_cardinality in [false, true] {
            let term = Leadership::elected();
            let metrics = Metrics::new(high_cardinality, Arc::clone(&term)).unwrap();
            let (trigger, object) = (trigger(&metrics), metrics.object(&Key::new("ns", "app")));
            let counts = || COUNTS.map(|family| number(&metrics.text().unwrap(), family));
            happen(&trigger, &object);
            term.renew(end());
            happen(&trigger, &object);
            assert_eq!(counts(), [None; 7], "the Lease is this replica's, but it does not write yet");
            assert!(term.open(1));
            happen(&trigger, &object);
            assert_eq!(counts(), [Some(1.0); 7]);
            // Nobody renews it, and nobody says so.
            tokio::time::advance(Duration::from_secs(10)).await;
            assert_eq!(counts(), [None; 7]);
            happen(&trigger, &object);
            term.end();
            happen(&trigger, &object);
            assert_eq!(counts(), [None; 7]);
            trigger.value.set(9.0);
            term.renew(end());
            assert!(term.open(2));
            assert_eq!(counts(), [Some(1.0); 7]);
            assert_eq!(
                number(&metrics.text().unwrap(), "keda_scaler_metrics_value{"),
                Some(9.0),
                "as it was last read"
            );
            happen(&trigger, &object);
            assert_eq!(counts(), [Some(2.0); 7]);
        }
    }

    #[test]
    fn a_next_change_is_shown_while_one_is_known() {
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
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
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
        let trigger = trigger(&metrics);
        trigger.value.set(7.0);
        let line = "keda_scaler_metrics_value{metric=\"s0-rabbitmq-jobs\",namespace=\"ns\",scaledObject=\"app\",scaler=\"rabbitMQScaler\",triggerIndex=\"0\",type=\"scaledobject\"} 7";
        assert!(metrics.text().unwrap().contains(line), "{}", metrics.text().unwrap());
        assert!(!metrics.text().unwrap().contains("keda_scaler_active{"), "it has not been read yet");
        assert!(metrics.text().unwrap().contains("keda_scaler_detail_errors_total{"));
        drop(trigger);
        assert!(!metrics.text().unwrap().contains("keda_scaler_metrics_value{"));
    }

    #[test]
    fn triggers_and_resources_are_counted_while_their_object_is_there() {
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
        let text = || metrics.text().unwrap();
        let object = metrics.object(&Key::new("ns", "app"));
        object.set_triggers(["rabbitmq", "cron", "rabbitmq"].into_iter());
        assert!(text().contains("keda_trigger_registered_total{type=\"rabbitmq\"} 2"), "{}", text());
        object.set_triggers(["cron"].into_iter());
        assert!(text().contains("keda_trigger_registered_total{type=\"rabbitmq\"} 0"), "{}", text());
        assert!(text().contains("keda_trigger_registered_total{type=\"cron\"} 1"), "{}", text());
        let cluster = metrics.resource("cluster_trigger_authentication", "");
        let registered =
            "keda_resource_registered_total{namespace=\"default\",type=\"cluster_trigger_authentication\"} 1";
        assert!(text().contains(registered), "{}", text());
        assert!(!text().contains("keda_internal_scale_loop_latency_seconds{"), "no poll yet");
        object.late(Duration::from_millis(20));
        let line =
            "keda_internal_scale_loop_latency_seconds{namespace=\"ns\",resource=\"app\",type=\"scaledobject\"} 0.02";
        assert!(text().contains(line) && text().contains("ebb_scale_loop_latency_seconds_count 1"), "{}", text());
        drop((object, cluster));
        assert!(text().contains("keda_trigger_registered_total{type=\"cron\"} 0"), "{}", text());
        assert!(!text().contains("resource=\"app\""), "{}", text());
    }

    #[test]
    fn answers_without_a_value_have_kedas_labels() {
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
        let trigger = trigger(&metrics);
        trigger.found_nothing(true);
        trigger.found_nothing(true);
        trigger.found_nothing(false);
        let text = metrics.text().unwrap();
        for (ignored, count) in [("true", 2), ("false", 1)] {
            let series = format!(
                "keda_scaler_empty_upstream_responses_total{{ignoreNullValues=\"{ignored}\",metricName=\"s0-rabbitmq-jobs\",\
                 namespace=\"ns\",resourceType=\"ScaledObject\",scaledResource=\"app\",triggerName=\"\"}} {count}\n"
            );
            assert!(text.contains(&series), "{series} in {text}");
        }
    }

    #[test]
    fn http_requests_have_kedas_labels() {
        for high_cardinality in [false, true] {
            let metrics = Metrics::new(high_cardinality, Leadership::always()).unwrap();
            let trigger = trigger(&metrics);
            trigger.exchanged(Some(200), Duration::from_millis(3));
            trigger.exchanged(Some(200), Duration::from_millis(30));
            trigger.exchanged(None, Duration::from_secs(3));
            let text = metrics.text().unwrap();
            let whose = "metric_name=\"s0-rabbitmq-jobs\",namespace=\"ns\",scaled_resource=\"app\",scaler=\"rabbitmq\"";
            for (code, count) in [("200", 2), ("error", 1)] {
                let labels = format!("{{{whose},status_code=\"{code}\",trigger_name=\"\"}}");
                assert!(text.contains(&format!("keda_scaler_http_requests_total{labels} {count}\n")), "{text}");
                let count = if high_cardinality {
                    format!("keda_scaler_http_request_duration_seconds_count{labels} {count}\n")
                } else {
                    format!(
                        "keda_scaler_http_request_duration_seconds_count{{scaler=\"rabbitmq\",status_code=\"{code}\"}} {count}\n"
                    )
                };
                assert!(text.contains(&count), "{count}: {text}");
            }
            let families =
                text.lines().filter(|line| line.starts_with("# TYPE keda_scaler_http_request_duration_seconds "));
            assert_eq!(families.collect::<Vec<_>>(), ["# TYPE keda_scaler_http_request_duration_seconds histogram"]);
            drop(trigger);
            assert!(!metrics.text().unwrap().contains("scaled_resource=\"app\""));
        }
    }

    #[test]
    fn nothing_is_there_twice_while_an_object_is_made_anew() {
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
        let (old, new) = (trigger(&metrics), trigger(&metrics));
        old.value.set(1.0);
        new.value.set(2.0);
        let objects = [metrics.object(&Key::new("ns", "app")), metrics.object(&Key::new("ns", "app"))];
        objects[0].errors.inc();
        let text = metrics.text().unwrap();
        let lines = |name: &str| text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).collect::<Vec<_>>();
        let values = lines("keda_scaler_metrics_value");
        assert!(values.len() == 1 && values[0].ends_with(" 2"), "{values:?}");
        let errors = lines("keda_scaled_object_errors_total");
        assert!(errors.len() == 1 && errors[0].ends_with(" 0"), "{errors:?}");
    }
}
