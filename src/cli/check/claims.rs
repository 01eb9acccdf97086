//! The workloads and HPAs of the checked ScaledObjects, to find two ScaledObjects that scale the same one.

use std::collections::HashMap;

use ebb_crds::ScaledObject;
use kube::ResourceExt as _;

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
        let workload = (namespace.to_owned(), review::kind_of(target), target.name.clone());
        let scaled_by = self.workloads.entry(workload).or_insert_with(|| name.clone());
        let managed_by = self.hpas.entry((namespace.to_owned(), hpa.clone())).or_insert_with(|| name.clone());
        if *scaled_by != name {
            return Some(review::taken(target, "ScaledObject", scaled_by));
        }
        (*managed_by != name).then(|| review::hpa_taken(&hpa, managed_by))
    }
}
