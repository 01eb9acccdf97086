//! Looks for VerticalPodAutoscalers that work against a cpu or memory trigger. Ebb knows their kind by its name only; most
//! clusters have none.

use ebb_crds::ScaledObject;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};

use crate::kube_api::key::Key;
use ebb_plan::resource::ResourceMetric;
use ebb_plan::vpa;

/// The conflicts with the resources that a ScaledObject scales on, a text each. None: they are unknown. A warning that
/// cannot be given is no reason to scale less.
pub(super) async fn conflicts(
    client: &Client,
    object: &ScaledObject,
    key: &Key,
    resources: &[ResourceMetric],
) -> Option<Vec<String>> {
    if resources.is_empty() {
        return Some(Vec::new());
    }
    let kind = GroupVersionKind::gvk("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler");
    let kind = ApiResource::from_gvk_with_plural(&kind, "verticalpodautoscalers");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &key.namespace, &kind);
    match api.list(&ListParams::default()).await {
        Ok(list) => {
            let all: Vec<_> = list.items.iter().filter_map(|item| serde_json::to_value(item).ok()).collect();
            Some(vpa::conflicts(&object.spec.scale_target_ref, resources, &all))
        }
        // The cluster has no such kind.
        Err(kube::Error::Api(status)) if status.code == 404 => Some(Vec::new()),
        Err(error) => {
            tracing::debug!(%error, scaled_object = %key, "cannot look for VerticalPodAutoscalers");
            None
        }
    }
}
