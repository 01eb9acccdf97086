//! Objects of the API server come back from the types unchanged, and are always readable.

use ebb_crds::{ClusterTriggerAuthentication, ScaledObject, TriggerAuthentication};
use kube::core::ObjectList;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::schema::{definitions, full, text};

fn read<T: DeserializeOwned>(document: &Value) -> T {
    serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error} in {document:#}"))
}

fn assert_round_trip<T: DeserializeOwned + Serialize>(document: &Value) {
    assert_eq!(&serde_json::to_value(read::<T>(document)).unwrap(), document);
}

/// An object of the kind with every field that its definition knows.
fn full_object(kind: &str) -> Value {
    let definition =
        definitions().into_iter().find(|definition| definition.json["spec"]["names"]["kind"] == kind).unwrap();
    let mut object = full(definition.schema());
    object["apiVersion"] = "keda.sh/v1alpha1".into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": "full"});
    object
}

#[test]
fn no_field_of_the_definitions_is_lost() {
    assert_round_trip::<ScaledObject>(&full_object("ScaledObject"));
    assert_round_trip::<TriggerAuthentication>(&full_object("TriggerAuthentication"));
    assert_round_trip::<ClusterTriggerAuthentication>(&full_object("ClusterTriggerAuthentication"));
}

/// Manifests as users write them, with the status KEDA gave them.
#[test]
fn objects_that_keda_served_come_back_as_they_were() {
    let list: Value = serde_json::from_str(include_str!("documents/scaled-objects.json")).unwrap();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 8);
    items.iter().for_each(assert_round_trip::<ScaledObject>);

    let list: ObjectList<ScaledObject> = read(&list);
    let ready = |object: &ScaledObject| Some(object.status.as_ref()?.condition("Ready")?.is_true());
    assert_eq!(list.items.iter().filter(|object| ready(object) == Some(true)).count(), 6);
}

#[test]
fn objects_without_optional_fields_come_back_without_them() {
    assert_round_trip::<ScaledObject>(&json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "least"},
        "spec": {"scaleTargetRef": {"name": "least"}, "triggers": [{"type": "cpu", "metadata": {}}]},
    }));
    for kind in ["TriggerAuthentication", "ClusterTriggerAuthentication"] {
        let object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "least"}, "spec": {}});
        match kind {
            "TriggerAuthentication" => assert_round_trip::<TriggerAuthentication>(&object),
            _ => assert_round_trip::<ClusterTriggerAuthentication>(&object),
        }
    }
}

/// One unreadable object would hide all others, so values are read that a definition, this one or an older one, does or
/// did admit, however odd.
#[test]
fn odd_values_are_readable() {
    let mut object = full_object("ScaledObject");
    object["spec"]["unknown"] = json!({"field": [1]});
    object["spec"]["pollingInterval"] = (-5).into();
    object["spec"]["maxReplicaCount"] = Value::Null;
    object["spec"]["fallback"]["behavior"] = "from another version".into();
    object["spec"]["advanced"]["scalingModifiers"] = json!({});
    object["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]["tolerance"] = 0.into();
    object["spec"]["triggers"][0]["authenticationRef"]["kind"] = "Secret".into();
    object["spec"]["triggers"][0]["metricType"] = "".into();
    object["status"]["lastActiveTime"] = "9999-12-31T23:59:59Z".into();
    object["status"]["conditions"][0]["status"] = "Perhaps".into();
    object["status"]["health"] = json!({"s0-kafka-t1": {}});
    object["status"]["triggersActivity"] = json!({"s0-kafka-t1": {}});
    let read: ScaledObject = read(&object);
    assert_eq!(read.status.unwrap().last_active_time, None);
    assert_eq!(read.spec.scaling_modifiers(), None);

    let mut object = full_object("TriggerAuthentication");
    object["spec"]["podIdentity"]["provider"] = "azure".into();
    object["spec"]["azureKeyVault"]["credentials"] = Value::Null;
    object["spec"]["hashiCorpVault"]["authentication"] = "".into();
    object["spec"]["oauth2"].as_object_mut().unwrap().remove("type");
    let read: TriggerAuthentication = self::read(&object);
    assert_eq!(text(&serde_json::to_value(read).unwrap()["spec"]["oauth2"]["type"]), "clientCredentials");
}
