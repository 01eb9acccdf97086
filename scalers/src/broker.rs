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
mod shares;

pub use backoff::{Backoff, chance};
pub use breaker::Breaker;
pub use flights::Flights;
pub use gather::Gather;
pub use pacer::Pacer;
pub use pool::Pool;
pub use shares::Shares;

use std::hash::Hash;
use std::sync::Arc;

use crate::outbound::Outbound;
use crate::params::ConfigError;
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
    outbound: Arc<Outbound>,
    shares: Arc<Shares>,
    /// Whose triggers are built.
    namespace: Arc<str>,
}

impl Brokers {
    /// No clients yet; new ones get these settings, and no namespace more than its share.
    pub fn new(outbound: Outbound, shares: Shares) -> Self {
        Self { outbound: Arc::new(outbound), shares: Arc::new(shares), ..Self::default() }
    }

    /// The same clients, for triggers of `namespace`.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Self {
        Self { namespace: namespace.into(), ..self.clone() }
    }

    /// The client of `endpoint` in one of the pools, made by `make` when there is none.
    ///
    /// # Errors
    /// It would be one more than the namespace may use.
    pub(crate) fn client<K: Eq + Hash, C: Send + Sync + 'static>(
        &self,
        pool: &Pool<K, C>,
        endpoint: K,
        make: impl FnOnce(&K, &Arc<Outbound>) -> C,
    ) -> Result<Arc<C>, ConfigError> {
        let client = pool.get(endpoint, |endpoint| make(endpoint, &self.outbound));
        self.shares.claim(&self.namespace, &client)?;
        Ok(client)
    }

    /// The shared source of an account's tokens.
    pub(crate) fn token_source(&self, account: &oauth::Account) -> Arc<oauth::TokenSource> {
        self.tokens.get(account.clone(), |account| oauth::TokenSource::new(account, &self.outbound))
    }
}
