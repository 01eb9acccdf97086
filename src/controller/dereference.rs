//! The reads of a pass: the target, the triggers' parameters, the VerticalPodAutoscalers, the ScaledObject's HPAs.

use std::sync::Arc;
use std::time::Duration;

use ebb_crds::ScaledObject;
use ebb_scalers::pool::ClientPools;
use ebb_scalers::{Scaler, TriggerConfig};
use tokio::time::Instant;

use super::context::Context;
use super::gather::{self, Gatherer, Target};
use super::vpa;
use crate::store::record::Record;
use ebb_plan::failure::{Failure, WrongTrigger};
use ebb_plan::reconcile::{Intent, Observed};
use ebb_plan::rules::Rules;
use ebb_plan::status::KindFound;

/// A trigger's parameters, and the scaler that they have made. It is not connected yet.
pub(super) type BuiltTrigger = (TriggerConfig, Box<dyn Scaler>);

/// The results of a pass's reads.
#[derive(Default)]
pub(super) struct Dereferenced {
    /// For the plan.
    pub(super) observed: Observed,
    /// The target, where it was read.
    pub(super) target: Option<Target>,
    /// The triggers that have a scaler, in the spec's order.
    pub(super) triggers: Vec<BuiltTrigger>,
}

/// Reads what the intent needs. A read that fails is among the observations.
pub(super) async fn dereference(
    context: &Context,
    object: &ScaledObject,
    intent: &Intent,
    record: &Arc<Record>,
) -> Dereferenced {
    let known = known_target(context, object, record);
    let mut read = Dereferenced::default();
    read.observed.is_polled = record.serving().is_some();
    read.observed.hpas = context.hpas.of(&record.key).into_iter().collect();
    read.observed.applied_hpa = record.hpa.name();
    if intent.is_observed() {
        read.observed.ebbs_hpas = context.hpas.ebbs_of(&record.key).chain(record.hpa.name()).collect();
    }
    if matches!(intent.action(), Intent::Delete | Intent::Pause(_)) {
        context.references.forget(&record.key);
    }
    if matches!(intent.action(), Intent::Pause(_) | Intent::Serve(_)) {
        read.observed.kind = kind(context, object).await;
    }
    if !intent.needs_replicas(object) {
        return read;
    }
    let target = match known {
        Some(target) => Ok(target),
        None => gather::target(object, &context.targets).await,
    };
    match target {
        Ok(target) => {
            read.observed.kind = KindFound::Is(Arc::clone(target.kind.status()));
            read.observed.replicas = Some(Ok(target.replicas));
            read.observed.moved = record.check.is_another_target(context.target_digest(object));
            if let Some(rules) = intent.rules() {
                triggers(context, object, record, (rules, &target), &mut read).await;
            }
            read.target = Some(target);
        }
        Err(error) => read.observed.replicas = Some(Err(error.into())),
    }
    read
}

/// The target as the last check left it, where this one is only about objects that the triggers refer to.
fn known_target(context: &Context, object: &ScaledObject, record: &Record) -> Option<Target> {
    let is_requeued = context.changed.take(&record.key);
    let serving = record.serving()?;
    let (replicas, seen) = record.poll.replicas()?;
    let served = record.check.is_served(object.metadata.generation);
    (is_requeued && served).then(|| Target { kind: serving.target_kind.clone(), replicas, seen })
}

async fn kind(context: &Context, object: &ScaledObject) -> KindFound {
    match context.targets.kind(&object.spec.scale_target_ref).await {
        Ok(kind) => KindFound::Is(Arc::clone(kind.status())),
        Err(error) if error.is_about_kind() => KindFound::Absent,
        Err(_) => KindFound::Unknown,
    }
}

/// Reads the triggers' parameters and builds their scalers.
async fn triggers(
    context: &Context,
    object: &ScaledObject,
    record: &Arc<Record>,
    (rules, target): (&Rules, &Target),
    read: &mut Dereferenced,
) {
    let (configs, renew_in) = parameters(context, object, record, target).await;
    read.observed.renew_in = renew_in;
    let brokers = context.brokers.of(&record.key.namespace);
    match configs.and_then(|configs| build(configs, &brokers)) {
        Ok(triggers) => {
            read.observed.metrics = Some(Ok(triggers.iter().map(|(_, scaler)| scaler.metric().clone()).collect()));
            read.triggers = triggers;
        }
        Err(failure) => {
            read.observed.metrics = Some(Err(failure));
            return;
        }
    }
    read.observed.vpa_conflicts = vpa::conflicts(&context.client, object, &record.key, &rules.resources).await;
}

/// The triggers' parameters, and how long until the first token among them is to be renewed.
async fn parameters(
    context: &Context,
    object: &ScaledObject,
    record: &Arc<Record>,
    target: &Target,
) -> (Result<Vec<TriggerConfig>, Failure>, Option<Duration>) {
    let gatherer = Gatherer {
        sources: &context.sources,
        authentications: &context.authentications,
        targets: &context.targets,
        cluster_namespace: &context.settings.references.cluster_namespace,
    };
    let (configs, read_set) = gatherer.triggers(object, target, record.poll.is_failing()).await;
    context.references.set(&record.key, &read_set.read);
    if context.registry.get(&record.key).is_none_or(|present| !Arc::ptr_eq(&present, record)) {
        // It was deleted meanwhile.
        context.references.forget(&record.key);
    }
    (configs.map_err(Failure::from), read_set.renew_in(Instant::now()))
}

/// Builds the scaler of every trigger; every trigger's errors together.
fn build(configs: Vec<TriggerConfig>, brokers: &ClientPools) -> Result<Vec<BuiltTrigger>, Failure> {
    let (mut triggers, mut errors) = (Vec::with_capacity(configs.len()), Vec::<WrongTrigger>::new());
    for config in configs {
        match ebb_scalers::build(&config, brokers) {
            Ok(scaler) => triggers.push((config, scaler)),
            Err(error) => errors.push(WrongTrigger { index: config.index, kind: config.kind, error }),
        }
    }
    if errors.is_empty() { Ok(triggers) } else { Err(Failure::Triggers(errors)) }
}
