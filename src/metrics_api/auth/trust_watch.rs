//! Keeps a [`Trust`] up to date with its `ConfigMap`. `trust` parses the contents.

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

/// Watches the `ConfigMap` `kube-system/extension-apiserver-authentication` until `shutdown`.
///
/// No certificate is trusted before the first read. If the `ConfigMap` is later missing or invalid, the last valid
/// contents apply.
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
        // Old clients also use the ConfigMap as a lock, so most of its changes do not matter here.
        if seen.as_ref() == Some(&data) {
            continue;
        }
        match Trust::from_config_map(&data) {
            Ok(trust) => {
                let front_proxy = trust.has_front_proxy();
                info!(front_proxy, "read the authorities that the metrics API trusts");
                sender.send_replace(Arc::new(trust));
            }
            Err(error) => {
                warn!(%error, "the ConfigMap {NAMESPACE}/{NAME} cannot be parsed; the last valid one stays in use");
            }
        }
        seen = Some(data);
    }
}
