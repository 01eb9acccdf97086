//! The plan for a ScaledObject that Ebb only observes.

use ebb_crds::ScaledObject;

use super::marks::{is_marked, without_finalizer};
use super::{Marks, Observed, Plan};

/// Nothing is written of what `would_be` writes. Ebb gives the ScaledObject up first, where it has served it: its finalizer goes, and
/// then its HPA, so that a process that ends in between leaves an HPA that the next one finds.
pub(super) fn plan(object: &ScaledObject, would_be: Plan, observed: &Observed) -> Plan {
    let mut plan =
        Plan { shadow_hpa: would_be.hpa, report: would_be.report, outcome: would_be.outcome, ..Plan::nothing(object) };
    plan.report.observed = Some(true);
    if !observed.ebbs_hpas.is_empty() {
        plan.surplus_hpas.clone_from(&observed.ebbs_hpas);
        plan.marks = is_marked(object).then(|| Marks { finalizers: without_finalizer(object), label: None });
    }
    plan
}
