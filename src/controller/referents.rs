//! Who uses which Secret, ConfigMap or file, and when one of them changes.
//!
//! Owns one watch for each object that is in use, by its name and of its metadata alone, shared by all ScaledObjects that
//! use it and ended with the last of them. Knows versions, never contents. Must not read what it watches: that is
//! [`super::lookup`]'s.

mod budget;
mod lines;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::changed::Changed;
use crate::key::Key;
use lines::Lines;
use watch::Eyes;

/// After a check read another version than the watch has seen: who of them is behind shows within this time.
const ECHO: Duration = Duration::from_millis(250);

/// What can be referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Secret,
    ConfigMap,
    /// Below the folder of `--filepath-auth-root-path`. It has no namespace.
    File,
}

/// Something that a ScaledObject refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Referent {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl std::fmt::Display for Referent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Secret => write!(f, "Secret {}/{}", self.namespace, self.name),
            Kind::ConfigMap => write!(f, "ConfigMap {}/{}", self.namespace, self.name),
            Kind::File => write!(f, "file {:?}", self.name),
        }
    }
}

/// Which state of a referent somebody has seen.
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

    /// Whether who has seen `self` must look again when `present` is there.
    fn is_behind(self, present: Self) -> bool {
        self != present && self != Self::Unknown
    }
}

/// What each ScaledObject's last check read.
pub(super) type Read = BTreeMap<Referent, Version>;

/// Everything in use.
pub(super) struct Referents {
    state: Mutex<State>,
    eyes: Arc<Eyes>,
    changed: Changed,
}

#[derive(Default)]
struct State {
    watched: HashMap<Referent, Watched>,
    uses: HashMap<Key, Vec<Referent>>,
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

impl Referents {
    /// Nothing is in use yet. `config` leads to the API server, for the watches; `client` asks where a watch is refused;
    /// `changed` takes the ScaledObjects that are to be checked again.
    pub(super) fn new(config: kube::Config, client: Client, file_root: Option<PathBuf>, changed: Changed) -> Arc<Self> {
        let eyes = Eyes::new(Lines::new(config), client, file_root);
        Arc::new(Self { state: Mutex::default(), eyes: Arc::new(eyes), changed })
    }

    /// Notes what a check of `user` has read. Whatever it read before and no longer is let go.
    pub(super) fn set(self: &Arc<Self>, user: &Key, read: &Read) {
        let behind = {
            let mut state = self.state.lock();
            state.leave(user, |referent| !read.contains_key(referent));
            let mut behind = false;
            for (referent, version) in read {
                let watched = state.watched.entry(referent.clone()).or_insert_with(|| self.watch(referent, *version));
                behind |= version.is_behind(watched.seen);
                watched.readers.insert(user.clone(), *version);
            }
            if !read.is_empty() {
                state.uses.insert(user.clone(), read.keys().cloned().collect());
            }
            behind
        };
        if behind {
            let (referents, user) = (Arc::clone(self), user.clone());
            tokio::spawn(async move {
                tokio::time::sleep(ECHO).await;
                if referents.is_behind(&user) {
                    referents.changed.tell(&user);
                }
            });
        }
    }

    /// Lets go of everything that `user` uses.
    pub(super) fn forget(&self, user: &Key) {
        self.state.lock().leave(user, |_| true);
    }

    /// How many objects are watched.
    #[cfg(test)]
    fn watched(&self) -> usize {
        self.state.lock().watched.len()
    }

    fn watch(self: &Arc<Self>, referent: &Referent, seen: Version) -> Watched {
        let (me, whose) = (Arc::downgrade(self), referent.clone());
        let saw = move |version| {
            if let Some(me) = Weak::upgrade(&me) {
                me.saw(&whose, version);
            }
        };
        let watch = tokio::spawn(watch::follow(Arc::clone(&self.eyes), referent.clone(), saw));
        Watched { readers: HashMap::new(), seen, watch }
    }

    /// Takes what a watch has seen.
    fn saw(&self, referent: &Referent, version: Version) {
        let late: Vec<Key> = {
            let mut state = self.state.lock();
            let Some(watched) = state.watched.get_mut(referent).filter(|watched| watched.seen != version) else {
                return;
            };
            watched.seen = version;
            // One that could not be read may be readable now.
            watched.readers.iter().filter(|(_, read)| **read != version).map(|(user, _)| user.clone()).collect()
        };
        tracing::debug!(%referent, users = late.len(), "a referent has changed");
        for user in &late {
            self.changed.tell(user);
        }
    }

    fn is_behind(&self, user: &Key) -> bool {
        let state = self.state.lock();
        let referents = state.uses.get(user).into_iter().flatten();
        referents
            .filter_map(|referent| state.watched.get(referent))
            .any(|watched| watched.readers.get(user).is_some_and(|read| read.is_behind(watched.seen)))
    }
}

impl State {
    /// Takes `user` off those of its referents that `gone` picks; a watch that nobody needs any more ends.
    fn leave(&mut self, user: &Key, gone: impl Fn(&Referent) -> bool) {
        for referent in self.uses.remove(user).unwrap_or_default().into_iter().filter(|referent| gone(referent)) {
            if let Some(watched) = self.watched.get_mut(&referent) {
                watched.readers.remove(user);
                if watched.readers.is_empty() {
                    self.watched.remove(&referent);
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

    fn referents() -> (Arc<Referents>, Changed) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody listens there: what the watches would see is told by the tests.
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = Client::try_from(config.clone()).unwrap();
        let (changed, _) = Changed::new();
        (Referents::new(config, client, None, changed.clone()), changed)
    }

    fn key(name: &str) -> Key {
        Key::new("ns", name)
    }

    fn secret(name: &str) -> Referent {
        Referent { kind: Kind::Secret, namespace: "ns".into(), name: name.into() }
    }

    fn told(changed: &Changed, names: &[&str]) -> Vec<bool> {
        names.iter().map(|name| changed.take(&key(name))).collect()
    }

    #[tokio::test]
    async fn a_change_is_told_to_those_who_read_another_version_and_to_nobody_else() {
        let (referents, changed) = referents();
        referents.set(&key("a"), &[(secret("one"), V1)].into());
        referents.set(&key("b"), &[(secret("one"), V1), (secret("two"), V1)].into());
        referents.set(&key("c"), &[(secret("two"), V1)].into());
        assert_eq!(referents.watched(), 2);

        referents.saw(&secret("one"), V1);
        assert_eq!(told(&changed, &["a", "b", "c"]), [false, false, false], "the version that they have read");
        referents.saw(&secret("one"), V2);
        assert_eq!(told(&changed, &["a", "b", "c"]), [true, true, false]);
        referents.saw(&secret("one"), V2);
        assert_eq!(told(&changed, &["a", "b", "c"]), [false, false, false], "told once");
        referents.saw(&secret("one"), Version::Absent);
        assert_eq!(told(&changed, &["a", "b", "c"]), [true, true, false], "deleted");
    }

    #[tokio::test]
    async fn one_that_is_not_there_or_cannot_be_read_is_waited_for() {
        let (referents, changed) = referents();
        referents.set(&key("a"), &[(secret("one"), Version::Absent)].into());
        referents.set(&key("b"), &[(secret("one"), Version::Unknown)].into());
        referents.saw(&secret("one"), V1);
        assert_eq!(told(&changed, &["a", "b"]), [true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_read_an_old_version_is_made_again() {
        let (referents, changed) = referents();
        referents.set(&key("a"), &[(secret("one"), V1)].into());
        referents.saw(&secret("one"), V2);
        referents.set(&key("late"), &[(secret("one"), V1)].into());
        referents.set(&key("unread"), &[(secret("one"), Version::Unknown)].into());
        tokio::time::sleep(ECHO * 2).await;
        assert_eq!(told(&changed, &["a", "late", "unread"]), [true, true, false]);
        // One that is ahead of the watch is left alone as soon as the watch is there too.
        referents.set(&key("late"), &[(secret("one"), Version::At(3))].into());
        referents.saw(&secret("one"), Version::At(3));
        tokio::time::sleep(ECHO * 2).await;
        assert!(!changed.take(&key("late")));
    }

    #[tokio::test]
    async fn a_watch_ends_with_its_last_user() {
        let (referents, changed) = referents();
        referents.set(&key("a"), &[(secret("one"), V1)].into());
        referents.set(&key("b"), &[(secret("one"), V1)].into());
        referents.set(&key("a"), &[(secret("two"), V1)].into());
        assert_eq!(referents.watched(), 2);
        referents.saw(&secret("one"), V2);
        assert_eq!(told(&changed, &["a", "b"]), [false, true]);
        referents.forget(&key("b"));
        assert_eq!(referents.watched(), 1);
        referents.set(&key("a"), &Read::new());
        assert_eq!(referents.watched(), 0);
    }
}
