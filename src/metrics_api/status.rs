//! Errors as `meta/v1` Status documents, with the reasons and texts that Kubernetes clients know.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusDetails};

use super::GROUP;
use super::auth::Resource;

/// The error response to a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    code: StatusCode,
    reason: &'static str,
    message: String,
    /// The resource that the error is about, if any.
    about: Option<Box<About>>,
    retry_after: Option<i32>,
}

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), about: None, retry_after: None }
    }

    fn about(self, metric: &str) -> Self {
        self.about_object(GROUP, metric, "")
    }

    fn about_object(mut self, group: &str, resource: &str, name: &str) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.about = Some(Box::new(About { group: some(group), kind: some(resource), name: some(name) }));
        self
    }

    fn again_after(mut self, seconds: i32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(super) fn forbidden_metric(user: &str, namespace: &str, metric: &str, why: &str) -> Self {
        let message = format!(
            "{metric}.{GROUP} is forbidden: User {user:?} cannot list resource {metric:?} in API group {GROUP:?} in the \
             namespace {namespace:?}{}",
            suffix(why)
        );
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(metric)
    }

    pub(super) fn forbidden_path(user: &str, verb: &str, path: &str, why: &str) -> Self {
        let message = format!("forbidden: User {user:?} cannot {verb} path {path:?}{}", suffix(why));
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about_object("", "", "")
    }

    pub(super) fn forbidden_resource(user: &str, asked: &Resource, why: &str) -> Self {
        let Resource { verb, group, namespace, resource, subresource, name, .. } = asked;
        let dot = if group.is_empty() { "" } else { "." };
        let named = if name.is_empty() { String::new() } else { format!(" {name:?}") };
        let whole = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
        let place = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {namespace:?}")
        };
        let message = format!(
            "{resource}{dot}{group}{named} is forbidden: User {user:?} cannot {verb} resource {whole:?} in API group \
             {group:?} {place}{}",
            suffix(why)
        );
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about_object(group, resource, name)
    }

    pub(super) fn watch_not_supported() -> Self {
        let message = format!("watch is not supported on resources of kind \"*.{GROUP}\"");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).about("*")
    }

    pub(super) fn metric_not_found(namespace: &str, metric: &str, selector: &str, why: &str) -> Self {
        let message = format!(
            "external metric {metric:?} not found in namespace {namespace:?} with selector {selector:?}{}",
            suffix(why)
        );
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(metric)
    }

    pub(super) fn decision_not_found(asked: &Resource) -> Self {
        let Resource { group, resource, subresource, namespace, name, .. } = asked;
        let message = if subresource.is_empty() {
            format!("{resource}.{group} {name:?} not found in namespace {namespace:?}; old decisions are dropped")
        } else {
            format!("there are no readings of ScaledObject {name:?} in namespace {namespace:?}: it is not served")
        };
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about_object(group, resource, name)
    }

    pub(super) fn expired(why: &str) -> Self {
        Self::new(StatusCode::GONE, "Expired", why)
    }

    /// The Status document.
    pub(super) fn document(self) -> serde_json::Value {
        // A Status of strings and numbers always serializes.
        serde_json::to_value(self.status()).unwrap_or_default()
    }

    pub(super) fn path_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
            .about_object("", "", "")
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).about_object("", "", "")
    }

    pub(super) fn not_acceptable(offers: &str) -> Self {
        let message = format!("only the following media types are accepted: {offers}");
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    pub(super) fn timeout() -> Self {
        let message = "Timeout: the request did not complete within the allotted time";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message)
    }

    pub(super) fn metric_failed(metric: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message).about(metric)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message).again_after(1)
    }

    fn status(self) -> Status {
        let has_details = self.about.is_some() || self.retry_after.is_some();
        let about = self.about.unwrap_or_default();
        let details = has_details.then(|| StatusDetails {
            group: about.group,
            kind: about.kind,
            name: about.name,
            retry_after_seconds: self.retry_after,
            ..StatusDetails::default()
        });
        Status {
            code: Some(i32::from(self.code.as_u16())),
            details,
            message: Some(self.message),
            reason: Some(self.reason.to_owned()),
            status: Some("Failure".to_owned()),
            ..Status::default()
        }
    }
}

/// The details of an error.
#[derive(Clone, Debug, Default, PartialEq)]
struct About {
    group: Option<String>,
    kind: Option<String>,
    name: Option<String>,
}

fn suffix(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (code, retry_after) = (self.code, self.retry_after);
        // A Status of strings and numbers always serializes.
        let body = serde_json::to_vec(&self.status()).unwrap_or_default();
        let mut response = (code, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(failure: Failure) -> Value {
        serde_json::to_value(failure.status()).unwrap()
    }

    #[test]
    fn a_status_has_all_its_fields() {
        assert_eq!(
            body(Failure::metric_not_found("shop", "s0-x", "scaledobject.keda.sh/name=y", "no such ScaledObject")),
            json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "external metric \"s0-x\" not found in namespace \"shop\" with selector \
                            \"scaledobject.keda.sh/name=y\": no such ScaledObject",
                "reason": "NotFound",
                "details": {"group": "external.metrics.k8s.io", "kind": "s0-x"},
                "code": 404,
            })
        );
    }

    #[test]
    fn forbidden_speaks_as_kubernetes_does() {
        assert_eq!(
            body(Failure::forbidden_metric("joe", "shop", "s0-x", ""))["message"],
            "s0-x.external.metrics.k8s.io is forbidden: User \"joe\" cannot list resource \"s0-x\" in API group \
             \"external.metrics.k8s.io\" in the namespace \"shop\""
        );
        assert_eq!(
            body(Failure::forbidden_path("joe", "get", "/apis", "because"))["message"],
            "forbidden: User \"joe\" cannot get path \"/apis\": because"
        );
        let asked = Resource {
            verb: "delete".into(),
            group: GROUP.into(),
            namespace: "shop".into(),
            resource: "s0-x".into(),
            subresource: "part".into(),
            name: "one".into(),
            ..Resource::default()
        };
        let refused = body(Failure::forbidden_resource("joe", &asked, ""));
        assert_eq!(
            refused["message"],
            "s0-x.external.metrics.k8s.io \"one\" is forbidden: User \"joe\" cannot delete resource \"s0-x/part\" in API \
             group \"external.metrics.k8s.io\" in the namespace \"shop\""
        );
        assert_eq!(refused["details"], json!({"group": GROUP, "kind": "s0-x", "name": "one"}));
        let asked = Resource { verb: "list".into(), resource: "pods".into(), ..Resource::default() };
        assert_eq!(
            body(Failure::forbidden_resource("joe", &asked, ""))["message"],
            "pods is forbidden: User \"joe\" cannot list resource \"pods\" in API group \"\" at the cluster scope"
        );
    }

    #[test]
    fn codes_and_reasons_belong_together() {
        let table = [
            (Failure::bad_request("x"), 400, "BadRequest"),
            (Failure::unauthorized(), 401, "Unauthorized"),
            (Failure::path_not_found(), 404, "NotFound"),
            (Failure::method_not_allowed(), 405, "MethodNotAllowed"),
            (Failure::not_acceptable("application/json"), 406, "NotAcceptable"),
            (Failure::expired("x"), 410, "Expired"),
            (Failure::metric_failed("m", "x"), 500, "InternalError"),
            (Failure::unavailable("x"), 503, "ServiceUnavailable"),
            (Failure::timeout(), 504, "Timeout"),
        ];
        for (failure, code, reason) in table {
            assert_eq!(i32::from(failure.clone().into_response().status().as_u16()), code);
            let body = body(failure);
            assert_eq!(body["code"], code);
            assert_eq!(body["reason"], reason);
        }
    }

    #[test]
    fn unavailable_says_when_to_come_again() {
        let failure = Failure::unavailable("x");
        assert_eq!(body(failure.clone())["details"]["retryAfterSeconds"], 1);
        assert_eq!(failure.into_response().headers()[header::RETRY_AFTER], "1");
    }
}
