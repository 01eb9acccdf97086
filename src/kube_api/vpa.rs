//! VerticalPodAutoscalers. Ebb knows their kind by its name only; most clusters have none.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde_json::Value;

/// All of a namespace. A cluster without the kind has none.
///
/// # Errors
/// The API server does not list them.
pub async fn list(client: &Client, namespace: &str) -> Result<Vec<Value>, kube::Error> {
    let kind = GroupVersionKind::gvk("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler");
    let kind = ApiResource::from_gvk_with_plural(&kind, "verticalpodautoscalers");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items.iter().filter_map(|item| serde_json::to_value(item).ok()).collect()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
