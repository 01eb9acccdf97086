//! The HPAs of ScaledObjects as the API server has them.
//!
//! Owns the watch on them. It queues the ScaledObject of an HPA that differs from the applied one (changed by hand,
//! deleted), and notes the HPA's condition `ScalingActive` for the status. It keeps a digest of each HPA, not the
//! object.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::names;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::change_filter::object_ref;
use crate::kube_api::key::Key;
use crate::kube_api::watch::{Index, Source, Watches};
use crate::store::record::Record;
use crate::store::registry::Registry;
use crate::store::watched_object::WatchedObject;
use ebb_plan::hpa::fingerprint::Fingerprint;
use ebb_plan::hpa::write::{controller, is_written_by_ebb};
use ebb_plan::hpa::{self, TargetReport};
use ebb_plan::status::{Check, Facts};
use ebb_plan::trail::HpaView;

/// The time between a change of an HPA and the check whether the change was Ebb's own: the answer to Ebb's write may
/// come after its echo in the watch.
const ECHO: Duration = Duration::from_millis(250);
/// How many different conditions of HPAs are remembered to be shared.
const CONDITIONS: usize = 8;

/// The most statuses that are written at the same time because of an HPA's condition. HPAs that were created together
/// have their first conditions within the same seconds, in which ScaledObjects wait for their first status.
const AT_ONCE: usize = 4;

/// The HPAs that have been seen, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Hpas {
    seen: RwLock<HashMap<Key, ObservedHpa>>,
    /// The last few different conditions: most HPAs have one of them.
    conditions: Mutex<VecDeque<Arc<HorizontalPodAutoscalerCondition>>>,
}

/// An HPA as the watch has shown it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ObservedHpa {
    pub(super) print: Fingerprint,
    owner: Option<Key>,
    /// Nobody but Ebb has written it.
    is_ebbs: bool,
    /// Its condition `ScalingActive`.
    condition: Option<Arc<HorizontalPodAutoscalerCondition>>,
}

impl Hpas {
    /// The HPA under this key, if the watch has shown it.
    pub(super) fn get(&self, key: &Key) -> Option<ObservedHpa> {
        self.seen.read().get(key).cloned()
    }

    /// The names of all that belong to this ScaledObject: more than one where Ebb was killed amid a change of the name.
    /// It looks through all HPAs, which takes microseconds for each thousand of them.
    pub(super) fn of(&self, owner: &Key) -> Vec<String> {
        let seen = self.seen.read();
        seen.iter().filter(|(_, seen)| seen.owner.as_ref() == Some(owner)).map(|(key, _)| key.name.clone()).collect()
    }

    /// The names of those of this ScaledObject that nobody but Ebb has written.
    pub(super) fn ebbs_of(&self, owner: &Key) -> impl Iterator<Item = String> {
        let seen = self.seen.read();
        let ebbs = seen.iter().filter(|(_, seen)| seen.is_ebbs && seen.owner.as_ref() == Some(owner));
        ebbs.map(|(key, _)| key.name.clone()).collect::<Vec<_>>().into_iter()
    }

    /// The HPA's condition `ScalingActive` without its time, which no status of Ebb shows. HPAs with the same condition share it.
    fn scaling_active(&self, hpa: &HorizontalPodAutoscaler) -> Option<Arc<HorizontalPodAutoscalerCondition>> {
        let conditions = hpa.status.as_ref()?.conditions.as_deref()?;
        let found = conditions.iter().find(|condition| condition.type_ == "ScalingActive")?;
        let found = HorizontalPodAutoscalerCondition { last_transition_time: None, ..found.clone() };
        let mut shared = self.conditions.lock();
        if let Some(same) = shared.iter().find(|known| ***known == found) {
            return Some(Arc::clone(same));
        }
        let found = Arc::new(found);
        shared.truncate(CONDITIONS - 1);
        shared.push_front(Arc::clone(&found));
        Some(found)
    }

    /// Takes the name of a ScaledObject's HPA, and that HPA's condition, into the facts. Call this whenever either may
    /// have changed: the watch often shows an HPA before the check that finds it to be the right one.
    pub(super) fn fill(&self, object: &Key, facts: &mut Facts) {
        facts.left_hpa = match (&facts.check, &facts.served) {
            (Check::Failed(_), None) => self.of(object).into_iter().next(),
            _ => None,
        };
        let Some(name) = facts.hpa_name() else {
            facts.hpa = None;
            return;
        };
        let found = self.seen.read().get(&Key::new(&object.namespace, name)).and_then(|seen| seen.condition.clone());
        facts.hpa = found.or_else(|| facts.hpa.take());
    }
}

/// The ScaledObject that controls an HPA.
fn owner(hpa: &HorizontalPodAutoscaler) -> Option<Key> {
    Some(Key::new(hpa.namespace()?, &controller(hpa)?.name))
}

/// Watches the HPAs and yields the ScaledObjects whose HPA differs from the applied one.
pub(super) fn watch(
    hpas: Arc<Hpas>,
    registry: Arc<Registry>,
    client: Client,
    apis: Vec<Api<HorizontalPodAutoscaler>>,
) -> impl Stream<Item = ObjectRef<WatchedObject>> + Send + 'static {
    let (drifted, mut queued) = mpsc::unbounded_channel();
    let (reported, reports) = mpsc::unbounded_channel();
    tokio::spawn(write_reports(Arc::clone(&hpas), client, reports));
    let config = watcher::Config::default().labels(names::SCALED_OBJECT_NAME_LABEL);
    let index = HpaIndex { hpas, registry, drifted, reported };
    tokio::spawn(Watches::new(apis, &config).feed(vec![Box::new(index)]));
    futures::stream::poll_fn(move |context| queued.poll_recv(context))
}

/// Keeps [`Hpas`], and queues the ScaledObjects that a change of an HPA concerns.
struct HpaIndex {
    hpas: Arc<Hpas>,
    registry: Arc<Registry>,
    /// Takes the ScaledObjects whose HPA differs from the applied one.
    drifted: mpsc::UnboundedSender<ObjectRef<WatchedObject>>,
    /// Takes the ScaledObjects whose HPA may have another condition.
    reported: mpsc::UnboundedSender<Arc<Record>>,
}

impl Index<HorizontalPodAutoscaler> for HpaIndex {
    fn apply(&mut self, key: &Key, hpa: &HorizontalPodAutoscaler, _: Source) {
        let owner = owner(hpa);
        let object = owner.as_ref().and_then(|owner| self.registry.get(owner));
        // The known name rather than another copy of it.
        let owner = object.as_ref().map(|object| object.key.clone()).or(owner);
        let seen = ObservedHpa {
            print: Fingerprint::of(hpa),
            owner: owner.clone(),
            is_ebbs: is_written_by_ebb(hpa),
            condition: self.hpas.scaling_active(hpa),
        };
        let before = self.hpas.seen.write().insert(key.clone(), seen.clone());
        let Some(owner) = owner else {
            // Another writer has taken the owner reference away.
            queue(before.and_then(|before| before.owner), &self.drifted);
            return;
        };
        if let Some(object) = object {
            look_at_replicas(&object, hpa);
            // The receiver lives as long as this.
            let _ = self.reported.send(object);
        }
        if before.is_none_or(|before| before.print != seen.print) {
            let (hpas, registry) = (Arc::clone(&self.hpas), Arc::clone(&self.registry));
            tokio::spawn(check(hpas, registry, self.drifted.clone(), key.clone(), owner));
        }
    }

    fn delete(&mut self, key: &Key) {
        let before = self.hpas.seen.write().remove(key);
        queue(before.and_then(|before| before.owner), &self.drifted);
    }
}

/// Compares an HPA with the applied one, a moment after a change.
async fn check(
    hpas: Arc<Hpas>,
    registry: Arc<Registry>,
    drifted: mpsc::UnboundedSender<ObjectRef<WatchedObject>>,
    key: Key,
    owner: Key,
) {
    tokio::time::sleep(ECHO).await;
    let Some(object) = registry.get(&owner) else { return };
    let Some(present) = hpas.get(&key) else { return };
    // Before the first write there is nothing to differ from, unless the check has come to another end.
    if object.hpa.has_drifted(&key.name, &present.print).unwrap_or_else(|| object.check.is_checked()) {
        queue(Some(owner), &drifted);
    }
}

fn queue(owner: Option<Key>, drifted: &mpsc::UnboundedSender<ObjectRef<WatchedObject>>) {
    if let Some(owner) = owner {
        // The receiver lives as long as the controller.
        let _ = drifted.send(object_ref(&owner));
    }
}

/// Has the target read at once where another writer took it to zero or away from it, or where the HPA controller cannot
/// read it, because it may have been deleted.
fn look_at_replicas(object: &Record, found: &HorizontalPodAutoscaler) {
    let report = found.status.as_ref().map_or(TargetReport::None, hpa::target_report);
    let serving = object.serving();
    if let TargetReport::Count(count) = report
        && serving.is_some()
    {
        object.metrics.set_replicas(Some(count));
    }
    // The version of a custom kind may go, and the HPA controller reads it by another one then.
    let confirms = serving.as_ref().is_some_and(|serving| serving.target_kind.is_built_in());
    // The loop of an observed one does not scale this target.
    let is_scaled = serving.is_none_or(|serving| !serving.observed);
    if is_scaled && object.poll.target_reported(report, confirms) {
        object.wake();
    }
    if let Some(status) = &found.status {
        object.trail.on_hpa(HpaView::of(status));
    }
}

/// Writes the conditions of HPAs into the statuses of their ScaledObjects.
async fn write_reports(hpas: Arc<Hpas>, client: Client, mut reports: mpsc::UnboundedReceiver<Arc<Record>>) {
    futures::stream::poll_fn(|context| reports.poll_recv(context))
        .for_each_concurrent(AT_ONCE, |object| {
            let (hpas, client) = (&hpas, &client);
            async move {
                object.status.add(client, |facts| hpas.fill(&object.key, facts)).await;
            }
        })
        .await;
}
