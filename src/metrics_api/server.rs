//! The server of the metrics API: TLS, authentication and the routes.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use rustls::server::ResolvesServerCert;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::MetricSource;
use super::auth::{Gate, Peer, Reviewer, Trust};
use super::decisions::DecisionSource;
use super::decisions::routes::Decisions;
use super::routes::{self, Api};
use super::tls::Settings;
use crate::https::{HttpsServer, Limits, ServeError, Tls};

/// The parts that the server needs.
pub struct ServerConfig {
    /// The listener. The caller binds it, so that an occupied port is an error at the start.
    pub listener: TcpListener,
    /// The certificate that the server presents.
    pub certificate: Arc<dyn ResolvesServerCert>,
    /// The cryptography and the TLS versions.
    pub tls: Tls,
    /// The trusted authorities; see [`super::auth::watch_trust`].
    pub trust: watch::Receiver<Arc<Trust>>,
    /// Reviews bearer tokens and rights.
    pub reviewer: Arc<dyn Reviewer>,
    /// The source of the values.
    pub source: Arc<dyn MetricSource>,
    /// The source of the decisions.
    pub decisions: Arc<dyn DecisionSource>,
    /// The state of `/readyz`.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Is called after each query of a metric, with the status and the time that it took.
    pub answered: Answered,
    /// The limits.
    pub limits: Limits,
}

/// A callback after each query of a metric.
pub type Answered = Arc<dyn Fn(StatusCode, Duration) + Send + Sync>;

/// Serves until `shutdown`, then lets open requests finish.
pub async fn serve(config: ServerConfig, shutdown: CancellationToken) -> Result<(), ServeError> {
    let ServerConfig { listener, certificate, tls, trust, reviewer, source, decisions, ready, answered, limits } =
        config;
    let settings = Settings::new(certificate, tls, trust.clone());
    settings.current()?;
    let decisions = Decisions { source: decisions, stop: shutdown.clone() };
    let api = Api::new(Gate::new(trust, reviewer), source, ready, answered, limits.request, decisions);
    let router = routes::router(Arc::new(api));
    // The settings are almost always built already, so this compares two pointers.
    let (name, tls) = ("the metrics API", move || settings.current());
    let peer = |chain| Arc::new(Peer::new(chain));
    HttpsServer { name, listener, tls, peer, router, limits }.serve(shutdown).await;
    Ok(())
}

#[cfg(test)]
mod tests;
