//! The last check before the API server: a replica that does not lead sends no write, whatever its parts request.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request};
use tower::{BoxError, Service};

use super::Leadership;

/// A write that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("another replica writes: this one does not hold the lease")]
pub struct NotLeading;

/// A client of the API server that sends writes only while this replica leads.
#[derive(Debug, Clone)]
pub struct Fenced<S> {
    inner: S,
    leadership: Arc<Leadership>,
}

impl<S> Fenced<S> {
    /// Adds the check to `inner`.
    pub fn new(inner: S, leadership: Arc<Leadership>) -> Self {
        Self { inner, leadership }
    }
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let writing = if is_write(request.method(), request.uri().path()) {
            match self.leadership.write() {
                Some(writing) => Some(writing),
                None => return Box::pin(async { Err(NotLeading.into()) }),
            }
        } else {
            None
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(writing);
            answer.map_err(Into::into)
        })
    }
}

/// Whether a request changes the cluster. A request for a token does not.
fn is_write(method: &Method, path: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => false,
        Method::POST => !path.ends_with("/token"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_nothing_passes() {
        let path = "/apis/apps/v1/namespaces/a/deployments/b/scale";
        assert!(!is_write(&Method::GET, path));
        assert!(is_write(&Method::PATCH, path) && is_write(&Method::PUT, path) && is_write(&Method::DELETE, path));
        assert!(is_write(&Method::POST, "/api/v1/namespaces/a/events"));
        assert!(!is_write(&Method::POST, "/api/v1/namespaces/a/serviceaccounts/b/token"));
    }
}
