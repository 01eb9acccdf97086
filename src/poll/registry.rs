//! The ScaledObjects that are served, their triggers and what is remembered about them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::{Condition, HealthStatus, ScaleTarget, ScaledObject, ScaledObjectStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, Resource as _, ResourceExt};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::trigger::Trigger;
use crate::clock;
use crate::key::Key;
use crate::lease::Term;
use crate::ledger::looks::{self, Looks};
use crate::ledger::{Ledger, Version};
use crate::metrics::{Metrics, ObjectMetrics};
use crate::plan::activation::Step;
use crate::plan::fallback::Fallback;
use crate::plan::hpa::contest::Contest;
use crate::plan::hpa::fingerprint::Fingerprint;
use crate::plan::modifiers::Modifiers;
use crate::plan::policy::Policy;
use crate::plan::status;
use crate::target::{self, Targets};

/// How long a count that was set without an answer counts as Ebb's where it is found.
const UNANSWERED: Duration = Duration::from_mins(1);
/// How much a poll may be late before the process counts as stuck.
const OVERDUE: Duration = Duration::from_mins(1);

/// What is done for a ScaledObject while it is served. Replaced as a whole when its spec changes.
#[derive(Debug)]
pub struct Live {
    /// The rules for its replicas.
    pub policy: Policy,
    /// The kind of its target.
    pub target_kind: target::Kind,
    /// Its target.
    pub target: ScaleTarget,
    /// What to do while triggers cannot be read.
    pub fallback: Option<Fallback>,
    /// The formula over the triggers' values.
    pub modifiers: Option<Box<Modifiers>>,
    /// The triggers' own names.
    pub names: Vec<Option<String>>,
    /// A digest of what each trigger was built from, which holds secrets and is not kept.
    pub digests: Vec<u64>,
    /// The triggers, in the spec's order, but for those that the HPA reads by itself.
    pub triggers: Vec<Arc<Trigger>>,
    /// The external metrics of the triggers.
    pub metric_names: Arc<[String]>,
}

impl Live {
    /// The triggers with their own names.
    pub fn named(&self) -> impl Iterator<Item = (&Arc<Trigger>, Option<&str>)> {
        self.triggers.iter().zip(self.names.iter().map(Option::as_deref))
    }
}

/// What is remembered of a ScaledObject from tick to tick, across changes of its spec.
#[derive(Debug, Default)]
pub struct Memory {
    /// When a trigger was last active.
    pub last_active: Option<DateTime<Utc>>,
    /// The target's count of replicas when it was last seen.
    pub replicas: Option<(i32, Instant)>,
    /// A count that was set, as long as no look has shown whether it is there.
    pub unanswered: Option<Unanswered>,
    /// The error that each trigger has now and that an event has told, by the trigger's place.
    pub told: BTreeMap<usize, String>,
    /// Why the target cannot be scaled, as the log has told.
    pub told_target: Option<String>,
    /// How often the API server has refused to scale the target, one time after the other.
    pub refusals: u32,
    /// A digest of which object was the target at the last check that found one.
    pub target: Option<u64>,
    /// The failed check that an event has told.
    pub told_check: Option<String>,
    /// The conflicts with VerticalPodAutoscalers that events have told.
    pub told_conflicts: Vec<String>,
    /// The generation of the specification that the last check served.
    pub served: Option<i64>,
    /// Checks that failed one after the other.
    pub failed_checks: u32,
    /// The HPA as the last check left it. None while that is not known.
    pub applied_hpa: Option<AppliedHpa>,
    /// Whether scaling is paused, in both directions or in one; not known before the first check.
    pub paused: Option<bool>,
    /// Whether a fallback is in effect, as an event has told.
    pub falling_back: bool,
    /// How many polls of each metric had failed when Ebb was started.
    pub failures_found: BTreeMap<String, u32>,
    /// Whether a Ready event has been sent, by this Ebb or one before it.
    pub announced: bool,
}

/// A count of replicas that was set without an answer yet: from which one, to which one, why, and when.
pub type Unanswered = ((i32, i32, Step), Instant);

impl Memory {
    /// Notes that a count is set: how many there are is not known until the answer comes. Gives what was set before.
    pub fn asked_for(&mut self, change: (i32, i32, Step)) -> Option<Unanswered> {
        self.replicas = None;
        self.unanswered.replace((change, Instant::now()))
    }

    /// The change that was set without an answer, if it turns out to have been done. Later than that the count may be
    /// anybody's.
    pub fn unanswered_is_there(&mut self, replicas: i32) -> Option<(i32, i32, Step)> {
        let (change, asked) = self.unanswered?;
        if asked.elapsed() > UNANSWERED {
            self.unanswered = None;
            return None;
        }
        (change.1 == replicas).then(|| {
            self.unanswered = None;
            change
        })
    }
}

/// An HPA as the API server answered that it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AppliedHpa {
    /// Its name.
    pub name: String,
    /// A digest of what the ScaledObject asks for.
    pub wanted: u64,
    /// What the API server made of that.
    pub made: Fingerprint,
    /// Until when a difference is left alone, because somebody else sets it again and again.
    pub left_until: Option<DateTime<Utc>>,
    /// What others did to it of late.
    pub contest: Option<Box<Contest>>,
}

/// One ScaledObject that Ebb knows.
#[derive(Debug)]
pub struct Object {
    /// Its name.
    pub key: Key,
    /// Which one of that name.
    pub uid: String,
    /// Its status.
    pub ledger: Ledger,
    /// Its series.
    pub metrics: Arc<ObjectMetrics>,
    /// What is remembered of it.
    pub memory: Mutex<Memory>,
    live: RwLock<Option<Arc<Live>>>,
    changed: Notify,
    ticking: Mutex<Ticking>,
    next_poll: Mutex<Option<Instant>>,
    checked: AtomicBool,
}

/// The poll loop of a ScaledObject.
#[derive(Debug, Default)]
enum Ticking {
    #[default]
    ToBegin,
    Under(AbortHandle),
    Ended,
}

impl Memory {
    /// What a status tells whoever has not been there.
    fn found(written: &ScaledObjectStatus) -> Self {
        let last_active = status::last_active(written, clock::now());
        let falling_back = written.condition(Condition::FALLBACK).is_some_and(Condition::is_true);
        let failures = |health: &HealthStatus| health.number_of_failures.and_then(|failures| failures.try_into().ok());
        let health = written.health.iter().flatten();
        let failures_found = health
            .filter_map(|(metric, health)| Some((metric.clone(), failures(health)?)))
            .filter(|(_, failures)| *failures > 0)
            .collect();
        let announced = written.condition(Condition::READY).is_some_and(Condition::is_true);
        Self { last_active, falling_back, failures_found, announced, ..Self::default() }
    }
}

impl Object {
    fn new(
        object: &ScaledObject,
        written: &ScaledObjectStatus,
        metrics: &Arc<Metrics>,
        (term, looks): (Arc<Term>, Looks),
    ) -> Self {
        let key = Key::of(object);
        Self {
            uid: object.uid().unwrap_or_default(),
            metrics: metrics.object(&key),
            ledger: Ledger::new(&key, object, written, term, looks),
            memory: Mutex::new(Memory::found(written)),
            live: RwLock::default(),
            changed: Notify::new(),
            ticking: Mutex::default(),
            next_poll: Mutex::default(),
            checked: AtomicBool::new(false),
            key,
        }
    }

    /// Takes over from another replica, which has left the object like this. What was remembered of its telling and applying
    /// is not known here; of activity the later is right, so that no cooldown is cut short.
    pub fn take_over(&self, found: &ScaledObject) {
        let written = &found.status.clone().unwrap_or_default();
        self.ledger.observe(Version::of(found), written, true);
        let mut memory = self.memory.lock();
        let found = Memory::found(written);
        let last_active = memory.last_active.max(found.last_active);
        *memory = Memory { last_active, failed_checks: memory.failed_checks, ..found };
    }

    /// For events about it.
    pub fn reference(&self) -> Arc<ObjectReference> {
        Arc::new(ObjectReference {
            api_version: Some(ScaledObject::api_version(&()).into_owned()),
            kind: Some(ScaledObject::kind(&()).into_owned()),
            namespace: Some(self.key.namespace.clone()),
            name: Some(self.key.name.clone()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        })
    }

    /// Notes that it has been checked, whatever came of it.
    pub fn set_checked(&self) {
        self.checked.store(true, Ordering::Relaxed);
    }

    /// Whether it has been checked once.
    pub fn is_checked(&self) -> bool {
        self.checked.load(Ordering::Relaxed)
    }

    /// What is done for it now.
    pub fn live(&self) -> Option<Arc<Live>> {
        self.live.read().clone()
    }

    /// Serves it from now on with `live`, or no longer.
    pub fn set_live(&self, live: Option<Live>) {
        *self.live.write() = live.map(Arc::new);
        self.wake();
    }

    /// Makes its loop poll now.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits for [`Object::wake`].
    pub async fn woken(&self) {
        self.changed.notified().await;
    }

    /// Has this loop, unless it has been ended already.
    pub fn ticks(&self, ticking: AbortHandle) {
        let mut present = self.ticking.lock();
        if matches!(*present, Ticking::Ended) {
            ticking.abort();
        } else {
            *present = Ticking::Under(ticking);
        }
    }

    fn end(&self) {
        if let Ticking::Under(ticking) = std::mem::replace(&mut *self.ticking.lock(), Ticking::Ended) {
            ticking.abort();
        }
    }

    /// Notes when its next poll is due; it has none while it is not served.
    pub fn expect_poll(&self, due: Option<Instant>) {
        *self.next_poll.lock() = due;
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.next_poll.lock().is_some_and(|due| now.saturating_duration_since(due) > OVERDUE)
    }
}

/// Every ScaledObject that Ebb knows. Shared by the controller, the poll loops and the metrics API.
#[derive(Debug)]
pub struct Registry {
    objects: RwLock<HashMap<Key, Arc<Object>>>,
    /// The statuses of ScaledObjects that have no record yet, as they were found, and of which one of that name each is.
    found: Mutex<HashMap<Key, (Option<String>, ScaledObjectStatus)>>,
    metrics: Arc<Metrics>,
    targets: Targets,
    term: Arc<Term>,
    looks: Looks,
    asked: Mutex<Option<looks::Asked>>,
}

impl Registry {
    /// An empty one. `targets` tells how many replicas there are, where a fallback needs to know; statuses are written
    /// during `term`.
    pub fn new(metrics: Arc<Metrics>, targets: Targets, term: Arc<Term>) -> Arc<Self> {
        let (looks, asked) = Looks::new();
        let (objects, found, asked) = (RwLock::default(), Mutex::default(), Mutex::new(Some(asked)));
        Arc::new(Self { objects, found, metrics, targets, term, looks, asked })
    }

    /// Looks at statuses that differ from what should be there, as long as this is polled. It can be called once.
    pub async fn look_at_statuses(self: Arc<Self>, client: Client) {
        let Some(asked) = self.asked.lock().take() else { return };
        looks::run(asked, self, client).await;
    }

    /// The workloads.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Takes off a ScaledObject that the watch shows what need not be kept: the record observes the whole status. `listed`
    /// says that a list shows it.
    pub fn trim(&self, object: &mut ScaledObject, listed: bool) {
        let key = Key::of(object);
        let record = self.get(&key).filter(|known| object.uid().as_ref() == Some(&known.uid));
        let status = object.status.take();
        if let Some(record) = &record {
            record.ledger.observe(Version::of(object), &status.clone().unwrap_or_default(), listed);
        }
        let Some(status) = status else { return };
        object.status = Some(ScaledObjectStatus {
            hpa_name: status.hpa_name.clone(),
            original_replica_count: status.original_replica_count,
            // Whether it was paused: no condition says the same as False.
            conditions: status
                .condition(Condition::PAUSED)
                .filter(|paused| paused.is_true())
                .map(|paused| vec![paused.clone()]),
            ..ScaledObjectStatus::default()
        });
        if record.is_none() {
            self.found.lock().insert(key, (object.uid(), status));
        }
    }

    fn take_found(&self, key: &Key) -> Option<(Option<String>, ScaledObjectStatus)> {
        let mut found = self.found.lock();
        let status = found.remove(key);
        // All of them come at the start and go soon: their room is not kept for another start.
        if found.is_empty() {
            found.shrink_to_fit();
        }
        status
    }

    /// The record of `object`; whether it is new. One that was deleted and made again under its old name is new.
    pub fn open(&self, object: &ScaledObject) -> (Arc<Object>, bool) {
        let key = Key::of(object);
        let mut objects = self.objects.write();
        if let Some(known) = objects.get(&key).filter(|known| object.uid().as_ref() == Some(&known.uid)) {
            return (Arc::clone(known), false);
        }
        if let Some(namesake) = objects.remove(&key) {
            namesake.end();
        }
        let found = self.take_found(&key);
        let found = found.filter(|(uid, _)| *uid == object.uid()).map(|(_, status)| status);
        let written = found.or_else(|| object.status.clone()).unwrap_or_default();
        let new = Arc::new(Object::new(object, &written, &self.metrics, (Arc::clone(&self.term), self.looks.clone())));
        objects.insert(key, Arc::clone(&new));
        (new, true)
    }

    /// The record under this name.
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.objects.read().get(key).cloned()
    }

    /// The names of all.
    pub fn keys(&self) -> Vec<Key> {
        self.objects.read().keys().cloned().collect()
    }

    /// Forgets a ScaledObject and ends its loop.
    pub fn close(&self, key: &Key) -> Option<Arc<Object>> {
        self.take_found(key);
        let object = self.objects.write().remove(key)?;
        object.end();
        Some(object)
    }

    /// The ScaledObjects whose poll is more than a minute overdue.
    pub fn overdue(&self, now: Instant) -> Vec<String> {
        let objects = self.objects.read();
        objects.iter().filter(|(_, object)| object.is_overdue(now)).map(|(key, _)| key.to_string()).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series that new triggers get their handles from.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}
