//! When a replica that has just started may be asked: once what was there at the start has been checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_crds::ScaledObject;
use kube::runtime::watcher::Event;

use crate::key::Key;
use crate::poll::registry::Registry;

/// How often it is looked whether the checks are done.
const STEP: Duration = Duration::from_millis(50);
/// How long they are waited for: what cannot be had at the start must not keep the rest from being served.
const LIMIT: Duration = Duration::from_secs(10);

/// What the first list of ScaledObjects holds.
pub(super) struct FirstList {
    keys: Vec<Key>,
    registry: Arc<Registry>,
    /// None once the list is complete.
    warm: Option<Arc<AtomicBool>>,
}

impl FirstList {
    /// Nothing is listed yet. `warm` is set when all of it has been checked, and after a while in any case.
    pub(super) fn new(registry: Arc<Registry>, warm: Arc<AtomicBool>) -> Self {
        let late = Arc::clone(&warm);
        tokio::spawn(async move {
            tokio::time::sleep(LIMIT).await;
            late.store(true, Ordering::Relaxed);
        });
        Self { keys: Vec::new(), registry, warm: Some(warm) }
    }

    /// Takes what the watch says.
    pub(super) fn note(&mut self, event: &Event<ScaledObject>) {
        if self.warm.is_none() {
            return;
        }
        match event {
            Event::Init => self.keys.clear(),
            Event::InitApply(object) if object.metadata.deletion_timestamp.is_none() => self.keys.push(Key::of(object)),
            Event::InitDone => {
                let (keys, registry) = (std::mem::take(&mut self.keys), Arc::clone(&self.registry));
                if let Some(warm) = self.warm.take() {
                    tokio::spawn(until_checked(keys, registry, warm));
                }
            }
            _ => {}
        }
    }
}

async fn until_checked(mut keys: Vec<Key>, registry: Arc<Registry>, warm: Arc<AtomicBool>) {
    loop {
        keys.retain(|key| !registry.get(key).is_some_and(|object| object.is_checked()));
        if keys.is_empty() || warm.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(STEP).await;
    }
    warm.store(true, Ordering::Relaxed);
}
