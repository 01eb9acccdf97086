//! How triggers reach brokers and token endpoints: the settings of the operator for all of them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

use super::budget::Budget;
pub use super::denied::{DENIED_BY_DEFAULT, Denied, Refusal};
use crate::net::tls::{Authorities, Range};

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
    /// How long a connection waits for another use. None: as the HTTP library thinks right; zero: without a limit.
    pub idle_timeout: Option<Duration>,
    /// TLS versions and suites.
    pub tls: Range,
    /// The authorities that all clients trust.
    pub authorities: Authorities,
    /// Where no connection may lead.
    pub denied: Denied,
    /// The memory that answers may take, all together.
    pub budget: Budget,
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
            denied: Denied::default(),
            budget: Budget::default(),
        }
    }
}

impl Outbound {
    /// Begins the configuration of an HTTP client for `url` that uses up to `connections` connections at once. A request and
    /// its answer take `limit` at most.
    ///
    /// # Errors
    /// Connections may not lead to the address in `url`.
    pub(crate) fn http(
        &self,
        url: &Url,
        tls: rustls::ClientConfig,
        connections: usize,
        limit: Duration,
    ) -> Result<reqwest::ClientBuilder, Refusal> {
        self.denied.check_url(url)?;
        let idle =
            if self.keep_alive { self.idle_connections.map_or(connections, |most| most.min(connections)) } else { 0 };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(self.denied.clone()))
            .redirect(self.denied.redirects())
            .timeout(limit)
            .connect_timeout(limit)
            .pool_max_idle_per_host(idle)
            .user_agent(concat!("ebb/", env!("CARGO_PKG_VERSION")));
        let builder = match self.idle_timeout {
            Some(limit) => builder.pool_idle_timeout(Some(limit).filter(|limit| !limit.is_zero())),
            None => builder,
        };
        if self.keep_alive {
            return Ok(builder);
        }
        let close = (reqwest::header::CONNECTION, reqwest::header::HeaderValue::from_static("close"));
        Ok(builder.default_headers([close].into_iter().collect()))
    }
}

impl Outbound {
    /// Redirects for an HTTP client whose requests carry credentials that the HTTP library does not know as such: it
    /// follows them to the host of `url` only, and never from https to http.
    pub fn redirects_within(&self, url: &Url) -> Policy {
        let (host, encrypted) = (url.host_str().map(ToOwned::to_owned), url.scheme() == "https");
        self.denied.redirects_if(move |to| {
            let same = to.host_str() == host.as_deref() && (to.scheme() == "https" || !encrypted);
            if same { Ok(()) } else { Err("a redirect to another host, which must not be given the credentials") }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::tls::Tls;

    const LIMIT: Duration = Duration::from_secs(5);

    /// The requests on each connection, one after the other.
    type Asked = Arc<Mutex<Vec<Vec<String>>>>;

    async fn server() -> (String, Asked) {
        server_at("127.0.0.1", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()).await
    }

    async fn server_at(host: &str, answer: String) -> (String, Asked) {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Asked::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let place = {
                    let mut noted = noted.lock();
                    noted.push(Vec::new());
                    noted.len() - 1
                };
                let (noted, answer) = (Arc::clone(&noted), answer.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while let Ok(length @ 1..) = socket.read(&mut request).await {
                        noted.lock()[place].push(String::from_utf8_lossy(&request[..length]).to_lowercase());
                        let _ = socket.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        (url, asked)
    }

    /// Asks twice, after a pause, and gives the requests on each connection.
    async fn ask_twice(outbound: &Outbound) -> Vec<Vec<String>> {
        let (url, asked) = server().await;
        let tls = Tls::default().client_config(outbound).unwrap();
        let client = outbound.http(&url.parse().unwrap(), tls, 2, LIMIT).unwrap().no_proxy().build().unwrap();
        for _ in 0..2 {
            client.get(&url).send().await.unwrap().bytes().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        asked.lock().clone()
    }

    #[tokio::test]
    async fn a_connection_is_used_again_unless_that_is_turned_off_or_it_has_waited_too_long() {
        let kept = ask_twice(&Outbound::default()).await;
        assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
        assert!(!kept[0][0].contains("connection: close"), "{kept:?}");

        let once = ask_twice(&Outbound { keep_alive: false, ..Outbound::default() }).await;
        assert_eq!(once.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        assert!(once.iter().all(|asked| asked[0].contains("connection: close")), "{once:?}");

        let limit = Some(Duration::from_millis(20));
        let late = ask_twice(&Outbound { idle_timeout: limit, ..Outbound::default() }).await;
        assert_eq!(late.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        let for_ever = ask_twice(&Outbound { idle_timeout: Some(Duration::ZERO), ..Outbound::default() }).await;
        assert_eq!(for_ever.len(), 1);
    }

    #[tokio::test]
    async fn a_redirect_leads_to_no_denied_address() {
        let (denied, asked) = server().await;
        for target in [denied.clone(), denied.replace("127.0.0.1", "localhost")] {
            let moved = format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
            let (url, _) = server_at("127.0.0.2", moved).await;
            let url: Url = url.parse().unwrap();
            let outbound = Outbound { denied: Denied::parse("127.0.0.1,::1").unwrap(), ..Outbound::default() };
            let tls = Tls::default().client_config(&outbound).unwrap();
            let client = outbound.http(&url, tls, 1, LIMIT).unwrap().no_proxy().build().unwrap();
            let error = client.get(url).send().await.unwrap_err();
            assert!(format!("{error:?}").contains("Refusal"), "{error:?}");
        }
        assert!(asked.lock().is_empty());
        let tls = Tls::default().client_config(&Outbound::default()).unwrap();
        let outbound = Outbound { denied: Denied::parse("127.0.0.1").unwrap(), ..Outbound::default() };
        assert!(outbound.http(&denied.parse().unwrap(), tls, 1, LIMIT).is_err());
    }
}
