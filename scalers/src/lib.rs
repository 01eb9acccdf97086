//! The contract of a trigger, and one module for each kind of trigger.
//!
//! Owns: the [`Scaler`] contract, the way out of the process ([`net`]), the clients that all triggers share ([`pool`])
//! and the kinds. Must not touch: Kubernetes. The caller fetches the values that a scaler needs from the cluster into
//! its [`TriggerConfig`] before it builds the scaler. Kinds whose source is the cluster itself read it through
//! [`cluster`], a trait that the caller implements.

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
