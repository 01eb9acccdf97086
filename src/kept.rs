//! A ScaledObject as it is kept between its passes, of which there may be thousands.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ebb_crds::{ScaleTarget, ScaledObject, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt as _};
use serde::Deserialize;

use crate::packed::{Packed, PackedError};
use crate::plan::hpa;
use crate::plan::names::label_value;

/// A ScaledObject, packed but for what is asked of all of them at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "ScaledObject")]
pub struct Kept {
    /// Namespace, name and whether it is being deleted, and no more: kube's queue keeps copies of what else there is.
    metadata: ObjectMeta,
    /// Its workload.
    pub target: ScaleTarget,
    /// The name that it gives to its HPA.
    hpa: Option<String>,
    /// Of what a pass depends on.
    pub digest: u64,
    /// Whether it has the finalizer and the label that Ebb puts on.
    pub marked: bool,
    packed: Packed<ScaledObject>,
}

impl Kept {
    /// Packs a ScaledObject.
    pub fn new(object: &ScaledObject) -> Result<Self, PackedError> {
        let ObjectMeta { namespace, name, deletion_timestamp, .. } = &object.metadata;
        Ok(Self {
            metadata: ObjectMeta {
                namespace: namespace.clone(),
                name: name.clone(),
                deletion_timestamp: deletion_timestamp.clone(),
                ..ObjectMeta::default()
            },
            target: object.spec.scale_target_ref.clone(),
            hpa: object.spec.hpa_config().and_then(|config| config.name()).map(str::to_owned),
            digest: digest(object),
            marked: object.finalizers().iter().any(|finalizer| finalizer == names::FINALIZER)
                && object
                    .labels()
                    .get(names::SCALED_OBJECT_NAME_LABEL)
                    .is_some_and(|label| label == label_value(&object.name_any())),
            packed: Packed::new(object)?,
        })
    }

    /// The whole of it.
    pub fn open(&self) -> Result<ScaledObject, PackedError> {
        self.packed.open()
    }

    /// Whether its HPA has this name: that of [`hpa::name`], without making it.
    pub fn has_hpa(&self, name: &str) -> bool {
        match &self.hpa {
            Some(configured) => configured == name,
            None => name.strip_prefix(hpa::DEFAULT_PREFIX) == self.metadata.name.as_deref(),
        }
    }

    /// Whether a pass has to follow the change from `before`: what a pass depends on is another, or somebody has taken Ebb's
    /// finalizer or label off. Their coming is Ebb's own doing.
    pub fn calls_for_pass(&self, before: &Self) -> bool {
        before.digest != self.digest || (before.marked && !self.marked)
    }
}

/// As the API server sends it: kube's controller wants what it could watch by itself.
impl TryFrom<ScaledObject> for Kept {
    type Error = PackedError;

    fn try_from(object: ScaledObject) -> Result<Self, PackedError> {
        Self::new(&object)
    }
}

impl Resource for Kept {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        ScaledObject::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ScaledObject::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ScaledObject::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ScaledObject::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// A digest of what a pass depends on: not the status, and not the marks that Ebb itself puts on.
fn digest(object: &ScaledObject) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.metadata.generation.hash(&mut hasher);
    object.metadata.uid.hash(&mut hasher);
    object.metadata.deletion_timestamp.is_some().hash(&mut hasher);
    for (key, value) in object.labels().iter().filter(|(key, _)| *key != names::SCALED_OBJECT_NAME_LABEL) {
        (key, value).hash(&mut hasher);
    }
    object.annotations().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(metadata: &Value, advanced: &Value) -> ScaledObject {
        serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": metadata,
            "spec": {"scaleTargetRef": {"name": "app"}, "triggers": [], "advanced": advanced},
        }))
        .unwrap()
    }

    fn kept(metadata: &Value) -> Kept {
        Kept::new(&object(metadata, &Value::Null)).unwrap()
    }

    #[test]
    fn the_digest_changes_with_what_users_change_and_not_with_what_ebb_writes() {
        let plain = kept(&json!({"generation": 1})).digest;
        let label = json!({"scaledobject.keda.sh/name": "app"});
        let marked =
            json!({"generation": 1, "labels": label, "finalizers": ["finalizer.keda.sh"], "resourceVersion": "2"});
        assert_eq!(kept(&marked).digest, plain);
        for changed in [
            json!({"generation": 2}),
            json!({"generation": 1, "uid": "another"}),
            json!({"generation": 1, "annotations": {"autoscaling.keda.sh/paused": "true"}}),
            json!({"generation": 1, "labels": {"team": "a"}}),
            json!({"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ] {
            assert_ne!(kept(&changed).digest, plain, "{changed}");
        }
    }

    #[test]
    fn its_hpa_is_known_without_unpacking() {
        for advanced in [json!({}), json!({"horizontalPodAutoscalerConfig": {"name": "own"}})] {
            let object = object(&json!({"name": "app"}), &advanced);
            let kept = Kept::new(&object).unwrap();
            for name in ["own", "app", "keda-hpa-app", "keda-hpa-", "keda-hpa-apple", ""] {
                assert_eq!(kept.has_hpa(name), hpa::name(&object) == name, "{name:?} of {advanced}");
            }
        }
    }

    #[test]
    fn the_whole_comes_out_again() {
        let object = object(&json!({"name": "app", "labels": {"a": "b"}, "uid": "1"}), &json!({}));
        let whole = |object: &ScaledObject| serde_json::to_value(object).unwrap();
        assert_eq!(whole(&Kept::new(&object).unwrap().open().unwrap()), whole(&object));
    }
}
