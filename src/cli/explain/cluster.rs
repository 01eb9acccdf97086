//! The reads of `ebb explain`. Each read that fails is an unknown, with its reason; the ScaledObject alone is needed.

use ebb_crds::ScaledObject;
use ebb_plan::resource;
use ebb_plan::trail::object::{self, ScalingDecision};
use ebb_plan::vpa;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ExplainError;
use super::credentials::{self, UsedCertificate};
use crate::kube_api::errors;
use crate::kube_api::key::Key;
use crate::kube_api::scale::Targets;
use crate::metrics_api::decisions::{READINGS, RESOURCE, Readings};

/// Something that could be read, or why not.
pub type Known<T> = Result<T, String>;

/// The facts that an explanation follows from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The ScaledObject.
    pub object: ScaledObject,
    /// The target's replicas.
    pub replicas: Known<i32>,
    /// Its HPA. None: there is none.
    pub hpa: Known<Option<HorizontalPodAutoscaler>>,
    /// The other ScaledObjects of the namespace, and the HPAs that no ScaledObject has.
    pub others: Known<Vec<Other>>,
    /// The conflicts with VerticalPodAutoscalers, a text each.
    pub vpa_conflicts: Vec<String>,
    /// The certificates that its triggers use, as far as the user may read them.
    pub certificates: Vec<UsedCertificate>,
    /// The decisions, the oldest first, and since when they are known.
    pub decisions: Known<(Vec<ScalingDecision>, String)>,
    /// The readings.
    pub readings: Known<Readings>,
}

/// Something else that scales a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its kind and name: `ScaledObject web`.
    pub what: String,
    /// The kind and the name of its target.
    pub target: (String, String),
}

#[derive(Deserialize)]
struct DecisionList {
    since: String,
    items: Vec<ScalingDecision>,
}

/// Reads everything about a ScaledObject.
///
/// # Errors
/// The ScaledObject cannot be read.
pub(super) async fn read(client: &Client, key: &Key) -> Result<Facts, ExplainError> {
    let api: Api<ScaledObject> = Api::namespaced(client.clone(), &key.namespace);
    let object = api.get(&key.name).await;
    let object = object.map_err(|error| ExplainError::Object { key: key.clone(), cause: errors::message(&error) })?;
    let (replicas, hpa, others, vpa_conflicts, certificates, decisions, readings) = tokio::join!(
        replicas(client, key, &object),
        hpa(client, key, &object),
        others(client, key, &object),
        vpa_conflicts(client, key, &object),
        Box::pin(credentials::read(client, key, &object)),
        decisions(client, key),
        raw(client, format!("namespaces/{}/{RESOURCE}/{}/{READINGS}", key.namespace, key.name)),
    );
    Ok(Facts { object, replicas, hpa, others, vpa_conflicts, certificates, decisions, readings })
}

async fn replicas(client: &Client, key: &Key, object: &ScaledObject) -> Known<i32> {
    let targets = Targets::new(client.clone());
    let reference = &object.spec.scale_target_ref;
    let kind = targets.kind(reference).await.map_err(|error| error.to_string())?;
    let scale = targets.scale(&kind, &key.namespace, &reference.name).await.map_err(|error| error.to_string())?;
    Ok(scale.replicas)
}

async fn hpa(client: &Client, key: &Key, object: &ScaledObject) -> Known<Option<HorizontalPodAutoscaler>> {
    let reported = object.status.as_ref().and_then(|status| status.hpa_name.clone());
    let name = reported.unwrap_or_else(|| ebb_plan::hpa::name(object));
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), &key.namespace);
    api.get_opt(&name).await.map_err(|error| errors::message(&error))
}

async fn others(client: &Client, key: &Key, object: &ScaledObject) -> Known<Vec<Other>> {
    let all = ListParams::default();
    let objects: Api<ScaledObject> = Api::namespaced(client.clone(), &key.namespace);
    let objects = objects.list(&all).await.map_err(|error| errors::message(&error))?;
    let objects = objects.into_iter().filter(|other| other.uid() != object.uid()).map(|other| {
        let target = &other.spec.scale_target_ref;
        let target = (target.kind().to_owned(), target.name.clone());
        Other { what: format!("ScaledObject {}", other.name_any()), target }
    });
    let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), &key.namespace);
    let hpas = hpas.list(&all).await.map_err(|error| errors::message(&error))?;
    let foreign =
        hpas.into_iter().filter(|hpa| hpa.owner_references().iter().all(|owner| owner.kind != "ScaledObject"));
    let hpas = foreign.map(|hpa| {
        let target = &hpa.spec.scale_target_ref;
        let target = (target.kind.clone(), target.name.clone());
        Other { what: format!("HorizontalPodAutoscaler {}", hpa.name_any()), target }
    });
    Ok(objects.chain(hpas).collect())
}

/// Most clusters have no such kind, and many users no right to it: that is no news.
async fn vpa_conflicts(client: &Client, key: &Key, object: &ScaledObject) -> Vec<String> {
    let Ok(resources) = resource::metrics(&object.spec) else { return Vec::new() };
    if resources.is_empty() {
        return Vec::new();
    }
    let Ok(all) = crate::kube_api::vpa::list(client, &key.namespace).await else { return Vec::new() };
    vpa::conflicts(&object.spec.scale_target_ref, &resources, &all)
}

async fn decisions(client: &Client, key: &Key) -> Known<(Vec<ScalingDecision>, String)> {
    let list: DecisionList =
        raw(client, format!("namespaces/{}/{RESOURCE}?fieldSelector=scaledObject%3D{}", key.namespace, key.name))
            .await?;
    Ok((list.items, list.since))
}

async fn raw<T: DeserializeOwned>(client: &Client, path: String) -> Known<T> {
    let path = format!("/apis/{}/{}/{path}", object::GROUP, object::VERSION);
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    client.request(request).await.map_err(|error| errors::message(&error))
}
