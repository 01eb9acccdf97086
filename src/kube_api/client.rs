//! The client of the API server. It uses HTTP/2, so that many requests and watches share a connection.
//!
//! The client library's own way is HTTP/1.1, where each request under way holds a connection of its own, with its TLS
//! state and its buffers.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::{ServiceBuilder, service_fn};

use super::limiter::{Limiter, limited};
use super::read_only;
use crate::leader::{Fenced, Leadership};
use crate::telemetry::metrics::Metrics;

/// How often a connection is tried while nothing comes over it, and how long the answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));

/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);

/// There is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The kubeconfig file cannot be used.
    #[error("{0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is neither a kubeconfig nor the service account of a pod.
    #[error("{0}")]
    Nowhere(#[from] InferConfigError),
}

/// The configuration of the API server: from a kubeconfig file, from the variable KUBECONFIG, or from the pod.
///
/// # Errors
/// None of them leads to an API server.
pub async fn config(kubeconfig: Option<&Path>) -> Result<Config, ConfigError> {
    let mut config = match kubeconfig {
        Some(path) => {
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
        }
        None => Config::infer().await?,
    };
    // The proxy of the environment is the triggers'; the library takes it for the way to the API server too.
    if ["HTTPS_PROXY", "https_proxy"].iter().any(|name| std::env::var_os(name).is_some()) {
        config.proxy_url = None;
    }
    config.connect_timeout = Some(CONNECT);
    Ok(config)
}

/// The API server, as far as this process may ask it. Cloning is cheap enough for each part that makes clients of its own.
#[derive(Debug, Clone)]
pub struct ApiServer {
    config: Config,
    is_read_only: bool,
}

impl ApiServer {
    /// The API server at the end of `config`. If it `is_read_only`, its clients send no write; see [`read_only`].
    pub fn new(config: Config, is_read_only: bool) -> Self {
        Self { config, is_read_only }
    }

    /// The way there.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// See [`connect`].
    ///
    /// # Errors
    /// The configuration is of no use.
    pub fn connect(&self, answer: Option<Duration>) -> Result<Client, kube::Error> {
        let client = connect(&self.config, answer)?;
        Ok(if self.is_read_only { read_only::read_only(&client) } else { client })
    }
}

/// A client. With `answer` no request waits longer than that for the beginning of its answer; watches need one without.
/// Does no I/O.
///
/// # Errors
/// The configuration is of no use.
pub fn connect(config: &Config, answer: Option<Duration>) -> Result<Client, kube::Error> {
    // Through a proxy, or without TLS, nobody agrees on HTTP/2.
    if config.proxy_url.is_some() || config.cluster_url.scheme_str() != Some("https") {
        let mut config = config.clone();
        (config.read_timeout, config.write_timeout) = (answer, answer);
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?);
    let mut tls = tls.https_only();
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
        .option_layer(answer.map(tower::timeout::TimeoutLayer::new))
        .layer(config.base_uri_layer())
        .layer(config.extra_headers_layer()?)
        .option_layer(config.auth_layer()?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

/// The same client; each request is counted.
pub fn measured(client: &Client, host: &str, metrics: &Arc<Metrics>) -> Client {
    let (inner, host, metrics) = (client.clone(), Arc::<str>::from(host), Arc::clone(metrics));
    let send = service_fn(move |request: http::Request<Body>| {
        let (client, host, metrics) = (inner.clone(), Arc::clone(&host), Arc::clone(&metrics));
        async move {
            let (method, begun) = (request.method().clone(), Instant::now());
            let answer = client.send(request).await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics.own().requested(&host, method.as_str(), status, begun.elapsed());
            answer
        }
    });
    Client::new(send, client.default_namespace())
}

/// The same client; requests wait for their turn, and writes pass only while this replica leads.
///
/// The right to write is checked after the wait: it may have ended meanwhile.
pub fn for_leader(client: &Client, leadership: Arc<Leadership>, limiter: &Arc<Limiter>) -> Client {
    limited(&fenced(client, leadership), limiter)
}

fn fenced(client: &Client, leadership: Arc<Leadership>) -> Client {
    let inner = client.clone();
    let send = service_fn(move |request| {
        let client = inner.clone();
        async move { client.send(request).await }
    });
    Client::new(Fenced::new(send, leadership), client.default_namespace())
}
