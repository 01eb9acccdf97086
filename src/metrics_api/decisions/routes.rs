//! The requests for decisions.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ebb_plan::trail::object::{GROUP, KIND, VERSION};
use http::{HeaderMap, HeaderValue, Uri, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::table::{self, Include};
use super::version::Version;
use super::watch::{self, Form};
use super::{DecisionSource, READINGS, RESOURCE, Snapshot, document};
use crate::leader::leader_client::PASSED_ON;
use crate::metrics_api::accept::{self, Form as Accepted};
use crate::metrics_api::auth::{Action, Resource};
use crate::metrics_api::routes::{Api, parameter};
use crate::metrics_api::status::Failure;

/// The length of a watch without a time limit of its own.
const WATCH: Duration = Duration::from_mins(30);
/// The longest watch, in seconds.
const LONGEST_WATCH: u64 = 3_600;

/// The parts that answer.
pub(in crate::metrics_api) struct Decisions {
    pub(in crate::metrics_api) source: Arc<dyn DecisionSource>,
    /// Watches end with the process.
    pub(in crate::metrics_api) stop: CancellationToken,
}

/// The routes of the kind.
pub(in crate::metrics_api) fn routes(router: Router<Arc<Api>>) -> Router<Arc<Api>> {
    let base = format!("/apis/{GROUP}/{VERSION}");
    [format!("{base}/{RESOURCE}"), format!("{base}/namespaces/{{namespace}}/{RESOURCE}")]
        .into_iter()
        .flat_map(|list| {
            let one = format!("{list}/{{name}}");
            let readings = format!("{one}/{READINGS}");
            [list, one, readings]
        })
        .fold(router, |router, path| router.route(&path, get(answer)))
}

async fn answer(
    State(api): State<Arc<Api>>,
    Extension(action): Extension<Arc<Action>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Decisions { source, stop } = &api.decisions;
    let Some(epoch) = source.epoch() else {
        if headers.contains_key(PASSED_ON) {
            return Err(Failure::unavailable("this replica does not lead any more; ask again"));
        }
        let path = uri.path_and_query().map_or(uri.path(), http::uri::PathAndQuery::as_str);
        return source.ask_leader(path, headers.get(header::ACCEPT).cloned()).await.map_err(Failure::unavailable);
    };
    // Answer exactly the authorized action, however else the path might be parsed.
    let Action::Resource(asked) = &*action else { return Err(Failure::path_not_found()) };
    let query = Query::read(asked, uri.query().unwrap_or_default())?;
    let form = match accept::choose(&headers, &[Accepted::Plain, Accepted::Table]) {
        Some(Accepted::Table) => Form::Tables(query.include),
        Some(_) => Form::Objects,
        None => return Err(Failure::not_acceptable("application/json")),
    };
    match (asked.verb.as_str(), asked.subresource.as_str()) {
        ("get", READINGS) => readings(&**source, asked),
        ("get", "") => one(&**source, asked, epoch, form),
        ("list", "") => {
            query.check_epoch(epoch)?;
            Ok(list(&source.snapshot(query.filter.namespace()), &query, epoch, form))
        }
        ("watch", "") => {
            if let Err(expired) = query.check_epoch(epoch) {
                // As the API server does: clients take an error in the answer itself for a transient one, and ask for
                // the same again.
                return Ok(json_response(watch::error(expired)));
            }
            let request = watch::Request {
                form,
                epoch,
                known: query.version.map_or(0, |version| version.number),
                initial: query.initial,
                bookmarks: query.bookmarks,
                limit: query.limit,
                filter: query.filter,
            };
            let events = watch::events(Arc::clone(source), request, stop.clone());
            Ok(json_response(Body::from_stream(events)))
        }
        _ => Err(Failure::path_not_found()),
    }
}

/// The parameters of a request.
struct Query {
    filter: Filter,
    version: Option<Version>,
    include: Include,
    initial: bool,
    bookmarks: bool,
    limit: Duration,
}

impl Query {
    fn read(asked: &Resource, query: &str) -> Result<Self, Failure> {
        let text = |name: &str| parameter(query, name).unwrap_or_default();
        let is_true = |name: &str| matches!(text(name).as_str(), "true" | "1");
        let filter = Filter::new(&asked.namespace, &text("labelSelector"), &text("fieldSelector"));
        let version = match text("resourceVersion").as_str() {
            "" | "0" => None,
            given => Some(Version::parse(given).ok_or_else(|| {
                Failure::bad_request(format!("resourceVersion {given:?} is none that this API has given"))
            })?),
        };
        let limit =
            text("timeoutSeconds").parse().map_or(WATCH, |limit: u64| Duration::from_secs(limit.min(LONGEST_WATCH)));
        Ok(Self {
            filter: filter.map_err(Failure::bad_request)?,
            version,
            include: Include::parse(&text("includeObject")),
            initial: is_true("sendInitialEvents"),
            bookmarks: is_true("allowWatchBookmarks"),
            limit,
        })
    }

    /// A version of another term says nothing about this one.
    fn check_epoch(&self, epoch: u32) -> Result<(), Failure> {
        match self.version {
            Some(version) if version.epoch != epoch => {
                Err(Failure::expired("the resourceVersion is of another replica that led before"))
            }
            _ => Ok(()),
        }
    }
}

fn list(snapshot: &Snapshot, query: &Query, epoch: u32, form: Form) -> Response {
    let version = Version { epoch, number: snapshot.number }.to_string();
    let items = snapshot.items.iter().filter(|item| query.filter.matches(item));
    let body = match form {
        Form::Tables(include) => {
            let rows: Vec<_> = items.map(|item| table::row(item, epoch, include)).collect();
            table::table(&version, Some(table::columns()), &rows)
        }
        Form::Objects => json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": format!("{KIND}List"),
            "metadata": {"resourceVersion": version},
            "since": snapshot.since,
            "items": items.map(|item| document(item, epoch)).collect::<Vec<_>>(),
        }),
    };
    let mut response = json_response(body.to_string());
    // kubectl shows warnings to its user, and leaves fields of lists that it does not know out.
    if let Ok(warning) = HeaderValue::try_from(format!("299 - \"decisions before {} are not known\"", snapshot.since)) {
        response.headers_mut().insert(header::WARNING, warning);
    }
    response
}

fn one(source: &dyn DecisionSource, asked: &Resource, epoch: u32, form: Form) -> Result<Response, Failure> {
    let snapshot = source.snapshot(Some(&asked.namespace));
    let item = snapshot.items.iter().find(|item| super::name(item) == asked.name);
    let item = item.ok_or_else(|| Failure::decision_not_found(asked))?;
    let body = match form {
        Form::Objects => document(item, epoch),
        Form::Tables(include) => {
            let version = Version { epoch, number: item.number }.to_string();
            table::table(&version, Some(table::columns()), &[table::row(item, epoch, include)])
        }
    };
    Ok(json_response(body.to_string()))
}

fn readings(source: &dyn DecisionSource, asked: &Resource) -> Result<Response, Failure> {
    let readings = source.readings(&asked.namespace, &asked.name);
    let readings = readings.ok_or_else(|| Failure::decision_not_found(asked))?;
    // Readings of strings and numbers always serialize.
    let mut body: Value = serde_json::to_value(&readings).unwrap_or_default();
    body["apiVersion"] = format!("{GROUP}/{VERSION}").into();
    body["kind"] = "ScalingReadings".into();
    body["metadata"] = json!({"name": asked.name, "namespace": asked.namespace});
    Ok(json_response(body.to_string()))
}

fn json_response(body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
