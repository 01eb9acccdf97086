//! Clients that change nothing in the cluster, for a process that only observes (`--observe`).
//!
//! Every client of such a process is one of these, whatever its parts would send. The rule names what may pass, so that a
//! request that nobody has thought of is refused.

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tower::{BoxError, service_fn};

/// The paths of the questions that the API server takes as a POST, and that change nothing.
const QUESTIONS: [&str; 2] =
    ["/apis/authentication.k8s.io/v1/tokenreviews", "/apis/authorization.k8s.io/v1/subjectaccessreviews"];

/// A request that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("this Ebb only observes (--observe), and does not send {method} {path}")]
pub struct NotSent {
    method: Method,
    path: String,
}

/// The same client, without everything that would change the cluster.
pub fn read_only(client: &Client) -> Client {
    let inner = client.clone();
    let send = service_fn(move |request: Request<Body>| {
        let client = inner.clone();
        async move {
            let (method, path) = (request.method(), request.uri().path());
            if !may_pass(method, path) {
                return Err(BoxError::from(NotSent { method: method.clone(), path: path.to_owned() }));
            }
            client.send(request).await.map_err(BoxError::from)
        }
    });
    Client::new(send, client.default_namespace())
}

/// Reads, reviews of tokens and of access, and requests for tokens of service accounts.
fn may_pass(method: &Method, path: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => true,
        Method::POST => QUESTIONS.contains(&path) || is_token_request(path),
        _ => false,
    }
}

/// Whether the path is `/api/v1/namespaces/NAMESPACE/serviceaccounts/NAME/token`.
fn is_token_request(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts[..], ["", "api", "v1", "namespaces", namespace, "serviceaccounts", name, "token"]
        if !namespace.is_empty() && !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_and_named_questions_pass() {
        let scale = "/apis/apps/v1/namespaces/a/deployments/b/scale";
        for (method, path, passes) in [
            (Method::GET, scale, true),
            (Method::HEAD, scale, true),
            (Method::PUT, scale, false),
            (Method::PATCH, scale, false),
            (Method::DELETE, "/apis/autoscaling/v2/namespaces/a/horizontalpodautoscalers/b", false),
            (Method::POST, "/api/v1/namespaces/a/events", false),
            (Method::POST, "/apis/autoscaling/v2/namespaces/a/horizontalpodautoscalers", false),
            (Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews", true),
            (Method::POST, "/apis/authorization.k8s.io/v1/subjectaccessreviews", true),
            (Method::POST, "/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews", false),
            (Method::POST, "/api/v1/namespaces/a/serviceaccounts/b/token", true),
            (Method::POST, "/api/v1/namespaces/a/serviceaccounts/token", false),
            (Method::POST, "/api/v1/namespaces/a/pods/b/token", false),
            (Method::POST, "/api/v1/namespaces//serviceaccounts//token", false),
        ] {
            assert_eq!(may_pass(&method, path), passes, "{method} {path}");
        }
    }
}
