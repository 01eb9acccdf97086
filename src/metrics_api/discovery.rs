//! The discovery documents: group, version and resources of the API.
//!
//! As in KEDA, one resource `externalmetrics` represents all metrics, which change too often to be listed.

use serde_json::{Value, json};

use super::document::Document;
use super::{GROUP, VERSION};

/// All discovery documents.
pub(super) struct Discovery {
    /// `/apis`
    pub(super) groups: Document,
    /// `/apis` as one `apidiscovery.k8s.io/v2` document.
    pub(super) aggregated_v2: Document,
    /// The same document in its older version.
    pub(super) aggregated_v2beta1: Document,
    /// `/apis/external.metrics.k8s.io`
    pub(super) group: Document,
    /// `/apis/external.metrics.k8s.io/v1beta1`
    pub(super) resources: Document,
    /// `/version`
    pub(super) version: Document,
}

impl Discovery {
    pub(super) fn new() -> Self {
        Self {
            groups: Document::json(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]})),
            aggregated_v2: Document::typed(
                &aggregated("apidiscovery.k8s.io/v2"),
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            ),
            aggregated_v2beta1: Document::typed(
                &aggregated("apidiscovery.k8s.io/v2beta1"),
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            ),
            group: Document::json(&with_type(group(), "APIGroup")),
            resources: Document::json(&json!({
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": format!("{GROUP}/{VERSION}"),
                "resources": [{
                    "name": "externalmetrics",
                    "singularName": "",
                    "namespaced": true,
                    "kind": "ExternalMetricValueList",
                    "verbs": ["get"],
                }],
            })),
            version: Document::json(&version()),
        }
    }
}

fn with_type(mut document: Value, kind: &str) -> Value {
    document["kind"] = kind.into();
    document["apiVersion"] = "v1".into();
    document
}

fn group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

fn aggregated(api_version: &str) -> Value {
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": api_version,
        "metadata": {},
        "items": [{
            "metadata": {"name": GROUP, "creationTimestamp": null},
            "versions": [{
                "version": VERSION,
                "freshness": "Current",
                "resources": [{
                    "resource": "externalmetrics",
                    "responseKind": {"group": GROUP, "version": VERSION, "kind": "ExternalMetricValueList"},
                    "scope": "Namespaced",
                    "singularResource": "",
                    "verbs": ["get"],
                }],
            }],
        }],
    })
}

fn version() -> Value {
    let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    json!({
        "major": env!("CARGO_PKG_VERSION_MAJOR"),
        "minor": env!("CARGO_PKG_VERSION_MINOR"),
        "gitVersion": concat!("v", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": platform,
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIGroupList, APIResourceList};

    use super::*;

    #[test]
    fn reads_as_the_kubernetes_types() {
        let read: APIGroup = serde_json::from_value(with_type(group(), "APIGroup")).unwrap();
        assert_eq!(read.preferred_version.unwrap().group_version, "external.metrics.k8s.io/v1beta1");
        let list = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]});
        assert_eq!(serde_json::from_value::<APIGroupList>(list).unwrap().groups.len(), 1);
    }

    #[tokio::test]
    async fn lists_one_resource() {
        let response = Discovery::new().resources.answer(&http::HeaderMap::new());
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let list: APIResourceList = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(list.group_version, "external.metrics.k8s.io/v1beta1");
        assert_eq!(list.resources[0].name, "externalmetrics");
        assert!(list.resources[0].namespaced);
        assert_eq!(list.resources[0].verbs, ["get"]);
    }
}
