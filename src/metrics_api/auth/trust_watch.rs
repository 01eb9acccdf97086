//! Keeps a [`Trust`] in step with the `ConfigMap` it comes from. The reading of it is `trust`'s business.

use std::sync::Arc;

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Trust;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// Follows the `ConfigMap` `kube-system/extension-apiserver-authentication` until `shutdown`.
///
/// Nobody is trusted before it was read once. When it later vanishes or makes no sense, the last good contents hold.
pub fn watch_trust(client: Client, shutdown: CancellationToken) -> watch::Receiver<Arc<Trust>> {
    let (sender, receiver) = watch::channel(Arc::new(Trust::nobody()));
    tokio::spawn(async move {
        tokio::select! {
            () = follow(client, sender) => {}
            () = shutdown.cancelled() => {}
        }
    });
    receiver
}

async fn follow(client: Client, sender: watch::Sender<Arc<Trust>>) {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let changes = watch_object(api, NAME).default_backoff();
    pin_mut!(changes);
    let mut seen = None;
    while let Some(change) = changes.next().await {
        let data = match change {
            Ok(Some(config_map)) => config_map.data.unwrap_or_default(),
            Ok(None) => {
                warn!("there is no ConfigMap {NAMESPACE}/{NAME}: the metrics API cannot know the cluster's aggregator");
                continue;
            }
            Err(error) => {
                warn!(%error, "cannot watch the ConfigMap {NAMESPACE}/{NAME}: bind the Role {NAME}-reader");
                continue;
            }
        };
        // The ConfigMap is also a lock of old clients: most of its changes are of no interest.
        if seen.as_ref() == Some(&data) {
            continue;
        }
        match Trust::from_config_map(&data) {
            Ok(trust) => {
                let front_proxy = trust.has_front_proxy();
                info!(front_proxy, "read the authorities that the metrics API trusts");
                sender.send_replace(Arc::new(trust));
            }
            Err(error) => warn!(%error, "the ConfigMap {NAMESPACE}/{NAME} makes no sense: keeping the last good one"),
        }
        seen = Some(data);
    }
}
