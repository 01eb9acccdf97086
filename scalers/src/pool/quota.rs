//! The number of brokers' clients that the triggers of each namespace use, and its limit.
//!
//! A client is connections, and memory for each. Without a limit, a user who may write ScaledObjects in one namespace
//! could use up the clients of all namespaces.

use std::any::Any;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::params::ConfigError;

type Used = Vec<Weak<dyn Any + Send + Sync>>;

/// Counts the clients of each namespace, and refuses one above the limit.
#[derive(Debug, Default)]
pub struct NamespaceQuota {
    /// How many each namespace may use; none for any number.
    most: Option<NonZeroUsize>,
    used: Mutex<HashMap<String, Used>>,
}

impl NamespaceQuota {
    /// Up to `most` clients for each namespace; none for any number.
    pub fn new(most: Option<NonZeroUsize>) -> Self {
        Self { most, used: Mutex::default() }
    }

    /// Counts `client` for `namespace` until its last user has gone, once for all its users.
    ///
    /// # Errors
    /// The namespace uses as many other clients as it may.
    pub(super) fn claim<C: Send + Sync + 'static>(&self, namespace: &str, client: &Arc<C>) -> Result<(), ConfigError> {
        let Some(most) = self.most else { return Ok(()) };
        let mut used = self.used.lock();
        used.retain(|_, clients| {
            clients.retain(|client| client.strong_count() > 0);
            !clients.is_empty()
        });
        let clients = used.entry(namespace.to_owned()).or_default();
        if clients.iter().any(|other| std::ptr::addr_eq(other.as_ptr(), Arc::as_ptr(client))) {
            return Ok(());
        }
        if clients.len() >= most.get() {
            return Err(ConfigError::new(format!(
                "the triggers of namespace {namespace:?} use {} clients of brokers, which is all it may have",
                clients.len()
            ))
            .hint(
                "triggers with the same host and credentials share a client; an operator of Ebb can set --clients-per-namespace higher",
            ));
        }
        let client: Arc<dyn Any + Send + Sync> = Arc::clone(client) as _;
        clients.push(Arc::downgrade(&client));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_so_many_clients_and_what_it_leaves_it_may_use_again() {
        let shares = NamespaceQuota::new(NonZeroUsize::new(2));
        let [a, b, c] = ["a", "b", "c"].map(Arc::new);
        for client in [&a, &b, &a, &b] {
            shares.claim("shop", client).unwrap();
        }
        let error = shares.claim("shop", &c).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the triggers of namespace \"shop\" use 2 clients of brokers, which is all it may have"
        );
        assert!(error.hints()[0].contains("--clients-per-namespace"), "{:?}", error.hints());
        shares.claim("other", &c).unwrap();
        drop(a);
        shares.claim("shop", &c).unwrap();
        shares.claim("shop", &Arc::new("d")).unwrap_err();
    }

    #[test]
    fn without_a_bound_nothing_is_counted() {
        let shares = NamespaceQuota::default();
        for _ in 0..100 {
            shares.claim("shop", &Arc::new(0)).unwrap();
        }
        assert!(shares.used.lock().is_empty());
    }
}
