//! Writes of the controller besides the HPA: its deletion, the finalizer and the label. Every step may be taken again
//! without harm.

use ebb_crds::{ScaledObject, names};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::hpas;
use crate::plan::names::label_value;

/// Deletes the ScaledObject's HPA of this name, if it is its own.
pub(super) async fn delete_hpa(client: &Client, scaled_object: &ScaledObject, name: &str) -> Result<(), kube::Error> {
    let api: Api<HorizontalPodAutoscaler> =
        Api::namespaced(client.clone(), &scaled_object.namespace().unwrap_or_default());
    let Some(present) = api.get_opt(name).await? else { return Ok(()) };
    if !is_own(scaled_object, &present) || present.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: present.uid(), resource_version: None }),
        ..DeleteParams::default()
    };
    match api.delete(name, &params).await {
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        other => other.map(drop),
    }
}

/// Whether an HPA belongs to a ScaledObject: it names it as its controller, or it names none and has the label of this
/// ScaledObject, which KEDA and Ebb put on their HPAs.
pub(super) fn is_own(scaled_object: &ScaledObject, present: &HorizontalPodAutoscaler) -> bool {
    if present.owner_references().iter().all(|owner| owner.controller != Some(true)) {
        let label = present.labels().get(names::SCALED_OBJECT_NAME_LABEL);
        return label.is_some_and(|label| label == label_value(&scaled_object.name_any()));
    }
    hpas::owner(present).is_some_and(|(_, uid)| Some(uid) == scaled_object.uid())
}

/// Puts the finalizer on, and the label that KEDA puts on (not while paused).
pub(super) async fn mark(client: &Client, scaled_object: &ScaledObject, with_label: bool) -> Result<(), kube::Error> {
    let name = scaled_object.name_any();
    let mut finalizers = scaled_object.finalizers().to_vec();
    let marked = finalizers.iter().any(|finalizer| finalizer == names::FINALIZER);
    let labelled = scaled_object.labels().get(names::SCALED_OBJECT_NAME_LABEL) == Some(&name);
    if marked && (labelled || !with_label) {
        return Ok(());
    }
    if !marked {
        finalizers.push(names::FINALIZER.to_owned());
    }
    let mut metadata = json!({"finalizers": finalizers, "resourceVersion": scaled_object.resource_version()});
    if with_label {
        metadata["labels"] = json!({names::SCALED_OBJECT_NAME_LABEL: name});
    }
    patch(client, scaled_object, metadata).await
}

/// Takes the finalizer off, so that the API server lets the object go. False if it was off, or the object had gone: what
/// the watch shows may be older than the last release.
pub(super) async fn release(client: &Client, scaled_object: &ScaledObject) -> Result<bool, kube::Error> {
    let finalizers: Vec<_> =
        scaled_object.finalizers().iter().filter(|finalizer| *finalizer != names::FINALIZER).cloned().collect();
    if finalizers.len() == scaled_object.finalizers().len() {
        return Ok(false);
    }
    match patch(
        client,
        scaled_object,
        json!({"finalizers": finalizers, "resourceVersion": scaled_object.resource_version()}),
    )
    .await
    {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

async fn patch(client: &Client, scaled_object: &ScaledObject, metadata: serde_json::Value) -> Result<(), kube::Error> {
    let api: Api<ScaledObject> = Api::namespaced(client.clone(), &scaled_object.namespace().unwrap_or_default());
    let change = Patch::Merge(json!({"metadata": metadata}));
    api.patch(&scaled_object.name_any(), &PatchParams::default(), &change).await.map(drop)
}
