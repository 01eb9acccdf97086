//! Clients by endpoint, kept alive by their users.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
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

/// The pool of a type.
struct AnyPool {
    pool: Box<dyn Any + Send + Sync>,
    /// The type of the triggers whose brokers its clients reach. None: its clients are no clients of brokers.
    kind: Option<&'static str>,
    /// How many of its clients are in use.
    in_use: fn(&dyn Any) -> usize,
}

/// Every shared client of the process, by its type and the type of its endpoint. Cloning shares them.
///
/// Kinds of triggers get the way out of the process ([`Outbound`]) here and nowhere else, with the client that they
/// make: so the namespace's quota holds for each.
#[derive(Clone, Default)]
pub struct ClientPools {
    pools: Arc<Mutex<HashMap<TypeId, AnyPool>>>,
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

    /// The client of `endpoint` for triggers of the type `kind`, made by `make` when there is none. `make` does no I/O.
    /// The client is dropped with its last user.
    ///
    /// # Errors
    /// It would be one more than the namespace may use.
    pub(crate) fn get<C: Send + Sync + 'static, K: Eq + Hash + Send + 'static>(
        &self,
        kind: &'static str,
        endpoint: K,
        make: impl FnOnce(&K, &Arc<Outbound>) -> C,
    ) -> Result<Arc<C>, ConfigError> {
        let client = self.get_from(&self.pool::<C, K>(Some(kind)), endpoint, make);
        self.quota.claim(&self.namespace, &client)?;
        Ok(client)
    }

    /// The same for a helper of a broker's client that does not count as a client: a source of tokens.
    pub(crate) fn get_uncounted<C: Send + Sync + 'static, K: Eq + Hash + Send + 'static>(
        &self,
        endpoint: K,
        make: impl FnOnce(&K, &Arc<Outbound>) -> C,
    ) -> Arc<C> {
        self.get_from(&self.pool::<C, K>(None), endpoint, make)
    }

    fn get_from<C, K: Eq + Hash>(
        &self,
        pool: &Pool<C, K>,
        endpoint: K,
        make: impl FnOnce(&K, &Arc<Outbound>) -> C,
    ) -> Arc<C> {
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
        in_use(&self.pool::<C, K>(None))
    }

    /// The number of clients of brokers that are in use, by the type of the triggers.
    pub fn broker_clients(&self) -> Vec<(&'static str, usize)> {
        let mut counts = BTreeMap::new();
        for AnyPool { pool, kind, in_use } in self.pools.lock().values() {
            if let Some(kind) = kind {
                *counts.entry(*kind).or_default() += in_use(pool.as_ref());
            }
        }
        counts.into_iter().collect()
    }

    fn pool<C: Send + Sync + 'static, K: Send + 'static>(&self, kind: Option<&'static str>) -> Pool<C, K> {
        let mut pools = self.pools.lock();
        let pool = pools.entry(TypeId::of::<Pool<C, K>>()).or_insert_with(|| AnyPool {
            pool: Box::new(Pool::<C, K>::default()),
            kind,
            in_use: |pool| pool.downcast_ref::<Pool<C, K>>().map_or(0, in_use),
        });
        pool.kind = pool.kind.or(kind);
        // The pool under a type's key is of that type.
        pool.pool.downcast_ref::<Pool<C, K>>().cloned().unwrap_or_default()
    }
}

fn in_use<C, K>(pool: &Pool<C, K>) -> usize {
    pool.lock().values().filter(|client| client.strong_count() > 0).count()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn one_endpoint_has_one_client_until_nobody_uses_it() {
        let pools = ClientPools::default();
        let first = pools.get::<String, _>("one", "a", |_, _| "first".into()).unwrap();
        let second = pools.get::<String, _>("one", "a", |_, _| "second".into()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(pools.in_use::<String, &str>(), 1);
        drop((first, second));
        assert_eq!(pools.in_use::<String, &str>(), 0);
        assert_eq!(*pools.get::<String, _>("one", "a", |_, _| "third".into()).unwrap(), "third");
    }

    #[test]
    fn clients_of_another_type_are_others_though_their_endpoints_are_equal() {
        let pools = ClientPools::default();
        let (text, number) = (
            pools.get::<String, _>("one", "a", |_, _| "text".into()).unwrap(),
            pools.get::<u32, _>("two", "a", |_, _| 7).unwrap(),
        );
        assert_eq!((text.as_str(), *number), ("text", 7));
        assert_eq!((pools.in_use::<String, &str>(), pools.in_use::<u32, &str>()), (1, 1));
    }

    #[test]
    fn a_quota_holds_over_all_types_and_not_for_what_is_uncounted() {
        let pools = ClientPools::new(Outbound::default(), NamespaceQuota::new(NonZeroUsize::new(1))).of("shop");
        let _first = pools.get::<String, _>("one", "a", |_, _| "first".into()).unwrap();
        let _token = pools.get_uncounted::<u8, _>("a", |_, _| 1);
        let error = pools.get::<u32, _>("two", "b", |_, _| 7).unwrap_err();
        assert!(error.to_string().contains("\"shop\""), "{error}");
        assert_eq!(pools.in_use::<u32, &str>(), 0, "it is not kept");
        assert!(pools.of("other").get::<u32, _>("two", "b", |_, _| 7).is_ok());
    }

    #[test]
    fn clients_of_brokers_are_counted_by_the_type_of_their_triggers() {
        let pools = ClientPools::default();
        let of_one =
            [pools.get::<String, _>("one", "a", |_, _| "a".into()), pools.get("one", "b", |_, _| "b".to_owned())];
        let of_two = [pools.get::<u32, _>("two", "a", |_, _| 7), pools.get::<u32, _>("two", "a", |_, _| 8)];
        let tokens = pools.get_uncounted::<u64, _>("a", |_, _| 7);
        assert_eq!(pools.broker_clients(), [("one", 2), ("two", 1)]);
        drop((of_one, of_two, tokens));
        assert_eq!(pools.broker_clients(), [("one", 0), ("two", 0)]);
    }
}
