//! The answer to the HPA's question for a metric: a reading, a formula's value, or the value of the fallback.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ebb_scalers::MetricSpec;
use futures::future::join_all;
use tokio::time::timeout;

use crate::clock;
use crate::kube_api::key::Key;
use crate::kube_api::scale::TargetError;
use crate::metrics_api::{MetricError, MetricSource, MetricValue};
use crate::store::record::Serving;
use crate::store::registry::Registry;
use ebb_plan::fallback::{self, Fallback};
use ebb_plan::hpa;
use ebb_plan::modifiers::{Composite, Modifiers};

/// How long the API server may take for a count of replicas: the HPA waits for the answer.
const API_TIMEOUT: Duration = Duration::from_secs(3);

/// A metric's value, as far as the triggers give one.
enum Known {
    At(f64, DateTime<Utc>),
    FallBack(Fallback),
}

#[async_trait]
impl MetricSource for Registry {
    async fn value(&self, namespace: &str, scaled_object: &str, metric: &str) -> Result<MetricValue, MetricError> {
        let key = Key::new(namespace, scaled_object);
        let not_found =
            || MetricError::NotFound(format!("ScaledObject {key} has no metric {metric:?}, or is not served"));
        let live = self.get(&key).and_then(|object| object.serving()).filter(|live| !live.observed);
        let live = live.ok_or_else(not_found)?;
        let composite = live.modifiers.as_deref().filter(|modifiers| same_metric(&modifiers.metric.name, metric));
        let (spec, known) = if let Some(modifiers) = composite {
            (&modifiers.metric, formula(&live, modifiers).await)
        } else {
            let place = live.metric_names.iter().position(|name| same_metric(name, metric)).ok_or_else(not_found)?;
            (live.triggers[place].metric(), trigger(&live, place).await)
        };
        match known.map_err(MetricError::Failed)? {
            Known::At(value, timestamp) => Ok(MetricValue { value, timestamp }),
            Known::FallBack(fallback) => {
                let value = self.fall_back(namespace, &live, spec, &fallback).await.map_err(|error| {
                    MetricError::Failed(format!("the fallback is in effect, but its count cannot be had: {error}"))
                })?;
                Ok(MetricValue { value, timestamp: clock::now() })
            }
        }
    }
}

impl Registry {
    /// The value for which the HPA asks for the fallback's replicas. The target's replicas are read anew: the HPA may
    /// have changed them since the last poll, on the last answer.
    async fn fall_back(
        &self,
        namespace: &str,
        live: &Serving,
        metric: &MetricSpec,
        fallback: &Fallback,
    ) -> Result<f64, TargetError> {
        let (kind, name) = (&live.target_kind, &live.target.name);
        let counts = async {
            let current =
                if fallback.minds_current() { self.targets().scale(kind, namespace, name).await?.replicas } else { 0 };
            let ready =
                if fallback::minds_ready(metric) { self.targets().ready(kind, namespace, name).await? } else { 0 };
            Ok::<_, TargetError>((current, ready))
        };
        let (current, ready) = timeout(API_TIMEOUT, counts).await.map_err(|_| TargetError::Timeout)??;
        Ok(fallback::value(metric, fallback.replicas(current), ready))
    }
}

async fn trigger(live: &Serving, place: usize) -> Result<Known, String> {
    let trigger = &live.triggers[place];
    match (trigger.answer().await, live.fallback) {
        (Ok(sample), _) => Ok(Known::At(hpa::metric_value(sample.reading.value), sample.at)),
        (Err(_), Some(fallback)) if fallback.begins(trigger.failures()) => Ok(Known::FallBack(fallback)),
        (Err(error), _) => Err(format!("{}: {error}", trigger.display())),
    }
}

async fn formula(live: &Serving, modifiers: &Modifiers) -> Result<Known, String> {
    // A trigger that the formula does not need is not asked.
    let needed: Vec<_> = live.named().filter(|(_, name)| modifiers.uses(*name)).collect();
    let samples = join_all(needed.iter().map(|(trigger, _)| trigger.answer())).await;
    let seen: Vec<_> =
        needed.iter().zip(&samples).map(|((trigger, name), sample)| trigger.reading(*name, sample)).collect();
    // As old as the oldest reading in it.
    let at = samples.iter().flatten().map(|sample| sample.at).min().unwrap_or_else(clock::now);
    match modifiers.value(live.fallback.as_ref(), &seen) {
        Composite::Value(value) => Ok(Known::At(hpa::metric_value(value), at)),
        Composite::FallBack(fallback) => Ok(Known::FallBack(fallback)),
        Composite::Unknown(text) => {
            let errors = needed.iter().zip(&samples).filter_map(|((trigger, _), sample)| {
                sample.as_ref().err().map(|error| format!("; {}: {error}", trigger.display()))
            });
            Err(text + &errors.collect::<String>())
        }
    }
}

/// Kubernetes' client library lowers the case of a name that it takes for a resource's, and the HPA asks through it.
fn same_metric(name: &str, asked: &str) -> bool {
    name == asked || name.to_lowercase() == asked.to_lowercase()
}
