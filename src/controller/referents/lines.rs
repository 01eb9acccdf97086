//! Connections to the API server that many watches share: more of them than fit on one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::{Client, Config};
use parking_lot::Mutex;

use crate::api_client;

/// Watches on one connection. The API server allows 100 unless told otherwise (`--http2-max-streams-per-connection`).
const PER_CONNECTION: usize = 80;

/// Hands out places on connections, and opens as few as will do.
pub(super) struct Lines {
    config: Config,
    open: Mutex<Vec<Arc<Connection>>>,
}

struct Connection {
    client: Client,
    taken: AtomicUsize,
}

/// A place on a connection, given back when it is dropped.
pub(super) struct Line(Arc<Connection>);

impl Line {
    pub(super) fn client(&self) -> Client {
        self.0.client.clone()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lines {
    /// None are open yet.
    pub(super) fn new(config: Config) -> Self {
        Self { config, open: Mutex::default() }
    }

    /// A place for one watch. Does no I/O.
    ///
    /// # Errors
    /// The configuration is of no use.
    pub(super) fn take(&self) -> Result<Line, kube::Error> {
        let mut open = self.open.lock();
        let free = open.iter().find(|connection| connection.taken.load(Ordering::Relaxed) < PER_CONNECTION);
        let connection = if let Some(connection) = free {
            Arc::clone(connection)
        } else {
            let connection =
                Arc::new(Connection { client: api_client::connect(&self.config, None)?, taken: AtomicUsize::new(0) });
            open.push(Arc::clone(&connection));
            connection
        };
        connection.taken.fetch_add(1, Ordering::Relaxed);
        drop(open);
        Ok(Line(connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_opened_when_the_others_are_full() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lines = Lines::new(Config::new("https://127.0.0.1:1".parse().unwrap()));
        let taken: Vec<_> = (0..1000).map(|_| lines.take().unwrap()).collect();
        assert_eq!(lines.open.lock().len(), 13);
        drop(taken);
        let _one = lines.take().unwrap();
        assert_eq!(lines.open.lock().len(), 13, "a place that is free again is used first");
    }
}
