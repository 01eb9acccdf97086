//! The HorizontalPodAutoscaler controller as a model: Kubernetes 1.37's arithmetic on external metrics, with tolerance,
//! stabilization, policies and bounds (`pkg/controller/podautoscaler/horizontal.go`, `replica_calculator.go`).
//!
//! Two things are simpler than there: the controller looks exactly once in each period, and a Deployment has the pods
//! that it asks for at once. Resource metrics (`cpu`, `memory`) are left out.

mod rules;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use crate::hpa::limits::Behavior;
use crate::trail::Bound;
pub use rules::ControllerFlags;
use rules::{HpaRules, MetricTarget};

/// How far the counts of an HPA without `behavior` go up in one look: to this many times as many, or to
/// [`LEAST_LIMIT`].
const LIMIT_FACTOR: i32 = 2;
/// The count that one look may always go up to.
const LEAST_LIMIT: i32 = 4;

/// One HPA, and the controller's memory of it.
#[derive(Debug, Clone)]
pub struct HpaModel {
    flags: ControllerFlags,
    rules: HpaRules,
    /// The counts that the metrics asked for, before stabilization, and their times.
    recommendations: Vec<(Duration, i32)>,
    /// Replicas that were added, and when.
    added: Vec<(Duration, i32)>,
    /// Replicas that were taken away, and when.
    removed: Vec<(Duration, i32)>,
}

/// The target's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetCounts {
    /// `spec.replicas`.
    pub replicas: i32,
    /// Pods that are ready. They count for metrics of type Value.
    pub ready: i32,
}

/// The outcome of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target is at zero: `ScalingDisabled`.
    Disabled,
    /// No count, or none that may be used: a metric has no value.
    Failed,
    /// The count to be.
    Count(i32),
}

/// One look of the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The count to be.
    pub outcome: Outcome,
    /// The count that each metric asks for; none where it has no value.
    pub proposals: Vec<Option<i32>>,
    /// The place of the metric that asks for most.
    pub winner: Option<usize>,
    /// The bound that kept the count from the winner's.
    pub bound: Option<Bound>,
}

impl Look {
    fn without_metrics(outcome: Outcome, bound: Option<Bound>) -> Self {
        Self { outcome, proposals: Vec::new(), winner: None, bound }
    }

    /// The count that the metrics ask for, before limits.
    pub fn wanted(&self) -> Option<i32> {
        self.proposals.get(self.winner?).copied().flatten()
    }
}

impl HpaModel {
    /// The HPA that the controller has not looked at yet.
    pub fn new(object: &HorizontalPodAutoscaler, flags: ControllerFlags) -> Self {
        let rules = HpaRules::of(object, flags.tolerance);
        Self { flags, rules, recommendations: Vec::new(), added: Vec::new(), removed: Vec::new() }
    }

    /// The HPA is written anew. The controller remembers its past.
    pub fn replace(&mut self, object: &HorizontalPodAutoscaler) {
        self.rules = HpaRules::of(object, self.flags.tolerance);
    }

    /// `minReplicas`.
    pub fn min(&self) -> i32 {
        self.rules.min
    }

    /// `maxReplicas`.
    pub fn max(&self) -> i32 {
        self.rules.max
    }

    /// One look, which sets the target to the count that it finds. `metric` gives an external metric's value by its
    /// name, in thousandths, or none if it cannot be had.
    pub fn look(&mut self, now: Duration, target: TargetCounts, metric: impl FnMut(&str) -> Option<i64>) -> Look {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, target.replicas));
        }
        let (min, max) = (self.rules.min, self.rules.max);
        let look = match target.replicas {
            0 => return Look::without_metrics(Outcome::Disabled, None),
            replicas if replicas > max => Look::without_metrics(Outcome::Count(max), Some(Bound::MaxReplicas)),
            replicas if replicas < min => Look::without_metrics(Outcome::Count(min), Some(Bound::MinReplicas)),
            _ => self.computed(now, target, metric),
        };
        if let Outcome::Count(count) = look.outcome {
            self.remember_change(now, target.replicas, count);
        }
        look
    }

    fn computed(&mut self, now: Duration, target: TargetCounts, metric: impl FnMut(&str) -> Option<i64>) -> Look {
        let replicas = target.replicas;
        let proposals = self.proposals(target, metric);
        let winner = highest(&proposals);
        let failed = proposals.iter().any(Option::is_none);
        let wanted = winner.and_then(|winner| proposals[winner]);
        let Some(wanted) = wanted.filter(|wanted| !failed || *wanted >= replicas) else {
            return Look { outcome: Outcome::Failed, proposals, winner, bound: None };
        };
        let (stable, held) = self.stabilized(now, replicas, wanted);
        let (count, limit) = self.limited(now, replicas, stable);
        let close = (wanted == replicas).then_some(Bound::Tolerance);
        Look { outcome: Outcome::Count(count), proposals, winner, bound: limit.or(held).or(close) }
    }

    fn proposals(&self, target: TargetCounts, mut metric: impl FnMut(&str) -> Option<i64>) -> Vec<Option<i32>> {
        let of = |(name, target_value): &(String, MetricTarget)| {
            Some(target_value.proposal(metric(name)?, target, self.rules.tolerance))
        };
        self.rules.metrics.iter().map(of).collect()
    }

    /// The recommendation after the windows of stabilization, and the bound that changed it.
    fn stabilized(&mut self, now: Duration, replicas: i32, wanted: i32) -> (i32, Option<Bound>) {
        let down = self.rules.behavior.as_ref().and_then(|behavior| behavior.down.window);
        let down = down.unwrap_or(self.flags.downscale_stabilization);
        let up = self.rules.behavior.as_ref().and_then(|behavior| behavior.up.window).unwrap_or_default();
        // The controller's period is a little longer than configured, so that a recommendation from exactly a window
        // ago is out of the window.
        let within = |window: Duration, at: Duration| at + window > now;
        let counts = |window: Duration| {
            self.recommendations.iter().filter(move |(at, _)| within(window, *at)).map(|(_, count)| *count)
        };
        let (lowest, highest) = (counts(up).fold(wanted, i32::min), counts(down).fold(wanted, i32::max));
        let stable = if self.rules.behavior.is_some() { replicas.max(lowest).min(highest) } else { highest };
        let longest = up.max(down);
        match self.recommendations.iter_mut().rfind(|(at, _)| !within(longest, *at)) {
            Some(old) => *old = (now, wanted),
            None => self.recommendations.push((now, wanted)),
        }
        let bound = if wanted >= replicas { Bound::ScaleUpStabilized } else { Bound::ScaleDownStabilized };
        (stable, (stable != wanted).then_some(bound))
    }

    /// The count after the limits on one look, and the limit that changed it.
    fn limited(&self, now: Duration, replicas: i32, stable: i32) -> (i32, Option<Bound>) {
        let HpaRules { min, max, behavior, .. } = &self.rules;
        let Some(behavior) = behavior else {
            let most = replicas.saturating_mul(LIMIT_FACTOR).max(LEAST_LIMIT);
            return clamp(stable, *min, *max, most, i32::MIN);
        };
        let Behavior { up, down } = behavior;
        match stable.cmp(&replicas) {
            Ordering::Greater => {
                let most = up.highest(now, replicas, &self.added, &self.removed).max(replicas);
                clamp(stable, i32::MIN, *max, most, i32::MIN)
            }
            Ordering::Less => {
                let least = down.lowest(now, replicas, &self.added, &self.removed).min(replicas);
                clamp(stable, *min, i32::MAX, i32::MAX, least)
            }
            Ordering::Equal => (stable, None),
        }
    }

    fn remember_change(&mut self, now: Duration, from: i32, to: i32) {
        let Some(behavior) = self.rules.behavior.as_ref().filter(|_| from != to) else { return };
        let (list, longest) = if to > from {
            (&mut self.added, behavior.up.longest())
        } else {
            (&mut self.removed, behavior.down.longest())
        };
        // The controller overwrites an entry that is too old for its own direction, and the other direction counts the
        // rest.
        let change = (now, (to - from).abs());
        match list.iter_mut().rfind(|(at, _)| *at + longest < now) {
            Some(old) => *old = change,
            None => list.push(change),
        }
    }
}

/// The place of the highest proposal; of several the first.
fn highest(proposals: &[Option<i32>]) -> Option<usize> {
    let mut winner: Option<(usize, i32)> = None;
    for (index, proposal) in proposals.iter().enumerate() {
        let Some(proposal) = proposal else { continue };
        if winner.is_none_or(|(_, count)| count == 0 || *proposal > count) {
            winner = Some((index, *proposal));
        }
    }
    winner.map(|(index, _)| index)
}

/// `count` within the bounds of the HPA and those of one look.
fn clamp(count: i32, min: i32, max: i32, most: i32, least: i32) -> (i32, Option<Bound>) {
    if count > max.min(most) {
        let bound = if max > most { Bound::ScaleUpLimit } else { Bound::MaxReplicas };
        (max.min(most), Some(bound))
    } else if count < min.max(least) {
        let bound = if min < least { Bound::ScaleDownLimit } else { Bound::MinReplicas };
        (min.max(least), Some(bound))
    } else {
        (count, None)
    }
}
