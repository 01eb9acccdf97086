//! The routes: they authenticate and authorize a request, and answer it.
//!
//! They know nothing of connections, and get values from [`MetricSource`] only. No handler reads a body, so no body is
//! ever buffered.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use chrono::SecondsFormat;
use ebb_plan::trail::object;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio::time::Instant;

use super::accept::{self, Form};
use super::action;
use super::auth::{Action, Gate, Peer, Refusal, User};
use super::decisions::{self, routes::Decisions};
use super::discovery::Discovery;
use super::document::Document;
use super::openapi::OpenApi;
use super::quantity::Quantity;
use super::server::Answered;
use super::status::Failure;
use super::{GROUP, MetricError, MetricSource, MetricValue, SCALED_OBJECT_LABEL, VERSION};
use crate::kube_api::selector::Selector;
use crate::leader::leader_client::PASSED_ON;

/// The state that the handlers share.
pub(super) struct Api {
    gate: Gate,
    source: Arc<dyn MetricSource>,
    ready: Arc<dyn Fn() -> bool + Send + Sync>,
    answered: Answered,
    request_limit: Duration,
    pub(super) decisions: Decisions,
    discovery: Discovery,
    openapi: OpenApi,
}

impl Api {
    pub(super) fn new(
        gate: Gate,
        source: Arc<dyn MetricSource>,
        ready: Arc<dyn Fn() -> bool + Send + Sync>,
        answered: Answered,
        request_limit: Duration,
        decisions: Decisions,
    ) -> Self {
        let (discovery, openapi) = (Discovery::new(), OpenApi::new());
        Self { gate, source, ready, answered, request_limit, decisions, discovery, openapi }
    }

    /// The action of a request, if its user has the right.
    async fn admit(&self, peer: &Peer, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Action, Failure> {
        let user = self.gate.who(peer, headers).await.map_err(|refusal| refused(refusal, None))?;
        let action =
            action::of(method, uri.path(), uri.query()).ok_or_else(|| Failure::bad_request("the path is not UTF-8"))?;
        self.gate.may(&user, &action).await.map_err(|refusal| refused(refusal, Some((&user, &action))))?;
        Ok(action)
    }
}

/// All routes. The caller puts the connection's [`Peer`] into the extensions of every request.
pub(super) fn router(api: Arc<Api>) -> Router {
    let fixed = |pick: fn(&Api) -> &Document| {
        get(move |State(api): State<Arc<Api>>, headers: HeaderMap| async move {
            plain(&headers)?;
            Ok::<_, Failure>(pick(&api).answer(&headers))
        })
    };
    // As with the API server, a slash at the end has no effect.
    let both = |router: Router<Arc<Api>>, path: &str, route: MethodRouter<Arc<Api>>| {
        router.route(&format!("{path}/"), route.clone()).route(path, route)
    };
    let router = Router::new();
    let router = both(router, "/apis", get(groups));
    let router = both(router, &format!("/apis/{GROUP}"), fixed(|api| &api.discovery.metrics.group));
    let router = both(router, &format!("/apis/{GROUP}/{VERSION}"), fixed(|api| &api.discovery.metrics.resources));
    let group = object::GROUP;
    let router = both(router, &format!("/apis/{group}"), fixed(|api| &api.discovery.decisions.group));
    let path = format!("/apis/{group}/{}", object::VERSION);
    let router = both(router, &path, fixed(|api| &api.discovery.decisions.resources));
    let router = decisions::routes::routes(router);
    let router = both(router, "/version", fixed(|api| &api.discovery.version));
    let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{{metric}}");
    both(router, &path, get(metric))
        .route("/openapi/v2", fixed(|api| &api.openapi.v2))
        .route("/openapi/v3", fixed(|api| &api.openapi.v3_root))
        .route(&format!("/openapi/v3/apis/{GROUP}/{VERSION}"), openapi_v3(|api| &api.openapi.metrics_v3))
        .route(&format!("/openapi/v3/apis/{group}/{}", object::VERSION), openapi_v3(|api| &api.openapi.decisions_v3))
        .fallback(|| async { Failure::path_not_found() })
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .layer(middleware::from_fn_with_state(Arc::clone(&api), guard))
        // The routes below need no authentication.
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .with_state(api)
}

/// Passes only requests of authenticated users with the right for the action, and only the headers that the handlers
/// read, so that no handler sees a header that claims an identity.
async fn guard(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let claims = std::mem::take(request.headers_mut());
    for name in [header::ACCEPT, header::IF_NONE_MATCH, PASSED_ON] {
        for value in claims.get_all(&name) {
            request.headers_mut().append(&name, value.clone());
        }
    }
    let peer = request.extensions().get::<Arc<Peer>>().cloned().unwrap_or_default();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let answer = async {
        match api.admit(&peer, &method, &uri, &claims).await {
            Ok(action) => {
                request.extensions_mut().insert(Arc::new(action));
                next.run(request).await
            }
            Err(failure) => failure.into_response(),
        }
    };
    let begun = Instant::now();
    let answer = tokio::time::timeout(api.request_limit, answer).await;
    let answer = answer.unwrap_or_else(|_| Failure::timeout().into_response());
    if is_metric(uri.path()) {
        (api.answered)(answer.status(), begun.elapsed());
    }
    answer
}

/// Whether the path is that of a metric. The metric need not exist, nor the user have a right to it.
fn is_metric(path: &str) -> bool {
    let rest = path.strip_prefix("/apis/").and_then(|rest| rest.strip_prefix(GROUP));
    let rest = rest.and_then(|rest| rest.strip_prefix('/')?.strip_prefix(VERSION));
    rest.is_some_and(|rest| rest.starts_with("/namespaces/"))
}

fn refused(refusal: Refusal, asked: Option<(&User, &Action)>) -> Failure {
    match (refusal, asked) {
        (Refusal::Forbidden { why }, Some((user, Action::List { namespace, metric }))) => {
            Failure::forbidden_metric(&user.name, namespace, metric, &why)
        }
        (Refusal::Forbidden { why }, Some((user, Action::Resource(asked)))) => {
            Failure::forbidden_resource(&user.name, asked, &why)
        }
        (Refusal::Forbidden { why }, Some((user, Action::Path { verb, path }))) => {
            Failure::forbidden_path(&user.name, verb, path, &why)
        }
        (Refusal::Unavailable(error), _) => Failure::unavailable(error.to_string()),
        (Refusal::Unknown | Refusal::Forbidden { .. }, _) => Failure::unauthorized(),
    }
}

/// The route of an OpenAPI document.
fn openapi_v3(pick: fn(&Api) -> &Document) -> MethodRouter<Arc<Api>> {
    get(move |State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap| async move {
        cacheable(pick(&api), &uri, &headers)
    })
}

/// A client that requests a document with its hash may cache it without a time limit.
fn cacheable(document: &Document, uri: &Uri, headers: &HeaderMap) -> Result<Response, Failure> {
    plain(headers)?;
    let hash = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("hash=")));
    match hash {
        Some(hash) if hash != document.tag() => {
            let place = format!("{}?hash={}", uri.path(), document.tag());
            Ok((StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, place)]).into_response())
        }
        Some(_) => {
            let mut response = document.answer(headers);
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
            Ok(response)
        }
        None => Ok(document.answer(headers)),
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

async fn groups(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Failure> {
    let discovery = &api.discovery;
    let document = match accept::choose(&headers, &[Form::Plain, Form::AggregatedV2, Form::AggregatedV2Beta1]) {
        Some(Form::Plain) => &discovery.groups,
        Some(Form::AggregatedV2) => &discovery.aggregated_v2,
        Some(Form::AggregatedV2Beta1) => &discovery.aggregated_v2beta1,
        Some(Form::Table) | None => {
            let offers = "application/json, application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            return Err(Failure::not_acceptable(offers));
        }
    };
    Ok(document.answer(&headers))
}

/// The first value of a parameter. As in the API server, malformed parameters are ignored.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let decoded = |text: &str| {
        let well_formed = text
            .split('%')
            .skip(1)
            .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
        let spaced = text.replace('+', " ");
        well_formed.then(|| percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
    };
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(key)? == name { decoded(value) } else { None }
    })
}

async fn metric(
    State(api): State<Arc<Api>>,
    Extension(action): Extension<Arc<Action>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let query = uri.query().unwrap_or_default();
    plain(&headers)?;
    if action::asks_to_watch(query) {
        return Err(Failure::watch_not_supported());
    }
    // Serve exactly the metric of the authorized action, however else the path might be parsed.
    let Action::List { namespace, metric } = &*action else { return Err(Failure::path_not_found()) };

    let label_selector = parameter(query, "labelSelector").unwrap_or_default();
    let selector = Selector::parse(&label_selector).map_err(|error| Failure::bad_request(error.to_string()))?;
    let scaled_object = selector.exactly(SCALED_OBJECT_LABEL).filter(|name| !name.is_empty()).ok_or_else(|| {
        Failure::bad_request(format!(
            "scaledObject name is not specified: give it as the label selector \"{SCALED_OBJECT_LABEL}=<name>\""
        ))
    })?;

    let MetricValue { value, timestamp } = match api.source.value(namespace, scaled_object, metric).await {
        Ok(value) => value,
        Err(MetricError::NotFound(why)) => {
            return Err(Failure::metric_not_found(namespace, metric, &label_selector, &why));
        }
        Err(MetricError::Failed(why)) => return Err(Failure::metric_failed(metric, why)),
    };
    let value = Quantity::try_from(value).map_err(|error| Failure::metric_failed(metric, error.to_string()))?;
    let list = List {
        kind: "ExternalMetricValueList",
        api_version: "external.metrics.k8s.io/v1beta1",
        metadata: Empty {},
        items: [Item {
            metric_name: metric,
            metric_labels: None,
            timestamp: timestamp.to_rfc3339_opts(SecondsFormat::Secs, true),
            value,
        }],
    };
    let body = serde_json::to_vec(&list).map_err(|error| Failure::metric_failed(metric, error.to_string()))?;
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// An `ExternalMetricValueList`, which always has one item.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_the_api_server_reads_them() {
        for (query, expected) in [
            ("", None),
            ("a=1", None),
            ("labelSelector=a%3Db", Some("a=b")),
            ("x=y&labelSelector=a+in+(b)", Some("a in (b)")),
            ("label%53elector=a", Some("a")),
            ("labelSelector=a&labelSelector=b", Some("a")),
            ("labelSelector=%zz&labelSelector=b", Some("b")),
            ("labelSelector=%4", None),
            ("labelSelector", Some("")),
        ] {
            assert_eq!(parameter(query, "labelSelector").as_deref(), expected, "{query}");
        }
    }
}
