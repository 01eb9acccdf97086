//! Which ScaledObject of those that are checked has which workload: two would work against each other.

use std::collections::HashMap;

use ebb_crds::ScaledObject;
use kube::ResourceExt as _;

use crate::plan::review::{self, Finding};

/// The workloads that are taken, by namespace, group and kind, and name.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<(String, String, String), String>);

impl Claims {
    /// Notes the target of one more ScaledObject. A finding if another has it; the same one again is no other.
    pub(super) fn claim(&mut self, namespace: &str, object: &ScaledObject) -> Option<Finding> {
        let target = &object.spec.scale_target_ref;
        let key = (namespace.to_owned(), review::kind_of(target), target.name.clone());
        let holder = self.0.entry(key).or_insert_with(|| object.name_any());
        (*holder != object.name_any()).then(|| review::taken(target, "ScaledObject", holder))
    }
}
