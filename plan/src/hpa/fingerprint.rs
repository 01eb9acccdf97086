//! A digest of an HPA. It shows whether a change matters, without the object.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::marks_ownership;

/// The digests of an HPA's parts. The default is that of no HPA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of the specification and the controller.
    spec: u64,
    /// Whether a GitOps tool's mark is on it.
    marked: bool,
    /// Of each label and annotation.
    pairs: Box<[u32]>,
}

impl Fingerprint {
    /// The fingerprint of an HPA.
    pub fn of(hpa: &HorizontalPodAutoscaler) -> Self {
        let metadata = &hpa.metadata;
        let controller = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let pairs = || {
            let labels = metadata.labels.iter().flatten().map(|pair| ('l', pair));
            labels.chain(metadata.annotations.iter().flatten().map(|pair| ('a', pair)))
        };
        Self {
            spec: hash(&(serde_json::to_string(&(&hpa.spec, controller)).unwrap_or_default())),
            marked: pairs().any(|(_, (key, _))| marks_ownership(key)),
            // Half of the digest distinguishes a handful of pairs.
            #[allow(clippy::cast_possible_truncation)]
            pairs: pairs().map(|pair| hash(&pair) as u32).collect(),
        }
    }

    /// Whether an HPA with the fingerprint `present` is as the one of this fingerprint was made by Ebb. Labels and
    /// annotations that others have added do not matter, unless they are marks of GitOps tools.
    pub fn holds_for(&self, present: &Self) -> bool {
        self.spec == present.spec
            && self.marked == present.marked
            && self.pairs.iter().all(|pair| present.pairs.contains(pair))
    }
}

/// A digest of the HPA that Ebb wants.
pub fn wanted(hpa: &HorizontalPodAutoscaler) -> u64 {
    hash(&super::replacement::parts(hpa).to_string())
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn print(metadata: &Value, max: i32) -> Fingerprint {
        let spec = json!({"maxReplicas": max, "scaleTargetRef": {"kind": "Deployment", "name": "shop"}});
        Fingerprint::of(&serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap())
    }

    fn owned(controller: bool) -> Value {
        let owner = json!({"apiVersion": "v1", "kind": "App", "name": "x", "uid": "x", "controller": controller});
        json!({"labels": {"a": "1"}, "annotations": {"b": "2"}, "ownerReferences": [owner]})
    }

    #[test]
    fn another_hpa_is_wanted_where_it_differs() {
        let of = |max: i32| {
            let spec = json!({"maxReplicas": max, "scaleTargetRef": {"kind": "Deployment", "name": "shop"}});
            wanted(&serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap())
        };
        assert_eq!(of(5), of(5));
        assert_ne!(of(5), of(6));
    }

    #[test]
    fn only_what_ebb_answers_for_counts() {
        let made = print(&json!({"labels": {"a": "1"}, "annotations": {"b": "2"}}), 5);
        for (holds, metadata, max) in [
            (true, json!({"labels": {"a": "1"}, "annotations": {"b": "2"}}), 5),
            (true, json!({"labels": {"a": "1", "team": "x"}, "annotations": {"b": "2", "note": "y"}}), 5),
            (false, json!({"labels": {"a": "1"}, "annotations": {"b": "2"}}), 6),
            (false, json!({"labels": {"a": "2"}, "annotations": {"b": "2"}}), 5),
            (false, json!({"labels": {"a": "1"}}), 5),
            (true, owned(false), 5),
            (false, owned(true), 5),
            (false, json!({"labels": {"a": "1", "b": "2"}}), 5),
            (false, json!({"labels": {"a": "1", "app.kubernetes.io/instance": "x"}, "annotations": {"b": "2"}}), 5),
        ] {
            assert_eq!(made.holds_for(&print(&metadata, max)), holds, "{metadata} {max}");
        }
    }
}
