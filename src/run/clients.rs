//! The clients of the API server.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;

use super::RunError;
use crate::cli::args::Run;
use crate::kube_api::client::{self, ApiServer};
use crate::kube_api::limiter::{self, Limiter};
use crate::leader::Leadership;
use crate::telemetry::metrics::Metrics;

/// How long the API server may take for an answer. A watch has no limit.
const ANSWER: Duration = Duration::from_secs(15);

/// The clients of the API server, by purpose.
#[derive(Clone)]
pub(super) struct ApiClients {
    /// The way to the API server, for parts that make clients of their own.
    pub(super) server: ApiServer,
    /// For watches: its answers have no limit of time.
    pub(super) watch: Client,
    /// For requests that must not wait for others: the Lease, and the reviews of users who read a metric.
    pub(super) direct: Client,
    /// For requests, whether this replica leads or not. They wait while the API server cannot keep up.
    pub(super) request: Client,
    /// For everything that only the leader may write.
    pub(super) write: Client,
}

impl ApiClients {
    /// Clients for the API server that the settings name.
    ///
    /// # Errors
    /// The settings lead to no API server, or a client cannot be made.
    pub(super) async fn new(
        settings: &Run,
        leadership: &Arc<Leadership>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, RunError> {
        let config = client::config(settings.kubeconfig.as_deref()).await;
        let config = config.map_err(|error| RunError::Config(error.to_string()))?;
        let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
        let server = ApiServer::new(config, settings.observe.only);
        let direct = client::measured(&server.connect(Some(ANSWER))?, &host, metrics);
        let limiter = Limiter::new(metrics.api_server.clone());
        Ok(Self {
            watch: server.connect(None)?,
            write: client::for_leader(&direct, Arc::clone(leadership), &limiter),
            request: limiter::limited(&direct, &limiter),
            direct,
            server,
        })
    }
}
