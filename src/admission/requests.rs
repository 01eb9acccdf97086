//! Checks that a target's containers request the resource of a cpu or memory trigger. Without a request, an HPA cannot
//! compute a percentage (KEDA's `verifyCPUMemoryScalers`).

use std::error::Error;
use std::time::Duration;

use ebb_crds::ScaledObject;
use k8s_openapi::api::core::v1::{LimitRange, PodSpec};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::timeout;

use crate::kube_api::pod_template;
use crate::kube_api::scale::Targets;
use crate::review::{Finding, requests};

/// The time limit of the requests. The API server itself waits for the review meanwhile.
const LIMIT: Duration = Duration::from_secs(2);

/// Finds a container that lacks a request. A target that does not exist yet, or of a kind whose pods Ebb cannot read,
/// gives no finding. KEDA checks Deployments and StatefulSets only, so a Rollout gives a warning.
pub(super) async fn missing(
    client: &Client,
    targets: &Targets,
    object: &ScaledObject,
    namespace: &str,
) -> Option<Finding> {
    let triggers: Vec<_> =
        object.spec.triggers.iter().enumerate().filter(|(_, trigger)| requests::needed(trigger)).collect();
    if triggers.is_empty() {
        return None;
    }
    let found = timeout(LIMIT, look(client, targets, object, namespace)).await;
    let (pod, limits) = match found {
        Ok(Ok(found)) => found?,
        Ok(Err(error)) => {
            tracing::debug!(%error, "cannot read the requests of the target's containers");
            return None;
        }
        Err(_) => return None,
    };
    triggers.into_iter().find_map(|(index, trigger)| {
        let text = requests::lacking(&pod, &limits, trigger)?;
        let finding = if is_rollout(object) { Finding::warning } else { Finding::refusal };
        Some(finding(format!("spec.triggers[{index}]"), text).because("missing-requests"))
    })
}

fn is_rollout(object: &ScaledObject) -> bool {
    let target = &object.spec.scale_target_ref;
    target.api_version().starts_with("argoproj.io/") && target.kind() == "Rollout"
}

async fn look(
    client: &Client,
    targets: &Targets,
    object: &ScaledObject,
    namespace: &str,
) -> Result<Option<(PodSpec, Vec<LimitRange>)>, Box<dyn Error + Send + Sync>> {
    let target = &object.spec.scale_target_ref;
    let known = matches!((target.api_version(), target.kind()), ("apps/v1", "Deployment" | "StatefulSet"));
    if !known && !is_rollout(object) {
        return Ok(None);
    }
    let kind = targets.kind(target).await?;
    let pod = pod_template::read(client, targets, &kind, namespace, &target.name).await?.spec;
    let limits = Api::<LimitRange>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?;
    Ok(Some((pod, limits.items)))
}
