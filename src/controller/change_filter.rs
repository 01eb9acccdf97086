//! A filter for changes of ScaledObjects: it keeps the store that kube's controller reads, and queues the ScaledObjects
//! whose change calls for a pass.

use std::collections::HashMap;

use ebb_crds::ScaledObject;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use tokio::sync::mpsc;

use crate::kube_api::key::Key;
use crate::kube_api::watch::{Index, Relist, Source};
use crate::store::watched_object::WatchedObject;

/// The store's one writer. A new object is compared with the one in the store.
pub(super) struct ChangeFilter {
    writer: Writer<WatchedObject>,
    store: Store<WatchedObject>,
    /// The objects of the first lists, which the store takes as a whole: passes wait for that. None afterwards.
    first: Option<HashMap<Key, WatchedObject>>,
    queue: mpsc::UnboundedSender<ObjectRef<WatchedObject>>,
}

impl ChangeFilter {
    /// The filter in front of an empty store, and the ScaledObjects that it queues.
    pub(super) fn new(writer: Writer<WatchedObject>) -> (Self, mpsc::UnboundedReceiver<ObjectRef<WatchedObject>>) {
        let (queue, changed) = mpsc::unbounded_channel();
        (Self { store: writer.as_reader(), writer, first: Some(HashMap::new()), queue }, changed)
    }

    fn queue(&self, key: &Key) {
        // The receiver lives as long as the controller.
        let _ = self.queue.send(object_ref(key));
    }
}

impl Index<ScaledObject> for ChangeFilter {
    fn apply(&mut self, key: &Key, object: &ScaledObject, _: Source) {
        // An object without JSON would be a bug, and no reason to stop following all others.
        let before = self.store.get(&object_ref(key));
        let record = match WatchedObject::new(object, before.as_deref()) {
            Ok(record) => record,
            Err(error) => {
                let problem = "cannot store the ScaledObject: it has no JSON; please report it";
                return tracing::error!(scaled_object = %key, %error, "{problem}");
            }
        };
        if let Some(first) = &mut self.first {
            first.insert(key.clone(), record);
            return;
        }
        let calls_for_pass = before.is_none_or(|before| record.calls_for_pass(&before));
        self.writer.apply_watcher_event(&Event::Apply(record));
        if calls_for_pass {
            self.queue(key);
        }
    }

    fn delete(&mut self, key: &Key) {
        if let Some(first) = &mut self.first {
            first.remove(key);
        } else if let Some(gone) = self.store.get(&object_ref(key)) {
            self.writer.apply_watcher_event(&Event::Delete(WatchedObject::clone(&gone)));
        }
    }

    fn synced(&mut self, _: &Relist) {
        let Some(first) = self.first.take() else { return };
        self.writer.apply_watcher_event(&Event::Init);
        let keys: Vec<_> = first.keys().cloned().collect();
        for record in first.into_values() {
            self.writer.apply_watcher_event(&Event::InitApply(record));
        }
        self.writer.apply_watcher_event(&Event::InitDone);
        for key in &keys {
            self.queue(key);
        }
    }
}

/// The name of an object in kube's controller.
pub(super) fn object_ref(key: &Key) -> ObjectRef<WatchedObject> {
    ObjectRef::new(&key.name).within(&key.namespace)
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;
    use kube::runtime::reflector;
    use serde_json::{Value, json};

    use super::*;

    /// A filter, and its queue.
    struct Filter(ChangeFilter, mpsc::UnboundedReceiver<ObjectRef<WatchedObject>>);

    impl Filter {
        /// A filter whose first lists were complete, and empty.
        fn new() -> Self {
            let mut filter = Self::listing();
            filter.0.synced(&Relist::new(1));
            filter
        }

        fn listing() -> Self {
            let (_, writer) = reflector::store();
            let (filter, queue) = ChangeFilter::new(writer);
            Self(filter, queue)
        }

        fn apply(&mut self, object: &ScaledObject) {
            self.0.apply(&Key::of(object), object, Source::Event);
        }

        fn delete(&mut self, name: &str) {
            self.0.delete(&Key::new("shop", name));
        }

        /// The names that are queued since the last call.
        fn queued(&mut self) -> Vec<String> {
            let mut names: Vec<_> = std::iter::from_fn(|| self.1.try_recv().ok()).map(|queued| queued.name).collect();
            names.sort();
            names
        }

        /// Whether applying it queues it.
        fn queues(&mut self, object: &ScaledObject) -> bool {
            self.apply(object);
            !self.queued().is_empty()
        }
    }

    fn with(metadata: Value) -> ScaledObject {
        let mut object = json!({
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "app", "namespace": "shop", "generation": 1},
            "spec": {"scaleTargetRef": {"name": "app"}, "triggers": []},
        });
        let Value::Object(metadata) = metadata else { return serde_json::from_value(object).unwrap() };
        object["metadata"].as_object_mut().unwrap().extend(metadata);
        serde_json::from_value(object).unwrap()
    }

    fn object(name: &str, generation: i64) -> ScaledObject {
        with(json!({"name": name, "generation": generation}))
    }

    #[test]
    fn the_same_once_more_is_no_news() {
        let mut filter = Filter::new();
        assert!(filter.queues(&object("app", 1)));
        assert!(!filter.queues(&object("app", 1)));
        assert!(filter.queues(&object("app", 2)));
        filter.delete("app");
        assert!(filter.queued().is_empty());
        assert!(filter.queues(&object("app", 2)), "it was made again");
    }

    #[test]
    fn marks_that_go_are_news_and_marks_that_come_are_not() {
        let mut filter = Filter::new();
        let marked = with(json!({
            "finalizers": ["finalizer.keda.sh"], "labels": {"scaledobject.keda.sh/name": "app"}, "resourceVersion": "2",
        }));
        filter.queues(&object("app", 1));
        assert!(!filter.queues(&marked));
        assert!(filter.queues(&object("app", 1)));
    }

    #[test]
    fn what_a_pass_does_not_depend_on_is_kept_without_a_pass() {
        let mut filter = Filter::new();
        filter.queues(&with(json!({"resourceVersion": "1"})));
        assert!(!filter.queues(&with(json!({"resourceVersion": "2"}))));
        let record = filter.0.store.get(&object_ref(&Key::new("shop", "app"))).unwrap();
        assert_eq!(record.open().unwrap().metadata.resource_version.as_deref(), Some("2"));
    }

    #[test]
    fn the_store_takes_the_first_lists_as_a_whole() {
        let mut filter = Filter::listing();
        for name in ["stays", "goes", "changes"] {
            filter.apply(&object(name, 1));
        }
        filter.apply(&object("changes", 2));
        filter.delete("goes");
        assert!(filter.queued().is_empty() && filter.0.store.state().is_empty(), "passes would run beside the list");
        filter.0.synced(&Relist::new(1));
        assert_eq!(filter.queued(), ["changes", "stays"]);
        let opened = filter.0.store.state().into_iter().map(|record| record.open().unwrap());
        let mut stored: Vec<_> = opened.map(|object| (object.name_any(), object.metadata.generation)).collect();
        stored.sort();
        assert_eq!(stored, [("changes".to_owned(), Some(2)), ("stays".to_owned(), Some(1))]);
        filter.0.synced(&Relist::new(1));
        assert!(filter.queued().is_empty(), "a later list queues what has changed and nothing else");
    }
}
