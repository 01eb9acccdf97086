//! The objects among the files to which those of Ebb's kinds refer: workloads, Secrets, ConfigMaps.

use std::collections::BTreeSet;

use ebb_crds::{AuthTargetRef, ScaleTarget, ScaledObject, TriggerAuthenticationSpec};
use k8s_openapi::api::core::v1::LimitRange;
use kube::ResourceExt as _;
use serde::Deserialize as _;
use serde_json::Value;

use super::manifest::Neighbour;
use crate::kube_api::pod_template;
use crate::review::{self, Environment, Finding, requests};
use ebb_plan::environment::PodTemplate;
use ebb_plan::resource;

/// The kinds that run pods, by group.
const WORKLOADS: [(&str, &str); 8] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("argoproj.io", "Rollout"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "ReplicationController"),
];

/// All objects of other kinds.
#[derive(Debug, Default)]
pub(super) struct Neighbours(pub(super) Vec<Neighbour>);

impl Neighbour {
    fn group(&self) -> &str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    fn group_kind(&self) -> String {
        format!("{}/{}", self.group(), self.kind)
    }

    fn is_workload(&self) -> bool {
        WORKLOADS.contains(&(self.group(), self.kind.as_str()))
    }
}

/// Whether two objects may be in one namespace. One without a namespace is in the namespace of the user who applies it.
pub(super) fn may_share(one: &str, other: &str) -> bool {
    one == other || one.is_empty() || other.is_empty()
}

/// The warning that an object refers to one in another namespace than `namespace`.
pub(super) fn in_another_namespace(path: &str, what: &str, there: &str, namespace: &str) -> Finding {
    Finding::warning(
        path,
        format!(
            "{what} is in namespace {there:?} among the files, and is looked for in {namespace:?}: put both into one namespace"
        ),
    )
}

impl Neighbours {
    /// The object of this kind and name that may be meant in `namespace`.
    fn find(&self, group_kind: &str, namespace: &str, name: &str) -> Option<&Neighbour> {
        let mut named = self.0.iter().filter(|object| object.name == name && may_share(&object.namespace, namespace));
        named.find(|object| object.group_kind() == group_kind)
    }

    /// The same in another namespace.
    fn find_elsewhere(&self, group_kind: &str, namespace: &str, name: &str) -> Option<&Neighbour> {
        let mut named = self.0.iter().filter(|object| object.name == name && !may_share(&object.namespace, namespace));
        named.find(|object| object.group_kind() == group_kind)
    }

    /// The pods of a target that is among the files.
    fn template(&self, target: &ScaleTarget, namespace: &str) -> Option<PodTemplate> {
        let found = self.find(&review::kind_of(target), namespace, &target.name)?;
        let reference = &found.value["spec"]["workloadRef"];
        let text = |key: &str| reference[key].as_str().unwrap_or_default();
        let (found, path) = match (found.kind.as_str(), text("name")) {
            ("Rollout", name) if !name.is_empty() => {
                let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
                let referred = self.find(&format!("{group}/{}", text("kind")), namespace, name)?;
                (referred, if text("kind") == "PodTemplate" { "/template" } else { "/spec/template" })
            }
            _ => (found, "/spec/template"),
        };
        pod_template::template("it", &found.value, path, namespace).ok()
    }

    /// The environment of a ScaledObject's target, and the mistakes of the target beside the other files.
    pub(super) fn target(&self, object: &ScaledObject, namespace: &str) -> (Environment, Vec<Finding>) {
        let target = &object.spec.scale_target_ref;
        let mut findings: Vec<_> = self.misplaced_target(target, namespace).into_iter().collect();
        let Some(template) = self.template(target, namespace) else { return (Environment::Unknown, findings) };
        let environment = Environment::of(&template, target.env_source_container_name.as_deref());
        let environment = environment.unwrap_or_else(|text| {
            findings.push(Finding::warning("spec.scaleTargetRef.envSourceContainerName", text));
            Environment::Unknown
        });
        findings.extend(self.requests(object, &template));
        (environment, findings)
    }

    fn misplaced_target(&self, target: &ScaleTarget, namespace: &str) -> Option<Finding> {
        let (kind, name) = (review::kind_of(target), &target.name);
        if self.find(&kind, namespace, name).is_some() {
            return None;
        }
        if let Some(there) = self.find_elsewhere(&kind, namespace, name) {
            let what = format!("the {} {name:?}", target.kind());
            return Some(in_another_namespace("spec.scaleTargetRef.name", &what, &there.namespace, namespace));
        }
        let mut others = self.0.iter().filter(|object| object.name == *name && may_share(&object.namespace, namespace));
        let other = others.find(|object| object.is_workload())?;
        // Misspelled kinds have a finding of their own.
        if other.kind.eq_ignore_ascii_case(target.kind()) {
            return None;
        }
        let text = format!(
            "among the files {name:?} is a {}, and no {}: write apiVersion: {} and kind: {}",
            other.kind,
            target.kind(),
            other.api_version,
            other.kind
        );
        Some(Finding::warning("spec.scaleTargetRef.kind", text))
    }

    /// Containers that lack the request of a cpu or memory trigger, and containers of triggers that are not there.
    fn requests(&self, object: &ScaledObject, template: &PodTemplate) -> Vec<Finding> {
        let ranges = self
            .0
            .iter()
            .filter(|other| other.kind == "LimitRange" && may_share(&other.namespace, &template.namespace));
        let limits: Vec<_> = ranges.filter_map(|range| LimitRange::deserialize(&range.value).ok()).collect();
        let names: BTreeSet<_> = template.spec.containers.iter().map(|container| container.name.as_str()).collect();
        let triggers = object.spec.triggers.iter().enumerate().filter(|(_, trigger)| resource::is_resource(trigger));
        let mut findings = Vec::new();
        for (index, trigger) in triggers {
            let container = trigger.metadata.get("containerName").filter(|name| !name.is_empty());
            if let Some(container) = container.filter(|name| !names.contains(name.as_str())) {
                let there = names.iter().copied().collect::<Vec<_>>().join(", ");
                let text = format!("the target has no container {container:?}; it has {there}");
                findings.push(Finding::warning(format!("spec.triggers[{index}].metadata.containerName"), text));
            } else if let Some(text) =
                requests::lacking(&template.spec, &limits, trigger).filter(|_| requests::needed(trigger))
            {
                let text = format!("{text}: set it, unless a LimitRange of the namespace does");
                findings.push(Finding::warning(format!("spec.triggers[{index}]"), text).because("missing-requests"));
            }
        }
        findings
    }

    /// The mistakes in references of an authentication in `namespace` to Secrets and ConfigMaps.
    pub(super) fn references(&self, spec: &TriggerAuthenticationSpec, namespace: &str) -> Vec<Finding> {
        let lists = [
            ("secretTargetRef", "Secret", &spec.secret_target_ref),
            ("configMapTargetRef", "ConfigMap", &spec.config_map_target_ref),
        ];
        let mut findings = Vec::new();
        for (list, kind, references) in lists {
            for (index, reference) in references.iter().flatten().enumerate() {
                findings.extend(self.reference(kind, reference, namespace, &format!("spec.{list}[{index}]")));
            }
        }
        findings
    }

    fn reference(&self, kind: &str, reference: &AuthTargetRef, namespace: &str, place: &str) -> Option<Finding> {
        let (name, group_kind) = (&reference.name, format!("/{kind}"));
        if let Some(found) = self.find(&group_kind, namespace, name) {
            let keys = keys(&found.value);
            // One without values gets them from another program.
            let known = keys.is_empty() || keys.contains(reference.key.as_str());
            let there = keys.into_iter().collect::<Vec<_>>().join(", ");
            let text = format!("the {kind} {name:?} has no key {:?}; it has {there}", reference.key);
            return (!known).then(|| Finding::warning(format!("{place}.key"), text));
        }
        let path = format!("{place}.name");
        if let Some(there) = self.find_elsewhere(&group_kind, namespace, name) {
            return Some(in_another_namespace(&path, &format!("the {kind} {name:?}"), &there.namespace, namespace));
        }
        let (other, list) =
            if kind == "Secret" { ("ConfigMap", "configMapTargetRef") } else { ("Secret", "secretTargetRef") };
        self.find(&format!("/{other}"), namespace, name)?;
        Some(Finding::warning(
            path,
            format!("among the files {name:?} is a {other}, and no {kind}: refer to it in {list}"),
        ))
    }

    /// The kind of an object of this name that is not an authentication, such as the Secret behind it.
    pub(super) fn secret_or_map(&self, namespace: &str, name: &str) -> Option<&str> {
        let kinds = ["/Secret", "/ConfigMap"];
        kinds.iter().find_map(|kind| self.find(kind, namespace, name)).map(|object| object.kind.as_str())
    }

    /// HPAs, with their namespaces.
    pub(super) fn hpas(&self) -> impl Iterator<Item = &Neighbour> {
        self.0.iter().filter(|object| object.group_kind() == "autoscaling/HorizontalPodAutoscaler")
    }
}

/// The keys of a Secret or ConfigMap.
fn keys(object: &Value) -> BTreeSet<&str> {
    let parts = ["data", "stringData", "binaryData"].into_iter().filter_map(|part| object[part].as_object());
    parts.flatten().map(|(key, _)| key.as_str()).collect()
}

/// Whether a ScaledObject of this namespace and name owns an HPA.
pub(super) fn is_owned_by(hpa: &Value, object: &ScaledObject) -> bool {
    let owners = hpa["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.into_iter().any(|owner| owner["kind"] == "ScaledObject" && owner["name"] == object.name_any().as_str())
}
