//! The check that a target's containers request the resource of a cpu or memory trigger. Without a request, an HPA
//! cannot compute a percentage (KEDA's `verifyCPUMemoryScalers`).

use std::collections::BTreeMap;

use ebb_crds::ScaleTrigger;
use k8s_openapi::api::core::v1::{LimitRange, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use ebb_plan::resource;

/// Whether the HPA compares the use of a resource with the containers' requests.
pub fn needed(trigger: &ScaleTrigger) -> bool {
    let metric_type = trigger.metadata.get("type").or(trigger.metric_type.as_ref());
    resource::is_resource(trigger) && metric_type.is_some_and(|metric_type| metric_type == "Utilization")
}

/// The mistake, in KEDA's words, if a container of `pod` lacks the request that the HPA needs. `limits` are those of
/// the namespace.
pub fn lacking(pod: &PodSpec, limits: &[LimitRange], trigger: &ScaleTrigger) -> Option<String> {
    let (container, resource) = (first_lacking(pod, limits, trigger)?, &trigger.type_);
    Some(format!(
        "the scaledobject has a {resource} trigger but the container {container} doesn't have the {resource} request defined"
    ))
}

/// The first container without the request.
fn first_lacking<'a>(pod: &'a PodSpec, limits: &[LimitRange], trigger: &ScaleTrigger) -> Option<&'a str> {
    let resource = trigger.type_.as_str();
    let has = |quantities: &Option<BTreeMap<String, Quantity>>| {
        let asked = quantities.as_ref().and_then(|quantities| quantities.get(resource));
        asked.is_some_and(|asked| !is_zero(asked))
    };
    // Without a request, Kubernetes uses the limit as the request.
    let asks = |resources: &Option<ResourceRequirements>| {
        resources.as_ref().is_some_and(|resources| has(&resources.requests) || has(&resources.limits))
    };
    let given = limits.iter().filter_map(|range| range.spec.as_ref()).flat_map(|spec| &spec.limits);
    let mut given = given.filter(|item| item.type_ == "Container");
    let only = trigger.metadata.get("containerName").map(String::as_str).filter(|name| !name.is_empty());
    // The metric of one container is compared with that container's request. The pod's own request does not count.
    let pod_asks = only.is_none() && asks(&pod.resources);
    if pod_asks || given.any(|item| has(&item.default_request) || has(&item.default)) {
        return None;
    }
    let mut counted = pod.containers.iter().filter(|container| only.is_none_or(|only| container.name == only));
    counted.find(|container| !asks(&container.resources)).map(|container| container.name.as_str())
}

/// Whether a quantity is 0 in any unit: it has no digit above 0. An exponent of 0 may follow.
fn is_zero(quantity: &Quantity) -> bool {
    let number = quantity.0.split(['e', 'E']).next().unwrap_or_default();
    !number.chars().any(|digit| ('1'..='9').contains(&digit))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_requests_or_is_given_what_is_compared() {
        let pod = |resources| -> PodSpec {
            serde_json::from_value(json!({"containers": [{"name": "a", "resources": resources}, {"name": "b", "resources": {"requests": {"cpu": "1"}}}]})).unwrap()
        };
        let trigger = |metadata| -> ScaleTrigger {
            serde_json::from_value(json!({"type": "cpu", "metricType": "Utilization", "metadata": metadata})).unwrap()
        };
        let whole = trigger(json!({"value": "60"}));
        assert_eq!(first_lacking(&pod(json!({})), &[], &whole), Some("a"));
        assert_eq!(first_lacking(&pod(json!({"requests": {"memory": "1Gi"}})), &[], &whole), Some("a"));
        assert_eq!(first_lacking(&pod(json!({"requests": {"cpu": "1"}})), &[], &whole), None);
        assert_eq!(first_lacking(&pod(json!({"limits": {"cpu": "1"}})), &[], &whole), None);
        assert_eq!(first_lacking(&pod(json!({})), &[], &trigger(json!({"value": "60", "containerName": "b"}))), None);
        let range = |kind: &str| -> LimitRange {
            serde_json::from_value(json!({"spec": {"limits": [{"type": kind, "defaultRequest": {"cpu": "1"}}]}}))
                .unwrap()
        };
        assert_eq!(first_lacking(&pod(json!({})), &[range("Container")], &whole), None);
        assert_eq!(first_lacking(&pod(json!({})), &[range("Pod")], &whole), Some("a"));
    }

    #[test]
    fn only_a_percentage_needs_a_request() {
        let needs = |trigger| needed(&serde_json::from_value(trigger).unwrap());
        assert!(needs(json!({"type": "memory", "metricType": "Utilization", "metadata": {"value": "60"}})));
        assert!(needs(json!({"type": "cpu", "metadata": {"value": "60", "type": "Utilization"}})));
        assert!(!needs(json!({"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "60m"}})));
        assert!(!needs(json!({"type": "cron", "metricType": "Utilization", "metadata": {}})));
    }
}
