//! The TriggerAuthentications and ClusterTriggerAuthentications of the cluster, and the ScaledObjects that use them.
//!
//! Owns the watches on both kinds, their finalizer, their status and their events. It queues the ScaledObjects that use
//! an authentication when it changes. Authentications hold references and no secrets; nothing here reads the referenced
//! objects.

mod kind;
mod known;
mod tend;
mod users;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_crds::TriggerAuthenticationSpec;
use ebb_crds::{AuthenticationRef, ClusterTriggerAuthentication, ScaledObject, TriggerAuthentication};
use kube::{Client, ResourceExt as _};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::requeue_queue::RequeueQueue;
use crate::kube_api::key::Key;
use crate::kube_api::scope::Scope;
use crate::kube_api::watch::{Index, Relist, Source, Watches};
use crate::leader::Leadership;
use crate::store::event_sender::Events;
use crate::telemetry::metrics::Metrics;
use ebb_plan::events::Reason;
use kind::Kind;
use known::Known;
use users::Users;

/// How long the first list of both kinds is waited for before ScaledObjects are served.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// The key of an authentication.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct AuthKey {
    /// Whether it is a ClusterTriggerAuthentication.
    pub(super) cluster: bool,
    /// Empty for a ClusterTriggerAuthentication.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl AuthKey {
    /// The authentication that a trigger of a ScaledObject in `namespace` refers to. None for a kind that does not
    /// exist.
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
    changed: RequeueQueue,
    /// The authentications that are served, and the ScaledObjects that count as users.
    scope: Scope,
    /// When they may be written.
    leadership: Arc<Leadership>,
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

impl State {
    /// Forgets the former users of an authentication whose status has come to list them no more.
    fn settle(&mut self, key: &AuthKey) {
        if let Some(known) = self.known.get(key).filter(|known| known.shows_last_write()) {
            self.users.settle(key, &known.listed);
        }
    }
}

impl Authentications {
    /// None are known yet.
    pub(super) fn new(
        client: Client,
        events: Events,
        metrics: Arc<Metrics>,
        changed: RequeueQueue,
        scope: Scope,
        leadership: Arc<Leadership>,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            events,
            metrics,
            changed,
            scope,
            leadership,
            state: Mutex::default(),
            work: Notify::new(),
            serving: AtomicBool::new(false),
        })
    }

    /// Watches both kinds for as long as the process runs, and writes their finalizers and statuses. Returns when both
    /// have been listed, or cannot be for a while.
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

    /// The specification of an authentication that is known.
    pub(super) fn spec(&self, key: &AuthKey) -> Option<Arc<TriggerAuthenticationSpec>> {
        self.state.lock().known.get(key).map(|known| Arc::clone(&known.spec))
    }

    /// The ScaledObjects that refer to it, in order.
    pub(super) fn users_of(&self, key: &AuthKey) -> Vec<Key> {
        self.state.lock().users.of(key)
    }

    /// The label selector that the authentications that are served have to match, if there is one.
    pub(super) fn selector(&self) -> Option<&str> {
        self.scope.authentications.get()
    }

    /// Queues the writes of all of them: another replica did them before.
    pub(super) fn look_after_all(&self) {
        let mut state = self.state.lock();
        let all: Vec<_> = state.known.keys().cloned().collect();
        state.due.extend(all);
        drop(state);
        self.work.notify_one();
    }

    /// Notes the users, and queues the authentications whose users have changed.
    fn note_users(&self, change: impl FnOnce(&mut Users) -> BTreeSet<AuthKey>) {
        let mut state = self.state.lock();
        let affected = change(&mut state.users);
        if affected.is_empty() {
            return;
        }
        // Their status lists no user, as there is none.
        for absent in affected.iter().filter(|key| !state.known.contains_key(*key)).cloned().collect::<Vec<_>>() {
            state.users.forget_former(&absent);
        }
        state.due.extend(affected);
        drop(state);
        self.work.notify_one();
    }

    /// Follows one kind. The channel says when it has been listed.
    fn follow<K: Kind>(self: &Arc<Self>, apis: Vec<kube::Api<K>>) -> watch::Receiver<bool> {
        let (synced, listed) = watch::channel(false);
        let index = AuthIndex { authentications: Arc::clone(self), synced };
        let watches = Watches::new(apis, &self.scope.authentications.watch());
        tokio::spawn(watches.feed(vec![Box::new(index)]));
        listed
    }

    fn put<K: Kind>(&self, object: &K, source: Source) {
        let key = key_of(object);
        let mut known = Known::of(object, self.metrics.resource(K::SERIES, &key.namespace));
        let mut state = self.state.lock();
        let before = state.known.remove(&key);
        let same = before.as_ref().filter(|before| before.uid == known.uid);
        let updated = same.is_some_and(|before| before.generation != known.generation);
        let unchanged = same.is_some_and(|before| before.generation == known.generation);
        known.written = same.map(|before| before.written.after(source)).unwrap_or_default();
        if let Some(before) = before.filter(|_| unchanged) {
            known.spec = before.spec;
        }
        let reference = Arc::clone(&known.reference);
        state.known.insert(key.clone(), known);
        // A standby replica never works through `due`.
        state.settle(&key);
        state.due.insert(key.clone());
        let users = if unchanged { Vec::new() } else { state.users.of(&key) };
        drop(state);
        if updated && self.leadership.is_leader() {
            let note = format!("{} {} is updated", K::NAME, key.name);
            self.events.emit(&reference, Reason::AuthenticationUpdated(key.cluster), note);
        }
        self.requeue(&users);
        self.work.notify_one();
    }

    fn remove(&self, key: &AuthKey) {
        let users = {
            let mut state = self.state.lock();
            state.known.remove(key);
            state.due.remove(key);
            state.users.forget_former(key);
            state.users.of(key)
        };
        self.requeue(&users);
    }

    fn requeue(&self, users: &[Key]) {
        // At the start no ScaledObject has been checked yet.
        if self.serving.load(Ordering::Relaxed) {
            for user in users {
                self.changed.add(user);
            }
        }
    }
}

/// The authentications of one kind.
struct AuthIndex {
    authentications: Arc<Authentications>,
    synced: watch::Sender<bool>,
}

impl<K: Kind> Index<K> for AuthIndex {
    fn apply(&mut self, _: &Key, object: &K, source: Source) {
        self.authentications.put(object, source);
    }

    fn delete(&mut self, key: &Key) {
        let (namespace, name) = (key.namespace.clone(), key.name.clone());
        self.authentications.remove(&AuthKey { cluster: K::CLUSTER, namespace, name });
    }

    fn synced(&mut self, _: &Relist) {
        self.synced.send_replace(true);
    }
}

/// The users of authentications, as an index of the watch on ScaledObjects.
pub(super) struct UserIndex(Arc<Authentications>);

impl UserIndex {
    /// Notes the users in `authentications`.
    pub(super) fn new(authentications: Arc<Authentications>) -> Self {
        Self(authentications)
    }
}

impl Index<ScaledObject> for UserIndex {
    fn apply(&mut self, key: &Key, object: &ScaledObject, _: Source) {
        self.0.note_users(|users| users.apply(key, object));
    }

    fn delete(&mut self, key: &Key) {
        self.0.note_users(|users| users.delete(key));
    }

    fn synced(&mut self, _: &Relist) {
        self.0.note_users(Users::synced);
    }
}

fn key_of<K: Kind>(object: &K) -> AuthKey {
    AuthKey { cluster: K::CLUSTER, namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}
