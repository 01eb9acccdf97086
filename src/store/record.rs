//! The record of one ScaledObject.

use std::sync::Arc;
use std::time::Duration;

use ebb_crds::{ScaleTarget, ScaledObject, ScaledObjectStatus};
use kube::ResourceExt as _;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::check_state::CheckState;
use super::hpa_state::HpaState;
use super::poll_state::PollState;
use super::shadow_state::ShadowState;
use crate::clock;
use crate::kube_api::key::Key;
use crate::kube_api::scale;
use crate::store::decision_feed::DecisionFeed;
use crate::store::decision_trail::DecisionTrail;
use crate::store::status_writer::{StatusWriter, Version};
use crate::store::trigger::Trigger;
use crate::telemetry::metrics::ObjectMetrics;
use ebb_plan::fallback::Fallback;
use ebb_plan::modifiers::Modifiers;
use ebb_plan::policy::Policy;
use ebb_plan::trail::TriggerInfo;

/// How much a poll may be late before the process counts as stuck.
const OVERDUE: Duration = Duration::from_mins(1);

/// A specification in force, with its live triggers. It is replaced as a whole when the specification changes.
#[derive(Debug)]
pub struct Serving {
    /// The number of this build of the triggers. It grows with every replacement.
    pub build: u64,
    /// Ebb only observes: the poll loop scales the shadow, and nobody is given a metric.
    pub observed: bool,
    /// The rules for the replicas.
    pub policy: Policy,
    /// The kind of the target.
    pub target_kind: scale::Kind,
    /// The target.
    pub target: ScaleTarget,
    /// The fallback while triggers cannot be read.
    pub fallback: Option<Fallback>,
    /// The formula over the triggers' values.
    pub modifiers: Option<Box<Modifiers>>,
    /// The triggers' own names.
    pub names: Vec<Option<String>>,
    /// A digest of each trigger's parameters. The parameters themselves hold secrets and are not kept.
    pub digests: Vec<u64>,
    /// The triggers, in the spec's order, but for those that the HPA reads by itself.
    pub triggers: Vec<Arc<Trigger>>,
    /// The external metrics of the triggers.
    pub metric_names: Arc<[String]>,
    /// The triggers as the trail of decisions describes them.
    pub trigger_infos: Arc<[TriggerInfo]>,
}

impl Serving {
    /// The triggers with their own names.
    pub fn named(&self) -> impl Iterator<Item = (&Arc<Trigger>, Option<&str>)> {
        self.triggers.iter().zip(self.names.iter().map(Option::as_deref))
    }
}

/// One ScaledObject that Ebb knows.
#[derive(Debug)]
pub struct Record {
    /// Its namespace and name.
    pub key: Key,
    /// Its uid: another one of the same name is another ScaledObject.
    pub uid: String,
    /// Its facts, its status and its events.
    pub status: StatusWriter,
    /// Its series.
    pub metrics: Arc<ObjectMetrics>,
    /// The state of its checks.
    pub check: CheckState,
    /// The state of its HPA.
    pub hpa: HpaState,
    /// The state of its poll loop.
    pub poll: PollState,
    /// The replicas that Ebb would have set, where it only observes.
    pub shadow: ShadowState,
    /// The trail of its decisions.
    pub trail: DecisionTrail,
    serving: RwLock<Option<Arc<Serving>>>,
    changed: Notify,
    task: Mutex<PollTask>,
    next_poll: Mutex<Option<Instant>>,
}

/// The task that runs the poll loop of a ScaledObject.
#[derive(Debug, Default)]
enum PollTask {
    #[default]
    ToBegin,
    Running(AbortHandle),
    Ended,
}

impl Record {
    /// The record of a ScaledObject whose status is `written`.
    pub fn new(
        key: Key,
        uid: String,
        written: &ScaledObjectStatus,
        status: StatusWriter,
        metrics: Arc<ObjectMetrics>,
        feed: Arc<DecisionFeed>,
    ) -> Self {
        Self {
            trail: DecisionTrail::new(key.clone(), feed, Arc::clone(&metrics)),
            key,
            uid,
            status,
            metrics,
            check: CheckState::default(),
            hpa: HpaState::default(),
            poll: PollState::found(written, clock::now()),
            shadow: ShadowState::default(),
            serving: RwLock::default(),
            changed: Notify::new(),
            task: Mutex::default(),
            next_poll: Mutex::default(),
        }
    }

    /// Whether it is the record of `object`, not of another one of the same name.
    pub fn is_of(&self, object: &ScaledObject) -> bool {
        object.uid().as_ref() == Some(&self.uid)
    }

    /// Takes over from another replica, which has left this status.
    pub async fn take_over(&self, found: &ScaledObject) {
        let written = &found.status.clone().unwrap_or_default();
        self.status.observe(Version::of(found), written, true);
        self.status.take_over(written).await;
        self.poll.take_over(written, clock::now());
        self.check.take_over();
        self.hpa.clear();
    }

    /// The specification in force.
    pub fn serving(&self) -> Option<Arc<Serving>> {
        self.serving.read().clone()
    }

    /// Puts a specification in force, or ends the present one.
    pub fn serve(&self, serving: Option<Serving>) {
        self.metrics.set_bounds(serving.as_ref().map(|serving| (serving.policy.min, serving.policy.max)));
        if serving.is_none() {
            self.metrics.set_replicas(None);
        }
        if serving.as_ref().is_none_or(|serving| !serving.observed) {
            self.metrics.set_shadow(None);
        }
        *self.serving.write() = serving.map(Arc::new);
        self.wake();
    }

    /// Makes its poll loop poll now.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits for [`Record::wake`].
    pub async fn woken(&self) {
        self.changed.notified().await;
    }

    /// Binds its poll loop to this task, unless the record has been closed already.
    pub fn polled_by(&self, task: AbortHandle) {
        let mut present = self.task.lock();
        if matches!(*present, PollTask::Ended) {
            task.abort();
        } else {
            *present = PollTask::Running(task);
        }
    }

    pub(super) fn end(&self) {
        if let PollTask::Running(task) = std::mem::replace(&mut *self.task.lock(), PollTask::Ended) {
            task.abort();
        }
    }

    /// The next poll is due at this time. None while there is none.
    pub fn expect_poll(&self, due: Option<Instant>) {
        *self.next_poll.lock() = due;
    }

    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.next_poll.lock().is_some_and(|due| now.saturating_duration_since(due) > OVERDUE)
    }
}
