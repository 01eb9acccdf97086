//! Conflicts with VerticalPodAutoscalers that change the requests of a resource that a cpu or memory trigger scales on
//! (Kubernetes docs, "Vertical Pod Autoscaler": not to be used with an HPA on the same resource).

use ebb_crds::ScaleTarget;
use serde_json::Value;

use super::resource::ResourceMetric;

/// The conflicts of the VerticalPodAutoscalers of the target's namespace with the resources that it is scaled on, a
/// sentence each.
pub fn conflicts(target: &ScaleTarget, resources: &[ResourceMetric], autoscalers: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for autoscaler in autoscalers {
        let Some(mode) = mode(&autoscaler["spec"]).filter(|_| is_of(&autoscaler["spec"]["targetRef"], target)) else {
            continue;
        };
        for resource in resources.iter().filter(|resource| controls(&autoscaler["spec"], resource)) {
            let name = autoscaler["metadata"]["name"].as_str().unwrap_or_default();
            let kind = &resource.resource;
            found.push(format!(
                "VerticalPodAutoscaler {name:?} (updateMode {mode}) changes the {kind} requests that the {kind} trigger scales on, so that the two conflict: set its updateMode to Off, or leave {kind} out of its controlledResources"
            ));
        }
    }
    found
}

fn is_of(reference: &Value, target: &ScaleTarget) -> bool {
    // Versions of one group name the same object.
    let group = |api_version: &str| api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    reference["name"] == target.name.as_str()
        && reference["kind"] == target.kind()
        && group(reference["apiVersion"].as_str().unwrap_or_default()) == group(target.api_version())
}

/// The mode, if it is one in which requests are changed. Auto is the default.
fn mode(spec: &Value) -> Option<&str> {
    let mode = spec["updatePolicy"]["updateMode"].as_str().unwrap_or("Auto");
    ["Auto", "Recreate", "Initial", "InPlaceOrRecreate"].contains(&mode).then_some(mode)
}

/// Whether it changes this resource of a container that counts. A policy for `*` holds for all containers without one
/// of their own; where there is no policy, both resources are controlled.
fn controls(spec: &Value, metric: &ResourceMetric) -> bool {
    let policies: Vec<&Value> = spec["resourcePolicy"]["containerPolicies"].as_array().into_iter().flatten().collect();
    let of = |container: &str| policies.iter().copied().find(|policy| policy["containerName"] == container);
    let by = |policy: Option<&Value>| {
        let Some(policy) = policy else { return true };
        let all = &policy["controlledResources"];
        policy["mode"] != "Off"
            && all.as_array().is_none_or(|all| all.iter().any(|resource| resource == metric.resource.as_str()))
    };
    match &metric.container {
        Some(container) => by(of(container).or_else(|| of("*"))),
        None => by(of("*")) || policies.iter().any(|policy| by(Some(policy))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn count(container: Option<&str>, spec: &Value) -> usize {
        let trigger = json!({
            "type": "cpu", "metricType": "Utilization",
            "metadata": {"value": "60", "containerName": container.unwrap_or_default()},
        });
        let object = json!({"scaleTargetRef": {"name": "app"}, "triggers": [trigger]});
        let object: ebb_crds::ScaledObjectSpec = serde_json::from_value(object).unwrap();
        let resources = super::super::resource::metrics(&object).unwrap();
        let mut whole = json!({
            "metadata": {"name": "vpa"},
            "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}},
        });
        for (key, value) in spec.as_object().unwrap() {
            whole["spec"][key] = value.clone();
        }
        conflicts(&object.scale_target_ref, &resources, &[whole]).len()
    }

    #[test]
    fn a_conflict_is_one_on_the_same_resource_of_the_same_target() {
        let policy = |policies: Value| json!({"resourcePolicy": {"containerPolicies": policies}});
        let target =
            |kind: &str, name: &str| json!({"targetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name}});
        let mode = |mode: &str| json!({"updatePolicy": {"updateMode": mode}});
        for (container, spec, expected) in [
            (None, json!({}), 1),
            (None, mode("Auto"), 1),
            (None, mode("Recreate"), 1),
            (None, mode("Initial"), 1),
            (None, mode("InPlaceOrRecreate"), 1),
            (None, mode("Off"), 0),
            (None, target("Deployment", "other"), 0),
            (None, target("StatefulSet", "app"), 0),
            (None, json!({"targetRef": {"apiVersion": "apps/v1beta1", "kind": "Deployment", "name": "app"}}), 1),
            (None, json!({"targetRef": {"apiVersion": "example.com/v1", "kind": "Deployment", "name": "app"}}), 0),
            (None, policy(json!([{"containerName": "*", "controlledResources": ["memory"]}])), 0),
            (None, policy(json!([{"containerName": "*", "controlledResources": ["cpu"]}])), 1),
            (None, policy(json!([{"containerName": "*", "mode": "Off"}])), 0),
            (None, policy(json!([{"containerName": "*", "mode": "Off"}, {"containerName": "side"}])), 1),
            (Some("app"), policy(json!([{"containerName": "*", "mode": "Off"}, {"containerName": "side"}])), 0),
            (Some("app"), policy(json!([{"containerName": "app", "mode": "Off"}])), 0),
            (Some("app"), policy(json!([{"containerName": "side", "mode": "Off"}])), 1),
        ] {
            assert_eq!(count(container, &spec), expected, "{container:?} {spec}");
        }
    }
}
