//! Reads of the cluster for kinds of triggers whose source it is.

use std::time::Duration;

use async_trait::async_trait;
use ebb_scalers::ReadError;
use ebb_scalers::cluster::{ClusterReader, EachObject, Resource};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::timeout;

/// The limit of time for one request.
const ANSWER: Duration = Duration::from_secs(5);
/// Objects on a page of a list.
const PAGE: u32 = 250;
/// Pages of a list. A selector that matches more objects is an error.
const PAGES: u32 = 40;

/// The API server that Ebb serves.
#[derive(Clone)]
pub struct KubeReader(Client);

impl std::fmt::Debug for KubeReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KubeReader").finish()
    }
}

impl KubeReader {
    /// Reads by this client.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    fn api(&self, resource: &Resource, namespace: &str) -> Api<DynamicObject> {
        let Resource { group, version, kind, plural } = *resource;
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version,
            kind: kind.into(),
            plural: plural.into(),
        };
        Api::namespaced_with(self.0.clone(), namespace, &resource)
    }
}

/// The answer in time, or why there is none.
async fn in_time<T>(what: &str, answer: impl Future<Output = kube::Result<T>>) -> Result<T, ReadError> {
    let broker = || "the API server".to_owned();
    match timeout(ANSWER, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => {
            Err(ReadError::Query(format!("the API server refuses to read {what}: {}", status.message)))
        }
        Ok(Err(error)) => Err(ReadError::Connect { broker: broker(), cause: format!("{what}: {error}") }),
        Err(_) => Err(ReadError::Timeout { broker: broker(), what: what.to_owned(), after: ANSWER }),
    }
}

/// The object as JSON.
fn json(object: &DynamicObject) -> Result<Value, ReadError> {
    serde_json::to_value(object).map_err(|error| ReadError::Query(error.to_string()))
}

#[async_trait]
impl ClusterReader for KubeReader {
    async fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Option<Value>, ReadError> {
        let what = format!("{} {namespace}/{name}", resource.plural);
        let found = in_time(&what, self.api(resource, namespace).get_opt(name)).await?;
        found.as_ref().map(json).transpose()
    }

    async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &str,
        each: EachObject<'_>,
    ) -> Result<(), ReadError> {
        let api = self.api(resource, namespace);
        let what = format!("{} in namespace {namespace:?} that match {selector:?}", resource.plural);
        let mut wanted = ListParams::default().labels(selector).limit(PAGE);
        for _ in 0..PAGES {
            let page = in_time(&what, api.list(&wanted)).await?;
            for object in &page.items {
                each(&json(object)?);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                None => return Ok(()),
                Some(token) => wanted = wanted.continue_token(&token),
            }
        }
        Err(ReadError::Query(format!("{what}: more than {}, which is too many to read", PAGE * PAGES)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use http::{Request, Response, StatusCode};
    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;

    const PODS: Resource = Resource { group: "", version: "v1", kind: "Pod", plural: "pods" };
    const JOBS: Resource = Resource { group: "batch", version: "v1", kind: "Job", plural: "jobs" };

    /// A reader of an API server that answers with `answer`, and what it has been asked.
    fn reader(answer: fn(&str) -> (StatusCode, Value)) -> (KubeReader, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let uri = request.uri().to_string();
            let (status, body) = answer(&uri);
            noted.lock().push(uri);
            let response = Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap();
            std::future::ready(Ok::<_, Infallible>(response))
        });
        (KubeReader::new(Client::new(service, "default")), asked)
    }

    fn pod(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}})
    }

    #[tokio::test]
    async fn a_list_is_read_page_by_page() {
        let (reader, asked) = reader(|uri| {
            let (token, names) =
                if uri.contains("continue=more") { ("", ["c"].as_slice()) } else { ("more", &["a", "b"][..]) };
            let items: Vec<_> = names.iter().map(|name| pod(name)).collect();
            (
                StatusCode::OK,
                json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": token}, "items": items}),
            )
        });
        let mut names = Vec::new();
        let mut each = |object: &Value| names.push(object["metadata"]["name"].as_str().unwrap_or_default().to_owned());
        reader.list(&PODS, "shop", "app=worker", &mut each).await.unwrap();
        assert_eq!(names, ["a", "b", "c"]);
        let asked = asked.lock();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(
            asked[0].starts_with("/api/v1/namespaces/shop/pods?") && asked[0].contains("app%3Dworker"),
            "{asked:?}"
        );
    }

    #[tokio::test]
    async fn a_list_without_an_end_is_an_error() {
        let (reader, asked) = reader(|_| {
            let metadata = json!({"continue": "more"});
            (StatusCode::OK, json!({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": [pod("a")]}))
        });
        let error = reader.list(&PODS, "shop", "", &mut |_| {}).await.unwrap_err();
        assert!(error.to_string().contains("too many to read"), "{error}");
        assert_eq!(asked.lock().len(), PAGES as usize);
    }

    #[tokio::test]
    async fn an_object_is_there_or_not_or_refused() {
        let (reader, asked) = reader(|uri| match uri {
            uri if uri.contains("/there") => (StatusCode::OK, pod("there")),
            uri if uri.contains("/secret") => (
                StatusCode::FORBIDDEN,
                json!({"kind": "Status", "status": "Failure", "message": "jobs is forbidden", "reason": "Forbidden", "code": 403}),
            ),
            _ => (
                StatusCode::NOT_FOUND,
                json!({"kind": "Status", "status": "Failure", "message": "none", "reason": "NotFound", "code": 404}),
            ),
        });
        assert_eq!(reader.get(&PODS, "shop", "there").await.unwrap().unwrap()["metadata"]["name"], "there");
        assert_eq!(reader.get(&PODS, "shop", "gone").await.unwrap(), None);
        let error = reader.get(&JOBS, "shop", "secret").await.unwrap_err().to_string();
        assert_eq!(error, "the API server refuses to read jobs shop/secret: jobs is forbidden");
        assert!(asked.lock()[2].starts_with("/apis/batch/v1/namespaces/shop/jobs/secret"), "{asked:?}");
    }
}
