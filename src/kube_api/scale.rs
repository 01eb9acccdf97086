//! The workload behind a ScaledObject: any kind with a `/scale` subresource, found through discovery.
//!
//! Owns the cache of discovered kinds, and reads and writes counts of replicas. Must not decide which count is right.

use std::collections::HashMap;
use std::sync::Arc;

use ebb_crds::{GroupVersionKindResource, ScaleTarget};
use kube::api::{Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{self, ApiResource, Scope};
use kube::{Api, Client, ResourceExt as _, core::DynamicObject};
use parking_lot::RwLock;
use serde_json::json;

use super::errors;
use ebb_plan::names::is_object_name;
use ebb_plan::status::TargetKind;

/// A kind of workload that can be scaled. Clones share its discovery.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    resource: Arc<ApiResource>,
    status: Arc<TargetKind>,
}

impl Kind {
    /// The kind that a `scaleTargetRef` means when it names none.
    pub fn deployment() -> Self {
        Self::of(ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&()))
    }

    fn of(resource: ApiResource) -> Self {
        let status = TargetKind {
            display: format!("{}.{}", resource.api_version, resource.kind),
            gvkr: GroupVersionKindResource {
                group: resource.group.clone(),
                version: resource.version.clone(),
                kind: resource.kind.clone(),
                resource: resource.plural.clone(),
            },
        };
        Self { resource: Arc::new(resource), status: Arc::new(status) }
    }

    /// `apps/v1.Deployment`, as in KEDA's events.
    pub fn display(&self) -> &str {
        &self.status.display
    }

    /// Whether it is a kind of Kubernetes itself.
    pub fn is_built_in(&self) -> bool {
        self.resource.group == "apps"
    }

    /// Whether it is Argo's Rollout, which may have its pods in another workload.
    pub fn is_rollout(&self) -> bool {
        self.resource.group == "argoproj.io" && self.resource.kind == "Rollout"
    }

    /// As in a status.
    pub fn status(&self) -> &Arc<TargetKind> {
        &self.status
    }
}

/// Why a target cannot be scaled.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// `apiVersion` is none.
    #[error("scaleTargetRef.apiVersion {0:?} is not of the form group/version")]
    ApiVersion(String),
    /// The cluster has no such kind.
    #[error(
        "no matches for kind {kind:?} in version {api_version:?}: install its custom resource definition or correct scaleTargetRef"
    )]
    UnknownKind {
        /// The kind that was asked for.
        kind: String,
        /// Its API version.
        api_version: String,
    },
    /// The kind has no `/scale`, or does not live in a namespace.
    #[error(
        "{0} has no /scale subresource: only kinds with one can be scaled; a custom resource definition declares it under subresources.scale"
    )]
    NotScalable(String),
    /// No object can have this name.
    #[error("scaleTargetRef.name {0:?} is no name of an object: write letters, digits, '-' and '.'")]
    Name(String),
    /// The object has no count of replicas.
    #[error(
        "{resource} {name:?} has no count of replicas: set the field that its definition names as specReplicasPath ({text})"
    )]
    NoCount {
        /// `rollouts.argoproj.io`.
        resource: String,
        /// The object's name.
        name: String,
        /// The API server's words.
        text: String,
    },
    /// The object is not there.
    #[error("{resource} {name:?} not found: scaleTargetRef must name an object in the ScaledObject's namespace")]
    Missing {
        /// `deployments.apps`.
        resource: String,
        /// The object's name.
        name: String,
    },
    /// The API server did not answer in time.
    #[error("no answer from the API server in time")]
    Timeout,
    /// The API server could not be asked, or refused.
    #[error("{0}")]
    Api(#[source] Box<kube::Error>),
}

impl TargetError {
    /// Whether the API server answered with a refusal: asking again at once would give the same.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Api(error) if matches!(**error, kube::Error::Api(ref status)
            if (400..500).contains(&status.code) && !matches!(status.code, 409 | 429)))
    }

    /// Whether another writer has changed the target since it was read.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(error) if matches!(**error, kube::Error::Api(ref status) if status.code == 409))
    }

    /// Whether it is unknown if the API server carried the request out.
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Api(error) => !matches!(**error, kube::Error::Api(ref status) if status.code < 500),
            _ => false,
        }
    }

    /// Whether the API server gave no answer, or cannot keep up: nothing is known about the target.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Api(error) => errors::is_unanswered(error),
            _ => false,
        }
    }

    /// Whether the API server answered that there is no such kind, or none that can be scaled.
    pub fn is_about_kind(&self) -> bool {
        matches!(self, Self::ApiVersion(_) | Self::UnknownKind { .. } | Self::NotScalable(_))
    }
}

impl From<kube::Error> for TargetError {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

fn check(name: &str) -> Result<(), TargetError> {
    if is_object_name(name) { Ok(()) } else { Err(TargetError::Name(name.to_owned())) }
}

/// A count of replicas, and the version of the object it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// `spec.replicas`.
    pub replicas: i32,
    resource_version: Option<String>,
}

/// Finds targets and scales them. Cloning shares the discovered kinds.
#[derive(Clone)]
pub struct Targets {
    client: Client,
    kinds: Arc<RwLock<HashMap<GroupVersionKind, Kind>>>,
}

impl std::fmt::Debug for Targets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Targets").finish_non_exhaustive()
    }
}

impl Targets {
    /// Nothing is known yet.
    pub fn new(client: Client) -> Self {
        Self { client, kinds: Arc::default() }
    }

    /// The kind that `target` names.
    pub async fn kind(&self, target: &ScaleTarget) -> Result<Kind, TargetError> {
        let (api_version, kind) = (target.api_version(), target.kind());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if version.is_empty() || version.contains('/') {
            return Err(TargetError::ApiVersion(api_version.to_owned()));
        }
        let gvk = GroupVersionKind::gvk(group, version, kind);
        if let Some(kind) = self.kinds.read().get(&gvk) {
            return Ok(kind.clone());
        }
        let (resource, capabilities) = match discovery::pinned_kind(&self.client, &gvk).await {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code != 404 => return Err(kube::Error::Api(status).into()),
            Err(kube::Error::Api(_) | kube::Error::Discovery(_)) => {
                return Err(TargetError::UnknownKind { kind: kind.to_owned(), api_version: api_version.to_owned() });
            }
            Err(error) => return Err(error.into()),
        };
        let scalable = capabilities.subresources.iter().any(|(sub, _)| sub.plural == "scale");
        let kind = Kind::of(resource);
        if !scalable || capabilities.scope != Scope::Namespaced {
            return Err(TargetError::NotScalable(kind.display().to_owned()));
        }
        self.kinds.write().insert(gvk, kind.clone());
        Ok(kind)
    }

    /// The target's present count of replicas.
    pub async fn scale(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Scale, TargetError> {
        check(name)?;
        let scale = self.api(kind, namespace).get_scale(name).await.map_err(|error| self.explain(error, kind, name))?;
        Ok(Scale {
            replicas: scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0),
            resource_version: scale.resource_version(),
        })
    }

    /// Sets the count, unless the target has changed since `seen`: then the API server answers with a conflict.
    pub async fn set(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        seen: &Scale,
        replicas: i32,
    ) -> Result<(), TargetError> {
        let patch = json!({
            "metadata": {"resourceVersion": seen.resource_version},
            "spec": {"replicas": replicas},
        });
        self.api(kind, namespace)
            .patch_scale(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .map(drop)
            .map_err(|error| self.explain(error, kind, name))
    }

    /// The number of the target's ready pods by its status; all its replicas where the status has none.
    pub async fn ready(&self, kind: &Kind, namespace: &str, name: &str) -> Result<i32, TargetError> {
        let found = self.object(kind, namespace, name).await?;
        let ready = found.data.pointer("/status/readyReplicas").and_then(serde_json::Value::as_i64);
        if let Some(ready) = ready {
            return Ok(ready.try_into().unwrap_or(i32::MAX));
        }
        let scale = self.api(kind, namespace).get_scale(name).await.map_err(|error| self.explain(error, kind, name))?;
        Ok(scale.status.map_or(0, |status| status.replicas))
    }

    /// The target as the API server has it.
    pub async fn object(&self, kind: &Kind, namespace: &str, name: &str) -> Result<DynamicObject, TargetError> {
        check(name)?;
        self.api(kind, namespace).get(name).await.map_err(|error| self.explain(error, kind, name))
    }

    fn api(&self, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &*kind.resource)
    }

    fn explain(&self, error: kube::Error, kind: &Kind, name: &str) -> TargetError {
        let ApiResource { plural, group, api_version, kind: called, .. } = &*kind.resource;
        let resource = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
        match error {
            kube::Error::Api(status) if status.code == 404 => {
                // The kind may have changed, or have gone: ask discovery again next time.
                self.kinds.write().retain(|_, known| known != kind);
                if status.details.is_some_and(|details| details.name == name) {
                    TargetError::Missing { resource, name: name.to_owned() }
                } else {
                    TargetError::UnknownKind { kind: called.clone(), api_version: api_version.clone() }
                }
            }
            kube::Error::Api(status) if status.code == 500 && status.message.contains("spec replicas field") => {
                TargetError::NoCount { resource, name: name.to_owned(), text: status.message }
            }
            error => error.into(),
        }
    }
}
