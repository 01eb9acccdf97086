//! The changes of a ScaledObject's replicas, by who made them and why, and the replicas that Ebb would have set.

use parking_lot::Mutex;
use prometheus::proto::MetricFamily;

use super::ObjectMetrics;
use super::series::Family;

const DECISIONS: Family = Family::counter(
    "ebb_scaling_decisions_total",
    "Changes of the replicas of each ScaledObject, by actor and reason.",
);
/// Beside `ebb_scaled_object_replicas`, for weeks beside another autoscaler.
pub(super) const SHADOW_REPLICAS: Family =
    Family::gauge("ebb_shadow_replicas", "The replicas that Ebb, which only observes, would have set.");
const LABELS: [&str; 4] = ["by", "namespace", "reason", "scaledObject"];

/// The counts. There are few different ones, so that they are looked through.
#[derive(Debug, Default)]
pub(super) struct DecisionCounts(Mutex<Vec<(&'static str, &'static str, f64)>>);

impl DecisionCounts {
    /// Adds one.
    pub(super) fn add(&self, by: &'static str, reason: &'static str) {
        let mut counts = self.0.lock();
        match counts.iter_mut().find(|(actor, cause, _)| (*actor, *cause) == (by, reason)) {
            Some((_, _, count)) => *count += 1.0,
            None => counts.push((by, reason, 1.0)),
        }
    }
}

impl ObjectMetrics {
    /// Shows the replicas that Ebb would have set. None: it does not observe.
    pub fn set_shadow(&self, replicas: Option<i32>) {
        self.shadow.set(replicas.map_or(f64::NAN, f64::from));
    }

    /// Counts a change of the replicas.
    pub fn decided(&self, by: &'static str, reason: &'static str) {
        self.decisions.add(by, reason);
    }
}

/// The family with the counts of all.
pub(super) fn family<'a>(objects: impl Iterator<Item = &'a ObjectMetrics>) -> MetricFamily {
    let counts: Vec<_> = objects.map(|object| (&object.key, object.decisions.0.lock().clone())).collect();
    let series = counts.iter().flat_map(|(key, counts)| {
        let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
        counts.iter().map(move |(by, reason, count)| ([*by, namespace, *reason, name], *count))
    });
    DECISIONS.of(LABELS, series)
}
