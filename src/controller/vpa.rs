//! Looks for VerticalPodAutoscalers that work against a cpu or memory trigger.

use ebb_crds::ScaledObject;
use kube::Client;

use crate::kube_api::key::Key;
use ebb_plan::resource::ResourceMetric;
use ebb_plan::vpa;

/// The conflicts with the resources that a ScaledObject scales on, a text each. None: they are unknown. A failed read
/// of them does not keep the ScaledObject from being served.
pub(super) async fn conflicts(
    client: &Client,
    object: &ScaledObject,
    key: &Key,
    resources: &[ResourceMetric],
) -> Option<Vec<String>> {
    if resources.is_empty() {
        return Some(Vec::new());
    }
    match crate::kube_api::vpa::list(client, &key.namespace).await {
        Ok(all) => Some(vpa::conflicts(&object.spec.scale_target_ref, resources, &all)),
        Err(error) => {
            tracing::debug!(%error, scaled_object = %key, "cannot look for VerticalPodAutoscalers");
            None
        }
    }
}
