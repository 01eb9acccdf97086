//! The workloads and HPAs of the checked ScaledObjects, to find two that scale the same one.

use std::collections::HashMap;

use ebb_crds::{ScaleTarget, ScaledObject, names};
use kube::ResourceExt as _;

use super::neighbours::{Neighbours, is_owned_by, may_share};
use crate::review::{self, Finding};
use ebb_plan::hpa;

/// The claimed workloads and HPAs, with the ScaledObject of each.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Workloads, by namespace, group and kind, and name.
    workloads: HashMap<(String, String, String), String>,
    /// HPAs, by namespace and name.
    hpas: HashMap<(String, String), String>,
}

impl Claims {
    /// Adds the target and the HPA of a ScaledObject. Gives a finding if another ScaledObject has one of them. The same
    /// ScaledObject twice gives none.
    pub(super) fn claim(&mut self, namespace: &str, object: &ScaledObject) -> Option<Finding> {
        let (target, name, hpa) = (&object.spec.scale_target_ref, object.name_any(), hpa::name(object));
        if target.name.is_empty() || name.is_empty() {
            return None;
        }
        let workload = (namespace.to_owned(), review::kind_of(target), target.name.clone());
        let scaled_by = self.workloads.entry(workload).or_insert_with(|| name.clone());
        let managed_by = self.hpas.entry((namespace.to_owned(), hpa.clone())).or_insert_with(|| name.clone());
        if *scaled_by != name {
            return Some(review::taken(target, "ScaledObject", scaled_by));
        }
        (*managed_by != name).then(|| review::hpa_taken(&hpa, managed_by))
    }
}

/// An HPA among the files that scales the ScaledObject's workload, unless the ScaledObject takes it over.
pub(super) fn by_hpa(namespace: &str, object: &ScaledObject, neighbours: &Neighbours) -> Option<Finding> {
    let target = &object.spec.scale_target_ref;
    let scales = |hpa: &serde_json::Value| {
        let reference = &hpa["spec"]["scaleTargetRef"];
        let text = |key: &str| reference[key].as_str().map(str::to_owned);
        let scaled = ScaleTarget {
            name: text("name").unwrap_or_default(),
            // A target without an API version is of the core group.
            api_version: text("apiVersion").or_else(|| Some("v1".to_owned())),
            kind: text("kind"),
            ..ScaleTarget::default()
        };
        scaled.name == target.name && review::kind_of(&scaled) == review::kind_of(target)
    };
    let others = neighbours.hpas().filter(|hpa| {
        let skipped = &hpa.value["metadata"]["annotations"][names::HPA_OWNERSHIP_VALIDATION_ANNOTATION];
        may_share(&hpa.namespace, namespace) && skipped != "false" && !is_owned_by(&hpa.value, object)
    });
    let hpa = others.into_iter().find(|hpa| scales(&hpa.value))?;
    let taken_over =
        object.annotations().get(names::TRANSFER_HPA_OWNERSHIP_ANNOTATION).is_some_and(|yes| yes == "true");
    if !taken_over {
        return Some(review::taken(target, "hpa", &hpa.name));
    }
    let named = object.spec.hpa_config().and_then(|config| config.name());
    (named != Some(hpa.name.as_str())).then(|| review::unnamed(target, &hpa.name))
}
