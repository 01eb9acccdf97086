//! A change of the count as the trail of a running Ebb would have it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::hpa::Look;
use crate::modifiers::{Composite, Modifiers};
use crate::readings::TriggerReading;
use crate::rules::Rules;
use crate::tick::ReplicaChange;
use crate::trail::{Actor, Bound, Bounds, Decision, Reason, TriggerInfo, TriggerState};

/// The state of the run when a count changes.
pub(super) struct Moment<'a> {
    pub(super) at: DateTime<Utc>,
    pub(super) triggers: &'a Arc<[TriggerInfo]>,
    pub(super) readings: &'a [TriggerReading<'a>],
    pub(super) rules: &'a Rules,
}

impl Moment<'_> {
    /// A change by the poll loop.
    pub(super) fn by_ebb(&self, (from, to, reason): ReplicaChange) -> Decision {
        let reason = Reason::of_scaling(reason, to, &self.rules.policy);
        let mut decision = self.decision((from, to), Actor::Ebb, reason, None);
        decision.bounds = decision.bounds_of_scaling(&self.rules.policy);
        decision
    }

    /// A change by a pause.
    pub(super) fn by_pause(&self, change: (i32, i32)) -> Decision {
        self.decision(change, Actor::Ebb, Reason::Paused, Some(Bound::Paused))
    }

    /// A change by the HPA controller.
    pub(super) fn by_hpa(&self, change: (i32, i32), look: &Look) -> Decision {
        let reason = match (look.winner, change.1 > change.0) {
            (None, false) => Reason::MaxReplicas,
            (None, true) => Reason::RaisedToMinimum,
            (Some(_), true) => Reason::MetricsAboveTarget,
            (Some(_), false) => Reason::MetricsBelowTarget,
        };
        self.decision(change, Actor::Hpa, reason, look.bound)
    }

    fn decision(&self, (from, to): (i32, i32), by: Actor, reason: Reason, bound: Option<Bound>) -> Decision {
        let states = self.readings.iter().map(|reading| TriggerState { value: reading.value, active: reading.active });
        let formula = |modifiers: &Modifiers| match modifiers.value(self.rules.fallback.as_ref(), self.readings) {
            Composite::Value(value) => Some(value),
            Composite::FallBack(_) | Composite::Unknown(_) => None,
        };
        let failed = self.readings.iter().zip(self.triggers.iter()).find(|(reading, _)| reading.value.is_none());
        let error = failed.map(|(_, info)| format!("trigger {} ({}): it cannot be read", info.index, info.kind));
        Decision {
            at: self.at,
            from: Some(from),
            to,
            by,
            reason,
            until: None,
            triggers: Arc::clone(self.triggers),
            states: states.collect(),
            error: error.map(Into::into),
            formula: self.rules.modifiers.as_ref().and_then(formula),
            bounds: bound.into_iter().fold(Bounds::default(), |bounds, bound| bounds.with(bound, true)),
        }
    }
}
