//! All decisions of this replica as they are made: for watches of the API, and for the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::clock;
use crate::kube_api::key::Key;
use crate::leader::Leadership;
use ebb_plan::trail::{Entry, Reason, object};

/// The number of decisions that a slow reader may be behind.
const BACKLOG: usize = 1_024;
/// The number of ScaledObjects beyond which the trails share the memory of this many.
const FULL_DEPTH: usize = 2_000;

/// A decision of a ScaledObject.
#[derive(Debug, Clone)]
pub struct Published {
    /// The ScaledObject.
    pub key: Key,
    /// The decision.
    pub entry: Entry,
}

/// The decisions of all ScaledObjects.
#[derive(Debug)]
pub struct DecisionFeed {
    /// The bytes that a trail may take; 0: there are no trails.
    bytes: usize,
    objects: AtomicUsize,
    leadership: Arc<Leadership>,
    sender: broadcast::Sender<Arc<Published>>,
    /// The number of the present term of leadership, and when it began, in seconds of Unix time.
    term: Mutex<(Option<u64>, u32)>,
}

impl DecisionFeed {
    /// A feed without readers. `bytes`: the most that the trail of one ScaledObject may take, 0 for none.
    pub fn new(bytes: usize, leadership: Arc<Leadership>) -> Arc<Self> {
        let (sender, _) = broadcast::channel(BACKLOG);
        let (objects, term) = (AtomicUsize::default(), Mutex::new((None, seconds())));
        Arc::new(Self { bytes, objects, leadership, sender, term })
    }

    /// Whether there are trails.
    pub fn is_on(&self) -> bool {
        self.bytes > 0
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> bool {
        self.leadership.is_leader()
    }

    /// Whether the decisions of this replica are those to show.
    pub fn speaks(&self) -> bool {
        self.leadership.speaks()
    }

    /// The number of ScaledObjects is this.
    pub fn set_objects(&self, count: usize) {
        self.objects.store(count, Ordering::Relaxed);
    }

    /// The bytes that one trail may take at present.
    pub fn budget(&self) -> usize {
        let objects = self.objects.load(Ordering::Relaxed).max(1);
        if objects <= FULL_DEPTH { self.bytes } else { self.bytes * FULL_DEPTH / objects }
    }

    /// When this replica's present term began, in seconds of Unix time. No two terms of a cluster have the same. None: it
    /// does not lead.
    pub fn epoch(&self) -> Option<u32> {
        if !self.leadership.is_elected() {
            return Some(self.term.lock().1);
        }
        let number = self.leadership.number().filter(|_| self.leadership.is_leader())?;
        let mut term = self.term.lock();
        if term.0 != Some(number) {
            *term = (Some(number), seconds());
        }
        Some(term.1)
    }

    /// The decisions from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Published>> {
        self.sender.subscribe()
    }

    /// Shows a decision to all readers, and logs it. Standbys log nothing: they only look on.
    pub(super) fn publish(&self, key: &Key, entry: Entry) {
        if self.speaks() {
            log(key, &entry);
        }
        // Without a reader it goes nowhere.
        let _ = self.sender.send(Arc::new(Published { key: key.clone(), entry }));
    }
}

/// One record in JSON for each decision: changes of the replicas, and where Ebb would have others, as `info`, the rest as `debug`.
fn log(key: &Key, entry: &Entry) {
    let json = || {
        let decision = object::object(&entry.decision, &key.name, None);
        serde_json::to_string(&decision).unwrap_or_default()
    };
    match entry.decision.reason {
        Reason::Differs => {
            tracing::info!(target: "decision", scaled_object = %key, decision = json(), "Ebb would have other replicas");
        }
        Reason::Agrees => {
            tracing::info!(target: "decision", scaled_object = %key, decision = json(), "Ebb would have the same replicas again");
        }
        _ if entry.decision.is_scaling() => {
            tracing::info!(target: "decision", scaled_object = %key, decision = json(), "the replicas change");
        }
        _ => tracing::debug!(target: "decision", scaled_object = %key, decision = json(), "the replicas stay"),
    }
}

fn seconds() -> u32 {
    clock::now().timestamp().try_into().unwrap_or_default()
}
