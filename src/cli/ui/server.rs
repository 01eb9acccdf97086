//! The small HTTP server of the page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::sse::Sse;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::assets::ASSETS;
use super::feed::{self, Source};
use super::guard::{Guard, HEADERS, Verdict};
use super::what_if::{self, Question};
use crate::kube_api::key::Key;

/// What a stream is asked for. Without a name: the overview.
#[derive(Debug, Deserialize)]
struct Wanted {
    namespace: Option<String>,
    name: Option<String>,
}

/// The routes of the page.
pub(super) fn routes(guard: Guard, source: Source) -> Router {
    let mut routes = Router::new()
        .route("/api/hello", get(|State(source): State<Source>| async move { Json(source.hello) }))
        .route("/api/stream", get(stream))
        .route("/api/simulate", post(simulate));
    for asset in &ASSETS {
        let content_type = HeaderValue::from_static(asset.content_type);
        let answer = move || async move { ([(header::CONTENT_TYPE, content_type)], asset.text) };
        routes = routes.route(asset.path, get(answer));
    }
    routes.with_state(source).layer(middleware::from_fn_with_state(Arc::new(guard), guarded))
}

async fn stream(State(source): State<Source>, Query(wanted): Query<Wanted>) -> Response {
    let key = wanted.namespace.zip(wanted.name).map(|(namespace, name)| Key::new(namespace, name));
    Sse::new(feed::open(source, key)).into_response()
}

/// A page of another origin cannot send JSON without a permission that is never given.
async fn simulate(State(source): State<Source>, Json(question): Json<Question>) -> Response {
    match what_if::simulate(&source.client, question).await {
        Ok(answer) => Json(answer).into_response(),
        Err((status, text)) => (status, text).into_response(),
    }
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let mut response = match guard.judge(request.method(), uri.path(), uri.query(), request.headers()) {
        Verdict::Pass => next.run(request).await,
        Verdict::SetCookie(cookie) => {
            let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Verdict::Refuse(status, why) => (status, Body::from(format!("{why}\n"))).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
