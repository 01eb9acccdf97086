//! A decision about a count that no cluster has, as the trail of a running Ebb would have it: of a simulation, or of a shadow.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::hpa::Look;
use crate::fallback::Fallback;
use crate::modifiers::{Composite, Modifiers};
use crate::policy::Policy;
use crate::readings::TriggerReading;
use crate::tick::ReplicaChange;
use crate::trail::{Actor, Bound, Bounds, Decision, Reason, TriggerInfo, TriggerState, short};

/// What is known when a count changes, or stays.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// The triggers.
    pub triggers: &'a Arc<[TriggerInfo]>,
    /// One for each trigger.
    pub readings: &'a [TriggerReading<'a>],
    /// The rules for the replicas.
    pub policy: &'a Policy,
    /// What to do while triggers cannot be read.
    pub fallback: Option<&'a Fallback>,
    /// The formula over the triggers' values.
    pub modifiers: Option<&'a Modifiers>,
    /// The error of the first trigger that could not be read, where it is known.
    pub error: Option<&'a str>,
}

impl Circumstances<'_> {
    /// A change by the poll loop.
    pub(crate) fn by_ebb(&self, (from, to, reason): ReplicaChange) -> Decision {
        let reason = Reason::of_scaling(reason, to, self.policy);
        let mut decision = self.decision((from, to), Actor::Ebb, reason, None);
        decision.bounds = decision.bounds_of_scaling(self.policy);
        decision
    }

    /// A change by a pause.
    pub(crate) fn by_pause(&self, change: (i32, i32)) -> Decision {
        self.decision(change, Actor::Ebb, Reason::Paused, Some(Bound::Paused))
    }

    /// A change by the HPA controller.
    pub(crate) fn by_hpa(&self, change: (i32, i32), look: &Look) -> Decision {
        let reason = match (look.winner, change.1 > change.0) {
            (None, false) => Reason::MaxReplicas,
            (None, true) => Reason::RaisedToMinimum,
            (Some(_), true) => Reason::MetricsAboveTarget,
            (Some(_), false) => Reason::MetricsBelowTarget,
        };
        self.decision(change, Actor::Hpa, reason, look.bound)
    }

    /// The loop keeps the count.
    pub(crate) fn kept_by_ebb(&self, count: i32, reason: Reason) -> Decision {
        self.decision((count, count), Actor::Ebb, reason, None)
    }

    /// The HPA controller keeps the count, because of this bound.
    pub(crate) fn kept_by_hpa(&self, count: i32, reason: Reason, bound: Option<Bound>) -> Decision {
        self.decision((count, count), Actor::Hpa, reason, bound)
    }

    fn decision(&self, (from, to): (i32, i32), by: Actor, reason: Reason, bound: Option<Bound>) -> Decision {
        let states = self.readings.iter().map(|reading| TriggerState { value: reading.value, active: reading.active });
        let formula = |modifiers: &Modifiers| match modifiers.value(self.fallback, self.readings) {
            Composite::Value(value) => Some(value),
            Composite::FallBack(_) | Composite::Unknown(_) => None,
        };
        let failed = self.readings.iter().zip(self.triggers.iter()).find(|(reading, _)| reading.value.is_none());
        let error = failed.map(|(_, info)| match self.error {
            Some(error) => error.to_owned(),
            None => format!("trigger {} ({}): it cannot be read", info.index, info.kind),
        });
        Decision {
            at: self.at,
            from: Some(from),
            to,
            by,
            reason,
            until: None,
            triggers: Arc::clone(self.triggers),
            states: states.collect(),
            error: error.map(|error| short(&error)),
            formula: self.modifiers.and_then(formula),
            bounds: bound.into_iter().fold(Bounds::default(), |bounds, bound| bounds.with(bound, true)),
            would_be: None,
        }
    }
}
