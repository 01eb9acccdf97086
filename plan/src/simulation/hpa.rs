//! The HorizontalPodAutoscaler controller, as far as it matters here: Kubernetes 1.37's arithmetic on external metrics,
//! tolerance, stabilization and bounds (`pkg/controller/podautoscaler`), without resource metrics and user's policies.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, MetricTarget};

/// How long the highest recommendation counts before replicas are taken away.
pub(super) const STABILIZATION: TimeDelta = TimeDelta::minutes(5);
/// How often the controller looks at an HPA.
pub(super) const PERIOD: TimeDelta = TimeDelta::seconds(15);
/// How far the ratio of use to target may be from 1 before anything is done.
const TOLERANCE: f64 = 0.1;
/// `selectPolicy` of a direction in which nothing is done.
const DISABLED: &str = "Disabled";

/// What the controller remembers of one HPA.
#[derive(Debug, Clone)]
pub(super) struct Hpa {
    pub(super) object: HorizontalPodAutoscaler,
    recommendations: Vec<(DateTime<Utc>, i32)>,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The target is at zero: `ScalingDisabled`.
    Disabled,
    /// No count, or none that may be used: a metric has no value.
    Failed,
    /// The count to be.
    Count(i32),
}

impl Hpa {
    pub(super) fn new(object: HorizontalPodAutoscaler) -> Self {
        Self { object, recommendations: Vec::new() }
    }

    /// One look at a workload of `replicas`, all of them ready. `metric` gives an external metric's value by its name, in
    /// thousandths, or none if it cannot be had.
    pub(super) fn look(
        &mut self,
        now: DateTime<Utc>,
        replicas: i32,
        mut metric: impl FnMut(&str) -> Option<i64>,
    ) -> Outcome {
        let spec = &self.object.spec;
        let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
        let behavior = spec.behavior.clone();
        if self.recommendations.is_empty() {
            self.recommendations.push((now, replicas));
        }
        if replicas == 0 {
            return Outcome::Disabled;
        }
        if replicas > max {
            return Outcome::Count(max);
        }
        if replicas < min {
            return Outcome::Count(min);
        }
        let (mut proposed, mut invalid, mut all) = (0, 0, 0);
        for external in spec.metrics.iter().flatten().filter_map(|metric| metric.external.as_ref()) {
            all += 1;
            match metric(&external.metric.name) {
                Some(usage) => proposed = proposed.max(proposal(&external.target, usage, replicas)),
                None => invalid += 1,
            }
        }
        if invalid >= all || (invalid > 0 && proposed < replicas) {
            return Outcome::Failed;
        }
        let stable = self.stabilized(now, proposed);
        Outcome::Count(limited(behavior.as_ref(), replicas, stable, min, max))
    }

    /// The highest recommendation of the window. The new one takes the place of one that is older.
    fn stabilized(&mut self, now: DateTime<Utc>, proposed: i32) -> i32 {
        let cutoff = now - STABILIZATION;
        let highest = self.recommendations.iter().filter(|(at, _)| *at >= cutoff).map(|(_, count)| *count).max();
        match self.recommendations.iter_mut().rfind(|(at, _)| *at < cutoff) {
            Some(old) => *old = (now, proposed),
            None => self.recommendations.push((now, proposed)),
        }
        highest.map_or(proposed, |highest| highest.max(proposed))
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn proposal(target: &MetricTarget, usage: i64, replicas: i32) -> i32 {
    let milli = |quantity: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| {
        quantity.0.parse::<f64>().unwrap() * 1000.0
    };
    let count = |float: f64| float.min(f64::from(i32::MAX)).ceil() as i32;
    let close = |ratio: f64| (1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio);
    if let Some(average) = &target.average_value {
        // A sum below zero is taken for one that has overflowed.
        let usage = if usage < 0 { i64::MAX } else { usage } as f64;
        let ratio = usage / (milli(average) * f64::from(replicas));
        return if close(ratio) { replicas } else { count(usage / milli(average)) };
    }
    let ratio = usage as f64 / milli(target.value.as_ref().unwrap());
    if close(ratio) { replicas } else { count(ratio * f64::from(replicas)) }
}

/// How far one look may go.
fn limited(behavior: Option<&HorizontalPodAutoscalerBehavior>, replicas: i32, wanted: i32, min: i32, max: i32) -> i32 {
    let disabled = |select: Option<&Option<String>>| select.is_some_and(|policy| policy.as_deref() == Some(DISABLED));
    let up = disabled(behavior.and_then(|behavior| behavior.scale_up.as_ref()).map(|rules| &rules.select_policy));
    let down = disabled(behavior.and_then(|behavior| behavior.scale_down.as_ref()).map(|rules| &rules.select_policy));
    let most = match (up, behavior) {
        (true, _) => replicas,
        (false, None) => (replicas * 2).max(4),
        (false, Some(_)) => (replicas * 2).max(replicas + 4),
    };
    let least = if down { replicas } else { 0 };
    wanted.clamp(least.max(min), most.min(max).max(least.max(min)))
}
