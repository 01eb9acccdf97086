//! Warns of VerticalPodAutoscalers that work against a cpu or memory trigger. What they are called is all that is known
//! of them here; most clusters have none.

use ebb_crds::ScaledObject;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};

use crate::events::{Events, Reason};
use crate::plan::resource::ResourceMetric;
use crate::plan::vpa;
use crate::poll::registry::Object;

/// Tells of conflicts in an event, each as long as it stays the same once.
pub(super) async fn warn(
    client: &Client,
    events: &Events,
    scaled_object: &ScaledObject,
    object: &Object,
    resources: &[ResourceMetric],
) {
    let found =
        if resources.is_empty() { Vec::new() } else { conflicts(client, scaled_object, object, resources).await };
    let mut memory = object.memory.lock();
    for conflict in found.iter().filter(|conflict| !memory.told_conflicts.contains(conflict)) {
        tracing::warn!(scaled_object = %object.key, conflict);
        events.emit(&object.reference(), Reason::VerticalPodAutoscalerConflict, conflict.clone());
    }
    memory.told_conflicts = found;
}

async fn conflicts(
    client: &Client,
    scaled_object: &ScaledObject,
    object: &Object,
    resources: &[ResourceMetric],
) -> Vec<String> {
    let kind = GroupVersionKind::gvk("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler");
    let kind = ApiResource::from_gvk_with_plural(&kind, "verticalpodautoscalers");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &object.key.namespace, &kind);
    match api.list(&ListParams::default()).await {
        Ok(list) => {
            let all: Vec<_> = list.items.iter().filter_map(|item| serde_json::to_value(item).ok()).collect();
            vpa::conflicts(&scaled_object.spec.scale_target_ref, resources, &all)
        }
        // The cluster has no such kind.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        // A warning that cannot be given is no reason to scale less.
        Err(error) => {
            tracing::debug!(%error, scaled_object = %object.key, "cannot look for VerticalPodAutoscalers");
            object.memory.lock().told_conflicts.clone()
        }
    }
}
