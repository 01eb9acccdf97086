//! What a trigger is, and every kind of it.
//!
//! Owns: the [`Scaler`] contract, the reading of a trigger's parameters ([`params`]), the connections that all
//! triggers share ([`broker`]) and one module for each kind. Must not touch: Kubernetes. Whatever a scaler needs
//! from the cluster has been fetched into its [`TriggerConfig`] before it is built.

mod body;
pub mod broker;
pub mod budget;
pub mod cron;
pub mod exchange;
pub mod go;
pub mod kafka;
mod kinds;
mod metric_name;
pub mod oauth;
pub mod outbound;
pub mod params;
pub mod peer;
pub mod rabbitmq;
mod scaler;
pub mod tls;

pub use kinds::{KINDS, Kind, RESOURCE_KINDS, build, kind};
pub use metric_name::{form_encode, metric_name};
pub use outbound::Outbound;
pub use params::{ConfigError, Param, TriggerConfig};
pub use scaler::{MetricSpec, MetricType, ReadError, Reading, Scaler};
