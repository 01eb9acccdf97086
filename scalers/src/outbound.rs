//! How triggers reach brokers and token endpoints: what whoever runs Ebb has set for all of them.

use std::time::Duration;

use crate::tls::{Authorities, Range};

/// KEDA's default for one HTTP exchange (`KEDA_HTTP_DEFAULT_TIMEOUT`).
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(3);

/// Settings of all clients.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// How long one HTTP exchange may take, where a trigger says nothing else.
    pub http_timeout: Duration,
    /// Whether an HTTP connection is used again.
    pub keep_alive: bool,
    /// The most connections that wait for another use, for each HTTP client. None: as each client thinks right.
    pub idle_connections: Option<usize>,
    /// How long a connection waits for another use. None: as the HTTP library thinks right; zero: for ever.
    pub idle_timeout: Option<Duration>,
    /// TLS versions and suites of HTTP and AMQP clients.
    pub tls: Range,
    /// Whom all clients trust.
    pub authorities: Authorities,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            http_timeout: HTTP_TIMEOUT,
            keep_alive: true,
            idle_connections: None,
            idle_timeout: None,
            tls: Range::default(),
            authorities: Authorities::default(),
        }
    }
}

impl Outbound {
    /// The beginning of an HTTP client that has use for so many connections at once.
    pub(crate) fn http(&self, tls: rustls::ClientConfig, connections: usize) -> reqwest::ClientBuilder {
        let idle =
            if self.keep_alive { self.idle_connections.map_or(connections, |most| most.min(connections)) } else { 0 };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .pool_max_idle_per_host(idle)
            .user_agent(concat!("ebb/", env!("CARGO_PKG_VERSION")));
        let builder = match self.idle_timeout {
            Some(limit) => builder.pool_idle_timeout(Some(limit).filter(|limit| !limit.is_zero())),
            None => builder,
        };
        if self.keep_alive {
            return builder;
        }
        let close = (reqwest::header::CONNECTION, reqwest::header::HeaderValue::from_static("close"));
        builder.default_headers([close].into_iter().collect())
    }
}
