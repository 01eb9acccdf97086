//! The `external.metrics.k8s.io/v1beta1` server that `HorizontalPodAutoscalers` read their metrics from.
//!
//! This module owns the wire: TLS, who is asking ([`auth`]), what the documents and errors look like, and when a
//! connection ends. What a metric is worth it asks a [`MetricSource`]; it must never import the controller, a scaler or
//! a broker.
//!
//! A question takes this way: `server` (connection, TLS) → `routes` (who), `action` (what) → [`auth`] (may they) →
//! [`MetricSource::value`] → `quantity` → JSON. Every refusal is a `meta/v1` Status, built in `status`.
//!
//! # RBAC
//!
//! - `ClusterRole` `system:auth-delegator`: `create` on `tokenreviews.authentication.k8s.io` and
//!   `subjectaccessreviews.authorization.k8s.io`.
//! - Role `extension-apiserver-authentication-reader` in `kube-system`: `get`, `list` and `watch` on the `ConfigMap`
//!   `extension-apiserver-authentication`.
//! - The HPA controller (`system:serviceaccount:kube-system:horizontal-pod-autoscaler`) needs `list` on `*` in the
//!   group `external.metrics.k8s.io`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

mod accept;
mod action;
pub mod auth;
mod discovery;
mod document;
#[cfg(fuzzing)]
pub mod fuzzing;
mod openapi;
mod quantity;
mod routes;
mod selector;
mod server;
mod status;
#[cfg(test)]
mod testing;
mod tls;

pub use quantity::{NotANumber, Quantity};
pub(crate) use server::Door;
pub use server::{Limits, ServeError, ServerConfig, serve};
pub use tls::Tls;

/// The API group that is served.
pub const GROUP: &str = "external.metrics.k8s.io";
/// The version of [`GROUP`] that is served.
pub const VERSION: &str = "v1beta1";
/// The name of the `APIService` that sends the cluster's questions here.
pub const API_SERVICE: &str = "v1beta1.external.metrics.k8s.io";
/// The label a selector names the ScaledObject with.
pub const SCALED_OBJECT_LABEL: &str = "scaledobject.keda.sh/name";

/// Whether `text` is a label selector, and if not, why.
pub(crate) fn check_selector(text: &str) -> Result<(), String> {
    selector::Selector::parse(text).map(drop).map_err(|error| error.to_string())
}

/// Whether a label selector selects an object with these labels. What is no selector selects nothing.
pub(crate) fn selects(text: &str, labels: &BTreeMap<String, String>) -> bool {
    selector::Selector::parse(text).is_ok_and(|selector| selector.selects(labels))
}

/// Answers what the API is asked.
#[async_trait]
pub trait MetricSource: Send + Sync + 'static {
    /// The present value of one external metric of one ScaledObject.
    async fn value(&self, namespace: &str, scaled_object: &str, metric: &str) -> Result<MetricValue, MetricError>;
}

/// What a metric is worth, and since when that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricValue {
    /// The number itself; anything but a finite one is answered with an error.
    pub value: f64,
    /// When the number was read.
    pub timestamp: DateTime<Utc>,
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// There is no such ScaledObject, or it has no such metric. The answer is 404 and names all of them.
    #[error("not found: {0}")]
    NotFound(String),
    /// The metric exists, but its value could not be had. The answer is 500 with this text, which the
    /// `HorizontalPodAutoscaler` repeats in its conditions.
    #[error("{0}")]
    Failed(String),
}
