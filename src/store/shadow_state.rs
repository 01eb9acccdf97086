//! The shadow of one observed ScaledObject's target, shared by the poll loop and the checks.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use parking_lot::Mutex;

use ebb_plan::shadow::{Follows, Shadow};
use ebb_plan::simulate::explain::Circumstances;
use ebb_plan::simulate::hpa::ControllerFlags;
use ebb_plan::tick::{Moment, ReplicaChange};
use ebb_plan::trail::{TickView, WouldBe};

/// A [`Shadow`] behind a lock. There is none where Ebb scales the target itself.
#[derive(Debug, Default)]
pub struct ShadowState(Mutex<Option<Box<Shadow>>>);

impl ShadowState {
    /// The ScaledObject is observed, and Ebb would have this HPA. True: the shadow begins, with `replicas`.
    pub fn specify(
        &self,
        replicas: i32,
        hpa: &HorizontalPodAutoscaler,
        follows: Follows,
        flags: ControllerFlags,
        now: Moment,
    ) -> bool {
        let mut shadow = self.0.lock();
        if let Some(shadow) = &mut *shadow {
            shadow.respecify(hpa, follows);
            return false;
        }
        *shadow = Some(Box::new(Shadow::new(replicas, hpa, follows, flags, now)));
        true
    }

    /// Ebb scales the target itself from now on, or nothing is scaled.
    pub fn end(&self) {
        *self.0.lock() = None;
    }

    /// See [`Shadow::replicas`]. None: there is no shadow.
    pub fn replicas(&self) -> Option<i32> {
        self.0.lock().as_ref().map(|shadow| shadow.replicas())
    }

    /// See [`Shadow::next_look`].
    pub fn next_look(&self) -> Option<Duration> {
        self.0.lock().as_ref()?.next_look()
    }

    /// See [`Shadow::would_be`].
    pub fn would_be(&self) -> Option<WouldBe> {
        self.0.lock().as_ref()?.would_be()
    }

    /// See [`Shadow::on_count`].
    pub fn on_count(&self, count: i32, now: Moment) {
        self.change(|shadow| shadow.on_count(count, now.at));
    }

    /// See [`Shadow::on_scaled`].
    pub fn on_scaled(&self, change: ReplicaChange, known: &Circumstances<'_>, now: Moment) {
        self.change(|shadow| shadow.on_scaled(change, known, now));
    }

    /// See [`Shadow::on_tick`].
    pub fn on_tick(&self, tick: &TickView<'_>, known: &Circumstances<'_>) {
        self.change(|shadow| shadow.on_tick(tick, known));
    }

    /// See [`Shadow::look`].
    pub fn look(&self, actual: Option<i32>, known: &Circumstances<'_>, now: Moment) {
        self.change(|shadow| shadow.look(actual, known, now));
    }

    fn change(&self, change: impl FnOnce(&mut Shadow)) {
        if let Some(shadow) = &mut *self.0.lock() {
            change(shadow);
        }
    }
}
