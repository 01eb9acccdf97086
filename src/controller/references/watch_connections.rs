//! Connections to the API server, each shared by up to [`PER_CONNECTION`] watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::Client;
use parking_lot::Mutex;

use crate::kube_api::client::ApiServer;

/// Watches on one connection. The API server allows 100 by default (`--http2-max-streams-per-connection`).
const PER_CONNECTION: usize = 80;

/// Gives each watch a slot on a connection, and opens a connection when all others are full.
pub(super) struct WatchConnections {
    server: ApiServer,
    open: Mutex<Vec<Arc<Connection>>>,
}

struct Connection {
    client: Client,
    taken: AtomicUsize,
}

/// A slot on a connection. Dropping it frees the slot.
pub(super) struct WatchSlot(Arc<Connection>);

impl WatchSlot {
    pub(super) fn client(&self) -> Client {
        self.0.client.clone()
    }
}

impl Drop for WatchSlot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WatchConnections {
    /// No connection is open yet.
    pub(super) fn new(server: ApiServer) -> Self {
        Self { server, open: Mutex::default() }
    }

    /// A slot for one watch. Does no I/O.
    ///
    /// # Errors
    /// The configuration of the API server is not valid.
    pub(super) fn take(&self) -> Result<WatchSlot, kube::Error> {
        let mut open = self.open.lock();
        let free = open.iter().find(|connection| connection.taken.load(Ordering::Relaxed) < PER_CONNECTION);
        let connection = if let Some(connection) = free {
            Arc::clone(connection)
        } else {
            let connection = Arc::new(Connection { client: self.server.connect(None)?, taken: AtomicUsize::new(0) });
            open.push(Arc::clone(&connection));
            connection
        };
        connection.taken.fetch_add(1, Ordering::Relaxed);
        drop(open);
        Ok(WatchSlot(connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_opened_when_the_others_are_full() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = kube::Config::new("https://127.0.0.1:1".parse().unwrap());
        let connections = WatchConnections::new(ApiServer::new(config, false));
        let taken: Vec<_> = (0..1000).map(|_| connections.take().unwrap()).collect();
        assert_eq!(connections.open.lock().len(), 13);
        drop(taken);
        let _one = connections.take().unwrap();
        assert_eq!(connections.open.lock().len(), 13, "a slot that is free again is used first");
    }
}
