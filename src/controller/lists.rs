//! What lists of ScaledObjects tell besides their objects: which have gone unseen while a watch was broken, and, of the first,
//! when a replica that has just started may be asked: once what was there at the start has been checked.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_crds::ScaledObject;
use kube::runtime::watcher::Event;

use super::referents::Referents;
use crate::key::Key;
use crate::store::registry::Registry;

/// How often it is looked whether the checks are done.
const STEP: Duration = Duration::from_millis(50);
/// How long they are waited for: what cannot be had at the start must not keep the rest from being served.
const LIMIT: Duration = Duration::from_secs(10);

/// The list that is under way.
pub(super) struct Lists {
    /// What it holds, and whether that is being deleted.
    listed: HashMap<Key, bool>,
    registry: Arc<Registry>,
    referents: Arc<Referents>,
    /// None once the first is complete.
    warm: Option<Arc<AtomicBool>>,
}

impl Lists {
    /// Nothing is listed yet. `warm` is set when all of the first list has been checked, and after a while in any case.
    pub(super) fn new(registry: Arc<Registry>, referents: Arc<Referents>, warm: Arc<AtomicBool>) -> Self {
        let late = Arc::clone(&warm);
        tokio::spawn(async move {
            tokio::time::sleep(LIMIT).await;
            late.store(true, Ordering::Relaxed);
        });
        Self { listed: HashMap::new(), registry, referents, warm: Some(warm) }
    }

    /// Takes what the watch says. A ScaledObject that has gone is not served any more: this replica has released it, or another
    /// has, or nobody waited for its finalizer.
    pub(super) fn note(&mut self, event: &Event<ScaledObject>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(object) => {
                self.listed.insert(Key::of(object), object.metadata.deletion_timestamp.is_some());
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                for gone in self.registry.keys().iter().filter(|key| !listed.contains_key(*key)) {
                    tracing::info!(scaled_object = %gone, "it has gone while the API server could not be watched");
                    self.forget(gone);
                }
                if let Some(warm) = self.warm.take() {
                    let staying = listed.into_iter().filter(|(_, deleting)| !deleting).map(|(key, _)| key).collect();
                    tokio::spawn(until_checked(staying, Arc::clone(&self.registry), warm));
                }
            }
            Event::Apply(_) => {}
            Event::Delete(gone) => self.forget(&Key::of(gone)),
        }
    }

    fn forget(&self, gone: &Key) {
        self.registry.close(gone);
        self.referents.forget(gone);
    }
}

async fn until_checked(mut keys: Vec<Key>, registry: Arc<Registry>, warm: Arc<AtomicBool>) {
    loop {
        keys.retain(|key| !registry.get(key).is_some_and(|object| object.check.is_checked()));
        if keys.is_empty() || warm.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(STEP).await;
    }
    warm.store(true, Ordering::Relaxed);
}
