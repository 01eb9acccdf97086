//! The writes of a pass. Each of them may be repeated without harm.

use std::sync::Arc;

use ebb_crds::{ScaledObject, names};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::context::Context;
use super::ensure_hpa::{self, Ensured, Wanted};
use super::failure::of_api;
use crate::store::record::Record;
use ebb_plan::failure::Failure;
use ebb_plan::hpa::write::is_own;
use ebb_plan::reconcile::{Marks, Plan, Replicas};

/// The most attempts to set a count where another writer comes first.
const ATTEMPTS: u32 = 3;

/// Carries out a plan, in the order of its fields. Nothing is written while another replica leads.
///
/// # Errors
/// The first write that failed. Earlier writes stay, and the next pass goes on from there.
pub(super) async fn apply(
    context: &Context,
    object: &ScaledObject,
    record: &Arc<Record>,
    plan: &Plan,
) -> Result<Ensured, Failure> {
    if let Some((paused, _)) = plan.report.paused {
        record.metrics.paused.set(f64::from(u8::from(paused)));
    }
    let observes = plan.report.observed == Some(true);
    let ends = |served: bool| plan.report.stops || (observes && served);
    if record.serving().is_some_and(|serving| ends(!serving.observed)) {
        record.serve(None);
    }
    record.status.note(|facts| plan.report.begin(facts)).await;
    let mut ensured = Ensured::default();
    if !context.leadership.is_leader() {
        return Ok(ensured);
    }
    let client = &context.client;
    if let Some(marks) = &plan.marks {
        mark(client, object, marks).await.map_err(of_api)?;
    }
    if plan.status_first {
        record.status.report(client, |_| {}).await;
    }
    if plan.report.target.as_ref().is_some_and(|target| target.replicas.is_some()) {
        record.check.target_noted(context.target_digest(object));
    }
    if let Some(hpa) = &plan.hpa {
        ensured = ensure_hpa::ensure(client, &context.hpas, &Wanted { object, record, hpa }).await?;
    }
    for name in &plan.surplus_hpas {
        delete_hpa(client, object, name).await.map_err(of_api)?;
    }
    if plan.report.stops || observes {
        record.hpa.clear();
    }
    if let Some(replicas) = plan.replicas {
        set_replicas(context, object, record, replicas).await?;
    }
    if let Some(finalizers) = &plan.release {
        ensured.released = release(client, object, finalizers).await.map_err(of_api)?;
    }
    Ok(ensured)
}

/// Deletes the ScaledObject's HPA of this name, if it is its own.
async fn delete_hpa(client: &Client, object: &ScaledObject, name: &str) -> Result<(), kube::Error> {
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let Some(present) = api.get_opt(name).await? else { return Ok(()) };
    if !is_own(object, &present) || present.metadata.deletion_timestamp.is_some() {
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

/// Sets the target's count, after a look at the present one. Another writer may come in between.
async fn set_replicas(
    context: &Context,
    object: &ScaledObject,
    record: &Record,
    replicas: Replicas,
) -> Result<(), Failure> {
    let (reference, namespace) = (&object.spec.scale_target_ref, &record.key.namespace);
    let set = async {
        let kind = context.targets.kind(reference).await?;
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let present = context.targets.scale(&kind, namespace, &reference.name).await?;
            if present.replicas == replicas.count {
                return Ok(());
            }
            match context.targets.set(&kind, namespace, &reference.name, &present, replicas.count).await {
                Err(error) if attempts > 0 && error.is_conflict() => {}
                Ok(()) => {
                    if !replicas.optional {
                        record.trail.on_paused_at(present.replicas, replicas.count);
                    }
                    return Ok(());
                }
                other => return other,
            }
        }
    };
    match set.await.map_err(Failure::from) {
        Err(failure) if replicas.optional && failure.is_final() => {
            let count = replicas.count;
            tracing::warn!(scaled_object = %record.key, error = %failure, count, "the replicas are not restored");
            Ok(())
        }
        other => other,
    }
}

async fn mark(client: &Client, object: &ScaledObject, marks: &Marks) -> Result<(), kube::Error> {
    let mut metadata = json!({"finalizers": marks.finalizers, "resourceVersion": object.resource_version()});
    if let Some(label) = &marks.label {
        metadata["labels"] = json!({names::SCALED_OBJECT_NAME_LABEL: label});
    }
    patch(client, object, metadata).await
}

/// Takes the finalizer off, so that the API server can delete the object. False if the object had gone: the watch may
/// show an older state.
async fn release(client: &Client, object: &ScaledObject, finalizers: &[String]) -> Result<bool, kube::Error> {
    let metadata = json!({"finalizers": finalizers, "resourceVersion": object.resource_version()});
    match patch(client, object, metadata).await {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

async fn patch(client: &Client, object: &ScaledObject, metadata: serde_json::Value) -> Result<(), kube::Error> {
    let api: Api<ScaledObject> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let change = Patch::Merge(json!({"metadata": metadata}));
    api.patch(&object.name_any(), &PatchParams::default(), &change).await.map(drop)
}
