//! The Secrets, ConfigMaps and files that ScaledObjects use, and the changes of these.
//!
//! Owns one watch for each object that is in use. The watch is by name and of the metadata alone. All ScaledObjects
//! that use the object share it, and it ends with the last of them. This module knows versions, never contents: only
//! [`super::lookup`] reads them.

mod budget;
mod watch;
mod watch_connections;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::requeue_queue::RequeueQueue;
use crate::kube_api::client::ApiServer;
use crate::kube_api::key::Key;
use watch::ReferenceWatcher;
use watch_connections::WatchConnections;

/// The time between a check that read another version than the watch has seen, and the decision which of the two was
/// behind.
const ECHO: Duration = Duration::from_millis(250);

/// The kind of a referenced object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Secret,
    ConfigMap,
    /// Below the folder of `--filepath-auth-root-path`. It has no namespace.
    File,
}

/// Something that a ScaledObject refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Secret => write!(f, "Secret {}/{}", self.namespace, self.name),
            Kind::ConfigMap => write!(f, "ConfigMap {}/{}", self.namespace, self.name),
            Kind::File => write!(f, "file {:?}", self.name),
        }
    }
}

/// The state of a referenced object that a check or a watch has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// It could not be read.
    Unknown,
    /// It was not there.
    Absent,
    /// A digest of its version.
    At(u64),
}

impl Version {
    /// The version with this mark, as `metadata.resourceVersion`.
    pub(super) fn of(mark: &impl Hash) -> Self {
        static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self::At(STATE.hash_one(mark))
    }

    /// Whether a check that has read `self` is to be repeated when `present` is there.
    fn is_behind(self, present: Self) -> bool {
        self != present && self != Self::Unknown
    }
}

/// The versions that a ScaledObject's last check read.
pub(super) type ReadVersions = BTreeMap<Reference, Version>;

/// All references of all ScaledObjects.
pub(super) struct References {
    state: Mutex<State>,
    watcher: Arc<ReferenceWatcher>,
    changed: RequeueQueue,
}

#[derive(Default)]
struct State {
    watched: HashMap<Reference, Watched>,
    uses: HashMap<Key, Vec<Reference>>,
}

struct Watched {
    readers: HashMap<Key, Version>,
    seen: Version,
    watch: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl References {
    /// Nothing is in use yet. Watches go to `server`; `client` reads metadata where a watch is refused;
    /// `changed` takes the ScaledObjects that need another check.
    pub(super) fn new(
        server: ApiServer,
        client: Client,
        file_root: Option<PathBuf>,
        changed: RequeueQueue,
    ) -> Arc<Self> {
        let watcher = ReferenceWatcher::new(WatchConnections::new(server), client, file_root);
        Arc::new(Self { state: Mutex::default(), watcher: Arc::new(watcher), changed })
    }

    /// Notes the reads of a check of `user`. The watches on objects that it does not read any more end, unless others
    /// use them.
    pub(super) fn set(self: &Arc<Self>, user: &Key, read: &ReadVersions) {
        let behind = {
            let mut state = self.state.lock();
            state.leave(user, |reference| !read.contains_key(reference));
            let mut behind = false;
            for (reference, version) in read {
                let watched = state.watched.entry(reference.clone()).or_insert_with(|| self.watch(reference, *version));
                behind |= version.is_behind(watched.seen);
                watched.readers.insert(user.clone(), *version);
            }
            if !read.is_empty() {
                state.uses.insert(user.clone(), read.keys().cloned().collect());
            }
            behind
        };
        if behind {
            let (references, user) = (Arc::clone(self), user.clone());
            tokio::spawn(async move {
                tokio::time::sleep(ECHO).await;
                if references.is_behind(&user) {
                    references.changed.add(&user);
                }
            });
        }
    }

    /// Ends the use of everything that `user` uses.
    pub(super) fn forget(&self, user: &Key) {
        self.state.lock().leave(user, |_| true);
    }

    /// How many objects are watched.
    #[cfg(test)]
    fn watched(&self) -> usize {
        self.state.lock().watched.len()
    }

    fn watch(self: &Arc<Self>, reference: &Reference, seen: Version) -> Watched {
        let (me, whose) = (Arc::downgrade(self), reference.clone());
        let saw = move |version| {
            if let Some(me) = Weak::upgrade(&me) {
                me.saw(&whose, version);
            }
        };
        let watch = tokio::spawn(watch::follow(Arc::clone(&self.watcher), reference.clone(), saw));
        Watched { readers: HashMap::new(), seen, watch }
    }

    /// Takes a version that a watch has seen.
    fn saw(&self, reference: &Reference, version: Version) {
        let late: Vec<Key> = {
            let mut state = self.state.lock();
            let Some(watched) = state.watched.get_mut(reference).filter(|watched| watched.seen != version) else {
                return;
            };
            watched.seen = version;
            // One that could not be read may be readable now.
            watched.readers.iter().filter(|(_, read)| **read != version).map(|(user, _)| user.clone()).collect()
        };
        tracing::debug!(%reference, users = late.len(), "a reference has changed");
        for user in &late {
            self.changed.add(user);
        }
    }

    fn is_behind(&self, user: &Key) -> bool {
        let state = self.state.lock();
        let references = state.uses.get(user).into_iter().flatten();
        references
            .filter_map(|reference| state.watched.get(reference))
            .any(|watched| watched.readers.get(user).is_some_and(|read| read.is_behind(watched.seen)))
    }
}

impl State {
    /// Takes `user` off those of its references that `gone` picks; a watch without users ends.
    fn leave(&mut self, user: &Key, gone: impl Fn(&Reference) -> bool) {
        for reference in self.uses.remove(user).unwrap_or_default().into_iter().filter(|reference| gone(reference)) {
            if let Some(watched) = self.watched.get_mut(&reference) {
                watched.readers.remove(user);
                if watched.readers.is_empty() {
                    self.watched.remove(&reference);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: Version = Version::At(1);
    const V2: Version = Version::At(2);

    fn references() -> (Arc<References>, RequeueQueue) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody listens there: the tests call what the watches would call.
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = Client::try_from(config.clone()).unwrap();
        let (changed, _) = RequeueQueue::new();
        (References::new(ApiServer::new(config, false), client, None, changed.clone()), changed)
    }

    fn key(name: &str) -> Key {
        Key::new("ns", name)
    }

    fn secret(name: &str) -> Reference {
        Reference { kind: Kind::Secret, namespace: "ns".into(), name: name.into() }
    }

    fn queued(changed: &RequeueQueue, names: &[&str]) -> Vec<bool> {
        names.iter().map(|name| changed.take(&key(name))).collect()
    }

    #[tokio::test]
    async fn a_change_queues_those_who_read_another_version_and_nobody_else() {
        let (references, changed) = references();
        references.set(&key("a"), &[(secret("one"), V1)].into());
        references.set(&key("b"), &[(secret("one"), V1), (secret("two"), V1)].into());
        references.set(&key("c"), &[(secret("two"), V1)].into());
        assert_eq!(references.watched(), 2);

        references.saw(&secret("one"), V1);
        assert_eq!(queued(&changed, &["a", "b", "c"]), [false, false, false], "the version that they have read");
        references.saw(&secret("one"), V2);
        assert_eq!(queued(&changed, &["a", "b", "c"]), [true, true, false]);
        references.saw(&secret("one"), V2);
        assert_eq!(queued(&changed, &["a", "b", "c"]), [false, false, false], "queued once");
        references.saw(&secret("one"), Version::Absent);
        assert_eq!(queued(&changed, &["a", "b", "c"]), [true, true, false], "deleted");
    }

    #[tokio::test]
    async fn one_that_is_not_there_or_cannot_be_read_is_waited_for() {
        let (references, changed) = references();
        references.set(&key("a"), &[(secret("one"), Version::Absent)].into());
        references.set(&key("b"), &[(secret("one"), Version::Unknown)].into());
        references.saw(&secret("one"), V1);
        assert_eq!(queued(&changed, &["a", "b"]), [true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_read_an_old_version_is_made_again() {
        let (references, changed) = references();
        references.set(&key("a"), &[(secret("one"), V1)].into());
        references.saw(&secret("one"), V2);
        references.set(&key("late"), &[(secret("one"), V1)].into());
        references.set(&key("unread"), &[(secret("one"), Version::Unknown)].into());
        tokio::time::sleep(ECHO * 2).await;
        assert_eq!(queued(&changed, &["a", "late", "unread"]), [true, true, false]);
        // A check that is ahead of the watch is left alone as soon as the watch has the same version.
        references.set(&key("late"), &[(secret("one"), Version::At(3))].into());
        references.saw(&secret("one"), Version::At(3));
        tokio::time::sleep(ECHO * 2).await;
        assert!(!changed.take(&key("late")));
    }

    #[tokio::test]
    async fn a_watch_ends_with_its_last_user() {
        let (references, changed) = references();
        references.set(&key("a"), &[(secret("one"), V1)].into());
        references.set(&key("b"), &[(secret("one"), V1)].into());
        references.set(&key("a"), &[(secret("two"), V1)].into());
        assert_eq!(references.watched(), 2);
        references.saw(&secret("one"), V2);
        assert_eq!(queued(&changed, &["a", "b"]), [false, true]);
        references.forget(&key("b"));
        assert_eq!(references.watched(), 1);
        references.set(&key("a"), &ReadVersions::new());
        assert_eq!(references.watched(), 0);
    }
}
