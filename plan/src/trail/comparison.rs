//! The comparison of the real count with the one that Ebb, which only observes, would have set.

use chrono::{DateTime, TimeDelta, Utc};

use super::Trail;
use super::decision::{Actor, Bounds, Reason, WouldBe};
use super::hpa_view::HpaView;

/// How long two counts above zero may differ before it is recorded. Two HPAs look at different moments of 15 s each.
const PATIENCE: TimeDelta = TimeDelta::seconds(20);
/// The same where one of them is zero. Nobody but the autoscalers goes from and to zero.
const PATIENCE_AT_ZERO: TimeDelta = TimeDelta::seconds(2);
/// When the target is to be looked at again after an unexplained change, and while a difference is new.
const SOON: TimeDelta = TimeDelta::seconds(2);
/// How long a difference counts as new: the other autoscaler polls every 30 s as a rule.
const NEW: TimeDelta = TimeDelta::seconds(60);
/// When the target is to be looked at again while a difference lasts.
const LATER: TimeDelta = TimeDelta::seconds(15);

/// The shadow's count beside the real one.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    /// The shadow's count.
    pub(super) would_be: WouldBe,
    /// The count of an inactive workload: zero, or `idleReplicaCount`.
    pub(super) asleep: i32,
    differs: Option<Difference>,
    /// The last record of the comparison is a difference.
    is_open: bool,
}

/// A difference that lasts.
#[derive(Debug, Clone, Copy)]
struct Difference {
    /// The real count, and the shadow's.
    counts: (i32, i32),
    since: DateTime<Utc>,
    is_recorded: bool,
}

impl Comparison {
    /// Nothing has been compared yet.
    pub(super) fn new(would_be: WouldBe, asleep: i32) -> Self {
        Self { would_be, asleep, differs: None, is_open: false }
    }

    /// The same with a count of later.
    #[must_use]
    pub(super) fn with(self, would_be: WouldBe, asleep: i32) -> Self {
        Self { would_be, asleep, ..self }
    }

    /// Whether both counts are `count`.
    pub(super) fn agrees(&self, count: i32) -> bool {
        self.would_be.replicas == count
    }

    /// Compares the real count with the shadow's. Returns what is to be recorded, and since when it holds.
    pub(super) fn compare(&mut self, count: i32, at: DateTime<Utc>) -> Option<(Reason, DateTime<Utc>)> {
        if self.agrees(count) {
            self.differs = None;
            return std::mem::take(&mut self.is_open).then_some((Reason::Agrees, at));
        }
        let counts = (count, self.would_be.replicas);
        let present = match &mut self.differs {
            Some(present) if present.counts == counts => present,
            differs => differs.insert(Difference { counts, since: at, is_recorded: false }),
        };
        let patience = if counts.0 == 0 || counts.1 == 0 { PATIENCE_AT_ZERO } else { PATIENCE };
        if present.is_recorded || at - present.since < patience {
            return None;
        }
        (present.is_recorded, self.is_open) = (true, true);
        Some((Reason::Differs, present.since))
    }

    /// A change of the real count to `count` was recorded: that says enough where it is the shadow's.
    pub(super) fn recorded(&mut self, count: i32) {
        if self.agrees(count) {
            (self.differs, self.is_open) = (None, false);
        }
    }

    /// How long until the target is to be looked at again. None: the counts are the same.
    pub(super) fn next_look(&self, at: DateTime<Utc>) -> Option<TimeDelta> {
        let difference = self.differs?;
        let is_new = at - difference.since < NEW;
        Some(if is_new { SOON } else { LATER })
    }
}

impl Trail {
    /// A look at an observed target has ended: it has this count, where it could be read, and Ebb would have that one.
    pub fn on_look(&mut self, count: Option<i32>, would_be: Option<WouldBe>, at: DateTime<Utc>, budget: usize) {
        let asleep = self.shadow.as_ref().map_or(0, |shadow| shadow.asleep);
        self.shadowed(would_be, asleep);
        self.explain(false, at);
        if let Some(count) = count {
            self.counted(count, at);
        }
        self.compare(at);
        self.stay(at);
        self.keep_point(at, budget);
    }

    /// How long until an observed target is to be looked at again, besides the looks of the HPA. None: nothing calls for it.
    pub fn next_look(&self, at: DateTime<Utc>) -> Option<TimeDelta> {
        let shadow = self.shadow.as_ref()?;
        if self.unexplained.is_some() { Some(SOON) } else { shadow.next_look(at) }
    }

    /// Ebb would have this count, or sets the replicas again.
    pub(super) fn shadowed(&mut self, would_be: Option<WouldBe>, asleep: i32) {
        self.shadow = match (self.shadow.take(), would_be) {
            (_, None) => None,
            (None, Some(would_be)) => Some(Comparison::new(would_be, asleep)),
            (Some(shadow), Some(would_be)) => Some(shadow.with(would_be, asleep)),
        };
    }

    /// Records that the real count and the one that Ebb would have differ, or agree again.
    pub(super) fn compare(&mut self, at: DateTime<Utc>) {
        let (Some(shadow), Some(count), None) = (&mut self.shadow, self.count, &self.unexplained) else { return };
        let asleep = shadow.asleep;
        let Some((reason, since)) = shadow.compare(count, at) else { return };
        let by = match reason {
            Reason::Agrees => Actor::Ebb,
            _ if count > asleep && self.hpa.is_some() => Actor::Hpa,
            _ => Actor::Autoscaler,
        };
        self.record(self.decision(Some(count), count, (by, reason), Bounds::default(), since));
    }

    /// Another one has woken the workload up before the HPA changed its count: an HPA leaves zero alone.
    pub(super) fn woken_before(&mut self, view: HpaView, at: DateTime<Utc>) {
        if self.count != Some(0) {
            return;
        }
        let by = if self.shadow.is_some() { Actor::Autoscaler } else { Actor::Ebb };
        let (seen, since) = self.unexplained.unwrap_or((1, at));
        let is_own = |count: &i32| *count > 0 && *count != view.desired;
        let to = view.current.filter(is_own).or(Some(seen).filter(is_own)).unwrap_or(1);
        let since = view.last_scale.map_or(since, |scaled| scaled.min(since));
        self.changed(Some(0), to, (by, Reason::Activated), Bounds::default(), since);
    }
}
