//! The discovery documents: groups, versions and resources of the API.
//!
//! As in KEDA, one resource `externalmetrics` represents all metrics, which change too often to be listed.

use ebb_plan::trail::object;
use serde_json::{Value, json};

use super::document::Document;
use super::{GROUP, VERSION, decisions};

/// All discovery documents.
pub(super) struct Discovery {
    /// `/apis`
    pub(super) groups: Document,
    /// `/apis` as one `apidiscovery.k8s.io/v2` document.
    pub(super) aggregated_v2: Document,
    /// The same document in its older version.
    pub(super) aggregated_v2beta1: Document,
    /// The group of external metrics.
    pub(super) metrics: GroupDocuments,
    /// The group of decisions.
    pub(super) decisions: GroupDocuments,
    /// `/version`
    pub(super) version: Document,
}

/// The documents of one group.
pub(super) struct GroupDocuments {
    /// `/apis/GROUP`
    pub(super) group: Document,
    /// `/apis/GROUP/VERSION`
    pub(super) resources: Document,
}

/// An API group with one version.
#[derive(Clone, Copy)]
struct Group {
    name: &'static str,
    version: &'static str,
    resources: &'static [Resource],
}

/// A resource of a group.
#[derive(Clone, Copy)]
struct Resource {
    name: &'static str,
    singular: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
}

const METRICS: Group = Group {
    name: GROUP,
    version: VERSION,
    resources: &[Resource { name: "externalmetrics", singular: "", kind: "ExternalMetricValueList", verbs: &["get"] }],
};

const DECISIONS: Group = Group {
    name: object::GROUP,
    version: object::VERSION,
    resources: &[
        Resource {
            name: decisions::RESOURCE,
            singular: "scalingdecision",
            kind: object::KIND,
            verbs: &["get", "list", "watch"],
        },
        Resource { name: "scalingdecisions/readings", singular: "", kind: "ScalingReadings", verbs: &["get"] },
    ],
};

impl Discovery {
    pub(super) fn new() -> Self {
        let groups = [METRICS, DECISIONS];
        Self {
            groups: Document::json(
                &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.map(Group::document)}),
            ),
            aggregated_v2: Document::typed(
                &aggregated("apidiscovery.k8s.io/v2", &groups),
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            ),
            aggregated_v2beta1: Document::typed(
                &aggregated("apidiscovery.k8s.io/v2beta1", &groups),
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            ),
            metrics: METRICS.documents(),
            decisions: DECISIONS.documents(),
            version: Document::json(&version()),
        }
    }
}

impl Group {
    fn group_version(self) -> String {
        format!("{}/{}", self.name, self.version)
    }

    fn document(self) -> Value {
        let version = json!({"groupVersion": self.group_version(), "version": self.version});
        json!({"name": self.name, "versions": [version], "preferredVersion": version})
    }

    fn documents(self) -> GroupDocuments {
        let mut group = self.document();
        group["kind"] = "APIGroup".into();
        group["apiVersion"] = "v1".into();
        let resources = self.resources.iter().map(|resource| {
            json!({
                "name": resource.name,
                "singularName": resource.singular,
                "namespaced": true,
                "kind": resource.kind,
                "verbs": resource.verbs,
            })
        });
        let list = json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": self.group_version(),
            "resources": resources.collect::<Vec<_>>(),
        });
        GroupDocuments { group: Document::json(&group), resources: Document::json(&list) }
    }

    /// The group in the aggregated document, where subresources are beneath their resource.
    fn aggregated(self) -> Value {
        let response =
            |resource: &Resource| json!({"group": self.name, "version": self.version, "kind": resource.kind});
        let whole = self.resources.iter().filter(|resource| !resource.name.contains('/'));
        let resources = whole.map(|resource| {
            let parts = self.resources.iter().filter_map(|part| {
                let name = part.name.strip_prefix(resource.name)?.strip_prefix('/')?;
                Some(json!({"subresource": name, "responseKind": response(part), "verbs": part.verbs}))
            });
            let parts: Vec<_> = parts.collect();
            let mut document = json!({
                "resource": resource.name,
                "responseKind": response(resource),
                "scope": "Namespaced",
                "singularResource": resource.singular,
                "verbs": resource.verbs,
            });
            if !parts.is_empty() {
                document["subresources"] = parts.into();
            }
            document
        });
        let version =
            json!({"version": self.version, "freshness": "Current", "resources": resources.collect::<Vec<_>>()});
        json!({"metadata": {"name": self.name, "creationTimestamp": null}, "versions": [version]})
    }
}

fn aggregated(api_version: &str, groups: &[Group]) -> Value {
    let items: Vec<_> = groups.iter().map(|group| group.aggregated()).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items})
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

    async fn read<T: serde::de::DeserializeOwned>(document: &Document) -> T {
        let response = document.answer(&http::HeaderMap::new());
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn groups_read_as_the_kubernetes_types() {
        let discovery = Discovery::new();
        let group: APIGroup = read(&discovery.metrics.group).await;
        assert_eq!(group.preferred_version.unwrap().group_version, "external.metrics.k8s.io/v1beta1");
        let group: APIGroup = read(&discovery.decisions.group).await;
        assert_eq!(group.preferred_version.unwrap().group_version, "decisions.ebb.dev/v1alpha1");
        assert_eq!(read::<APIGroupList>(&discovery.groups).await.groups.len(), 2);
    }

    #[tokio::test]
    async fn each_group_lists_its_resources() {
        let discovery = Discovery::new();
        let list: APIResourceList = read(&discovery.metrics.resources).await;
        assert_eq!(list.group_version, "external.metrics.k8s.io/v1beta1");
        assert_eq!((list.resources[0].name.as_str(), list.resources[0].namespaced), ("externalmetrics", true));
        assert_eq!(list.resources[0].verbs, ["get"]);
        let list: APIResourceList = read(&discovery.decisions.resources).await;
        let names: Vec<_> = list.resources.iter().map(|resource| resource.name.as_str()).collect();
        assert_eq!(names, ["scalingdecisions", "scalingdecisions/readings"]);
    }

    #[test]
    fn a_subresource_is_beneath_its_resource() {
        let resources = &DECISIONS.aggregated()["versions"][0]["resources"];
        assert_eq!(resources.as_array().unwrap().len(), 1);
        assert_eq!(resources[0]["subresources"][0]["subresource"], "readings");
        assert_eq!(METRICS.aggregated()["versions"][0]["resources"][0].get("subresources"), None);
    }
}
