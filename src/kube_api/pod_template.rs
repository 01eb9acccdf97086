//! The pod template of a target: its own, or that of the workload that an Argo Rollout refers to (argo-rollouts docs,
//! "Migrating to Rollouts": `spec.workloadRef`).
//!
//! Owns the place of a template. The callers decide what follows from it.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{PodTemplate as PodTemplateObject, PodTemplateSpec};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde::Deserialize as _;
use serde_json::Value;

use crate::kube_api::scale::{Kind, TargetError, Targets};
use ebb_plan::environment::PodTemplate;
use ebb_plan::names::is_object_name;

/// Why there is no pod template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The object with the template is not there; it may come.
    #[error("{0}")]
    Missing(String),
    /// The object has no template.
    #[error("{0}")]
    Wrong(String),
    /// The API server did not answer, or refused.
    #[error("{what}: {cause}")]
    Api {
        /// The object that was read.
        what: String,
        /// The API server's words.
        cause: Box<kube::Error>,
    },
}

/// A workload that a Rollout takes its pods from.
#[derive(Debug, PartialEq, Eq)]
struct Workload<'a> {
    kind: &'static Source,
    name: &'a str,
}

/// A kind that a Rollout may refer to.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    group: &'static str,
    kind: &'static str,
    /// Where its pod template is.
    path: &'static str,
}

/// The kinds that Argo's controller follows.
const SOURCES: [Source; 4] = [
    Source { group: "apps", kind: "Deployment", path: "/spec/template" },
    Source { group: "apps", kind: "ReplicaSet", path: "/spec/template" },
    Source { group: "apps", kind: "StatefulSet", path: "/spec/template" },
    Source { group: "", kind: "PodTemplate", path: "/template" },
];

impl Source {
    fn resource(&self) -> ApiResource {
        match self.kind {
            "ReplicaSet" => ApiResource::erase::<ReplicaSet>(&()),
            "StatefulSet" => ApiResource::erase::<StatefulSet>(&()),
            "PodTemplate" => ApiResource::erase::<PodTemplateObject>(&()),
            _ => ApiResource::erase::<Deployment>(&()),
        }
    }
}

/// The pods of the target `name`.
///
/// # Errors
/// The target, or what it refers to, is not there, has no pod template, or cannot be read.
pub async fn read(
    client: &Client,
    targets: &Targets,
    kind: &Kind,
    namespace: &str,
    name: &str,
) -> Result<PodTemplate, TemplateError> {
    let target = targets.object(kind, namespace, name).await.map_err(|error| match error {
        TargetError::Api(cause) => TemplateError::Api { what: format!("cannot read the target {name:?}"), cause },
        other => TemplateError::Missing(other.to_string()),
    })?;
    let reference = if kind.is_rollout() { workload_ref(&target)? } else { None };
    let Some(Workload { kind: source, name: referred }) = reference else {
        return template("the target", &target.data, "/spec/template", namespace);
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &source.resource());
    let found = api.get_opt(referred).await.map_err(|cause| TemplateError::Api {
        what: format!("cannot read the {} {referred:?} that the Rollout {name:?} refers to", source.kind),
        cause: Box::new(cause),
    })?;
    let found = found.ok_or_else(|| {
        TemplateError::Missing(format!(
            "the Rollout {name:?} refers to the {} {referred:?} in spec.workloadRef, which is not in namespace {namespace:?}",
            source.kind
        ))
    })?;
    template(&format!("the {} {referred:?} of the Rollout {name:?}", source.kind), &found.data, source.path, namespace)
}

/// The workload that a Rollout refers to, if it does.
fn workload_ref(rollout: &DynamicObject) -> Result<Option<Workload<'_>>, TemplateError> {
    let Some(reference) = rollout.data.pointer("/spec/workloadRef").filter(|reference| !reference.is_null()) else {
        return Ok(None);
    };
    let text = |key: &str| reference[key].as_str().unwrap_or_default();
    let (api_version, kind, name) = (text("apiVersion"), text("kind"), text("name"));
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let source = SOURCES.iter().find(|source| source.group == group && source.kind == kind);
    match source {
        Some(_) if name.is_empty() => {
            Err(TemplateError::Wrong("the target's spec.workloadRef has no name: give the workload's".into()))
        }
        Some(_) if !is_object_name(name) => Err(TemplateError::Wrong(format!(
            "the target's spec.workloadRef has the name {name:?}, which is no name of an object: give the workload's"
        ))),
        Some(kind) => Ok(Some(Workload { kind, name })),
        None => Err(TemplateError::Wrong(format!(
            "the target's spec.workloadRef is of kind {kind:?} in version {api_version:?}: a Rollout can refer to a Deployment, ReplicaSet or StatefulSet of apps/v1, or a PodTemplate of v1"
        ))),
    }
}

/// Takes the pod template out of an object.
///
/// # Errors
/// There is none at this place, or it cannot be read.
pub fn template(what: &str, object: &Value, path: &str, namespace: &str) -> Result<PodTemplate, TemplateError> {
    let found = object.pointer(path).filter(|template| !template["spec"].is_null()).ok_or_else(|| {
        let place = path.trim_start_matches('/').replace('/', ".");
        TemplateError::Wrong(format!(
            "{what} has no pod template at {place}, which …FromEnv and env parameters are read from"
        ))
    })?;
    let template = PodTemplateSpec::deserialize(found)
        .map_err(|error| TemplateError::Wrong(format!("the pod template of {what} cannot be read: {error}")))?;
    Ok(PodTemplate::new(namespace, template))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(workload_ref: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "app"},
            "spec": {"workloadRef": workload_ref},
        }))
        .unwrap()
    }

    #[test]
    fn a_rollout_refers_to_what_argo_follows() {
        for (api_version, kind, path) in [
            ("apps/v1", "Deployment", "/spec/template"),
            ("apps/v1", "ReplicaSet", "/spec/template"),
            ("apps/v1", "StatefulSet", "/spec/template"),
            ("v1", "PodTemplate", "/template"),
        ] {
            let rollout = rollout(&json!({"apiVersion": api_version, "kind": kind, "name": "worker"}));
            let found = workload_ref(&rollout).unwrap().unwrap();
            assert_eq!((found.kind.kind, found.kind.path, found.name), (kind, path, "worker"));
            assert_eq!(found.kind.resource().kind, kind);
        }
        assert_eq!(workload_ref(&rollout(&Value::Null)).unwrap(), None);
        for (reference, says) in [
            (json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "w"}), "kind \"DaemonSet\""),
            (json!({"apiVersion": "v1", "kind": "Deployment", "name": "w"}), "of apps/v1"),
            (json!({"apiVersion": "apps/v1", "kind": "Deployment"}), "has no name"),
            (json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "w?x"}), "no name of an object"),
            (json!({}), "can refer to a Deployment"),
        ] {
            let error = workload_ref(&rollout(&reference)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_template_is_where_the_kind_has_it() {
        let pod = json!({"containers": [{"name": "app"}]});
        let here = json!({"spec": {"template": {"spec": pod}}, "template": {"spec": pod}});
        for path in ["/spec/template", "/template"] {
            assert_eq!(template("it", &here, path, "shop").unwrap().spec.containers[0].name, "app");
        }
        let error = template("the target", &json!({"spec": {}}), "/spec/template", "shop").unwrap_err().to_string();
        assert!(error.starts_with("the target has no pod template at spec.template,"), "{error}");
    }
}
