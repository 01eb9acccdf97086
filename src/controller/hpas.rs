//! The HPAs of ScaledObjects as the API server has them.
//!
//! Owns the watch on them. It tells the controller when one is not what was applied (changed by hand, deleted), and the
//! registry what the HPA says of itself. Keeps a digest of each, not the object.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::names;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use crate::kept::Kept;
use crate::key::Key;
use crate::plan::hpa::fingerprint::Fingerprint;
use crate::plan::status::{Check, Facts};
use crate::store::record::Record;
use crate::store::registry::Registry;
use crate::watching;

/// From a change of an HPA to the look at whether it was Ebb's own: the answer to Ebb's write may come after its echo
/// in the watch.
const ECHO: Duration = Duration::from_millis(250);
/// How many different conditions of HPAs are remembered to be shared.
const SAYINGS: usize = 8;

/// How many statuses are written at the same time because of what an HPA says. All of those that were created together speak
/// within seconds, while ScaledObjects wait for their first status.
const AT_ONCE: usize = 4;

/// The HPAs that have been seen, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Hpas {
    seen: RwLock<HashMap<Key, Seen>>,
    /// The last few different conditions: most HPAs say one of them.
    sayings: Mutex<VecDeque<Arc<HorizontalPodAutoscalerCondition>>>,
}

/// What is known of an HPA.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) print: Fingerprint,
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

    /// The HPA's condition `ScalingActive`, without its time, which changes with nothing that Ebb tells. HPAs that say the same
    /// share it.
    fn scaling_active(&self, hpa: &HorizontalPodAutoscaler) -> Option<Arc<HorizontalPodAutoscalerCondition>> {
        let conditions = hpa.status.as_ref()?.conditions.as_deref()?;
        let said = conditions.iter().find(|condition| condition.type_ == "ScalingActive")?;
        let said = HorizontalPodAutoscalerCondition { last_transition_time: None, ..said.clone() };
        let mut sayings = self.sayings.lock();
        if let Some(same) = sayings.iter().find(|known| ***known == said) {
            return Some(Arc::clone(same));
        }
        let said = Arc::new(said);
        sayings.truncate(SAYINGS - 1);
        sayings.push_front(Arc::clone(&said));
        Some(said)
    }

    /// Takes over into the facts of a ScaledObject which HPA it has, and what that says of itself now. To be called whenever
    /// either may have changed: an HPA is often seen before the check that finds it to be the right one.
    pub(super) fn fill(&self, object: &Key, facts: &mut Facts) {
        facts.left_hpa = match (&facts.check, &facts.served) {
            (Check::Failed(_), None) => self.of(object).into_iter().next(),
            _ => None,
        };
        let Some(name) = facts.hpa_name() else {
            facts.hpa = None;
            return;
        };
        let said = self.seen.read().get(&Key::new(&object.namespace, name)).and_then(|seen| seen.said.clone());
        facts.hpa = said.or_else(|| facts.hpa.take());
    }
}

/// The ScaledObject that controls an HPA.
pub(super) fn owner(hpa: &HorizontalPodAutoscaler) -> Option<(Key, String)> {
    let owner =
        hpa.owner_references().iter().find(|owner| owner.controller == Some(true) && owner.kind == "ScaledObject")?;
    Some((Key::new(hpa.namespace()?, &owner.name), owner.uid.clone()))
}

/// Watches the HPAs and yields the ScaledObjects whose HPA is not what was applied.
pub(super) fn watch(
    hpas: Arc<Hpas>,
    registry: Arc<Registry>,
    client: Client,
    apis: Vec<Api<HorizontalPodAutoscaler>>,
) -> impl Stream<Item = ObjectRef<Kept>> + Send + 'static {
    let (strayed, mut tell) = mpsc::unbounded_channel();
    let (spoken, heard) = mpsc::unbounded_channel();
    tokio::spawn(pass_on(Arc::clone(&hpas), client, heard));
    tokio::spawn(async move {
        let config = watcher::Config::default().labels(names::SCALED_OBJECT_NAME_LABEL);
        let mut events = watching::watch(apis, config);
        let mut listed = HashSet::new();
        let follower = Follower { hpas, registry, strayed, spoken };
        while let Some(Ok(event)) = events.next().await {
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(hpa) => {
                    listed.insert(Key::of(&hpa));
                    follower.note(&hpa);
                }
                Event::Apply(hpa) => follower.note(&hpa),
                Event::Delete(hpa) => follower.forget(&Key::of(&hpa)),
                Event::InitDone => {
                    let seen = follower.hpas.seen.read();
                    let gone: Vec<_> = seen.keys().filter(|key| !listed.contains(key)).cloned().collect();
                    drop(seen);
                    for key in &gone {
                        follower.forget(key);
                    }
                }
            }
        }
    });
    futures::stream::poll_fn(move |context| tell.poll_recv(context))
}

/// Does what follows from a change of an HPA.
struct Follower {
    hpas: Arc<Hpas>,
    registry: Arc<Registry>,
    /// Takes those whose HPA is not what was applied.
    strayed: mpsc::UnboundedSender<ObjectRef<Kept>>,
    /// Takes those whose HPA may have said something.
    spoken: mpsc::UnboundedSender<Arc<Record>>,
}

impl Follower {
    fn note(&self, hpa: &HorizontalPodAutoscaler) {
        let key = Key::of(hpa);
        let owner = owner(hpa).map(|(owner, _)| owner);
        let object = owner.as_ref().and_then(|owner| self.registry.get(owner));
        // The name that is there anyway rather than another copy of it.
        let owner = object.as_ref().map(|object| object.key.clone()).or(owner);
        let seen = Seen { print: Fingerprint::of(hpa), owner: owner.clone(), said: self.hpas.scaling_active(hpa) };
        let before = self.hpas.seen.write().insert(key.clone(), seen.clone());
        let Some(owner) = owner else {
            // Somebody has taken the owner reference away.
            strayed_from(before.and_then(|before| before.owner), &self.strayed);
            return;
        };
        if let Some(object) = object {
            look_at_replicas(&object, hpa);
            // Whoever passes it on lives as long as this.
            let _ = self.spoken.send(object);
        }
        if before.is_none_or(|before| before.print != seen.print) {
            let (hpas, registry) = (Arc::clone(&self.hpas), Arc::clone(&self.registry));
            tokio::spawn(check(hpas, registry, self.strayed.clone(), key, owner));
        }
    }

    fn forget(&self, key: &Key) {
        let before = self.hpas.seen.write().remove(key);
        strayed_from(before.and_then(|before| before.owner), &self.strayed);
    }
}

/// Looks, a moment after an HPA has changed, whether it is what was applied.
async fn check(
    hpas: Arc<Hpas>,
    registry: Arc<Registry>,
    strayed: mpsc::UnboundedSender<ObjectRef<Kept>>,
    key: Key,
    owner: Key,
) {
    tokio::time::sleep(ECHO).await;
    let Some(object) = registry.get(&owner) else { return };
    let Some(present) = hpas.get(&key) else { return };
    // Before the first write there is nothing to differ from, unless the check has come to another end.
    let drifted = object.hpa.has_drifted(&key.name, &present.print).unwrap_or_else(|| object.check.is_checked());
    if drifted {
        strayed_from(Some(owner), &strayed);
    }
}

fn strayed_from(owner: Option<Key>, strayed: &mpsc::UnboundedSender<ObjectRef<Kept>>) {
    if let Some(owner) = owner {
        // The receiver lives as long as the controller; without it there is nobody to tell.
        let _ = strayed.send(ObjectRef::new(&owner.name).within(&owner.namespace));
    }
}

/// Has the replicas looked at where somebody other than Ebb took the workload to zero, or away from it.
fn look_at_replicas(object: &Record, hpa: &HorizontalPodAutoscaler) {
    let Some(replicas) = hpa.status.as_ref().and_then(|status| status.current_replicas) else { return };
    if object.poll.replicas_reported(replicas) {
        object.wake();
    }
}

/// Writes into statuses what HPAs say of themselves.
async fn pass_on(hpas: Arc<Hpas>, client: Client, mut spoken: mpsc::UnboundedReceiver<Arc<Record>>) {
    futures::stream::poll_fn(|context| spoken.poll_recv(context))
        .for_each_concurrent(AT_ONCE, |object| {
            let (hpas, client) = (&hpas, &client);
            async move {
                object.ledger.add(client, |facts| hpas.fill(&object.key, facts)).await;
            }
        })
        .await;
}
