//! The HPA that replaces the present one.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use super::{FIELD_MANAGER, marks_ownership};

type Pairs = Option<BTreeMap<String, String>>;

/// `present` with the specification, controller, labels and annotations of `desired`, for a replace.
///
/// The whole specification is the ScaledObject's, even where another writer set the present one. Labels and annotations
/// of others stay, except the marks of GitOps tools. Those that Ebb wrote before and that are no longer desired go.
pub fn replacement(present: &HorizontalPodAutoscaler, desired: &HorizontalPodAutoscaler) -> HorizontalPodAutoscaler {
    let metadata = &present.metadata;
    let fields = metadata.managed_fields.as_deref().unwrap_or_default();
    let controller = desired.metadata.owner_references.iter().flatten();
    let others = metadata.owner_references.iter().flatten();
    let others = others.filter(|owner| {
        owner.controller != Some(true)
            && desired.metadata.owner_references.iter().flatten().all(|desired| desired.uid != owner.uid)
    });
    let owners: Vec<_> = controller.chain(others).cloned().collect();
    HorizontalPodAutoscaler {
        metadata: ObjectMeta {
            labels: merged(&metadata.labels, &desired.metadata.labels, &written(fields, "f:labels")),
            annotations: merged(
                &metadata.annotations,
                &desired.metadata.annotations,
                &written(fields, "f:annotations"),
            ),
            owner_references: Some(owners).filter(|owners| !owners.is_empty()),
            // The API server keeps its own record.
            managed_fields: None,
            ..metadata.clone()
        },
        spec: desired.spec.clone(),
        status: present.status.clone(),
    }
}

/// Whether a replace of `present` by `next` would change nothing, as far as can be seen without asking the API server.
pub fn is_same(present: &HorizontalPodAutoscaler, next: &HorizontalPodAutoscaler) -> bool {
    let parts = |hpa: &HorizontalPodAutoscaler| {
        let ObjectMeta { labels, annotations, owner_references, .. } = hpa.metadata.clone();
        (labels.unwrap_or_default(), annotations.unwrap_or_default(), owner_references.unwrap_or_default())
    };
    present.spec == next.spec && parts(present) == parts(next)
}

fn merged(present: &Pairs, desired: &Pairs, written: &BTreeSet<String>) -> Pairs {
    let stays = |key: &str| !marks_ownership(key) && !written.contains(key);
    let mut pairs: BTreeMap<_, _> = present
        .iter()
        .flatten()
        .filter(|(key, _)| stays(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    pairs.extend(desired.clone().unwrap_or_default());
    Some(pairs).filter(|pairs| !pairs.is_empty())
}

/// The keys in `field` of the metadata that are Ebb's according to the API server's record.
fn written(fields: &[ManagedFieldsEntry], field: &str) -> BTreeSet<String> {
    let own = fields.iter().filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    own.filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:metadata")?.get(field)?.as_object())
        .flat_map(serde_json::Map::keys)
        .filter_map(|key| key.strip_prefix("f:").map(str::to_owned))
        .collect()
}

/// The parts of an HPA that Ebb sets, as JSON.
pub fn parts(hpa: &HorizontalPodAutoscaler) -> Value {
    let ObjectMeta { labels, annotations, owner_references, .. } = &hpa.metadata;
    serde_json::json!({
        "metadata": {"labels": labels, "annotations": annotations, "ownerReferences": owner_references},
        "spec": hpa.spec,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hpa(metadata: &Value, spec: &Value) -> HorizontalPodAutoscaler {
        let mut whole = json!({"maxReplicas": 8, "scaleTargetRef": {"kind": "Deployment", "name": "shop"}});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({"metadata": metadata, "spec": whole})).unwrap()
    }

    fn owner(name: &str, controller: bool) -> Value {
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name, "uid": name, "controller": controller})
    }

    #[test]
    fn the_specification_is_the_desired_one_whoever_wrote_the_rest() {
        let desired = hpa(&json!({}), &json!({"minReplicas": 1}));
        let held = json!({"minReplicas": 2, "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}});
        let next = replacement(&hpa(&json!({"resourceVersion": "7"}), &held), &desired);
        assert_eq!(next.spec, desired.spec);
        assert_eq!(next.metadata.resource_version.as_deref(), Some("7"));
        assert!(is_same(&next, &replacement(&next, &desired)));
    }

    #[test]
    fn labels_of_others_stay_and_marks_of_tools_go() {
        let present = json!({
            "labels": {"team": "checkout", "app.kubernetes.io/instance": "shop-prod", "tier": "1", "old": "ebb's"},
            "annotations": {"note": "by hand", "argocd.argoproj.io/tracking-id": "shop", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "managedFields": [
                {"manager": "keda", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}},
                {"manager": "ebb", "operation": "Apply", "fieldsV1": {"f:metadata": {"f:labels": {"f:old": {}, "f:tier": {}}}}},
            ],
        });
        let desired = hpa(&json!({"labels": {"tier": "2"}}), &json!({}));
        let next = replacement(&hpa(&present, &json!({})), &desired);
        let json = parts(&next);
        assert_eq!(json["metadata"]["labels"], json!({"team": "checkout", "tier": "2"}));
        assert_eq!(json["metadata"]["annotations"], json!({"note": "by hand"}));
    }

    #[test]
    fn there_is_one_controller_and_other_owners_stay() {
        let present = hpa(&json!({"ownerReferences": [owner("before", true), owner("guest", false)]}), &json!({}));
        let desired = hpa(&json!({"ownerReferences": [owner("now", true)]}), &json!({}));
        let owners = replacement(&present, &desired).metadata.owner_references.unwrap();
        let names: Vec<_> = owners.iter().map(|owner| (owner.name.as_str(), owner.controller)).collect();
        assert_eq!(names, [("now", Some(true)), ("guest", Some(false))]);
    }
}
