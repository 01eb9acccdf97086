//! The replicas of all Deployments of a namespace, as a watch shows them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt as _};

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
        let (api, sink): (Api<Deployment>, _) = (Api::namespaced(client, namespace), Arc::clone(&all));
        tokio::spawn(async move {
            // It lists again by itself after the API server was away.
            let mut changes = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
            while let Some(change) = changes.next().await {
                let Ok(deployment) = change else { continue };
                let replicas = deployment.spec.replicas.unwrap_or(1);
                let mut all = sink.0.lock().unwrap_or_else(PoisonError::into_inner);
                let seen = all.entry(deployment.name_any()).or_default();
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
