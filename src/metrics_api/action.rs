//! The action of a request: its verb and its resource or path, as in RBAC. It follows the rules of `k8s.io/apiserver`,
//! so that a role has the same meaning here. Pure.

use http::Method;
use percent_encoding::percent_decode_str;

use super::auth::{Action, Resource};
use super::{GROUP, VERSION};

/// The action that a request needs a right for; none if the path is not text.
pub(super) fn of(method: &Method, path: &str, query: Option<&str>) -> Option<Action> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let parts = parts.map(|part| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned()));
    let parts: Vec<String> = parts.collect::<Option<_>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        _ => return Some(Action::Path { verb: method.as_str().to_ascii_lowercase(), path: path.to_owned() }),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        _ => ("", rest),
    };
    let part = |place: usize| rest.get(place).copied().unwrap_or_default();
    let (resource, name, subresource) = (part(0), part(1), part(2));
    let verb = verb(method, name.is_empty(), query.is_some_and(asks_to_watch));
    if (group, version, verb, name) == (GROUP, VERSION, "list", "") && !namespace.is_empty() {
        return Some(Action::List { namespace: namespace.to_owned(), metric: resource.to_owned() });
    }
    Some(Action::Resource(Box::new(Resource {
        verb: verb.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        name: name.to_owned(),
    })))
}

/// Whether a query asks for a watch: with any value but those that mean false.
pub(super) fn asks_to_watch(query: &str) -> bool {
    let value = query.split('&').find_map(|pair| match pair.split_once('=') {
        Some(("watch", value)) => Some(value),
        _ => (pair == "watch").then_some(""),
    });
    value.is_some_and(|value| !value.eq_ignore_ascii_case("false") && value != "0")
}

fn verb(method: &Method, of_many: bool, watch: bool) -> &'static str {
    match (method.as_str(), of_many) {
        ("GET" | "HEAD", true) if watch => "watch",
        ("GET" | "HEAD", true) => "list",
        ("GET" | "HEAD", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(method: &str, uri: &str) -> String {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        match of(&method.parse().unwrap(), path, query) {
            None => "none".to_owned(),
            Some(Action::List { namespace, metric }) => format!("metric {namespace}/{metric}"),
            Some(Action::Path { verb, path }) => format!("{verb} {path}"),
            Some(Action::Resource(r)) => format!(
                "{} {}/{} ns={} {} sub={} name={}",
                r.verb, r.group, r.version, r.namespace, r.resource, r.subresource, r.name
            ),
        }
    }

    #[test]
    fn it_is_what_the_api_server_would_ask_for() {
        let base = "/apis/external.metrics.k8s.io/v1beta1";
        for (method, path, expected) in [
            ("GET", format!("{base}/namespaces/shop/s0-x"), "metric shop/s0-x"),
            ("HEAD", format!("{base}/namespaces/shop/s0-x/"), "metric shop/s0-x"),
            ("GET", format!("{base}//namespaces/shop/s0-x"), "metric shop/s0-x"),
            ("GET", format!("{base}/namespaces/shop/s0%20x%2fy"), "metric shop/s0 x/y"),
            (
                "GET",
                format!("{base}/namespaces/shop/s0-x?watch=true"),
                "watch external.metrics.k8s.io/v1beta1 ns=shop s0-x sub= name=",
            ),
            ("GET", format!("{base}/namespaces/shop/s0-x?watch=false"), "metric shop/s0-x"),
            (
                "DELETE",
                format!("{base}/namespaces/shop/s0-x"),
                "deletecollection external.metrics.k8s.io/v1beta1 ns=shop s0-x sub= name=",
            ),
            (
                "PATCH",
                format!("{base}/namespaces/shop/s0-x/a/b"),
                "patch external.metrics.k8s.io/v1beta1 ns=shop s0-x sub=b name=a",
            ),
            ("GET", format!("{base}/s0-x"), "list external.metrics.k8s.io/v1beta1 ns= s0-x sub= name="),
            (
                "GET",
                format!("{base}/namespaces/shop"),
                "get external.metrics.k8s.io/v1beta1 ns= namespaces sub= name=shop",
            ),
            (
                "GET",
                "/apis/external.metrics.k8s.io/v1/namespaces/shop/s0-x".to_owned(),
                "list external.metrics.k8s.io/v1 ns=shop s0-x sub= name=",
            ),
            ("POST", "/api/v1/pods".to_owned(), "create /v1 ns= pods sub= name="),
            ("GET", base.to_owned(), "get /apis/external.metrics.k8s.io/v1beta1"),
            ("GET", "/apis".to_owned(), "get /apis"),
            ("OPTIONS", "/".to_owned(), "options /"),
            ("GET", format!("{base}/namespaces/shop/%ff"), "none"),
        ] {
            assert_eq!(shown(method, &path), expected, "{method} {path}");
        }
    }
}
