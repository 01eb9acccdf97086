//! The trail of a ScaledObject: what its replicas were decided to be, by whom and why, and the readings behind it.
//!
//! The trail decides nothing. It follows the poll loop ([`Trail::on_tick`], [`Trail::on_scaled`]), the HPA's status
//! ([`Trail::on_hpa`]) and pauses, and keeps each change of the replicas, and each change of the reason why they stay.
//!
//! Where Ebb only observes, the replicas are another autoscaler's. The trail then has the count that Ebb would have set beside each
//! decision ([`WouldBe`]), and records where the two differ and where they agree again ([`comparison`]).

mod comparison;
mod decision;
mod hold;
mod hpa_view;
pub mod object;
mod ring;
mod series;
mod words;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::activation::{self, ScaleReason};
use crate::policy::Policy;
use crate::tick::ReplicaChange;
use comparison::Comparison;
pub(crate) use decision::short;
pub use decision::{Actor, Bound, Bounds, Decision, Reason, TriggerInfo, TriggerState, WouldBe};
use hold::Hold;
pub(crate) use hold::kept_by_loop;
pub use hpa_view::HpaView;
use ring::Ring;
pub use ring::{Entry, last_number};
use series::Series;
pub use series::{Point, Range};

/// How long the HPA's status may still show the count before a change. The HPA controller looks every 15 s.
const ECHO: TimeDelta = TimeDelta::seconds(20);
/// How long a count that nobody has announced waits for the HPA's status, which may come after it.
const UNEXPLAINED: TimeDelta = TimeDelta::seconds(2);

/// The trail of one ScaledObject.
#[derive(Debug, Default)]
pub struct Trail {
    ring: Ring,
    series: Series,
    /// The last tick.
    seen: Option<Seen>,
    hpa: Option<HpaView>,
    /// The target's count, as far as it is explained.
    count: Option<i32>,
    /// The count before the last change, and when that was.
    before: Option<(i32, DateTime<Utc>)>,
    /// A count that is not explained yet, and since when.
    unexplained: Option<(i32, DateTime<Utc>)>,
    /// The reason that the replicas stay for, as it was last recorded.
    hold: Option<Reason>,
    /// The count that Ebb would have set. None: it sets the replicas.
    shadow: Option<Comparison>,
}

/// The end of a tick of the poll loop.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools)] // Each is a fact of its own, and all combinations occur.
pub struct TickView<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// The triggers.
    pub triggers: &'a Arc<[TriggerInfo]>,
    /// The state of each.
    pub states: Box<[TriggerState]>,
    /// The error of the first trigger that could not be read, or of the formula.
    pub error: Option<&'a str>,
    /// The formula's value.
    pub formula: Option<f64>,
    /// The formula has no value although all triggers have.
    pub formula_failed: bool,
    /// Why the target cannot be read or scaled.
    pub target_error: Option<&'a str>,
    /// Whether the fallback is in effect.
    pub falls_back: bool,
    /// What the loop decided.
    pub decision: activation::Decision,
    /// The target's count at the end, as far as it is known.
    pub replicas: Option<i32>,
    /// The count was read in this tick. Otherwise it is that of an earlier one, and the HPA may have changed it since.
    pub is_read: bool,
    /// The rules.
    pub policy: &'a Policy,
    /// Whether this replica leads. Another one sets the replicas where it does not.
    pub leads: bool,
    /// The count that Ebb would have set, where it only observes.
    pub would_be: Option<WouldBe>,
}

/// The part of a tick that later decisions refer to.
#[derive(Debug, Clone)]
struct Seen {
    triggers: Arc<[TriggerInfo]>,
    states: Box<[TriggerState]>,
    error: Option<Box<str>>,
    formula: Option<f64>,
    /// Why the replicas stay as far as the loop is concerned.
    hold: Hold,
}

impl Trail {
    /// A tick has ended. `budget`: the bytes that the trail may take.
    pub fn on_tick(&mut self, tick: &TickView<'_>, budget: usize) {
        self.shadowed(tick.would_be.clone(), tick.policy.idle.unwrap_or(0));
        self.explain(tick.leads, tick.at);
        self.note(tick);
        if self.hold == Some(Reason::Paused) {
            self.hold = None;
        }
        if let Some(replicas) = tick.replicas.filter(|_| tick.is_read || self.count.is_none()) {
            self.counted(replicas, tick.at);
        }
        self.compare(tick.at);
        self.stay(tick.at);
        self.keep_point(tick.at, budget);
    }

    /// Adds a point to the series, and keeps within the budget.
    fn keep_point(&mut self, at: DateTime<Utc>, budget: usize) {
        self.ring.trim(budget, self.series.bytes());
        let Some(seen) = &self.seen else { return };
        let shadow = self.shadow.as_ref().map(|shadow| shadow.would_be.replicas);
        let values = seen.states.iter().map(|state| state.value);
        self.series.add(at, (self.count, shadow), values, budget.saturating_sub(self.ring.bytes()));
    }

    /// Ebb has set the count.
    pub fn on_scaled(&mut self, (from, to, reason): ReplicaChange, tick: &TickView<'_>) {
        self.note(tick);
        self.hold = match reason {
            ScaleReason::Activate | ScaleReason::FallBack => None,
            ScaleReason::Deactivate | ScaleReason::Raise => Some(Reason::NoTriggerActive),
        };
        let reason = Reason::of_scaling(reason, to, tick.policy);
        let decision = self.decision(Some(from), to, (Actor::Ebb, reason), Bounds::default(), tick.at);
        let bounds = decision.bounds_of_scaling(tick.policy);
        self.changed(Some(from), to, (Actor::Ebb, reason), bounds, tick.at);
    }

    /// A pause has set the count.
    pub fn on_paused_at(&mut self, from: i32, to: i32, at: DateTime<Utc>) {
        self.hold = Some(Reason::Paused);
        self.changed(Some(from), to, (Actor::Ebb, Reason::Paused), Bounds::default().with(Bound::Paused, true), at);
    }

    /// Scaling is paused in both directions from now on.
    pub fn on_pause(&mut self, at: DateTime<Utc>) {
        self.shadow = None;
        let is_new = self.hold.replace(Reason::Paused) != Some(Reason::Paused);
        if let Some(count) = self.count.filter(|_| is_new) {
            let bounds = Bounds::default().with(Bound::Paused, true);
            self.record(self.decision(Some(count), count, (Actor::Ebb, Reason::Paused), bounds, at));
        }
    }

    /// The HPA's status is this. `leads`: see [`TickView::leads`].
    pub fn on_hpa(&mut self, view: HpaView, leads: bool, at: DateTime<Utc>) {
        let Some(before) = self.hpa.replace(view) else {
            // What it did before is history that nobody has seen. Its status shows the count before the last change for a while.
            let is_fresh = view.desired > 0 && view.last_scale.is_some_and(|scaled| at - scaled < ECHO);
            self.count = self.count.or(if is_fresh { Some(view.desired) } else { view.current });
            return;
        };
        if view.last_scale > before.last_scale && !view.is_disabled {
            if self.shadow.is_some() || !leads {
                self.woken_before(view, at);
            }
            self.scaled_by_hpa(view, at);
        } else if let Some(current) = view.current {
            self.explain(leads, at);
            self.counted(current, at);
        }
        self.compare(at);
        self.stay(at);
    }

    fn scaled_by_hpa(&mut self, view: HpaView, at: DateTime<Utc>) {
        let to = view.desired;
        // The status shows the count before the change, or, a look later, the one after it.
        let from = view.current.filter(|current| *current != to).or(self.count);
        if from == Some(to) || to == 0 {
            return;
        }
        let reason =
            if from.is_none_or(|from| from < to) { Reason::MetricsAboveTarget } else { Reason::MetricsBelowTarget };
        let bounds = view.bounds.with(Bound::Formula, self.seen.as_ref().is_some_and(|seen| seen.formula.is_some()));
        // The count of the change itself is no news.
        self.hold = [(Bound::MaxReplicas, Reason::MaxReplicas), (Bound::MinReplicas, Reason::MinReplicas)]
            .into_iter()
            .find_map(|(bound, reason)| bounds.has(bound).then_some(reason));
        self.changed(from, to, (Actor::Hpa, reason), bounds, view.last_scale.unwrap_or(at));
    }

    /// The target has this count.
    fn counted(&mut self, count: i32, at: DateTime<Utc>) {
        let is_echo = self.before.is_some_and(|(before, changed)| before == count && at - changed < ECHO);
        match self.count {
            None => self.count = Some(count),
            Some(known) if known == count => self.unexplained = None,
            Some(_) if is_echo => {}
            Some(_) => match &mut self.unexplained {
                Some((same, _)) if *same == count => {}
                unexplained => *unexplained = Some((count, at)),
            },
        }
    }

    /// Records a count that neither this replica nor the HPA has set, once the HPA has had time to say that it did.
    fn explain(&mut self, leads: bool, now: DateTime<Utc>) {
        let Some((to, since)) = self.unexplained.filter(|(_, since)| now - *since >= UNEXPLAINED) else { return };
        self.hold = None;
        let asleep = self.shadow.as_ref().map(|shadow| shadow.asleep);
        let was_asleep = self.count.zip(asleep).is_some_and(|(count, asleep)| count <= asleep);
        // The replica that leads goes from and to zero, or the autoscaler that is observed.
        let why = match self.count {
            _ if asleep.is_some_and(|asleep| to <= asleep) && !was_asleep => (Actor::Autoscaler, Reason::Deactivated),
            _ if was_asleep && asleep.is_some_and(|asleep| to > asleep) => (Actor::Autoscaler, Reason::Activated),
            _ if asleep.is_some() => (Actor::Other, Reason::ChangedElsewhere),
            Some(0) if !leads => (Actor::Ebb, Reason::Activated),
            _ if !leads && to == 0 => (Actor::Ebb, Reason::Deactivated),
            _ => (Actor::Other, Reason::ChangedElsewhere),
        };
        self.changed(self.count, to, why, Bounds::default(), since);
    }

    /// Records why the replicas stay, if it is another reason than before.
    fn stay(&mut self, at: DateTime<Utc>) {
        let (Some(count), Some(seen)) = (self.count, self.seen.as_ref()) else { return };
        if self.unexplained.is_some() || self.hold == Some(Reason::Paused) {
            return;
        }
        // The reasons of another count are no reasons for this one.
        if self.shadow.as_ref().is_some_and(|shadow| !shadow.agrees(count)) {
            return;
        }
        let (hold, by) = hold::present(seen.hold, self.hpa.as_ref(), count);
        let Some(hold) = hold else { return };
        if self.hold == Some(hold.reason) {
            self.ring.prolong(hold.reason, hold.until);
            return;
        }
        if self.ring.is_flapping(hold.reason, at) {
            return;
        }
        self.hold = Some(hold.reason);
        let mut decision = self.decision(Some(count), count, (by, hold.reason), hold.bounds, at);
        decision.until = hold.until;
        if by == Actor::Hpa {
            let asked = decision.asked().flatten().max();
            let tolerated = hold.reason == Reason::OnTarget
                && decision.formula.is_none()
                && asked.is_some_and(|asked| asked != count);
            decision.bounds = decision.bounds.with(Bound::Tolerance, tolerated);
        }
        self.record(decision);
    }

    /// Keeps what later decisions refer to.
    fn note(&mut self, tick: &TickView<'_>) {
        // The readings of other triggers do not go on.
        if !self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(&seen.triggers, tick.triggers)) {
            self.series = Series::of(tick.triggers.len());
        }
        let error = tick.target_error.or(tick.error);
        self.seen = Some(Seen {
            triggers: Arc::clone(tick.triggers),
            states: tick.states.clone(),
            error: error.map(decision::short),
            formula: tick.formula,
            hold: hold::of_tick(tick, self.count.or(tick.replicas)),
        });
    }

    fn changed(&mut self, from: Option<i32>, to: i32, why: (Actor, Reason), bounds: Bounds, at: DateTime<Utc>) {
        self.before = from.map(|from| (from, at));
        (self.count, self.unexplained) = (Some(to), None);
        self.record(self.decision(from, to, why, bounds, at));
        if let Some(shadow) = &mut self.shadow {
            shadow.recorded(to);
        }
    }

    fn decision(
        &self,
        from: Option<i32>,
        to: i32,
        (by, reason): (Actor, Reason),
        bounds: Bounds,
        at: DateTime<Utc>,
    ) -> Decision {
        let seen = self.seen.as_ref();
        Decision {
            at,
            from,
            to,
            by,
            reason,
            until: None,
            triggers: seen.map_or_else(|| Arc::from([]), |seen| Arc::clone(&seen.triggers)),
            states: seen.map_or_else(Box::default, |seen| seen.states.clone()),
            error: seen.and_then(|seen| seen.error.clone()),
            formula: seen.and_then(|seen| seen.formula),
            bounds,
            would_be: self.shadow.as_ref().map(|shadow| Box::new(shadow.would_be.clone())),
        }
    }

    fn record(&mut self, decision: Decision) {
        self.ring.push(decision);
    }

    /// The number of the last decision, 0 without any.
    pub fn last_number(&self) -> u64 {
        self.ring.entries().next_back().map_or(0, |entry| entry.number)
    }

    /// The decisions after the one with this number, the oldest first.
    pub fn since(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.ring.entries().filter(move |entry| entry.number > number)
    }

    /// The decisions that are kept, the oldest first.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.ring.entries()
    }

    /// The triggers of the readings, and the readings, the oldest first.
    pub fn readings(&self) -> (Option<&Arc<[TriggerInfo]>>, impl Iterator<Item = Point>) {
        (self.seen.as_ref().map(|seen| &seen.triggers), self.series.points())
    }

    /// Whether the budget made the readings coarser than the rules ask for.
    pub fn is_thinned(&self) -> bool {
        self.series.is_thinned()
    }

    /// The memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.ring.bytes() + self.series.bytes()
    }
}

#[cfg(test)]
mod tests;
