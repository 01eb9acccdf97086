//! A ScaledObject as it is kept between its passes.
//!
//! There may be thousands, and each is looked at seldom. A record has the fields that are read of all of them at once,
//! and a [`ServedSpec`] that a pass opens. It has no other part of the status than the one that
//! [`crate::store::registry`] leaves in it.

mod served_spec;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use ebb_crds::{ScaledObject, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt as _};
use serde::Deserialize;

use ebb_plan::hpa;
use ebb_plan::names::label_value;

use crate::review;
pub use served_spec::ServedSpec;

/// A ScaledObject between its passes. Clones share most of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "ScaledObject")]
pub struct WatchedObject {
    /// Namespace, name and the time of deletion, and no more: kube's queue copies the rest of the object.
    metadata: ObjectMeta,
    /// Of its target: group and kind, as [`review::kind_of`] gives them, and the name.
    target: Arc<(Box<str>, Box<str>)>,
    /// The name that it gives to its HPA.
    hpa: Option<Arc<str>>,
    /// A digest of the parts that a pass depends on: not the status, and not the marks that Ebb itself puts on.
    digest: u64,
    /// Whether it has the finalizer and the label that Ebb puts on.
    marked: bool,
    served: Arc<ServedSpec>,
}

impl WatchedObject {
    /// The record of a ScaledObject. It shares with the record `before` the parts that have stayed.
    ///
    /// # Errors
    /// The ScaledObject has no JSON, which is a bug.
    pub fn new(object: &ScaledObject, before: Option<&Self>) -> Result<Self, serde_json::Error> {
        let ObjectMeta { namespace, name, deletion_timestamp, .. } = &object.metadata;
        let reference = &object.spec.scale_target_ref;
        let target = (review::kind_of(reference).into(), reference.name.as_str().into());
        let metadata = ObjectMeta {
            namespace: namespace.clone(),
            name: name.clone(),
            deletion_timestamp: deletion_timestamp.clone(),
            ..ObjectMeta::default()
        };
        Ok(Self {
            metadata,
            target: before
                .map(|before| &before.target)
                .filter(|before| ***before == target)
                .map_or_else(|| Arc::new(target), Arc::clone),
            hpa: object.spec.hpa_config().and_then(|config| config.name()).map(Arc::from),
            digest: digest(object),
            marked: object.finalizers().iter().any(|finalizer| finalizer == names::FINALIZER)
                && object
                    .labels()
                    .get(names::SCALED_OBJECT_NAME_LABEL)
                    .is_some_and(|label| label == label_value(&object.name_any())),
            served: Arc::new(ServedSpec::of(object, before.map(|before| &*before.served))?),
        })
    }

    /// The ScaledObject.
    ///
    /// # Errors
    /// The JSON that is kept cannot be read, which is a bug.
    pub fn open(&self) -> Result<ScaledObject, serde_json::Error> {
        self.served.open(&self.metadata)
    }

    /// Whether it scales the workload of this name. `kind`: the workload's group and kind, as
    /// [`review::kind_of`] gives them.
    pub fn scales(&self, kind: &str, name: &str) -> bool {
        *self.target.1 == *name && *self.target.0 == *kind
    }

    /// Whether its HPA has this name: that of [`hpa::name`], without making it.
    pub fn has_hpa(&self, name: &str) -> bool {
        match &self.hpa {
            Some(configured) => **configured == *name,
            None => name.strip_prefix(hpa::DEFAULT_PREFIX) == self.metadata.name.as_deref(),
        }
    }

    /// Whether a pass has to follow the change from `before`: a part that a pass depends on has changed, or another
    /// writer has taken Ebb's finalizer or label off. Ebb itself puts these on, which calls for no pass.
    pub fn calls_for_pass(&self, before: &Self) -> bool {
        before.digest != self.digest || (before.marked && !self.marked)
    }

    /// The bytes that it takes, without the allocator's own.
    pub fn bytes(&self) -> usize {
        let names = [&self.metadata.namespace, &self.metadata.name];
        size_of::<Self>()
            + names.into_iter().flatten().map(String::capacity).sum::<usize>()
            + size_of::<(Box<str>, Box<str>)>()
            + self.target.0.len()
            + self.target.1.len()
            + self.hpa.as_ref().map_or(0, |name| name.len())
            + self.served.bytes()
    }
}

/// kube's controller takes kinds only that it could watch by itself.
impl TryFrom<ScaledObject> for WatchedObject {
    type Error = serde_json::Error;

    fn try_from(object: ScaledObject) -> Result<Self, serde_json::Error> {
        Self::new(&object, None)
    }
}

impl Resource for WatchedObject {
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

/// The status and the marks that Ebb itself puts on are left out: no pass depends on them.
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

    fn record(metadata: &Value) -> WatchedObject {
        WatchedObject::new(&object(metadata, &Value::Null), None).unwrap()
    }

    #[test]
    fn the_digest_changes_with_what_users_change_and_not_with_what_ebb_writes() {
        let plain = record(&json!({"generation": 1})).digest;
        let label = json!({"scaledobject.keda.sh/name": "app"});
        let marked =
            json!({"generation": 1, "labels": label, "finalizers": ["finalizer.keda.sh"], "resourceVersion": "2"});
        assert_eq!(record(&marked).digest, plain);
        for changed in [
            json!({"generation": 2}),
            json!({"generation": 1, "uid": "another"}),
            json!({"generation": 1, "annotations": {"autoscaling.keda.sh/paused": "true"}}),
            json!({"generation": 1, "labels": {"team": "a"}}),
            json!({"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ] {
            assert_ne!(record(&changed).digest, plain, "{changed}");
        }
    }

    #[test]
    fn its_hpa_is_known_without_opening_it() {
        for advanced in [json!({}), json!({"horizontalPodAutoscalerConfig": {"name": "own"}})] {
            let object = object(&json!({"name": "app"}), &advanced);
            let record = WatchedObject::new(&object, None).unwrap();
            for name in ["own", "app", "keda-hpa-app", "keda-hpa-", "keda-hpa-apple", ""] {
                assert_eq!(record.has_hpa(name), hpa::name(&object) == name, "{name:?} of {advanced}");
            }
        }
    }

    #[test]
    fn the_whole_comes_out_again() {
        let metadata = json!({
            "name": "app", "namespace": "shop", "labels": {"a": "b"}, "annotations": {}, "uid": "1", "generation": 3,
            "resourceVersion": "7", "finalizers": ["finalizer.keda.sh"], "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-02T00:00:00Z",
        });
        let mut object = object(&metadata, &json!({}));
        let whole = |object: &ScaledObject| serde_json::to_value(object).unwrap();
        let first = WatchedObject::new(&object, None).unwrap();
        assert_eq!(whole(&first.open().unwrap()), whole(&object));
        object.status = serde_json::from_value(json!({"hpaName": "keda-hpa-app", "originalReplicaCount": 2})).unwrap();
        object.metadata.resource_version = Some("8".into());
        let second = WatchedObject::new(&object, Some(&first)).unwrap();
        assert_eq!(whole(&second.open().unwrap()), whole(&object));
    }

    #[test]
    fn what_it_scales_is_known_without_opening_it() {
        let record = record(&json!({"name": "app"}));
        assert!(record.scales("apps/Deployment", "app"));
        assert!(!record.scales("apps/Deployment", "other") && !record.scales("apps/StatefulSet", "app"));
    }

    /// The bound is the share of 10,000 records in the 200 MB that Ebb may take with them: 15 MB.
    #[test]
    fn a_typical_one_takes_a_kilobyte_and_a_half() {
        let object = serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {
                "name": "order-processing", "namespace": "team-checkout", "uid": "00000000-0000-4000-8000-000000000000",
                "generation": 3, "resourceVersion": "123456789", "creationTimestamp": "2026-01-01T00:00:00Z",
                "finalizers": ["finalizer.keda.sh"],
                "labels": {
                    "app.kubernetes.io/name": "order-processing", "app.kubernetes.io/managed-by": "Helm",
                    "scaledobject.keda.sh/name": "order-processing",
                },
                "annotations": {"meta.helm.sh/release-name": "checkout"},
            },
            "spec": {
                "scaleTargetRef": {"name": "order-processing"}, "minReplicaCount": 0, "maxReplicaCount": 50,
                "cooldownPeriod": 120, "pollingInterval": 15,
                "triggers": [{
                    "type": "rabbitmq", "authenticationRef": {"name": "rabbitmq"},
                    "metadata": {"queueName": "order-processing", "mode": "QueueLength", "value": "20"},
                }],
            },
            "status": {"hpaName": "keda-hpa-order-processing", "originalReplicaCount": 1},
        }));
        let bytes = WatchedObject::new(&object.unwrap(), None).unwrap().bytes();
        assert!(bytes < 1536, "it takes {bytes} bytes");
    }
}
