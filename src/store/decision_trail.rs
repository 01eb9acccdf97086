//! The trail of one ScaledObject's decisions, shared with the parts that add to it and those that read it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock;
use crate::kube_api::key::Key;
use crate::store::decision_feed::DecisionFeed;
use crate::telemetry::metrics::ObjectMetrics;
use ebb_plan::tick::ReplicaChange;
use ebb_plan::trail::{Entry, HpaView, TickView, Trail, WouldBe};

/// A [`Trail`] behind a lock. What it records goes to the [`DecisionFeed`].
#[derive(Debug)]
pub struct DecisionTrail {
    key: Key,
    trail: Mutex<Trail>,
    feed: Arc<DecisionFeed>,
    metrics: Arc<ObjectMetrics>,
}

impl DecisionTrail {
    /// An empty trail. `metrics` counts its decisions.
    pub fn new(key: Key, feed: Arc<DecisionFeed>, metrics: Arc<ObjectMetrics>) -> Self {
        Self { key, trail: Mutex::default(), feed, metrics }
    }

    /// A tick of the poll loop has ended, after these changes.
    pub fn on_tick(&self, changes: &[ReplicaChange], tick: &TickView<'_>) {
        let budget = self.feed.budget();
        if budget == 0 {
            return;
        }
        self.follow(|trail| {
            for change in changes {
                trail.on_scaled(*change, tick);
            }
            trail.on_tick(tick, budget);
        });
    }

    /// A look at an observed target has ended. See [`Trail::on_look`].
    pub fn on_look(&self, count: Option<i32>, would_be: Option<WouldBe>) {
        let budget = self.feed.budget();
        self.follow(|trail| trail.on_look(count, would_be, clock::now(), budget));
    }

    /// See [`Trail::next_look`].
    pub fn next_look(&self) -> Option<Duration> {
        self.trail.lock().next_look(clock::now())?.to_std().ok()
    }

    /// A pause has set the count.
    pub fn on_paused_at(&self, from: i32, to: i32) {
        self.follow(|trail| trail.on_paused_at(from, to, clock::now()));
    }

    /// Scaling is paused.
    pub fn on_pause(&self) {
        self.follow(|trail| trail.on_pause(clock::now()));
    }

    /// The HPA's status is this.
    pub fn on_hpa(&self, view: HpaView) {
        let leads = self.feed.is_leader();
        self.follow(|trail| trail.on_hpa(view, leads, clock::now()));
    }

    /// Reads the trail. The closure must not take long: the poll loop waits for it.
    pub fn read<T>(&self, read: impl FnOnce(&Trail) -> T) -> T {
        read(&self.trail.lock())
    }

    fn follow(&self, change: impl FnOnce(&mut Trail)) {
        if !self.feed.is_on() {
            return;
        }
        let recorded: Vec<Entry> = {
            let mut trail = self.trail.lock();
            let before = trail.last_number();
            change(&mut trail);
            trail.since(before).cloned().collect()
        };
        for entry in recorded {
            if entry.decision.is_scaling() && self.feed.speaks() {
                self.metrics.decided(entry.decision.by.as_str(), entry.decision.reason.as_str());
            }
            self.feed.publish(&self.key, entry);
        }
    }
}
