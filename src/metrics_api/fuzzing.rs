//! The API without a network, for `make fuzz`: it takes the bytes of one connection and gives the bytes of the answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tower::Service as _;

use super::MetricSource;
use super::auth::{Access, Action, Gate, Peer, ReviewError, Reviewer, Trust, User};
use super::routes::{self, Api};
use crate::https::builder;

/// The buffer of a connection, larger than the answer to any request.
const PIPE: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(10);

/// An API that accepts every token, for a user with all rights.
#[derive(Debug)]
pub struct OpenApi {
    router: Router,
}

struct Everybody;

#[async_trait]
impl Reviewer for Everybody {
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError> {
        Ok(Some(User { name: token.to_owned(), ..User::default() }))
    }

    async fn access(&self, _: &User, _: &Action) -> Result<Access, ReviewError> {
        Ok(Access { allowed: true, reason: String::new() })
    }
}

impl OpenApi {
    /// An API with the metrics of `source`.
    pub fn new(source: Arc<dyn MetricSource>) -> Self {
        let (_, trust) = watch::channel(Arc::new(Trust::nobody()));
        let api =
            Api::new(Gate::new(trust, Arc::new(Everybody)), source, Arc::new(|| true), Arc::new(|_, _| ()), LIMIT);
        Self { router: routes::router(Arc::new(api)) }
    }

    /// The answer to an unauthenticated connection that sends exactly these bytes.
    pub async fn answer(&self, sent: &[u8], http2: bool) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(PIPE);
        let router = self.router.clone();
        let peer = Arc::new(Peer::default());
        let service = service_fn(move |request: http::Request<Incoming>| {
            let mut router = router.clone();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Arc::clone(&peer));
            async move { Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
        });
        let builder = builder(http2, LIMIT);
        let serving = async {
            // An error in the bytes ends the connection.
            let _ = builder.serve_connection(TokioIo::new(server), service).await;
        };
        let asking = async {
            let mut answers = Vec::new();
            if client.write_all(sent).await.is_ok() && client.shutdown().await.is_ok() {
                let _ = client.read_to_end(&mut answers).await;
            }
            answers
        };
        tokio::join!(serving, asking).1
    }
}
