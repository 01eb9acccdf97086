//! The connections that all triggers share.
//!
//! Owns: one client per (endpoint, credentials), created when the first trigger asks for it and closed when the last
//! one has gone; questions asked at the same time share one query ([`Flights`]), and those of one moment go out as one
//! ([`Gather`]); attempts to connect are spaced by [`Backoff`] and, where a server is not to be asked meanwhile, by
//! [`Breaker`]; early looks for idle workloads are spread by a [`Pacer`]. Must not know what a trigger is.

mod backoff;
mod breaker;
mod flights;
mod gather;
mod pacer;
mod pool;

pub use backoff::{Backoff, chance};
pub use breaker::Breaker;
pub use flights::Flights;
pub use gather::Gather;
pub use pacer::Pacer;
pub use pool::Pool;

use crate::rabbitmq::{amqp, management};
use crate::{kafka, oauth};

/// Every shared client of the process. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Brokers {
    /// RabbitMQ over AMQP.
    pub amqp: Pool<amqp::Endpoint, amqp::Client>,
    /// RabbitMQ's management API.
    pub management: Pool<management::Endpoint, management::Client>,
    /// Kafka.
    pub kafka: Pool<kafka::Endpoint, kafka::client::Client>,
    /// OAuth 2.0 tokens.
    pub tokens: Pool<oauth::Account, oauth::TokenSource>,
}
