//! The plan for a ScaledObject whose triggers scale its target.

use std::collections::BTreeSet;

use ebb_crds::ScaledObject;
use ebb_params::{Catalog, MetricSpec};
use kube::ResourceExt as _;

use super::{Checked, Marks, Observed, Options, Plan, RECHECK, RENEWAL, known_hpas, saves_count, target_info};
use crate::failure::Failure;
use crate::policy::Policy;
use crate::rules::Rules;
use crate::status::{KindFound, Served, UnknownParameter};
use crate::{hpa, resource, unexpected};

/// The HPA is there and is the only one, and the triggers are polled. A failure leaves the specification in force as it
/// is.
pub(super) fn plan(
    object: &ScaledObject,
    rules: Result<&Rules, &Failure>,
    observed: &Observed,
    options: Options,
) -> Plan {
    let mut plan = Plan::nothing(object);
    plan.marks = Marks::missing(object, true);
    plan.report.paused = Some((Policy::of(object).is_held(), None));
    plan.report.target = Some(target_info(object, observed));
    plan.status_first = saves_count(object, observed);
    let (rules, metrics) = match (rules, &observed.replicas, &observed.metrics) {
        (Err(failure), ..) | (Ok(_), Some(Err(failure)), _) | (Ok(_), Some(Ok(_)), Some(Err(failure))) => {
            return plan.refused(object, observed, failure.clone());
        }
        (Ok(rules), Some(Ok(_)), Some(Ok(metrics))) => (rules, metrics),
        _ => return plan.failed(Failure::Slow),
    };
    let renewal = observed.renew_in.map_or(RECHECK, |renewal| renewal.max(RENEWAL));
    plan.outcome = Ok(renewal.min(RECHECK));
    plan.report.vpa_conflicts.clone_from(&observed.vpa_conflicts);
    let externals: Vec<&MetricSpec> = match &rules.modifiers {
        Some(modifiers) => vec![&modifiers.metric],
        None => metrics.iter().collect(),
    };
    plan.hpa = Some(Box::new(hpa::build(object, &externals, &rules.resources)));
    let hpa_name = hpa::name(object);
    // Under another name it would scale the target, too.
    plan.surplus_hpas = known_hpas(object, observed);
    plan.surplus_hpas.remove(&hpa_name);
    let kinds: BTreeSet<_> = object.spec.triggers.iter().map(|trigger| trigger.type_.clone()).collect();
    plan.report.check = Checked::Serve(Served {
        generation: object.metadata.generation,
        target: target_name(object, observed),
        kinds: kinds.into_iter().collect(),
        unknown_parameters: options
            .unknown_parameters
            .map(|catalog| unknown_parameters(object, catalog))
            .unwrap_or_default(),
        hpa_name,
        metric_names: metrics.iter().map(|metric| metric.name.clone()).collect(),
        resource_names: resource::status_names(&rules.resources),
        composite: rules.modifiers.is_some(),
    });
    plan
}

/// The target, as KEDA's events name it.
fn target_name(object: &ScaledObject, observed: &Observed) -> Box<str> {
    let kind = match &observed.kind {
        KindFound::Is(kind) => kind.display.as_str(),
        KindFound::Absent | KindFound::Unknown => object.spec.scale_target_ref.kind(),
    };
    format!("{kind} {}/{}", object.namespace().unwrap_or_default(), object.spec.scale_target_ref.name).into()
}

fn unknown_parameters(object: &ScaledObject, catalog: Catalog) -> Box<[UnknownParameter]> {
    let of_trigger = |(index, trigger): (usize, &ebb_crds::ScaleTrigger)| {
        let kind = catalog(&trigger.type_)?;
        let keys = unexpected::keys(&kind, &trigger.metadata);
        let unknown = |key: &str| UnknownParameter { trigger: index, kind: trigger.type_.clone(), key: key.to_owned() };
        Some(keys.into_iter().map(unknown).collect::<Vec<_>>())
    };
    object.spec.triggers.iter().enumerate().filter_map(of_trigger).flatten().collect()
}
