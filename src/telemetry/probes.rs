//! Plain HTTP for the kubelet and for Prometheus: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// The state that the probes report.
#[derive(Clone)]
pub struct Health {
    /// The names of the ScaledObjects whose poll is overdue.
    pub overdue: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Whether the API is served.
    pub ready: Arc<AtomicBool>,
    /// Whether the ScaledObjects that were there at the start have been checked.
    pub warm: Arc<AtomicBool>,
}

/// Serves `/healthz` and `/readyz` until `shutdown`.
pub async fn serve_health(listener: TcpListener, health: Health, shutdown: CancellationToken) -> std::io::Result<()> {
    let routes = Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(health);
    axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Serves `/metrics` until `shutdown`.
pub async fn serve_metrics(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let routes = Router::new().route("/metrics", get(text)).with_state(metrics);
    axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Well while no poll is overdue.
async fn healthz(State(health): State<Health>) -> impl IntoResponse {
    let overdue = (health.overdue)();
    if overdue.is_empty() {
        return (StatusCode::OK, "ok".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("polls are overdue: {}", overdue.join(", ")))
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    if health.ready.load(Ordering::Relaxed) && health.warm.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: waiting for the API server")
    }
}

async fn text(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    match metrics.text() {
        Ok(text) => (StatusCode::OK, [("content-type", "text/plain; version=0.0.4")], text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "text/plain")], error.to_string()),
    }
}
