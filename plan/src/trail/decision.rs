//! A decision about a target's replicas: data, without words.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ebb_params::MetricSpec;

use crate::activation::ScaleReason;
use crate::hpa::proposal::asks_for;
use crate::policy::Policy;

/// The most bytes of a trigger's error that a decision keeps.
const LONGEST_ERROR: usize = 160;

/// A decision to change a target's replicas, or to leave them as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// When it was made, or when Ebb learned of it.
    pub at: DateTime<Utc>,
    /// The replicas before. None: they were unknown.
    pub from: Option<i32>,
    /// The replicas after. The same count: a decision not to scale.
    pub to: i32,
    /// The one that decided.
    pub by: Actor,
    /// The cause.
    pub reason: Reason,
    /// When the cause ends by itself: the end of the cooldown.
    pub until: Option<DateTime<Utc>>,
    /// The triggers, in the spec's order. Decisions under the same specification share them.
    pub triggers: Arc<[TriggerInfo]>,
    /// The state of each trigger.
    pub states: Box<[TriggerState]>,
    /// The error of the first trigger that could not be read, or with [`Reason::TargetFailed`] that of the target.
    pub error: Option<Box<str>>,
    /// The value of the formula that takes the triggers' place.
    pub formula: Option<f64>,
    /// The bounds that the count was held to.
    pub bounds: Bounds,
    /// The replicas that Ebb would have had then. None: the replicas are Ebb's.
    pub would_be: Option<Box<WouldBe>>,
}

/// The replicas that Ebb would have set beside another autoscaler.
#[derive(Debug, Clone, PartialEq)]
pub struct WouldBe {
    /// The count.
    pub replicas: i32,
    /// Since when it would have been this one.
    pub since: DateTime<Utc>,
    /// The last decision about it: to set it, or to keep it.
    pub because: Arc<Decision>,
}

/// What is known of a trigger by its specification.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerInfo {
    /// Its place in `spec.triggers`.
    pub index: usize,
    /// Its own name.
    pub name: Option<Box<str>>,
    /// Its type.
    pub kind: &'static str,
    /// Its metric.
    pub metric: MetricSpec,
}

/// The state of a trigger at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TriggerState {
    /// Its value. None: it could not be read.
    pub value: Option<f64>,
    /// Whether it asks for replicas by itself.
    pub active: bool,
}

/// The one that changes or keeps replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// Ebb: from and to zero (or `idleReplicaCount`), up to the minimum, and the count of a pause.
    Ebb,
    /// The HPA controller.
    Hpa,
    /// The other autoscaler, beside which Ebb observes: from and to zero (or `idleReplicaCount`).
    Autoscaler,
    /// A user or another controller.
    Other,
}

impl Actor {
    /// The word for it in `by`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ebb => "Ebb",
            Self::Hpa => "HPA",
            Self::Autoscaler => "Autoscaler",
            Self::Other => "Other",
        }
    }
}

/// The cause of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A trigger is active.
    Activated,
    /// A trigger is active, and the annotation `ebb.dev/activate-to` sets the count that the readings ask for.
    ActivatedToTarget,
    /// An annotation or the lack of triggers that could say otherwise makes the workload active.
    Forced,
    /// No trigger is active, and the cooldown is over.
    Deactivated,
    /// Triggers cannot be read, and the fallback is in effect.
    Fallback,
    /// Replicas were below `minReplicaCount`.
    RaisedToMinimum,
    /// The HPA follows the metrics.
    MetricsAboveTarget,
    /// The HPA follows the metrics.
    MetricsBelowTarget,
    /// Somebody else set the count.
    ChangedElsewhere,
    /// No trigger is active, and the workload is at its floor.
    NoTriggerActive,
    /// No trigger is active, and the cooldown is not over.
    Cooldown,
    /// A trigger cannot be read.
    TriggerFailed,
    /// The formula has no value.
    FormulaFailed,
    /// Scaling is paused by an annotation.
    Paused,
    /// An annotation keeps replicas from being added.
    ScaleOutPaused,
    /// An annotation keeps replicas from being taken away.
    ScaleInPaused,
    /// The HPA is at `maxReplicaCount` and would go higher.
    MaxReplicas,
    /// The HPA is at `minReplicaCount` and would go lower.
    MinReplicas,
    /// The HPA waits for the end of a stabilization window.
    Stabilized,
    /// A policy of the HPA's behavior holds the count.
    BehaviorLimit,
    /// The metrics are at their targets, within the HPA's tolerance.
    OnTarget,
    /// The HPA cannot read a metric.
    HpaCannotRead,
    /// The target's replicas cannot be read or set.
    TargetFailed,
    /// Ebb, which observes, would have another count.
    Differs,
    /// Ebb, which observes, would have the same count again.
    Agrees,
}

impl Reason {
    /// The reason of a change to `to` that the poll loop has made.
    pub(crate) fn of_scaling(reason: ScaleReason, to: i32, policy: &Policy) -> Self {
        match reason {
            ScaleReason::Activate if policy.is_forced() => Self::Forced,
            ScaleReason::Activate if to > policy.active_floor() => Self::ActivatedToTarget,
            ScaleReason::Activate => Self::Activated,
            ScaleReason::Deactivate => Self::Deactivated,
            ScaleReason::FallBack => Self::Fallback,
            ScaleReason::Raise => Self::RaisedToMinimum,
        }
    }

    /// The word for it in `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activated => "Activated",
            Self::ActivatedToTarget => "ActivatedToTarget",
            Self::Forced => "Forced",
            Self::Deactivated => "Deactivated",
            Self::Fallback => "Fallback",
            Self::RaisedToMinimum => "RaisedToMinimum",
            Self::MetricsAboveTarget => "MetricsAboveTarget",
            Self::MetricsBelowTarget => "MetricsBelowTarget",
            Self::ChangedElsewhere => "ChangedElsewhere",
            Self::NoTriggerActive => "NoTriggerActive",
            Self::Cooldown => "Cooldown",
            Self::TriggerFailed => "TriggerFailed",
            Self::FormulaFailed => "FormulaFailed",
            Self::Paused => "Paused",
            Self::ScaleOutPaused => "ScaleOutPaused",
            Self::ScaleInPaused => "ScaleInPaused",
            Self::MaxReplicas => "MaxReplicas",
            Self::MinReplicas => "MinReplicas",
            Self::Stabilized => "Stabilized",
            Self::BehaviorLimit => "BehaviorLimit",
            Self::OnTarget => "OnTarget",
            Self::HpaCannotRead => "HpaCannotRead",
            Self::TargetFailed => "TargetFailed",
            Self::Differs => "Differs",
            Self::Agrees => "Agrees",
        }
    }
}

/// A bound on a count of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bound {
    /// `minReplicaCount`.
    MinReplicas,
    /// `maxReplicaCount`.
    MaxReplicas,
    /// A scale-up policy of the HPA.
    ScaleUpLimit,
    /// A scale-down policy of the HPA.
    ScaleDownLimit,
    /// The HPA's stabilization window for scaling up.
    ScaleUpStabilized,
    /// The HPA's stabilization window for scaling down.
    ScaleDownStabilized,
    /// The HPA's tolerance.
    Tolerance,
    /// A pause.
    Paused,
    /// The fallback.
    Fallback,
    /// The cooldown.
    Cooldown,
    /// A formula takes the triggers' place.
    Formula,
}

impl Bound {
    const ALL: [(Self, &str); 11] = [
        (Self::MinReplicas, "MinReplicas"),
        (Self::MaxReplicas, "MaxReplicas"),
        (Self::ScaleUpLimit, "ScaleUpLimit"),
        (Self::ScaleDownLimit, "ScaleDownLimit"),
        (Self::ScaleUpStabilized, "ScaleUpStabilized"),
        (Self::ScaleDownStabilized, "ScaleDownStabilized"),
        (Self::Tolerance, "Tolerance"),
        (Self::Paused, "Paused"),
        (Self::Fallback, "Fallback"),
        (Self::Cooldown, "Cooldown"),
        (Self::Formula, "Formula"),
    ];
}

/// A set of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds(u16);

impl Bounds {
    /// The set with one more bound, if `holds`.
    #[must_use]
    pub fn with(self, bound: Bound, holds: bool) -> Self {
        if holds { Self(self.0 | (1 << bound as u8)) } else { self }
    }

    /// Whether the bound is in the set.
    pub fn has(self, bound: Bound) -> bool {
        self.0 & (1 << bound as u8) != 0
    }

    /// The words for the bounds.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Bound::ALL.into_iter().filter(move |(bound, _)| self.has(*bound)).map(|(_, name)| name)
    }
}

impl Decision {
    /// Whether replicas change.
    pub fn is_scaling(&self) -> bool {
        self.from != Some(self.to)
    }

    /// The replicas that each trigger asks for by itself while there are `self.to`. None: it could not be read.
    pub fn asked(&self) -> impl Iterator<Item = Option<i32>> {
        let replicas = self.from.unwrap_or(self.to);
        self.triggers.iter().zip(&self.states).map(move |(info, state)| asks_for(&info.metric, state.value?, replicas))
    }

    /// The bounds of a change that the poll loop has made.
    pub(crate) fn bounds_of_scaling(&self, policy: &Policy) -> Bounds {
        let wanted = self.asked().flatten().max().filter(|_| self.formula.is_none());
        let is_short = self.reason == Reason::ActivatedToTarget && wanted.is_some_and(|wanted| wanted > self.to);
        let bound = if self.to == policy.max { Bound::MaxReplicas } else { Bound::ScaleUpLimit };
        Bounds::default().with(Bound::Fallback, self.reason == Reason::Fallback).with(bound, is_short)
    }

    /// The place of the trigger that asks for most. None where a formula takes their place, or none asks for any.
    pub fn winner(&self) -> Option<usize> {
        if self.formula.is_some() {
            return None;
        }
        let asked = self.asked().enumerate().filter_map(|(place, asked)| Some((asked?, place)));
        // The first of several that ask for the same.
        asked
            .filter(|(asked, _)| *asked > 0)
            .max_by_key(|(asked, place)| (*asked, usize::MAX - place))
            .map(|(_, place)| place)
    }

    /// The memory that it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let error = self.error.as_ref().map_or(0, |text| text.len());
        let would_be = self.would_be.as_ref().map_or(0, |would_be| size_of::<WouldBe>() + would_be.because.bytes());
        size_of::<Self>() + size_of_val(&*self.states) + error + would_be
    }
}

/// An error of a length that a decision keeps.
pub(crate) fn short(text: &str) -> Box<str> {
    let mut end = text.len().min(LONGEST_ERROR);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end < text.len() { format!("{}…", &text[..end]).into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use ebb_params::MetricType;

    use super::*;

    fn metric(target: f64, metric_type: MetricType) -> MetricSpec {
        MetricSpec { name: "m".into(), target, activation: 0.0, metric_type }
    }

    #[test]
    fn the_first_of_those_that_ask_for_most_wins() {
        let info =
            |index| TriggerInfo { index, name: None, kind: "cron", metric: metric(5.0, MetricType::AverageValue) };
        let winner = |values: [Option<f64>; 3]| {
            let states = values.map(|value| TriggerState { value, active: false });
            let decision = Decision {
                at: DateTime::UNIX_EPOCH,
                from: Some(1),
                to: 2,
                by: Actor::Hpa,
                reason: Reason::MetricsAboveTarget,
                until: None,
                triggers: (0..3).map(info).collect(),
                states: Box::new(states),
                error: None,
                formula: None,
                bounds: Bounds::default(),
                would_be: None,
            };
            decision.winner()
        };
        assert_eq!(winner([Some(1.0), Some(11.0), Some(12.0)]), Some(1));
        assert_eq!(winner([None, Some(0.0), Some(3.0)]), Some(2));
        assert_eq!(winner([None, Some(0.0), None]), None);
    }

    #[test]
    fn bounds_are_a_set() {
        let bounds =
            Bounds::default().with(Bound::Formula, true).with(Bound::MaxReplicas, true).with(Bound::Paused, false);
        assert_eq!(bounds.names().collect::<Vec<_>>(), ["MaxReplicas", "Formula"]);
        for (place, (bound, _)) in Bound::ALL.iter().enumerate() {
            assert_eq!(*bound as usize, place);
        }
    }

    #[test]
    fn an_error_is_cut_between_characters() {
        assert_eq!(&*short("größer"), "größer");
        let long = "ö".repeat(100);
        let cut = short(&format!("x{long}"));
        assert!(cut.len() <= LONGEST_ERROR + '…'.len_utf8() && cut.ends_with('…'), "{cut}");
    }
}
