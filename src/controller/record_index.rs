//! The index that ends the records of ScaledObjects that have gone. It also notices when all ScaledObjects that were
//! there at the start have been checked.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_crds::ScaledObject;

use super::references::References;
use crate::kube_api::key::Key;
use crate::kube_api::watch::{Index, Relist, Source};
use crate::store::registry::Registry;

/// The pause between two looks at whether the first checks are done.
const STEP: Duration = Duration::from_millis(50);
/// How long a start waits for the first checks. One object that cannot be checked must not keep the rest from
/// being served.
const LIMIT: Duration = Duration::from_secs(10);

/// The records of the ScaledObjects that are there.
pub(super) struct RecordIndex {
    registry: Arc<Registry>,
    references: Arc<References>,
    /// None once the first lists are complete.
    first: Option<FirstChecks>,
}

/// The first checks, for which a replica that has just started waits.
struct FirstChecks {
    /// The ScaledObjects that are listed and not being deleted.
    waiting: HashSet<Key>,
    warm: Arc<AtomicBool>,
}

impl RecordIndex {
    /// An index without a record. `warm` is set when every ScaledObject of the first lists has been checked, and after
    /// ten seconds in any case.
    pub(super) fn new(registry: Arc<Registry>, references: Arc<References>, warm: Arc<AtomicBool>) -> Self {
        let late = Arc::clone(&warm);
        tokio::spawn(async move {
            tokio::time::sleep(LIMIT).await;
            late.store(true, Ordering::Relaxed);
        });
        Self { registry, references, first: Some(FirstChecks { waiting: HashSet::new(), warm }) }
    }
}

impl Index<ScaledObject> for RecordIndex {
    fn apply(&mut self, key: &Key, object: &ScaledObject, _: Source) {
        let Some(first) = &mut self.first else { return };
        if object.metadata.deletion_timestamp.is_none() {
            first.waiting.insert(key.clone());
        } else {
            first.waiting.remove(key);
        }
    }

    fn delete(&mut self, key: &Key) {
        if let Some(first) = &mut self.first {
            first.waiting.remove(key);
        }
        self.registry.close(key);
        self.references.forget(key);
    }

    /// Closes the records of ScaledObjects that have gone: a pass under way may have opened one again.
    fn synced(&mut self, present: &Relist) {
        for gone in self.registry.keys().iter().filter(|key| !present.contains(key)) {
            self.delete(gone);
        }
        if let Some(FirstChecks { waiting, warm }) = self.first.take() {
            tokio::spawn(until_checked(waiting.into_iter().collect(), Arc::clone(&self.registry), warm));
        }
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

#[cfg(test)]
mod tests {
    use kube::Client;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::controller::requeue_queue::RequeueQueue;
    use crate::kube_api::client::ApiServer;
    use crate::kube_api::scale::Targets;
    use crate::leader::Leadership;
    use crate::store::event_sender::Events;
    use crate::telemetry::metrics::Metrics;

    fn object(name: &str) -> ScaledObject {
        serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": name, "namespace": "shop", "uid": name},
            "spec": {"scaleTargetRef": {"name": name}, "triggers": []},
        }))
        .unwrap()
    }

    fn key(name: &str) -> Key {
        Key::new("shop", name)
    }

    fn index() -> (RecordIndex, Arc<Registry>, Arc<AtomicBool>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody listens there, and nothing is asked.
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = Client::try_from(config.clone()).unwrap();
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
        let events = Events::start(client.clone(), CancellationToken::new());
        let registry = Registry::new(metrics, Targets::new(client.clone()), events, Leadership::always(), 0);
        let references = References::new(ApiServer::new(config, false), client, None, RequeueQueue::new().0);
        let warm = Arc::new(AtomicBool::new(false));
        (RecordIndex::new(Arc::clone(&registry), references, Arc::clone(&warm)), registry, warm)
    }

    #[tokio::test]
    async fn a_record_ends_with_its_scaled_object() {
        let (mut index, registry, _) = index();
        registry.open(&object("goes"));
        registry.open(&object("stays"));
        index.delete(&key("goes"));
        assert_eq!(registry.keys(), [key("stays")]);
    }

    #[tokio::test]
    async fn a_record_that_was_opened_too_late_ends_with_the_next_list() {
        let (mut index, registry, _) = index();
        index.delete(&key("goes"));
        registry.open(&object("goes"));
        index.synced(&Relist::new(1));
        assert!(registry.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_checks_are_waited_for_but_not_those_of_what_goes() {
        let (mut index, registry, warm) = index();
        let is_warm = async || {
            tokio::time::sleep(STEP * 3).await;
            warm.load(Ordering::Relaxed)
        };
        let mut deleting = object("deleting");
        for name in ["deleting", "gone", "app"] {
            index.apply(&key(name), &object(name), Source::List);
        }
        deleting.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        index.apply(&key("deleting"), &deleting, Source::Event);
        index.delete(&key("gone"));
        // Its keys are those of the driver, which this test has not.
        let first = index.first.take().unwrap();
        assert_eq!(first.waiting, [key("app")].into());
        let (app, _) = registry.open(&object("app"));
        tokio::spawn(until_checked(first.waiting.into_iter().collect(), Arc::clone(&registry), first.warm));
        assert!(!is_warm().await);
        app.check.succeeded(None);
        assert!(is_warm().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_never_ends_holds_up_a_start_for_ten_seconds() {
        let (_index, _, warm) = index();
        tokio::time::sleep(LIMIT + STEP).await;
        assert!(warm.load(Ordering::Relaxed));
    }
}
