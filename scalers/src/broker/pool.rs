//! Clients by endpoint, kept alive by those who use them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Hands the same client to all who name the same endpoint. A client is dropped with its last user.
#[derive(Debug)]
pub struct Pool<K, C> {
    clients: Arc<Mutex<HashMap<K, Weak<C>>>>,
}

impl<K, C> Pool<K, C> {
    /// How many clients are in use.
    pub fn in_use(&self) -> usize {
        self.clients.lock().values().filter(|client| client.strong_count() > 0).count()
    }
}

impl<K: Eq + Hash, C> Pool<K, C> {
    /// The client of `endpoint`, made by `make` when there is none. `make` does no I/O.
    pub fn get(&self, endpoint: K, make: impl FnOnce(&K) -> C) -> Arc<C> {
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(&endpoint).and_then(Weak::upgrade) {
            return client;
        }
        clients.retain(|_, client| client.strong_count() > 0);
        let client = Arc::new(make(&endpoint));
        clients.insert(endpoint, Arc::downgrade(&client));
        client
    }
}

impl<K, C> Default for Pool<K, C> {
    fn default() -> Self {
        Self { clients: Arc::default() }
    }
}

impl<K, C> Clone for Pool<K, C> {
    fn clone(&self) -> Self {
        Self { clients: Arc::clone(&self.clients) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_endpoint_has_one_client_until_nobody_uses_it() {
        let pool = Pool::<&str, String>::default();
        let first = pool.get("a", |_| "first".into());
        let second = pool.get("a", |_| "second".into());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(pool.in_use(), 1);
        drop((first, second));
        assert_eq!(pool.in_use(), 0);
        assert_eq!(*pool.get("a", |_| "third".into()), "third");
    }
}
