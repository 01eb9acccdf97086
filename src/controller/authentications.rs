//! The TriggerAuthentications and ClusterTriggerAuthentications of the cluster, and who uses them.
//!
//! Owns the watches on both kinds, their finalizer, their status and their events. It tells the controller when one that
//! a ScaledObject uses has changed. Their specs hold references, no secrets; what those refer to is not read here.

mod kind;
mod tend;
mod users;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_crds::{AuthenticationRef, ClusterTriggerAuthentication, ScaledObject, TriggerAuthentication};
use ebb_crds::{TriggerAuthenticationSpec, names};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::watcher::Event;
use kube::{Client, ResourceExt as _};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::changed::Changed;
use crate::events::Events;
use crate::key::Key;
use crate::lease::Term;
use crate::metrics::{Metrics, ResourceMetrics};
use crate::plan::events::Reason;
use crate::scope::Scope;
use crate::watching;
use kind::Kind;
use users::Users;

/// How long the first list of both kinds is waited for before ScaledObjects are served.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// Which authentication.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct AuthKey {
    /// Whether it is a ClusterTriggerAuthentication.
    pub(super) cluster: bool,
    /// Empty for a ClusterTriggerAuthentication.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl AuthKey {
    /// The one that a trigger of a ScaledObject in `namespace` refers to. None if it names a kind that there is not.
    pub(super) fn of(reference: &AuthenticationRef, namespace: &str) -> Option<Self> {
        let cluster = match reference.kind() {
            "TriggerAuthentication" => false,
            "ClusterTriggerAuthentication" => true,
            _ => return None,
        };
        let namespace = if cluster { String::new() } else { namespace.to_owned() };
        Some(Self { cluster, namespace, name: reference.name.clone() })
    }
}

impl std::fmt::Display for AuthKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.cluster {
            write!(f, "ClusterTriggerAuthentication {}", self.name)
        } else {
            write!(f, "TriggerAuthentication {}/{}", self.namespace, self.name)
        }
    }
}

/// All authentications, and their users.
pub(super) struct Authentications {
    client: Client,
    events: Events,
    metrics: Arc<Metrics>,
    changed: Changed,
    /// Which of them are served, and whose users.
    scope: Scope,
    /// When they may be written.
    term: Arc<Term>,
    state: Mutex<State>,
    /// Something is to be written.
    work: Notify,
    /// Whether ScaledObjects are served yet.
    serving: AtomicBool,
}

#[derive(Default)]
struct State {
    known: HashMap<AuthKey, Known>,
    users: Users,
    /// Those to look after: their finalizer or status may have to be written.
    due: BTreeSet<AuthKey>,
}

/// One authentication as the API server has it.
struct Known {
    spec: Arc<TriggerAuthenticationSpec>,
    uid: String,
    generation: Option<i64>,
    resource_version: Option<String>,
    finalizers: Vec<String>,
    deleting: bool,
    /// `status.scaledobjects`, empty if there is none.
    listed: String,
    reference: Arc<ObjectReference>,
    _series: ResourceMetrics,
}

impl Authentications {
    /// None are known yet.
    pub(super) fn new(
        client: Client,
        events: Events,
        metrics: Arc<Metrics>,
        changed: Changed,
        scope: Scope,
        term: Arc<Term>,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            events,
            metrics,
            changed,
            scope,
            term,
            state: Mutex::default(),
            work: Notify::new(),
            serving: AtomicBool::new(false),
        })
    }

    /// Watches both kinds for as long as the process runs and looks after them. Comes back when both have been listed, or
    /// cannot be for a while.
    pub(super) async fn start(self: &Arc<Self>, watching: &Client) {
        let own = self.scope.apis::<TriggerAuthentication>(watching);
        let cluster = kube::Api::<ClusterTriggerAuthentication>::all(watching.clone());
        let mut listed = [self.follow(own), self.follow(vec![cluster])];
        let both = async {
            for listed in &mut listed {
                // A watch that ended before it began is not waited for.
                let _ = listed.wait_for(|listed| *listed).await;
            }
        };
        let _ = tokio::time::timeout(FIRST_LIST, both).await;
        self.serving.store(true, Ordering::Relaxed);
        tokio::spawn(Arc::clone(self).tend());
    }

    /// The specification of one that is known.
    pub(super) fn spec(&self, key: &AuthKey) -> Option<Arc<TriggerAuthenticationSpec>> {
        self.state.lock().known.get(key).map(|known| Arc::clone(&known.spec))
    }

    /// The label selector that the authentications that are served have to match, if there is one.
    pub(super) fn selector(&self) -> Option<&str> {
        self.scope.authentications.get()
    }

    /// Has all of them looked after: another replica did it before.
    pub(super) fn look_after_all(&self) {
        let mut state = self.state.lock();
        let all: Vec<_> = state.known.keys().cloned().collect();
        state.due.extend(all);
        drop(state);
        self.work.notify_one();
    }

    /// Takes what the watch on ScaledObjects says: who uses what.
    pub(super) fn note_user(&self, event: &Event<ScaledObject>) {
        let mut state = self.state.lock();
        let affected = state.users.note(event);
        if affected.is_empty() {
            return;
        }
        state.due.extend(affected);
        drop(state);
        self.work.notify_one();
    }

    fn follow<K: Kind>(self: &Arc<Self>, apis: Vec<kube::Api<K>>) -> watch::Receiver<bool> {
        let (done, listed) = watch::channel(false);
        let me = Arc::clone(self);
        tokio::spawn(async move {
            let mut events = watching::watch(apis, me.scope.authentications.watch());
            let mut present = HashSet::new();
            while let Some(Ok(event)) = events.next().await {
                match event {
                    Event::Init => present.clear(),
                    Event::InitApply(object) => {
                        present.insert(key_of(&object));
                        me.put(&object);
                    }
                    Event::Apply(object) => me.put(&object),
                    Event::Delete(object) => me.gone(&[key_of(&object)]),
                    Event::InitDone => {
                        let gone: Vec<_> = {
                            let state = me.state.lock();
                            let of_kind = state.known.keys().filter(|key| key.cluster == K::CLUSTER);
                            of_kind.filter(|key| !present.contains(*key)).cloned().collect()
                        };
                        me.gone(&gone);
                        done.send_replace(true);
                    }
                }
            }
        });
        listed
    }

    fn put<K: Kind>(&self, object: &K) {
        let key = key_of(object);
        let metadata = object.meta();
        let mut known = Known {
            spec: Arc::default(),
            uid: object.uid().unwrap_or_default(),
            generation: metadata.generation,
            resource_version: object.resource_version(),
            finalizers: object.finalizers().to_vec(),
            deleting: metadata.deletion_timestamp.is_some(),
            listed: object.status().and_then(|status| status.scaledobjects.clone()).unwrap_or_default(),
            reference: Arc::new(object.object_ref(&())),
            _series: self.metrics.resource(K::SERIES, &key.namespace),
        };
        let mut state = self.state.lock();
        let before = state.known.remove(&key);
        let same = before.as_ref().filter(|before| before.uid == known.uid);
        let updated = same.is_some_and(|before| before.generation != known.generation);
        let unchanged = same.is_some_and(|before| before.generation == known.generation);
        known.spec = match before.filter(|_| unchanged) {
            Some(before) => before.spec,
            None => Arc::new(object.spec().clone()),
        };
        let reference = Arc::clone(&known.reference);
        state.known.insert(key.clone(), known);
        state.due.insert(key.clone());
        let users = if unchanged { Vec::new() } else { state.users.of(&key) };
        drop(state);
        if updated {
            let note = format!("{} {} is updated", K::NAME, key.name);
            self.events.emit(&reference, Reason::AuthenticationUpdated(key.cluster), note);
        }
        self.tell(&users);
        self.work.notify_one();
    }

    fn gone(&self, keys: &[AuthKey]) {
        for key in keys {
            let users = {
                let mut state = self.state.lock();
                state.known.remove(key);
                state.due.remove(key);
                state.users.of(key)
            };
            self.tell(&users);
        }
    }

    fn tell(&self, users: &[Key]) {
        // At the start nobody has been checked yet.
        if self.serving.load(Ordering::Relaxed) {
            for user in users {
                self.changed.tell(user);
            }
        }
    }
}

impl Known {
    fn is_marked(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == names::FINALIZER)
    }
}

fn key_of<K: Kind>(object: &K) -> AuthKey {
    AuthKey { cluster: K::CLUSTER, namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}
