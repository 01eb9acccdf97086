//! The plan for a ScaledObject that is being deleted.

use ebb_crds::ScaledObject;

use super::marks::{is_marked, without_finalizer};
use super::{Checked, Observed, Plan, Replicas, known_hpas};
use crate::hpa;

/// The HPA goes, the replicas come back where that is asked for, and the finalizer goes last. A target that has gone
/// needs no replicas.
pub(super) fn plan(object: &ScaledObject, observed: &Observed) -> Plan {
    let mut plan = Plan::nothing(object);
    plan.report.stops = true;
    plan.report.check = Checked::Delete { released: false };
    if !is_marked(object) {
        return plan;
    }
    plan.surplus_hpas = known_hpas(object, observed);
    plan.surplus_hpas.insert(hpa::name(object));
    match (restored(object), &observed.replicas) {
        (Some(_), Some(Err(failure))) if !failure.is_final() => {
            plan.outcome = Err(failure.clone());
            return plan;
        }
        (Some(count), Some(Ok(present))) if count != *present => {
            plan.replicas = Some(Replicas { count, optional: true });
        }
        _ => {}
    }
    plan.release = Some(without_finalizer(object));
    plan.report.check = Checked::Delete { released: true };
    plan
}

/// The count that the target gets back (`restoreToOriginalReplicaCount`).
pub(super) fn restored(object: &ScaledObject) -> Option<i32> {
    let original = object.status.as_ref().and_then(|status| status.original_replica_count);
    original.filter(|_| is_marked(object) && object.spec.restores_original_replica_count())
}
