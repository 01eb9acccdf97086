//! The end of a pass: the triggers go to the poll loop, and the facts follow.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use ebb_crds::ScaledObject;
use ebb_scalers::TriggerConfig;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::runtime::controller::Action;

use super::context::Context;
use super::dereference::{BuiltTrigger, Dereferenced};
use super::ensure_hpa::{ContestNews, Ensured};
use super::gather::Target;
use crate::clock;
use crate::store::record::{Record, Serving};
use crate::store::trigger::Trigger;
use crate::telemetry::metrics::TriggerLabels;
use ebb_plan::failure::Failure;
use ebb_plan::reconcile::{Checked, Intent, Plan, Report};
use ebb_plan::resource;
use ebb_plan::rules::Rules;
use ebb_plan::shadow::Follows;
use ebb_plan::status::Facts;
use ebb_plan::trail::TriggerInfo;

/// Commits the results of a pass.
///
/// # Errors
/// The failure of the plan, or of its execution. It has been reported.
pub(super) async fn commit(
    context: &Context,
    object: &ScaledObject,
    record: &Arc<Record>,
    (intent, plan): (&Intent, Plan),
    read: Dereferenced,
    applied: Result<Ensured, Failure>,
) -> Result<Action, Failure> {
    let (ensured, next) = match (applied, plan.outcome) {
        (Err(error), _) => {
            failure(context, record, &plan.report.failed(&error)).await;
            return Err(error);
        }
        (Ok(_), Err(error)) => {
            failure(context, record, &plan.report).await;
            return Err(error);
        }
        (Ok(ensured), Ok(next)) => (ensured, next),
    };
    if let Intent::Delete = intent.action() {
        let check = Checked::Delete { released: ensured.released };
        record.status.note(|facts| Report { check, ..plan.report }.end(facts)).await;
        context.registry.close(&record.key);
        return Ok(Action::await_change());
    }
    let report = |facts: &mut Facts| {
        plan.report.end(facts);
        context.hpas.fill(&record.key, facts);
        match &ensured.contest {
            ContestNews::None => {}
            ContestNews::Began(text) => facts.contested_hpa = Some(text.as_str().into()),
            ContestNews::Over => facts.contested_hpa = None,
        }
    };
    let Some(rules) = intent.rules() else {
        log_end_of_trouble(record, record.check.succeeded(None));
        if let Intent::Pause(_) = intent.action() {
            record.trail.on_pause();
            record.shadow.end();
        }
        record.status.report(&context.client, report).await;
        return Ok(Action::requeue(next));
    };
    log_end_of_trouble(record, record.check.succeeded(object.metadata.generation));
    match serving(context, object, record, (rules, plan.shadow_hpa.as_deref()), read) {
        None => record.status.report(&context.client, report).await,
        Some(serving) => {
            // The first tick writes the status.
            record.status.note(report).await;
            record.serve(Some(serving));
        }
    }
    let left = ensured.left_for.and_then(|left| left.to_std().ok());
    Ok(Action::requeue(left.map_or(next, |left| next.min(left))))
}

/// Logs that a ScaledObject can be served after checks that have failed.
fn log_end_of_trouble(record: &Record, failed_checks: Option<u32>) {
    if let Some(failed_checks) = failed_checks {
        tracing::info!(scaled_object = %record.key, failed_checks, "the ScaledObject can be served");
    }
}

/// Reports a check that failed. The status is written unless the API server has left something open.
pub(super) async fn failure(context: &Context, record: &Record, report: &Report) {
    record.metrics.errors.inc();
    let change = |facts: &mut Facts| {
        report.end(facts);
        context.hpas.fill(&record.key, facts);
    };
    match report.check {
        Checked::Unknown => record.status.note(change).await,
        _ => record.status.report(&context.client, change).await,
    }
}

/// The specification with its triggers. None: it is in force already.
fn serving(
    context: &Context,
    object: &ScaledObject,
    record: &Record,
    (rules, shadow_hpa): (&Rules, Option<&HorizontalPodAutoscaler>),
    read: Dereferenced,
) -> Option<Serving> {
    let target = read.target?;
    let before = record.serving();
    if before.as_ref().is_some_and(|before| before.target != object.spec.scale_target_ref) {
        // The count of another workload says nothing about this one.
        record.shadow.end();
    }
    let mut rules = rules.clone();
    rules.policy.activate_to.get_or_insert(context.settings.activate_to);
    shadow(context, record, (&rules, shadow_hpa), &read.triggers, &target);
    let observed = shadow_hpa.is_some();
    let Rules { policy, fallback, modifiers, .. } = rules;
    let names = trigger_names(object);
    let configs = read.triggers.iter().map(|(config, _)| config);
    let digests: Vec<_> = configs.zip(&names).map(|built_from| context.digest(&built_from)).collect();
    let modifiers = modifiers.map(Box::new);
    let target_ref = object.spec.scale_target_ref.clone();
    let is_in_force = before.as_ref().is_some_and(|before| {
        before.observed == observed
            && before.digests == digests
            && before.policy == policy
            && before.target == target_ref
            && before.fallback == fallback
            && before.modifiers == modifiers
    });
    if is_in_force {
        return None;
    }
    let build = before.as_ref().map_or(0, |before| before.build + 1);
    let failures_found = record.poll.triggers_built(build);
    let parts = (read.triggers, &digests[..], failures_found);
    let triggers = triggers(context, object, record, parts, before.as_deref());
    let is_kept = |trigger: &&Arc<Trigger>| {
        before.as_ref().is_some_and(|before| before.triggers.iter().any(|before| Arc::ptr_eq(before, trigger)))
    };
    let kept = triggers.iter().filter(is_kept).count();
    tracing::info!(scaled_object = %record.key, triggers = triggers.len(), kept, "built the triggers");
    Some(Serving {
        build,
        observed,
        policy,
        target_kind: target.kind,
        target: target_ref,
        fallback,
        modifiers,
        names,
        digests,
        metric_names: triggers.iter().map(|trigger| trigger.metric().name.clone()).collect(),
        trigger_infos: trigger_infos(&triggers, before.as_deref()),
        triggers,
    })
}

/// Begins or ends the shadow of the target, and has the poll loop know the replicas that it scales.
fn shadow(
    context: &Context,
    record: &Record,
    (rules, hpa): (&Rules, Option<&HorizontalPodAutoscaler>),
    triggers: &[BuiltTrigger],
    target: &Target,
) {
    let begins = if let Some(hpa) = hpa {
        let metrics: Vec<_> = triggers.iter().map(|(_, scaler)| scaler.metric().clone()).collect();
        let (follows, flags) = (Follows::of(rules, &metrics), context.settings.hpa_controller);
        record.shadow.specify(target.replicas, hpa, follows, flags, clock::moment())
    } else {
        record.shadow.end();
        true
    };
    // From then on the replicas of an observed one are the shadow's.
    if begins {
        record.poll.replicas_seen(target.replicas, target.seen);
    }
}

/// What the trail says of the triggers. Those that stay the same are the same, so that their readings go on.
fn trigger_infos(triggers: &[Arc<Trigger>], before: Option<&Serving>) -> Arc<[TriggerInfo]> {
    let info = |trigger: &Arc<Trigger>| {
        let labels = trigger.metrics().labels();
        TriggerInfo {
            index: labels.index,
            name: labels.named.then(|| labels.scaler.as_ref().into()),
            kind: labels.kind,
            metric: trigger.metric().clone(),
        }
    };
    let infos: Arc<[_]> = triggers.iter().map(info).collect();
    match before.map(|before| &before.trigger_infos) {
        Some(before) if **before == *infos => Arc::clone(before),
        _ => infos,
    }
}

/// The live triggers. A trigger whose parameters are the same as before keeps its connection and its reading.
fn triggers(
    context: &Context,
    object: &ScaledObject,
    record: &Record,
    (built, digests, mut failures_found): (Vec<BuiltTrigger>, &[u64], BTreeMap<String, u32>),
    before: Option<&Serving>,
) -> Vec<Arc<Trigger>> {
    let live = built.into_iter().zip(digests).map(|((config, scaler), digest)| {
        let same = before.and_then(|before| {
            let place = before.digests.iter().position(|before| before == digest)?;
            before.triggers.get(place)
        });
        if let Some(same) = same {
            return Arc::clone(same);
        }
        let labels = labels(object, record, &config, scaler.metric().name.clone());
        // Series that go on under the same labels keep their handle: a second one would end them when the first is
        // dropped.
        let kept = before
            .and_then(|before| before.triggers.iter().find(|trigger| *trigger.metrics().labels() == labels))
            .map(|trigger| Arc::clone(trigger.metrics()));
        let metrics = kept.unwrap_or_else(|| context.registry.metrics().trigger(labels));
        metrics.target.set(scaler.metric().target);
        let failures = failures_found.remove(&scaler.metric().name).unwrap_or(0);
        Arc::new(Trigger::new(scaler, config.use_cached_metrics, metrics, failures))
    });
    live.collect()
}

fn labels(object: &ScaledObject, record: &Record, config: &TriggerConfig, metric: String) -> TriggerLabels {
    let (kind, scaler_label) = ebb_scalers::kind(&config.kind).map_or(("", ""), |kind| (kind.name, kind.scaler_label));
    let name = object.spec.triggers[config.index].name.clone().filter(|name| !name.is_empty());
    TriggerLabels {
        scaled_object: record.key.clone(),
        metric,
        named: name.is_some(),
        scaler: name.map_or(Cow::Borrowed(scaler_label), Cow::Owned),
        index: config.index,
        kind,
    }
}

/// The names of the triggers that have a scaler.
fn trigger_names(object: &ScaledObject) -> Vec<Option<String>> {
    let triggers = object.spec.triggers.iter().filter(|trigger| !resource::is_resource(trigger));
    triggers.map(|trigger| trigger.name.clone()).collect()
}
