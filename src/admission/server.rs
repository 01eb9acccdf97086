//! The webhook's server: KEDA's paths over TLS, with limits on the size, the number and the duration of requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use rustls::server::ResolvesServerCert;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::review::{Review, VERSION, Verdict};
use super::{Admission, Kind};
use crate::https::{HttpsServer, Limits, ServeError, Tls};

/// The largest body. An object of the API server has at most about 1.5 MB, and an update contains two.
const LONGEST_BODY: usize = 4 << 20;
/// The maximum of requests at the same time.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct WebhookState {
    admission: Arc<Admission>,
    places: Arc<Semaphore>,
}

/// Serves until `shutdown`.
///
/// # Errors
/// The certificate does not make usable TLS settings.
pub async fn serve(
    admission: Arc<Admission>,
    listener: TcpListener,
    certificate: Arc<dyn ResolvesServerCert>,
    (provider, versions): Tls,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = Arc::new(tls);
    // The API server presents no certificate, so all clients are unauthenticated. It keeps its connections open.
    let limits = Limits {
        connections: 512,
        unauthenticated: 512,
        unauthenticated_idle: Limits::default().idle,
        ..Limits::default()
    };
    let address = listener.local_addr().as_ref().map_or_else(ToString::to_string, SocketAddr::to_string);
    tracing::info!(address, "the admission webhook is served");
    let router = router(admission, limits.request);
    let (name, tls) = ("the admission webhook", move || Ok(Arc::clone(&tls)));
    HttpsServer { name, listener, tls, peer: |_| (), router, limits }.serve(shutdown).await;
    Ok(())
}

/// The paths of the webhook. `limit` is the time limit of one request.
pub fn router(admission: Arc<Admission>, limit: Duration) -> Router {
    let state = WebhookState { admission, places: Arc::new(Semaphore::new(AT_ONCE)) };
    let at = |kind: Kind| {
        post(move |State(state): State<WebhookState>, body: Bytes| async move {
            tokio::time::timeout(limit, state.answer(kind, &body))
                .await
                .unwrap_or_else(|_| (StatusCode::GATEWAY_TIMEOUT, "no answer in time").into_response())
        })
    };
    Router::new()
        .route("/validate-keda-sh-v1alpha1-scaledobject", at(Kind::ScaledObject))
        .route("/validate-keda-sh-v1alpha1-triggerauthentication", at(Kind::Authentication { cluster: false }))
        .route("/validate-keda-sh-v1alpha1-clustertriggerauthentication", at(Kind::Authentication { cluster: true }))
        // Ebb does not serve these kinds of KEDA yet, so it accepts every object of them.
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found") })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(state)
}

impl WebhookState {
    async fn answer(&self, kind: Kind, body: &[u8]) -> Response {
        let Ok(_place) = self.places.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
        let review: Review = match serde_json::from_slice(body) {
            Ok(review) => review,
            Err(error) => return (StatusCode::BAD_REQUEST, format!("no AdmissionReview: {error}")).into_response(),
        };
        if review.api_version != VERSION {
            return (StatusCode::BAD_REQUEST, format!("an AdmissionReview must be of {VERSION}")).into_response();
        }
        let verdict: Verdict = self.admission.review(kind, &review.request).await;
        Json(verdict.answer(&review.request.uid)).into_response()
    }
}
