//! The decisions of a ScaledObject that are kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::decision::{Decision, Reason};

/// Two reasons that take turns within this time are recorded once.
const FLAPPING: TimeDelta = TimeDelta::minutes(2);

/// The number of the next decision of this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A decision and its number. Later decisions of the process, of whatever ScaledObject, have greater numbers.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The number.
    pub number: u64,
    /// The decision.
    pub decision: Arc<Decision>,
}

/// The number of the last decision of this process.
pub fn last_number() -> u64 {
    NEXT.load(Ordering::Relaxed) - 1
}

/// The decisions, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Ring {
    pub(super) fn push(&mut self, decision: Decision) {
        self.bytes += cost(&decision);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.entries.push_back(Entry { number, decision: Arc::new(decision) });
    }

    /// The reason for which the replicas stay ends later than was recorded.
    pub(super) fn prolong(&mut self, reason: Reason, until: Option<DateTime<Utc>>) {
        if let Some(last) = self.entries.back_mut().filter(|last| last.decision.reason == reason)
            && last.decision.until != until
        {
            Arc::make_mut(&mut last.decision).until = until;
        }
    }

    /// Whether the last two decisions are this reason and another one in turn, both not to scale, and just recorded.
    pub(super) fn is_flapping(&self, reason: Reason, now: DateTime<Utc>) -> bool {
        let mut latest = self.entries.iter().rev().map(|entry| &entry.decision);
        let (Some(last), Some(before)) = (latest.next(), latest.next()) else { return false };
        let are_stays = !last.is_scaling() && !before.is_scaling();
        are_stays && before.reason == reason && now - before.at < FLAPPING
    }

    /// Drops old decisions while they take more than half of the budget and `others` leave no room for them. Changes of
    /// the replicas outlast decisions not to scale.
    pub(super) fn trim(&mut self, budget: usize, others: usize) {
        while self.bytes > budget / 2 && self.bytes + others > budget && self.entries.len() > 1 {
            let stays = self.entries.iter().filter(|entry| !entry.decision.is_scaling()).count();
            let first_stay = self.entries.iter().position(|entry| !entry.decision.is_scaling());
            let place = first_stay.filter(|_| 2 * stays > self.entries.len()).unwrap_or(0);
            if let Some(dropped) = self.entries.remove(place) {
                self.bytes -= cost(&dropped.decision);
            }
        }
    }

    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn cost(decision: &Decision) -> usize {
    size_of::<Entry>() + decision.bytes()
}
