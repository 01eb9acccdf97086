//! Every change of a Deployment's replicas, with its author.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use ebb_tests::wait::{self, secs};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, ResourceExt as _};
use tokio::task::JoinHandle;

use super::keda;

/// The HPA controller, as a field manager.
const HPA: &str = "kube-controller-manager";

/// The replicas of each Deployment, one after the other, with the field manager that set them.
type Seen = BTreeMap<String, Vec<(i32, String)>>;

/// A running watch on the Deployments of a namespace.
pub(super) struct Scalings {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Scalings {
    /// Returns once the present replicas of all are known.
    pub(super) async fn start(bed: &Bed, namespace: &str) -> Result<Self> {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let sink = Arc::clone(&seen);
        let api: Api<Deployment> = Api::namespaced(bed.client.clone(), namespace);
        let mut changes = watcher(api, Config::default()).default_backoff().applied_objects().boxed();
        let task = tokio::spawn(async move {
            while let Some(change) = changes.next().await {
                let Ok(deployment) = change else { continue };
                let replicas = deployment.spec.replicas.unwrap_or(1);
                let mut seen = sink.lock().unwrap_or_else(PoisonError::into_inner);
                let history = seen.entry(deployment.name_any()).or_default();
                if history.last().is_none_or(|last| last.0 != replicas) {
                    history.push((replicas, manager(&deployment)));
                }
            }
        });
        let scalings = Self { seen, task };
        wait::until("the watch of the replicas to begin", secs(20), async || {
            let known = scalings.seen().len();
            ensure!(known > 100, "{known} Deployments are known");
            Ok(())
        })
        .await?;
        Ok(scalings)
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Only workloads with more work have changed, upwards, and the HPA controller did it.
    pub(super) fn are_those_of_the_hpa(&self) -> Result<()> {
        ensure!(!self.task.is_finished(), "the watch has ended");
        let growing: BTreeSet<String> = keda::growing().collect();
        for (name, history) in self.seen() {
            let (first, rest) = history.split_first().context("no replicas")?;
            ensure!(rest.is_empty() || growing.contains(&name), "{name} was scaled: {history:?}");
            ensure!(rest.iter().all(|(replicas, by)| by == HPA && *replicas > first.0), "{name}: {history:?}");
            let last = rest.last().unwrap_or(first).0;
            ensure!(!growing.contains(&name) || i64::from(last) == keda::GROWN, "{name}: {history:?}");
        }
        Ok(())
    }
}

impl Drop for Scalings {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The latest field manager of `spec.replicas`.
fn manager(deployment: &Deployment) -> String {
    let fields = deployment.managed_fields().iter();
    let owners = fields
        .filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| !fields.0["f:spec"]["f:replicas"].is_null()));
    let latest = owners.max_by_key(|entry| entry.time.clone());
    latest.and_then(|entry| entry.manager.clone()).unwrap_or_default()
}
