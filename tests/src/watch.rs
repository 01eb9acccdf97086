//! Every change of a Deployment's replicas, as a watch shows them: the proof of "never to zero while …".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::task::JoinHandle;

use crate::wait;

/// The names of the Deployments of a namespace that `config` names with their `spec.replicas`, again after each change
/// of them. It lists again by itself after the API server was away.
pub fn replicas(client: Client, namespace: &str, config: watcher::Config) -> BoxStream<'static, (String, i32)> {
    let api: Api<Deployment> = Api::namespaced(client, namespace);
    let changes = watcher(api, config).default_backoff().applied_objects();
    let found = changes.filter_map(async |change| {
        let deployment = change.ok()?;
        Some((deployment.name_any(), deployment.spec.replicas.unwrap_or(1)))
    });
    found.boxed()
}

/// A change that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When the watch brought it.
    pub at: Instant,
    /// `spec.replicas` from then on.
    pub replicas: i32,
}

/// A running watch with what it has seen. Dropping it ends the watch.
#[derive(Debug)]
pub struct ReplicaWatch {
    deployment: String,
    seen: Arc<Mutex<Vec<Change>>>,
    task: JoinHandle<()>,
}

impl ReplicaWatch {
    /// Watches, and returns once the present value is known.
    pub async fn start(client: Client, namespace: &str, deployment: &str) -> Result<Self> {
        let seen: Arc<Mutex<Vec<Change>>> = Arc::default();
        let sink = Arc::clone(&seen);
        let config = watcher::Config::default().fields(&format!("metadata.name={deployment}"));
        let mut changes = replicas(client, namespace, config);
        let task = tokio::spawn(async move {
            while let Some((_, replicas)) = changes.next().await {
                let mut seen = sink.lock().unwrap_or_else(PoisonError::into_inner);
                if seen.last().is_none_or(|last| last.replicas != replicas) {
                    seen.push(Change { at: Instant::now(), replicas });
                }
            }
        });
        let watch = Self { deployment: deployment.to_owned(), seen, task };
        wait::until("the watch of the replicas to begin", wait::secs(10), async || {
            watch.history().last().copied().context("nothing yet")
        })
        .await?;
        Ok(watch)
    }

    /// Everything seen, oldest first.
    pub fn history(&self) -> Vec<Change> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value at present.
    pub fn now(&self) -> i32 {
        self.history().last().map_or(0, |last| last.replicas)
    }

    /// The highest value seen.
    pub fn peak(&self) -> i32 {
        self.history().iter().map(|change| change.replicas).max().unwrap_or(0)
    }

    /// The first change after `since` to a value that fits.
    pub fn first_since(&self, since: Instant, fits: impl Fn(i32) -> bool) -> Option<Change> {
        self.history().into_iter().find(|change| change.at >= since && fits(change.replicas))
    }

    /// Waits for the first change after `since` to a value that fits.
    pub async fn wait_since(
        &self,
        since: Instant,
        what: &str,
        limit: std::time::Duration,
        fits: impl Fn(i32) -> bool,
    ) -> Result<Change> {
        wait::until(&format!("the replicas of {} to be {what}", self.deployment), limit, async || {
            self.first_since(since, &fits).with_context(|| self.story())
        })
        .await
    }

    /// Fails if any value seen since then does not hold.
    pub fn never_since(&self, since: Instant, what: &str, bad: impl Fn(i32) -> bool) -> Result<()> {
        let found = self.first_since(since, bad);
        ensure!(found.is_none(), "the replicas of {} must never be {what}: {}", self.deployment, self.story());
        Ok(())
    }

    /// The changes in one line, for people.
    pub fn story(&self) -> String {
        let history = self.history();
        let Some(first) = history.first() else { return "no change seen".to_owned() };
        let step = |change: &Change| format!("{:.1}s: {}", (change.at - first.at).as_secs_f64(), change.replicas);
        history.iter().map(step).collect::<Vec<_>>().join(", ")
    }
}

impl Drop for ReplicaWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
