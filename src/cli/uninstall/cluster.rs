//! The requests of `ebb uninstall`.

use std::collections::BTreeSet;
use std::fmt::Debug;

use ebb_crds::{ScaledObject, names};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::kube_api::scope::{Labels, Scope};

/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// The most objects of one answer.
const PAGE: u32 = 500;
/// How often a change is tried that others precede.
const TRIES: usize = 5;
const CONFLICT: u16 = 409;
const NOT_FOUND: u16 = 404;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {source}")]
pub struct Problem {
    what: String,
    source: kube::Error,
}

impl Problem {
    fn new(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self { what, source }
    }
}

/// A kind of objects.
pub(super) trait Kind: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned {}

impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned> Kind for K {}

/// An object that sends requests of the API server to a Service.
pub(super) trait LeadsTo {
    /// Whether a Service of this namespace gets them.
    fn leads_to(&self, namespace: &str) -> bool;
}

impl LeadsTo for APIService {
    fn leads_to(&self, namespace: &str) -> bool {
        let service = self.spec.as_ref().and_then(|spec| spec.service.as_ref());
        service.is_some_and(|service| service.namespace.as_deref() == Some(namespace))
    }
}

impl LeadsTo for ValidatingWebhookConfiguration {
    fn leads_to(&self, namespace: &str) -> bool {
        let services = self.webhooks.iter().flatten().filter_map(|webhook| webhook.client_config.service.as_ref());
        services.into_iter().any(|service| service.namespace == namespace)
    }
}

fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

/// Deletes an object that sends requests to this namespace. Gives whether there was one.
pub(super) async fn delete_if_it_leads_to<K: Kind + LeadsTo>(
    api: &Api<K>,
    kind: &str,
    name: &str,
    namespace: &str,
) -> Result<bool, Problem> {
    let object = api.get_opt(name).await.map_err(Problem::new(format!("read the {kind} {name}")))?;
    let Some(object) = object.filter(|object| object.leads_to(namespace)) else { return Ok(false) };
    // Only the object that was looked at.
    let seen = kube::api::Preconditions { uid: object.uid(), resource_version: object.resource_version() };
    let delete = DeleteParams { preconditions: Some(seen), ..DeleteParams::default() };
    match api.delete(name, &delete).await {
        Err(error) if is(&error, NOT_FOUND) => Ok(false),
        deleted => deleted.map(|_| true).map_err(Problem::new(format!("delete the {kind} {name}"))),
    }
}

/// The metadata of all objects with these labels, page by page.
async fn list<K: Kind>(api: &Api<K>, labels: &Labels) -> Result<Vec<PartialObjectMeta<K>>, kube::Error> {
    let mut parameters = ListParams::default().limit(PAGE);
    if let Some(selector) = labels.get() {
        parameters = parameters.labels(selector);
    }
    let mut all = Vec::new();
    loop {
        let page = api.list_metadata(&parameters).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(all),
        }
    }
}

/// Removes Ebb's finalizer from the objects with these labels, and gives from how many. `within` is an interface to the
/// objects of one namespace. A kind that the cluster does not have has no objects.
pub(super) async fn remove_finalizers<K: Kind>(
    apis: &[Api<K>],
    within: impl Fn(&str) -> Api<K>,
    labels: &Labels,
) -> Result<usize, Problem> {
    let mut removed = 0;
    for api in apis {
        let objects = match list(api, labels).await {
            Err(error) if is(&error, NOT_FOUND) => continue,
            listed => listed.map_err(Problem::new(format!("list {}", K::plural(&()))))?,
        };
        let marked = objects.into_iter().filter(|object| object.finalizers().iter().any(|one| one == names::FINALIZER));
        let removals = marked.map(|object| remove_finalizer(within(&object.namespace().unwrap_or_default()), object));
        let removals = stream::iter(removals.collect::<Vec<_>>());
        let done: Vec<bool> = removals.buffer_unordered(AT_ONCE).try_collect().await?;
        removed += done.into_iter().filter(|done| *done).count();
    }
    Ok(removed)
}

/// Gives whether the object had the finalizer.
async fn remove_finalizer<K: Kind>(api: Api<K>, mut object: PartialObjectMeta<K>) -> Result<bool, Problem> {
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let what = format!("remove the finalizer from {} {namespace}/{name}", K::kind(&()));
    for _ in 0..TRIES {
        let others: Vec<_> = object.finalizers().iter().filter(|finalizer| *finalizer != names::FINALIZER).collect();
        if others.len() == object.finalizers().len() {
            return Ok(false);
        }
        let metadata = json!({"finalizers": others, "resourceVersion": object.resource_version()});
        let patch = Patch::Merge(json!({"metadata": metadata}));
        match api.patch_metadata(&name, &PatchParams::default(), &patch).await {
            Ok(_) => return Ok(true),
            Err(error) if is(&error, NOT_FOUND) => return Ok(false),
            Err(error) if is(&error, CONFLICT) => {
                let Some(now) = api.get_metadata_opt(&name).await.map_err(Problem::new(&what))? else {
                    return Ok(false);
                };
                object = now;
            }
            Err(error) => return Err(Problem::new(what)(error)),
        }
    }
    // A controller that changes it this often still runs. The next round finds the object again.
    Ok(true)
}

/// Deletes the HPAs of the ScaledObjects of this scope, and gives their number.
pub(super) async fn delete_hpas(client: &Client, scope: &Scope) -> Result<usize, Problem> {
    let mut owners = BTreeSet::new();
    for api in scope.apis::<ScaledObject>(client) {
        let objects = match list(&api, &scope.objects).await {
            Err(error) if is(&error, NOT_FOUND) => continue,
            listed => listed.map_err(Problem::new("list scaledobjects"))?,
        };
        owners.extend(objects.into_iter().filter_map(|object| object.uid()));
    }
    let mut deleted = 0;
    for api in scope.apis::<HorizontalPodAutoscaler>(client) {
        let hpas = list(&api, &Labels::default()).await.map_err(Problem::new("list horizontalpodautoscalers"))?;
        let owned =
            hpas.into_iter().filter(|hpa| hpa.owner_references().iter().any(|owner| owners.contains(&owner.uid)));
        for hpa in owned {
            let (name, namespace) = (hpa.name_any(), hpa.namespace().unwrap_or_default());
            let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), &namespace);
            match api.delete(&name, &DeleteParams::default()).await {
                Err(error) if is(&error, NOT_FOUND) => {}
                done => {
                    done.map_err(Problem::new(format!("delete the HorizontalPodAutoscaler {namespace}/{name}")))?;
                    deleted += 1;
                }
            }
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_to_the_namespace_is_ebbs() {
        let service = |namespace: &str| json!({"name": "ebb", "namespace": namespace});
        let api = |service: serde_json::Value| -> APIService {
            let spec = json!({"group": "g", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "service": service});
            serde_json::from_value(json!({"metadata": {"name": "v1.g"}, "spec": spec})).unwrap()
        };
        assert!(api(service("ebb-system")).leads_to("ebb-system"));
        assert!(!api(service("keda")).leads_to("ebb-system"));
        // The API server serves it itself.
        assert!(!api(json!(null)).leads_to("ebb-system"));

        let webhooks = |clients: &[serde_json::Value]| -> ValidatingWebhookConfiguration {
            let webhook = |client| json!({"name": "a.b.c", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": client});
            let webhooks: Vec<_> = clients.iter().map(webhook).collect();
            serde_json::from_value(json!({"metadata": {"name": "keda-admission"}, "webhooks": webhooks})).unwrap()
        };
        let (ours, theirs) = (json!({"service": service("ebb-system")}), json!({"service": service("keda")}));
        assert!(webhooks(&[theirs.clone(), ours]).leads_to("ebb-system"));
        assert!(!webhooks(&[theirs, json!({"url": "https://example.com"})]).leads_to("ebb-system"));
        assert!(!webhooks(&[]).leads_to("ebb-system"));
    }
}
