//! The plan for a ScaledObject whose scaling is paused in both directions.

use ebb_crds::ScaledObject;

use super::{Checked, Marks, Observed, Plan, RECHECK, Replicas, SETTLED, known_hpas, saves_count, target_info};
use crate::failure::Failure;
use crate::hpa;

/// Polling ends and the HPA goes. The target gets the count of the annotation `paused-replicas`, and is left
/// alone without it.
pub(super) fn plan(object: &ScaledObject, replicas: Option<i32>, observed: &Observed) -> Plan {
    let mut plan = Plan::nothing(object);
    plan.marks = Marks::missing(object, false);
    plan.report.stops = true;
    plan.surplus_hpas = known_hpas(object, observed);
    plan.surplus_hpas.insert(hpa::name(object));
    plan.report.paused = Some((true, replicas));
    plan.report.target = Some(target_info(object, observed));
    plan.report.check = Checked::Pause;
    plan.outcome = Ok(if observed.is_polled { SETTLED } else { RECHECK });
    let Some(count) = replicas else { return plan };
    match &observed.replicas {
        Some(Ok(present)) => {
            plan.status_first = saves_count(object, observed);
            plan.replicas = Some(Replicas { count, optional: false }).filter(|replicas| replicas.count != *present);
            plan
        }
        Some(Err(failure)) => plan.failed(failure.clone()),
        None => plan.failed(Failure::Slow),
    }
}
