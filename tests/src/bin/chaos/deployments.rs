//! The replicas of all Deployments of a namespace, as a watch shows them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ebb_tests::watch::replicas;
use futures::StreamExt as _;
use kube::Client;
use kube::runtime::watcher::Config;

/// A running watch.
#[derive(Debug, Default)]
pub(crate) struct Deployments(Mutex<HashMap<String, Seen>>);

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    replicas: i32,
    peak: i32,
    changes: usize,
}

impl Deployments {
    /// Watches until the process ends.
    pub(crate) fn watch(client: Client, namespace: &str) -> Arc<Self> {
        let all = Arc::new(Self::default());
        let (mut changes, sink) = (replicas(client, namespace, Config::default()), Arc::clone(&all));
        tokio::spawn(async move {
            while let Some((name, replicas)) = changes.next().await {
                let mut all = sink.0.lock().unwrap_or_else(PoisonError::into_inner);
                let seen = all.entry(name).or_default();
                seen.changes += usize::from(seen.replicas != replicas);
                (seen.replicas, seen.peak) = (replicas, seen.peak.max(replicas));
            }
        });
        all
    }

    /// `spec.replicas` of one, 0 as long as it is not known.
    pub(crate) fn now(&self, name: &str) -> i32 {
        self.seen(name).replicas
    }

    /// The most that one ever had.
    pub(crate) fn peak(&self, name: &str) -> i32 {
        self.seen(name).peak
    }

    /// How often they changed, all together.
    pub(crate) fn changes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(|seen| seen.changes).sum()
    }

    fn seen(&self, name: &str) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or_default()
    }
}
