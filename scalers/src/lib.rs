//! What a trigger is, and every kind of it.
//!
//! Owns: the [`Scaler`] contract, the way out of the process ([`net`]),
//! the clients that all triggers share ([`pool`]) and one module for each kind. Must not touch: Kubernetes. What a scaler
//! needs from the cluster has been fetched into its [`TriggerConfig`] before it is built; kinds whose source is the cluster
//! itself read it through [`cluster`], which others implement.

pub mod cluster;
pub mod cron;
pub mod kafka;
mod kinds;
mod metric_name;
pub mod net;
pub mod pool;
pub mod prometheus;
pub mod rabbitmq;
mod scaler;

pub use ebb_params as params;
pub use ebb_params::{RESOURCE_KINDS, go};
pub use kinds::{KINDS, Kind, build, declaration, kind};
pub use metric_name::{form_encode, metric_name};
pub use net::Outbound;
pub use params::{ConfigError, Param, TriggerConfig};
pub use scaler::{MetricSpec, MetricType, ReadError, Reading, Scaler};
