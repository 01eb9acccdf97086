//! The HPAs of ScaledObjects as the API server has them.
//!
//! Owns the watch on them. It tells the controller when one is not what was applied (changed by hand, deleted), and the
//! registry what the HPA says of itself. Keeps a digest of each, not the object.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::{ScaledObject, names};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use parking_lot::RwLock;
use tokio::sync::mpsc;

use crate::plan::status::{Check, Facts};
use crate::poll::registry::{Key, Registry};
use crate::watching;

/// From a change of an HPA to the look at whether it was Ebb's own: the answer to Ebb's write may come after its echo
/// in the watch.
const ECHO: Duration = Duration::from_millis(250);

/// The HPAs that have been seen, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Hpas {
    seen: RwLock<HashMap<Key, Seen>>,
}

/// What is known of an HPA.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// See [`digest`].
    pub(super) digest: u64,
    owner: Option<Key>,
    /// Its condition `ScalingActive`.
    said: Option<Arc<HorizontalPodAutoscalerCondition>>,
}

impl Hpas {
    /// What is known of this HPA.
    pub(super) fn get(&self, key: &Key) -> Option<Seen> {
        self.seen.read().get(key).cloned()
    }

    /// The names of all that belong to this ScaledObject: more than one where Ebb was killed amid a change of the name.
    /// It looks through all HPAs, which takes microseconds for each thousand of them.
    pub(super) fn of(&self, owner: &Key) -> Vec<String> {
        let seen = self.seen.read();
        seen.iter().filter(|(_, seen)| seen.owner.as_ref() == Some(owner)).map(|(key, _)| key.name.clone()).collect()
    }

    /// Takes over into the facts of a ScaledObject what its HPA says of itself now. To be called whenever either may have
    /// changed: an HPA is often seen before the check that finds it to be the right one.
    pub(super) fn fill(&self, namespace: &str, facts: &mut Facts) {
        let Check::Served(served) = &facts.check else { return };
        let key = Key { namespace: namespace.to_owned(), name: served.hpa_name.clone() };
        let said = self.seen.read().get(&key).and_then(|seen| seen.said.clone());
        facts.hpa = said.or_else(|| facts.hpa.take());
    }
}

/// A digest of everything in an HPA that Ebb sets.
pub(super) fn digest(hpa: &HorizontalPodAutoscaler) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &hpa.metadata;
    // Maps are ordered, so that equal parts have equal texts.
    let parts =
        serde_json::to_string(&(&metadata.labels, &metadata.annotations, &metadata.owner_references, &hpa.spec));
    parts.unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// The ScaledObject that controls an HPA.
pub(super) fn owner(hpa: &HorizontalPodAutoscaler) -> Option<(Key, String)> {
    let owner =
        hpa.owner_references().iter().find(|owner| owner.controller == Some(true) && owner.kind == "ScaledObject")?;
    Some((Key { namespace: hpa.namespace()?, name: owner.name.clone() }, owner.uid.clone()))
}

/// Watches the HPAs and yields the ScaledObjects whose HPA is not what was applied.
pub(super) fn watch(
    hpas: Arc<Hpas>,
    registry: Arc<Registry>,
    client: Client,
    apis: Vec<Api<HorizontalPodAutoscaler>>,
) -> impl Stream<Item = ObjectRef<ScaledObject>> + Send + 'static {
    let (strayed, tell) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let config = watcher::Config::default().labels(names::SCALED_OBJECT_NAME_LABEL);
        let mut events = watching::watch(apis, config);
        let mut listed = HashSet::new();
        while let Some(Ok(event)) = events.next().await {
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(hpa) => {
                    listed.insert(Key::of(&hpa));
                    note(&hpas, &registry, &client, &strayed, &hpa);
                }
                Event::Apply(hpa) => note(&hpas, &registry, &client, &strayed, &hpa),
                Event::Delete(hpa) => forget(&hpas, &strayed, &Key::of(&hpa)),
                Event::InitDone => {
                    let gone: Vec<_> = hpas.seen.read().keys().filter(|key| !listed.contains(key)).cloned().collect();
                    for key in gone {
                        forget(&hpas, &strayed, &key);
                    }
                }
            }
        }
    });
    futures::stream::unfold(tell, |mut tell| async { tell.recv().await.map(|object| (object, tell)) })
}

fn note(
    hpas: &Arc<Hpas>,
    registry: &Arc<Registry>,
    client: &Client,
    strayed: &mpsc::UnboundedSender<ObjectRef<ScaledObject>>,
    hpa: &HorizontalPodAutoscaler,
) {
    let key = Key::of(hpa);
    let owner = owner(hpa).map(|(owner, _)| owner);
    let seen = Seen { digest: digest(hpa), owner: owner.clone(), said: scaling_active(hpa) };
    let before = hpas.seen.write().insert(key.clone(), seen.clone());
    let Some(owner) = owner else {
        // Somebody has taken the owner reference away.
        strayed_from(before.and_then(|before| before.owner), strayed);
        return;
    };
    pass_on(hpas, registry, client, &owner, hpa);
    if before.is_some_and(|before| before.digest == seen.digest) {
        return;
    }
    let (hpas, registry, strayed) = (Arc::clone(hpas), Arc::clone(registry), strayed.clone());
    tokio::spawn(async move {
        tokio::time::sleep(ECHO).await;
        let Some(object) = registry.get(&owner) else { return };
        let applied = object.memory.lock().applied_hpa.clone();
        let Some(present) = hpas.get(&key) else { return };
        let as_it_should_be = match applied {
            Some(applied) => applied.name == key.name && applied.found == present.digest,
            // The first check is still to come.
            None => !object.is_checked(),
        };
        if !as_it_should_be {
            strayed_from(Some(owner), &strayed);
        }
    });
}

fn forget(hpas: &Hpas, strayed: &mpsc::UnboundedSender<ObjectRef<ScaledObject>>, key: &Key) {
    let before = hpas.seen.write().remove(key);
    strayed_from(before.and_then(|before| before.owner), strayed);
}

fn strayed_from(owner: Option<Key>, strayed: &mpsc::UnboundedSender<ObjectRef<ScaledObject>>) {
    if let Some(owner) = owner {
        // The receiver lives as long as the controller; without it there is nobody to tell.
        let _ = strayed.send(ObjectRef::new(&owner.name).within(&owner.namespace));
    }
}

/// Tells the ScaledObject what its HPA says of itself.
fn pass_on(hpas: &Arc<Hpas>, registry: &Registry, client: &Client, owner: &Key, hpa: &HorizontalPodAutoscaler) {
    let Some(object) = registry.get(owner) else { return };
    if let Some(replicas) = hpa.status.as_ref().and_then(|status| status.current_replicas) {
        let mut memory = object.memory.lock();
        // Somebody other than Ebb took the workload to zero, or away from it: look again.
        if memory.replicas.is_some_and(|(known, _)| (known == 0) != (replicas == 0)) {
            memory.replicas = None;
            object.wake();
        }
    }
    let (hpas, client) = (Arc::clone(hpas), client.clone());
    tokio::spawn(async move {
        let namespace = &object.key.namespace;
        object.ledger.add(&client, namespace, |facts| hpas.fill(namespace, facts)).await;
    });
}

/// The HPA's condition `ScalingActive`, without its time, which changes with nothing that Ebb tells.
fn scaling_active(hpa: &HorizontalPodAutoscaler) -> Option<Arc<HorizontalPodAutoscalerCondition>> {
    let conditions = hpa.status.as_ref()?.conditions.as_deref()?;
    let said = conditions.iter().find(|condition| condition.type_ == "ScalingActive")?;
    Some(Arc::new(HorizontalPodAutoscalerCondition { last_transition_time: None, ..said.clone() }))
}
