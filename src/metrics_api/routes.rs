//! From a request to an answer: who asks, what for, may they, and what is the value.
//!
//! It knows nothing of connections, and of values only what [`MetricSource`] says. No handler reads a body, so none is
//! ever buffered.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::SecondsFormat;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};

use super::accept::{self, Form};
use super::auth::{Action, Gate, Peer, Refusal, User};
use super::discovery::Discovery;
use super::document::Document;
use super::openapi::OpenApi;
use super::quantity::Quantity;
use super::selector::Selector;
use super::status::Failure;
use super::{GROUP, MetricError, MetricSource, MetricValue, SCALED_OBJECT_LABEL, VERSION};

/// What the handlers share.
pub(super) struct Api {
    gate: Gate,
    source: Arc<dyn MetricSource>,
    ready: Arc<dyn Fn() -> bool + Send + Sync>,
    request_limit: Duration,
    discovery: Discovery,
    openapi: OpenApi,
}

impl Api {
    pub(super) fn new(
        gate: Gate,
        source: Arc<dyn MetricSource>,
        ready: Arc<dyn Fn() -> bool + Send + Sync>,
        request_limit: Duration,
    ) -> Self {
        Self { gate, source, ready, request_limit, discovery: Discovery::new(), openapi: OpenApi::new() }
    }

    async fn may_get(&self, asked: &Asked) -> Result<(), Failure> {
        let path = asked.uri.path();
        self.may(&asked.user, Action::Get { path: path.to_owned() }).await
    }

    async fn may(&self, user: &Arc<User>, action: Action) -> Result<(), Failure> {
        self.gate.may(user, &action).await.map_err(|refusal| refused(refusal, Some((user, &action))))
    }
}

/// All paths; whoever calls it puts the connection's [`Peer`] into every request's extensions.
pub(super) fn router(api: Arc<Api>) -> Router {
    let fixed = |pick: fn(&Api) -> &Document| {
        get(move |State(api): State<Arc<Api>>, asked: Asked| async move {
            api.may_get(&asked).await?;
            plain(&asked.headers)?;
            Ok::<_, Failure>(pick(&api).answer(&asked.headers))
        })
    };
    Router::new()
        .route(&format!("/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{{metric}}"), get(metric))
        .route("/apis", get(groups))
        .route(&format!("/apis/{GROUP}"), fixed(|api| &api.discovery.group))
        .route(&format!("/apis/{GROUP}/{VERSION}"), fixed(|api| &api.discovery.resources))
        .route("/version", fixed(|api| &api.discovery.version))
        .route("/openapi/v2", fixed(|api| &api.openapi.v2))
        .route("/openapi/v3", fixed(|api| &api.openapi.v3_root))
        .route(&format!("/openapi/v3/apis/{GROUP}/{VERSION}"), fixed(|api| &api.openapi.v3))
        .fallback(|| async { Failure::path_not_found() })
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .layer(middleware::from_fn_with_state(Arc::clone(&api), authenticate))
        // From here on everybody is served, known or not.
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .with_state(api)
}

/// A request by somebody known: all that the handlers need of it.
struct Asked {
    user: Arc<User>,
    uri: Uri,
    headers: HeaderMap,
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut http::request::Parts, _state: &S) -> Result<Self, Failure> {
        // Set by `authenticate`, which stands before every handler that asks for it.
        let user = parts.extensions.get::<Arc<User>>().cloned().ok_or_else(Failure::unauthorized)?;
        Ok(Self { user, uri: parts.uri.clone(), headers: std::mem::take(&mut parts.headers) })
    }
}

/// Lets only known users through, and only the headers that the handlers read, so that no header that claims an
/// identity gets any further.
async fn authenticate(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let answer = async {
        let peer = request.extensions().get::<Arc<Peer>>().cloned().unwrap_or_default();
        let user = match api.gate.who(&peer, request.headers()).await {
            Ok(user) => user,
            Err(refusal) => return refused(refusal, None).into_response(),
        };
        let mut headers = HeaderMap::new();
        for name in [header::ACCEPT, header::IF_NONE_MATCH] {
            for value in request.headers().get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        *request.headers_mut() = headers;
        request.extensions_mut().insert(user);
        next.run(request).await
    };
    tokio::time::timeout(api.request_limit, answer).await.unwrap_or_else(|_| Failure::timeout().into_response())
}

fn refused(refusal: Refusal, asked: Option<(&User, &Action)>) -> Failure {
    match (refusal, asked) {
        (Refusal::Forbidden { why }, Some((user, Action::List { namespace, metric }))) => {
            Failure::forbidden_metric(&user.name, namespace, metric, &why)
        }
        (Refusal::Forbidden { why }, Some((user, Action::Get { path }))) => {
            Failure::forbidden_path(&user.name, path, &why)
        }
        (Refusal::Unavailable(error), _) => Failure::unavailable(error.to_string()),
        (Refusal::Unknown | Refusal::Forbidden { .. }, _) => Failure::unauthorized(),
    }
}

fn plain(headers: &HeaderMap) -> Result<(), Failure> {
    match accept::choose(headers, &[Form::Plain]) {
        Some(_) => Ok(()),
        None => Err(Failure::not_acceptable("application/json")),
    }
}

async fn alive() -> Response {
    text(StatusCode::OK, "ok")
}

async fn ready(State(api): State<Arc<Api>>) -> Response {
    if (api.ready)() {
        text(StatusCode::OK, "ok")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, "not ready: the first look at the cluster is not done")
    }
}

fn text(code: StatusCode, body: &'static str) -> Response {
    (code, [(header::CACHE_CONTROL, "no-cache, private")], body).into_response()
}

async fn groups(State(api): State<Arc<Api>>, asked: Asked) -> Result<Response, Failure> {
    api.may_get(&asked).await?;
    let discovery = &api.discovery;
    let document = match accept::choose(&asked.headers, &[Form::Plain, Form::AggregatedV2, Form::AggregatedV2Beta1]) {
        Some(Form::Plain) => &discovery.groups,
        Some(Form::AggregatedV2) => &discovery.aggregated_v2,
        Some(Form::AggregatedV2Beta1) => &discovery.aggregated_v2beta1,
        None => {
            let offers = "application/json, application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            return Err(Failure::not_acceptable(offers));
        }
    };
    Ok(document.answer(&asked.headers))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    #[serde(default)]
    label_selector: String,
}

async fn metric(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<Parameters>, QueryRejection>,
    asked: Asked,
) -> Result<Response, Failure> {
    let Path((namespace, metric)) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    api.may(&asked.user, Action::List { namespace: namespace.clone(), metric: metric.clone() }).await?;
    plain(&asked.headers)?;

    let Query(Parameters { label_selector }) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    let selector = Selector::parse(&label_selector).map_err(|error| Failure::bad_request(error.to_string()))?;
    let scaled_object = selector.exactly(SCALED_OBJECT_LABEL).filter(|name| !name.is_empty()).ok_or_else(|| {
        Failure::bad_request(format!(
            "scaledObject name is not specified: give it as the label selector \"{SCALED_OBJECT_LABEL}=<name>\""
        ))
    })?;

    let MetricValue { value, timestamp } = match api.source.value(&namespace, scaled_object, &metric).await {
        Ok(value) => value,
        Err(MetricError::NotFound(why)) => {
            return Err(Failure::metric_not_found(&namespace, &metric, &label_selector, &why));
        }
        Err(MetricError::Failed(why)) => return Err(Failure::metric_failed(&metric, why)),
    };
    let value = Quantity::try_from(value).map_err(|error| Failure::metric_failed(&metric, error.to_string()))?;
    let list = List {
        kind: "ExternalMetricValueList",
        api_version: "external.metrics.k8s.io/v1beta1",
        metadata: Empty {},
        items: [Item {
            metric_name: &metric,
            metric_labels: None,
            timestamp: timestamp.to_rfc3339_opts(SecondsFormat::Secs, true),
            value,
        }],
    };
    let body = serde_json::to_vec(&list).map_err(|error| Failure::metric_failed(&metric, error.to_string()))?;
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// An `ExternalMetricValueList`, whose items are always one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    items: [Item<'a>; 1],
}

#[derive(Serialize)]
struct Empty {}

/// An `ExternalMetricValue`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    metric_name: &'a str,
    /// Always null, as with KEDA.
    metric_labels: Option<Empty>,
    timestamp: String,
    value: Quantity,
}
