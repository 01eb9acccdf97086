//! The ports that Ebb listens on.

use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::net::TcpListener;

use super::RunError;
use crate::cli::args::{Listen, Run};

/// One listener for each port. None: the settings turn it off.
pub(super) struct Listeners {
    pub(super) health: Option<TcpListener>,
    pub(super) metrics: Option<TcpListener>,
    pub(super) metrics_api: TcpListener,
    pub(super) webhook: Option<TcpListener>,
}

impl Listeners {
    /// Listens on every address of the settings.
    ///
    /// # Errors
    /// An address is taken, or is none of this machine's.
    pub(super) async fn bind(settings: &Run) -> Result<Self, RunError> {
        let serving = &settings.serving;
        let at = |port| Listen::At { host: serving.bind_address.to_string(), port };
        let metrics_api = listen(&at(serving.secure_port)).await?;
        Ok(Self {
            health: listen(&serving.health_probe_bind_address).await?,
            metrics: listen(&serving.metrics()).await?,
            metrics_api: metrics_api.ok_or_else(|| RunError::Config("no address to listen on".into()))?,
            webhook: if settings.webhook.port > 0 { listen(&at(settings.webhook.port)).await? } else { None },
        })
    }
}

/// Listens there. All addresses means those of IPv6 too, where the machine has any.
async fn listen(listen: &Listen) -> Result<Option<TcpListener>, RunError> {
    let Listen::At { host, port } = listen else { return Ok(None) };
    let failed = |cause| RunError::Listen { address: listen.to_string(), cause };
    let listener = if host.is_empty() {
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).await,
        }
    } else {
        TcpListener::bind((host.as_str(), *port)).await
    };
    listener.map(Some).map_err(failed)
}
