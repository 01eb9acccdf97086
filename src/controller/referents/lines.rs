//! Connections to the API server that many watches share.
//!
//! The usual client speaks HTTP/1.1, where each watch holds a connection of its own. These speak HTTP/2 only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use parking_lot::Mutex;
use tower::ServiceBuilder;

/// Watches on one connection. The API server allows 100 unless told otherwise (`--http2-max-streams-per-connection`).
const PER_CONNECTION: usize = 80;
/// How often a connection is tried while nothing comes over it, and how long the answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));

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
            let connection = Arc::new(Connection { client: client(&self.config)?, taken: AtomicUsize::new(0) });
            open.push(Arc::clone(&connection));
            connection
        };
        connection.taken.fetch_add(1, Ordering::Relaxed);
        drop(open);
        Ok(Line(connection))
    }
}

fn client(config: &Config) -> Result<Client, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?);
    let mut tls = tls.https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(kube::client::RustlsTlsError::InvalidServerName);
        let name = hyper_rustls::FixedServerNameResolver::new(name.map_err(kube::Error::RustlsTls)?);
        tls = tls.with_server_name_resolver(name);
    }
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_only(true)
        .http2_keep_alive_interval(PING.0)
        .http2_keep_alive_timeout(PING.1)
        .build::<_, Body>(tls.enable_http2().wrap_connector(tcp));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(config.extra_headers_layer()?)
        .option_layer(config.auth_layer()?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
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
