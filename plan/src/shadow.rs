//! The shadow of an observed target: the replicas that Ebb would have set beside another autoscaler.
//!
//! The poll loop ([`crate::tick::Loop`]) scales the shadow in the target's place, and the model of the HPA controller looks at it
//! with the answers that an HPA of Ebb's would get. The readings are real. The shadow begins with the target's count, and then goes
//! its own way, with two exceptions that [`Follows`] has.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_params::{MetricSpec, MetricType};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use crate::rules::Rules;
use crate::simulate::answer::Metrics;
use crate::simulate::explain::Circumstances;
use crate::simulate::hpa::{ControllerFlags, HpaModel, Look, Outcome, TargetCounts};
use crate::tick::{Moment, ReplicaChange};
use crate::trail::{Bound, Decision, Reason, TickView, WouldBe, kept_by_loop};

/// When the shadow takes over the target's count, because the readings depend on it. From and to zero it never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Never: the metrics are sums, such as the length of a queue.
    Never,
    /// Before each look of the HPA. A metric of the type Value, such as a latency, is what the present replicas make of it.
    AtLooks,
    /// Always. The HPA decides by cpu or memory, too, which only it reads.
    Always,
}

impl Follows {
    /// The rule for a ScaledObject with these rules and these metrics.
    pub fn of(rules: &Rules, metrics: &[MetricSpec]) -> Self {
        let formula = rules.modifiers.as_ref().map(|modifiers| &modifiers.metric);
        let is_value = |metric: &MetricSpec| metric.metric_type == MetricType::Value;
        match (rules.resources.is_empty(), formula) {
            (false, _) => Self::Always,
            (true, Some(metric)) if is_value(metric) => Self::AtLooks,
            (true, None) if metrics.iter().any(is_value) => Self::AtLooks,
            (true, _) => Self::Never,
        }
    }
}

/// The shadow of one target.
#[derive(Debug, Clone)]
pub struct Shadow {
    replicas: i32,
    /// When the count was last changed.
    since: DateTime<Utc>,
    hpa: HpaModel,
    follows: Follows,
    sync_period: Duration,
    next_look: Duration,
    /// The last decision about the count. None before the first.
    because: Option<Arc<Decision>>,
}

impl Shadow {
    /// The shadow of a target that has `replicas` now, scaled by `hpa` under a controller with these flags.
    pub fn new(
        replicas: i32,
        hpa: &HorizontalPodAutoscaler,
        follows: Follows,
        flags: ControllerFlags,
        now: Moment,
    ) -> Self {
        let (sync_period, next_look) = (flags.sync_period, now.steady + flags.sync_period);
        let hpa = HpaModel::new(hpa, flags);
        Self { replicas, since: now.at, hpa, follows, sync_period, next_look, because: None }
    }

    /// The specification may be another one. The count stays.
    pub fn respecify(&mut self, hpa: &HorizontalPodAutoscaler, follows: Follows) {
        self.hpa.replace(hpa);
        self.follows = follows;
    }

    /// The replicas that Ebb would have.
    pub fn replicas(&self) -> i32 {
        self.replicas
    }

    /// When the HPA looks next. None: it does not look at a workload with no replicas.
    pub fn next_look(&self) -> Option<Duration> {
        (self.replicas > 0).then_some(self.next_look)
    }

    /// The count and its cause, for the trail. None before the first tick.
    pub fn would_be(&self) -> Option<WouldBe> {
        let because = Arc::clone(self.because.as_ref()?);
        Some(WouldBe { replicas: self.replicas, since: self.since, because })
    }

    /// The target has this count.
    pub fn on_count(&mut self, count: i32, at: DateTime<Utc>) {
        if self.follows == Follows::Always {
            self.follow(count, at);
        }
    }

    /// The loop would have set the count.
    pub fn on_scaled(&mut self, change: ReplicaChange, known: &Circumstances<'_>, now: Moment) {
        if self.replicas == 0 {
            self.skip_to(now.steady);
        }
        self.decide(known.by_ebb(change), now.at);
    }

    /// A tick has ended, without a change of the count or after it.
    pub fn on_tick(&mut self, tick: &TickView<'_>, known: &Circumstances<'_>) {
        let Some((reason, until, bounds)) = kept_by_loop(tick, self.replicas) else {
            let is_first = self.because.is_none();
            if is_first {
                self.because = Some(Arc::new(known.kept_by_hpa(self.replicas, Reason::OnTarget, None)));
            }
            return;
        };
        // The change says more than what holds after it.
        let is_echo = reason == Reason::NoTriggerActive
            && self.because.as_ref().is_some_and(|last| last.is_scaling() && last.to == self.replicas);
        if !is_echo {
            let kept = known.kept_by_ebb(self.replicas, reason);
            self.because = Some(Arc::new(Decision { until, bounds, ..kept }));
        }
    }

    /// The HPA looks. `actual` is the target's count, where it is known; the readings of `known` are the answers to the HPA.
    pub fn look(&mut self, actual: Option<i32>, known: &Circumstances<'_>, now: Moment) {
        self.skip_to(now.steady);
        if self.follows == Follows::Always {
            return;
        }
        if let Some(actual) = actual.filter(|_| self.follows == Follows::AtLooks) {
            self.follow(actual, now.at);
        }
        let specs: Vec<MetricSpec> = known.triggers.iter().map(|info| info.metric.clone()).collect();
        let metrics = Metrics { specs: &specs, modifiers: known.modifiers, fallback: known.fallback };
        let counts = TargetCounts { replicas: self.replicas, ready: self.replicas };
        let look = self.hpa.look(now.steady, counts, |name| metrics.answer(name, known.readings, counts));
        let from = self.replicas;
        match look.outcome {
            Outcome::Disabled => {}
            Outcome::Count(to) if to != from => self.decide(known.by_hpa((from, to), &look), now.at),
            Outcome::Count(_) | Outcome::Failed => {
                self.because = Some(Arc::new(known.kept_by_hpa(from, reason_to_keep(&look), look.bound)));
            }
        }
    }

    fn decide(&mut self, decision: Decision, at: DateTime<Utc>) {
        (self.replicas, self.since) = (decision.to, at);
        self.because = Some(Arc::new(decision));
    }

    /// Takes over the target's count while both are above zero.
    fn follow(&mut self, count: i32, at: DateTime<Utc>) {
        if self.replicas > 0 && count > 0 && self.replicas != count {
            (self.replicas, self.since) = (count, at);
        }
    }

    /// Puts the next look a period after the last one that is over.
    fn skip_to(&mut self, now: Duration) {
        let behind = now.saturating_sub(self.next_look).as_millis() / self.sync_period.as_millis().max(1);
        if self.next_look <= now {
            let periods = u32::try_from(behind + 1).unwrap_or(u32::MAX);
            self.next_look = self.next_look.saturating_add(self.sync_period.saturating_mul(periods));
        }
    }
}

/// Why a look leaves the count.
fn reason_to_keep(look: &Look) -> Reason {
    match (look.outcome, look.bound) {
        (Outcome::Failed | Outcome::Disabled, _) => Reason::HpaCannotRead,
        (_, Some(Bound::ScaleUpStabilized | Bound::ScaleDownStabilized)) => Reason::Stabilized,
        (_, Some(Bound::MaxReplicas)) => Reason::MaxReplicas,
        (_, Some(Bound::MinReplicas)) => Reason::MinReplicas,
        (_, Some(Bound::ScaleUpLimit | Bound::ScaleDownLimit)) => Reason::BehaviorLimit,
        _ => Reason::OnTarget,
    }
}

#[cfg(test)]
mod tests;
