//! The HTTPS server of the metrics API and of the webhook: it accepts connections, with TLS, limits and a graceful
//! shutdown. A router answers the requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval_at, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tracing::{debug, warn};

/// The cryptography and the TLS versions.
pub type Tls = (Arc<CryptoProvider>, &'static [&'static SupportedProtocolVersion]);

/// Limits on the resources that clients can use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum of open connections. Further clients wait in the listener's queue.
    pub connections: u32,
    /// The maximum of open connections of clients without a certificate. The others are reserved for the cluster's
    /// aggregator.
    pub unauthenticated: u32,
    /// The time limit of the TLS handshake, and then of the first request.
    pub handshake: Duration,
    /// How long a connection may be idle. The headers of an HTTP/1.1 request must arrive within this time too.
    pub idle: Duration,
    /// The same for a client without a certificate.
    pub unauthenticated_idle: Duration,
    /// The time limit of one request, from its headers to its answer.
    pub request: Duration,
    /// How long open requests may take to finish at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            unauthenticated: 768,
            handshake: Duration::from_secs(5),
            idle: Duration::from_mins(2),
            unauthenticated_idle: Duration::from_secs(15),
            request: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// The reason why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificate or the trusted authorities do not make usable TLS settings.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A TLS listener with its routes. `T` gives the TLS settings of a new connection, and `P` is the client of a
/// connection.
pub(crate) struct HttpsServer<T, P> {
    /// The name in logs.
    pub(crate) name: &'static str,
    pub(crate) listener: TcpListener,
    /// The TLS settings of a new connection.
    pub(crate) tls: T,
    /// Makes the client of a connection from the certificates that it has presented.
    pub(crate) peer: fn(Vec<CertificateDer<'static>>) -> P,
    /// The routes. They find the connection's client in the extensions of each request.
    pub(crate) router: Router,
    pub(crate) limits: Limits,
}

impl<T, P> HttpsServer<T, P>
where
    T: Fn() -> Result<Arc<rustls::ServerConfig>, rustls::Error>,
    P: Clone + Send + Sync + 'static,
{
    /// Serves until `shutdown`, then lets open requests finish.
    pub(crate) async fn serve(self, shutdown: CancellationToken) {
        let Self { name, listener, tls, peer, router, limits } = self;
        let slots = Arc::new(Semaphore::new(limits.connections as usize));
        let unauthenticated = Arc::new(Semaphore::new(limits.unauthenticated as usize));
        while let Some((stream, slot)) = next_connection(name, &listener, &slots, &shutdown).await {
            let tls = match tls() {
                Ok(tls) => TlsAcceptor::from(tls),
                Err(error) => {
                    warn!(%error, "{name} cannot set up TLS with the new authorities");
                    continue;
                }
            };
            let connection = Connection {
                router: router.clone(),
                limits,
                shutdown: shutdown.clone(),
                unauthenticated: Arc::clone(&unauthenticated),
                _slot: slot,
            };
            tokio::spawn(async move {
                if let Err(error) = connection.run(stream, tls, peer).await {
                    debug!(error, "a connection to {name} ended badly");
                }
            });
        }
        drop(listener);
        if timeout(limits.drain, slots.acquire_many(limits.connections)).await.is_err() {
            warn!("some requests to {name} did not finish in time");
        }
    }
}

async fn next_connection(
    name: &str,
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    loop {
        let accept = async {
            let slot = Arc::clone(slots).acquire_owned().await.ok()?;
            Some((listener.accept().await, slot))
        };
        let (accepted, slot) = tokio::select! {
            accepted = accept => accepted?,
            () = shutdown.cancelled() => return None,
        };
        match accepted {
            Ok((stream, _)) => return Some((stream, slot)),
            Err(error) => {
                // This is mostly "too many open files". Some of them close during a short pause.
                warn!(%error, "{name} could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

struct Connection {
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    unauthenticated: Arc<Semaphore>,
    _slot: OwnedSemaphorePermit,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Connection {
    async fn run<P: Clone + Send + Sync + 'static>(
        self,
        stream: TcpStream,
        tls: TlsAcceptor,
        peer: fn(Vec<CertificateDer<'static>>) -> P,
    ) -> Result<(), BoxError> {
        stream.set_nodelay(true)?;
        let stream = timeout(self.limits.handshake, tls.accept(stream)).await??;
        let (_, session) = stream.get_ref();
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let chain = session.peer_certificates().unwrap_or_default().to_vec();
        let is_unauthenticated = chain.is_empty();
        let peer = peer(chain);
        let _place =
            if is_unauthenticated { Some(Arc::clone(&self.unauthenticated).try_acquire_owned()?) } else { None };
        let idle = if is_unauthenticated { self.limits.unauthenticated_idle } else { self.limits.idle };

        let activity = Arc::new(Activity::default());
        let service = service_fn({
            let (router, activity) = (self.router.clone(), Arc::clone(&activity));
            move |request: http::Request<Incoming>| {
                let (mut router, busy) = (router.clone(), Busy::new(&activity));
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(peer.clone());
                async move {
                    let response = router.call(request).await.unwrap_or_else(|never| match never {});
                    // The aggregator's connection serves many users, so it stays open after a refusal.
                    if is_unauthenticated && response.status() == StatusCode::UNAUTHORIZED {
                        busy.0.refused.notify_one();
                    }
                    // An answer that goes on, such as a watch, keeps its connection busy until its end.
                    if response.body().size_hint().exact().is_some() {
                        return Ok::<_, Infallible>(response);
                    }
                    Ok(response.map(|body| {
                        Body::new(body.map_frame(move |frame| {
                            let _ = &busy;
                            frame
                        }))
                    }))
                }
            }
        });
        let protocol = builder(is_http2, idle);
        let connection = std::pin::pin!(protocol.serve_connection(TokioIo::new(stream), service));
        self.until_idle(connection, &activity, idle).await
    }

    /// Runs a connection until it ends, is refused, or has been idle for too long.
    async fn until_idle(
        &self,
        mut connection: Pin<&mut impl GracefulConnection<Error = BoxError>>,
        activity: &Activity,
        idle: Duration,
    ) -> Result<(), BoxError> {
        let mut check = interval_at(Instant::now() + self.limits.handshake, self.limits.handshake);
        let mut idle_since = Instant::now();
        let mut seen = 0;
        let mut ending = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => return result,
                () = self.shutdown.cancelled(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = activity.refused.notified(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                now = check.tick() => {
                    let (begun, running) = activity.read();
                    if begun == 0 {
                        return Ok(());
                    }
                    if running > 0 || begun != seen {
                        (seen, idle_since) = (begun, now);
                    } else if !ending && now - idle_since >= idle {
                        ending = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

/// The HTTP settings of all connections.
pub(crate) fn builder(is_http2: bool, idle: Duration) -> auto::Builder<TokioExecutor> {
    // TLS has negotiated the protocol. Detecting it by the first bytes would wait for them without a time limit.
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    // A user may be in hundreds of groups, and the aggregator sends each in its own header.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(idle).max_headers(1000);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(1000)
        .max_header_list_size(256 * 1024);
    builder
}

/// The number of requests of a connection, and of those in progress.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    running: AtomicU64,
    /// An unauthenticated client was refused. The connection is of no further use.
    refused: Notify,
}

impl Activity {
    fn read(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.running.load(Ordering::Relaxed))
    }
}

/// A request in progress. It counts until it is dropped, also if the client has disconnected.
struct Busy(Arc<Activity>);

impl Busy {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
