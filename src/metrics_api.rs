//! The `external.metrics.k8s.io/v1beta1` server that `HorizontalPodAutoscalers` read their metrics from.
//!
//! This module owns TLS, authentication and authorization ([`auth`]), the documents and errors, and the end of
//! connections. It gets the value of a metric from a [`MetricSource`]. It must never import the controller, a
//! scaler or a broker.
//!
//! The path of a request: `server` (connection, TLS) → `routes` (the user), `action` (the action) → [`auth`] (the
//! right) → [`MetricSource::value`] → `quantity` → JSON. [`decisions`] is a second group on the same way. Every error
//! is a `meta/v1` Status, built in `status`.
//!
//! # RBAC
//!
//! - `ClusterRole` `system:auth-delegator`: `create` on `tokenreviews.authentication.k8s.io` and
//!   `subjectaccessreviews.authorization.k8s.io`.
//! - Role `extension-apiserver-authentication-reader` in `kube-system`: `get`, `list` and `watch` on the `ConfigMap`
//!   `extension-apiserver-authentication`.
//! - The HPA controller (`system:serviceaccount:kube-system:horizontal-pod-autoscaler`) needs `list` on `*` in the
//!   group `external.metrics.k8s.io`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

mod accept;
mod action;
pub mod auth;
pub mod decisions;
mod discovery;
mod document;
#[cfg(fuzzing)]
pub mod fuzzing;
mod openapi;
mod quantity;
mod routes;
mod server;
mod status;
#[cfg(test)]
mod testing;
mod tls;

pub use quantity::{NotANumber, Quantity};
pub use server::{Answered, ServerConfig, serve};

/// The API group of external metrics.
pub const GROUP: &str = "external.metrics.k8s.io";
/// The served version of [`GROUP`].
pub const VERSION: &str = "v1beta1";
/// The name of the `APIService` that routes the cluster's requests to this server.
pub const API_SERVICE: &str = "v1beta1.external.metrics.k8s.io";
/// The label with which a selector names the ScaledObject.
pub const SCALED_OBJECT_LABEL: &str = "scaledobject.keda.sh/name";

/// The source of the metrics that the API serves.
#[async_trait]
pub trait MetricSource: Send + Sync + 'static {
    /// The present value of one external metric of a ScaledObject.
    async fn value(&self, namespace: &str, scaled_object: &str, metric: &str) -> Result<MetricValue, MetricError>;
}

/// The value of a metric and the time of its reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricValue {
    /// The number. If it is not finite, the API answers with an error.
    pub value: f64,
    /// The time of the reading.
    pub timestamp: DateTime<Utc>,
}

/// The reason why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The ScaledObject does not exist, or has no such metric. The answer is 404 and names all metrics.
    #[error("not found: {0}")]
    NotFound(String),
    /// The metric exists, but its value cannot be read. The answer is 500 with this text, which the
    /// `HorizontalPodAutoscaler` repeats in its conditions.
    #[error("{0}")]
    Failed(String),
}
