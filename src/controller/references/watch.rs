//! The watch on one referenced object, for as long as a ScaledObject uses it.
//!
//! A watch by name, of the metadata, needs the verb `watch` alone: it begins at the API server's present state, so that
//! nothing is listed. Where the API server refuses it or ends it early, the metadata is read every second or two,
//! within a budget, until a watch begins.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_scalers::pool::jitter;
use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::budget::Budget;
use super::watch_connections::WatchConnections;
use super::{Kind, Reference, Version};
use crate::controller::authentication::file;
use crate::kube_api::errors;

/// How long the API server may take to begin a watch, and to answer a question.
const ANSWER: Duration = Duration::from_secs(10);
/// The least time that one watch lasts, and the random addition, so that watches begun together do not end together.
const LASTS: (Duration, Duration) = (Duration::from_secs(200), Duration::from_secs(90));
/// The interval of reads where a watch is not possible.
const ASK: Duration = Duration::from_millis(1500);
/// The questions a second, of all objects without a watch together.
const QUESTIONS: u32 = 40;
/// Questions between two attempts to watch: doubled after each that failed, up to about five minutes.
const MOST_QUESTIONS: u32 = 200;
/// How often a file is looked at.
const FILE: Duration = Duration::from_secs(1);

/// Watches referenced objects, or reads their metadata where a watch is not possible.
pub(super) struct ReferenceWatcher {
    connections: WatchConnections,
    client: Client,
    budget: Budget,
    file_root: Option<PathBuf>,
    warned: AtomicBool,
}

impl ReferenceWatcher {
    pub(super) fn new(connections: WatchConnections, client: Client, file_root: Option<PathBuf>) -> Self {
        Self { connections, client, budget: Budget::new(QUESTIONS), file_root, warned: AtomicBool::new(false) }
    }

    fn warn_once(&self, reference: &Reference, error: &WatchError) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(%reference, %error,
                "cannot watch the objects that ScaledObjects refer to (the verb watch on secrets and configmaps, over HTTP/2); Ebb reads them every {} s instead",
                ASK.as_secs_f64());
        }
    }
}

/// Why a watch ended before its time.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("{}", errors::message(.0))]
    Api(#[from] kube::Error),
    #[error("the API server does not answer")]
    Silent,
    #[error("the API server ended the watch: {0}")]
    Ended(String),
}

/// Follows `reference` until it is aborted, and gives `saw` each version.
pub(super) async fn follow(watcher: Arc<ReferenceWatcher>, reference: Reference, saw: impl Fn(Version) + Send + Sync) {
    match reference.kind {
        Kind::Secret => follow_object::<Secret>(&watcher, &reference, &saw).await,
        Kind::ConfigMap => follow_object::<ConfigMap>(&watcher, &reference, &saw).await,
        Kind::File => follow_file(&watcher, &reference, &saw).await,
    }
}

async fn follow_object<K>(watcher: &ReferenceWatcher, reference: &Reference, saw: &(impl Fn(Version) + Sync))
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + 'static,
{
    let mut resume: Option<String> = None;
    let mut failures = 0_u32;
    loop {
        let from = resume.take();
        match watch::<K>(watcher, reference, from.as_deref(), saw).await {
            Ok(next) => {
                resume = next;
                failures = 0;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::debug!(%reference, %error, failures, "a watch was interrupted");
                if failures > 2 || is_refusal(&error) {
                    watcher.warn_once(reference, &error);
                }
                let rounds = if is_refusal(&error) { MOST_QUESTIONS } else { 2_u32.saturating_pow(failures - 1) };
                for _ in 0..rounds.min(MOST_QUESTIONS) {
                    ask::<K>(watcher, reference, saw).await;
                }
            }
        }
    }
}

/// Watches until the API server ends the watch in time, and gives the version from which the next one goes on.
async fn watch<K>(
    watcher: &ReferenceWatcher,
    reference: &Reference,
    from: Option<&str>,
    saw: &(impl Fn(Version) + Sync),
) -> Result<Option<String>, WatchError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + 'static,
{
    let slot = watcher.connections.take()?;
    let api: Api<K> = Api::namespaced(slot.client(), &reference.namespace);
    let lasts = LASTS.0 + LASTS.1.mul_f64(jitter(reference));
    let seconds = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
    let params = WatchParams::default().fields(&format!("metadata.name={}", reference.name)).timeout(seconds);
    let events = timeout(ANSWER, api.watch_metadata(&params, from.unwrap_or("0"))).await;
    let mut events = events.map_err(|_| WatchError::Silent)??.boxed();
    let mut resume = from.map(str::to_owned);
    let patience = lasts + ANSWER;
    while let Some(event) = timeout(patience, events.next()).await.map_err(|_| WatchError::Silent)? {
        resume = match event? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let version = object.resource_version();
                saw(Version::of(&version));
                version
            }
            WatchEvent::Deleted(object) => {
                saw(Version::Absent);
                object.resource_version()
            }
            WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version),
            // 410 above all: the version to go on from is too old.
            WatchEvent::Error(status) => return Err(WatchError::Ended(status.message)),
        };
    }
    Ok(resume)
}

async fn ask<K>(watcher: &ReferenceWatcher, reference: &Reference, saw: &(impl Fn(Version) + Sync))
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + 'static,
{
    // Watches that were interrupted together must not ask together.
    tokio::time::sleep(ASK.mul_f64(0.6 + 0.4 * jitter(reference))).await;
    watcher.budget.turn().await;
    let api: Api<K> = Api::namespaced(watcher.client.clone(), &reference.namespace);
    match timeout(ANSWER, api.get_metadata_opt(&reference.name)).await {
        Ok(Ok(Some(object))) => saw(Version::of(&object.resource_version())),
        Ok(Ok(None)) => saw(Version::Absent),
        Ok(Err(error)) => tracing::debug!(%reference, %error, "cannot ask for a reference"),
        Err(_) => tracing::debug!(%reference, "no answer about a reference"),
    }
}

fn is_refusal(error: &WatchError) -> bool {
    matches!(error, WatchError::Api(kube::Error::Api(status)) if matches!(status.code, 401 | 403 | 405))
}

async fn follow_file(watcher: &ReferenceWatcher, reference: &Reference, saw: &(impl Fn(Version) + Sync)) {
    loop {
        tokio::time::sleep(FILE).await;
        saw(file::version(watcher.file_root.as_deref(), &reference.name).await);
    }
}
