//! Clients by endpoint, kept alive by their users.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::NamespaceQuota;
use crate::cluster::{ClusterAccess, ClusterReader, ClusterRight};
use crate::net::Outbound;
use crate::params::ConfigError;

/// The clients of one type by their endpoints.
type Pool<C, K> = Arc<Mutex<HashMap<K, Weak<C>>>>;

/// Every shared client of the process, by its type and the type of its endpoint. Cloning shares them.
///
/// Kinds of triggers get the way out of the process ([`Outbound`]) here and nowhere else, with the client that they make:
/// so the namespace's quota holds for each.
#[derive(Clone, Default)]
pub struct ClientPools {
    pools: Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>>,
    outbound: Arc<Outbound>,
    quota: Arc<NamespaceQuota>,
    /// The namespace of the triggers that are built.
    namespace: Arc<str>,
    cluster: Option<Arc<dyn ClusterReader>>,
    rights: &'static [ClusterRight],
}

impl fmt::Debug for ClientPools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPools").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl ClientPools {
    /// No clients yet; new ones get these settings, and no namespace more than its quota.
    pub fn new(outbound: Outbound, quota: NamespaceQuota) -> Self {
        Self { outbound: Arc::new(outbound), quota: Arc::new(quota), ..Self::default() }
    }

    /// The same clients, for triggers of `namespace`.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Self {
        Self { namespace: namespace.into(), ..self.clone() }
    }

    /// The same clients, for kinds that read the cluster too.
    #[must_use]
    pub fn with_cluster(self, reader: Arc<dyn ClusterReader>) -> Self {
        Self { cluster: Some(reader), ..self }
    }

    /// The same clients, for a kind with these rights.
    pub(crate) fn with_rights(&self, rights: &'static [ClusterRight]) -> Self {
        Self { rights, ..self.clone() }
    }

    /// Access to the cluster, within the rights of the kind and the namespace of the trigger that is built.
    pub fn cluster(&self) -> ClusterAccess {
        ClusterAccess::new(self.cluster.clone(), self.rights, Arc::clone(&self.namespace))
    }

    /// The client of `endpoint`, made by `make` when there is none. `make` does no I/O. The client is dropped with its last
    /// user.
    ///
    /// # Errors
    /// It would be one more than the namespace may use.
    pub(crate) fn get<C: Send + Sync + 'static, K: Eq + Hash + Send + 'static>(
        &self,
        endpoint: K,
        make: impl FnOnce(&K, &Arc<Outbound>) -> C,
    ) -> Result<Arc<C>, ConfigError> {
        let client = self.get_uncounted(endpoint, make);
        self.quota.claim(&self.namespace, &client)?;
        Ok(client)
    }

    /// The same for what is no client of a broker, and belongs to one: a source of tokens.
    pub(crate) fn get_uncounted<C: Send + Sync + 'static, K: Eq + Hash + Send + 'static>(
        &self,
        endpoint: K,
        make: impl FnOnce(&K, &Arc<Outbound>) -> C,
    ) -> Arc<C> {
        let pool = self.pool::<C, K>();
        let mut clients = pool.lock();
        if let Some(client) = clients.get(&endpoint).and_then(Weak::upgrade) {
            return client;
        }
        clients.retain(|_, client| client.strong_count() > 0);
        let client = Arc::new(make(&endpoint, &self.outbound));
        clients.insert(endpoint, Arc::downgrade(&client));
        client
    }

    /// The number of clients of this type that are in use.
    pub fn in_use<C: Send + Sync + 'static, K: Send + 'static>(&self) -> usize {
        self.pool::<C, K>().lock().values().filter(|client| client.strong_count() > 0).count()
    }

    fn pool<C: Send + Sync + 'static, K: Send + 'static>(&self) -> Pool<C, K> {
        let mut pools = self.pools.lock();
        let pool =
            pools.entry(TypeId::of::<Pool<C, K>>()).or_insert_with(|| Box::new(Pool::<C, K>::default()) as Box<_>);
        // What lies under a type's key is of that type.
        pool.downcast_ref::<Pool<C, K>>().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn one_endpoint_has_one_client_until_nobody_uses_it() {
        let pools = ClientPools::default();
        let first = pools.get::<String, _>("a", |_, _| "first".into()).unwrap();
        let second = pools.get::<String, _>("a", |_, _| "second".into()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(pools.in_use::<String, &str>(), 1);
        drop((first, second));
        assert_eq!(pools.in_use::<String, &str>(), 0);
        assert_eq!(*pools.get::<String, _>("a", |_, _| "third".into()).unwrap(), "third");
    }

    #[test]
    fn clients_of_another_type_are_others_though_their_endpoints_are_equal() {
        let pools = ClientPools::default();
        let (text, number) =
            (pools.get::<String, _>("a", |_, _| "text".into()).unwrap(), pools.get::<u32, _>("a", |_, _| 7).unwrap());
        assert_eq!((text.as_str(), *number), ("text", 7));
        assert_eq!((pools.in_use::<String, &str>(), pools.in_use::<u32, &str>()), (1, 1));
    }

    #[test]
    fn a_quota_holds_over_all_types_and_not_for_what_is_uncounted() {
        let pools = ClientPools::new(Outbound::default(), NamespaceQuota::new(NonZeroUsize::new(1))).of("shop");
        let _first = pools.get::<String, _>("a", |_, _| "first".into()).unwrap();
        let _token = pools.get_uncounted::<u8, _>("a", |_, _| 1);
        let error = pools.get::<u32, _>("b", |_, _| 7).unwrap_err();
        assert!(error.to_string().contains("\"shop\""), "{error}");
        assert_eq!(pools.in_use::<u32, &str>(), 0, "it is not kept");
        assert!(pools.of("other").get::<u32, _>("b", |_, _| 7).is_ok());
    }
}
