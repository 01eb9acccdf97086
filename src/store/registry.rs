//! The records of all ScaledObjects that Ebb knows.

use std::collections::HashMap;
use std::sync::Arc;

use ebb_crds::{Condition, ScaledObject, ScaledObjectStatus};
use kube::{Client, ResourceExt as _};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::record::Record;
use crate::kube_api::key::Key;
use crate::kube_api::scale::Targets;
use crate::leader::Leadership;
use crate::store::decision_feed::DecisionFeed;
use crate::store::event_sender::Events;
use crate::store::status_writer::retries::{self, StatusRetries};
use crate::store::status_writer::{StatusWriter, Version};
use crate::telemetry::metrics::Metrics;

/// Every ScaledObject that Ebb knows. Shared by the controller, the poll loops and the metrics API.
#[derive(Debug)]
pub struct Registry {
    objects: RwLock<HashMap<Key, Arc<Record>>>,
    /// The statuses of ScaledObjects that have no record yet, as they were found, with the uid of each.
    found: Mutex<HashMap<Key, (Option<String>, ScaledObjectStatus)>>,
    metrics: Arc<Metrics>,
    targets: Targets,
    events: Events,
    leadership: Arc<Leadership>,
    retries: StatusRetries,
    asked: Mutex<Option<retries::Asked>>,
    decisions: Arc<DecisionFeed>,
}

impl Registry {
    /// An empty registry. `targets` gives the replicas where a fallback needs them. Statuses are written and events are
    /// sent while `leadership` lasts. `trail_bytes`: the most that the decisions of one ScaledObject take.
    pub fn new(
        metrics: Arc<Metrics>,
        targets: Targets,
        events: Events,
        leadership: Arc<Leadership>,
        trail_bytes: usize,
    ) -> Arc<Self> {
        let (retries, asked) = StatusRetries::new();
        let (objects, found, asked) = (RwLock::default(), Mutex::default(), Mutex::new(Some(asked)));
        let decisions = DecisionFeed::new(trail_bytes, Arc::clone(&leadership));
        Arc::new(Self { objects, found, metrics, targets, events, leadership, retries, asked, decisions })
    }

    /// Writes statuses again that differ from the desired ones, as long as this is polled. It can be called once.
    pub async fn retry_statuses(self: Arc<Self>, client: Client) {
        let Some(asked) = self.asked.lock().take() else { return };
        retries::run(asked, self, client).await;
    }

    /// The right of this replica to write.
    pub fn leadership(&self) -> &Arc<Leadership> {
        &self.leadership
    }

    /// The workloads.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Removes parts of a ScaledObject from the watch that need not be kept: the record observes the whole status.
    /// `listed`: it comes from a list.
    pub fn trim(&self, object: &mut ScaledObject, listed: bool) {
        let key = Key::of(object);
        let record = self.get(&key).filter(|known| known.is_of(object));
        let status = object.status.take();
        if let Some(record) = &record {
            record.status.observe(Version::of(object), &status.clone().unwrap_or_default(), listed);
        }
        let Some(status) = status else { return };
        object.status = Some(ScaledObjectStatus {
            hpa_name: status.hpa_name.clone(),
            original_replica_count: status.original_replica_count,
            // Whether it was paused: no condition says the same as False.
            conditions: status
                .condition(Condition::PAUSED)
                .filter(|paused| paused.is_true())
                .map(|paused| vec![paused.clone()]),
            ..ScaledObjectStatus::default()
        });
        if record.is_none() {
            self.found.lock().insert(key, (object.uid(), status));
        }
    }

    fn take_found(&self, key: &Key) -> Option<(Option<String>, ScaledObjectStatus)> {
        let mut found = self.found.lock();
        let status = found.remove(key);
        // All of them come at the start and go soon: their room is not kept for another start.
        if found.is_empty() {
            found.shrink_to_fit();
        }
        status
    }

    /// The record of `object`, and whether it is new. An object that was deleted and made again under its old name is
    /// new.
    pub fn open(&self, object: &ScaledObject) -> (Arc<Record>, bool) {
        let key = Key::of(object);
        let mut objects = self.objects.write();
        if let Some(known) = objects.get(&key).filter(|known| known.is_of(object)) {
            return (Arc::clone(known), false);
        }
        if let Some(namesake) = objects.remove(&key) {
            namesake.end();
        }
        let found = self.take_found(&key);
        let found = found.filter(|(uid, _)| *uid == object.uid()).map(|(_, status)| status);
        let written = found.or_else(|| object.status.clone()).unwrap_or_default();
        let (metrics, leadership) = (self.metrics.object(&key), Arc::clone(&self.leadership));
        let repeats = (self.retries.clone(), self.events.clone());
        let status = StatusWriter::new(&key, object, &written, leadership, repeats, Arc::clone(&metrics));
        let uid = object.uid().unwrap_or_default();
        let new = Arc::new(Record::new(key.clone(), uid, &written, status, metrics, Arc::clone(&self.decisions)));
        objects.insert(key, Arc::clone(&new));
        self.decisions.set_objects(objects.len());
        (new, true)
    }

    /// The record under this name.
    pub fn get(&self, key: &Key) -> Option<Arc<Record>> {
        self.objects.read().get(key).cloned()
    }

    /// The records of all, or of those in a namespace.
    pub fn records(&self, namespace: Option<&str>) -> Vec<Arc<Record>> {
        let objects = self.objects.read();
        let is_there = |key: &Key| namespace.is_none_or(|namespace| key.namespace == namespace);
        objects.iter().filter(|(key, _)| is_there(key)).map(|(_, record)| Arc::clone(record)).collect()
    }

    /// The decisions of all as they are made.
    pub fn decisions(&self) -> &Arc<DecisionFeed> {
        &self.decisions
    }

    /// The names of all.
    pub fn keys(&self) -> Vec<Key> {
        self.objects.read().keys().cloned().collect()
    }

    /// Forgets a ScaledObject and ends its loop.
    pub fn close(&self, key: &Key) -> Option<Arc<Record>> {
        self.take_found(key);
        let object = {
            let mut objects = self.objects.write();
            let object = objects.remove(key)?;
            self.decisions.set_objects(objects.len());
            object
        };
        object.end();
        Some(object)
    }

    /// The ScaledObjects whose poll is more than a minute overdue.
    pub fn overdue(&self, now: Instant) -> Vec<String> {
        let objects = self.objects.read();
        objects.iter().filter(|(_, object)| object.is_overdue(now)).map(|(key, _)| key.to_string()).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series that new triggers get their handles from.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}
