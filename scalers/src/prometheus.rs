//! The `prometheus` trigger: the value of a PromQL query (keda.sh/docs, "Prometheus").
//!
//! Parameters and their errors: [`params`]. The shared client of a server: [`client`]. The reading of its answers:
//! [`answer`]. Thanos, Mimir, Cortex and VictoriaMetrics have the same API.

mod answer;
mod client;
pub mod history;
#[cfg(test)]
mod keda_cases;
mod params;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::kinds::Kind;
use crate::metric_name::metric_name;
use crate::net::exchange;
use crate::params::{ConfigError, TriggerConfig};
use crate::pool::ClientPools;
use crate::scaler::{MetricSpec, ReadError, Reading, Scaler};
use answer::Answer;
use client::{Client, Query};
use params::{Metadata, PARAMS};

/// `type: prometheus`.
pub(crate) const KIND: Kind =
    Kind::new("prometheus", "prometheusScaler", PARAMS, build).unused(params::unused_credentials);

/// A checked `prometheus` trigger.
#[derive(Debug)]
struct Prometheus {
    metric: MetricSpec,
    client: Arc<Client>,
    query: Arc<Query>,
    ignore_null_values: bool,
}

fn build(trigger: &TriggerConfig, pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
    let Metadata { endpoint, query, threshold, activation_threshold, ignore_null_values } = Metadata::read(trigger)
        .map_err(|error| error.context("error parsing prometheus metadata: error parsing prometheus metadata: "))?;
    let metric = MetricSpec {
        name: metric_name(trigger.index, "prometheus"),
        target: threshold,
        activation: activation_threshold,
        metric_type: trigger.metric_type,
    };
    let client = pools.get("prometheus", endpoint, Client::new)?;
    Ok(Box::new(Prometheus { metric, client, query: Arc::new(query), ignore_null_values }))
}

#[async_trait]
impl Scaler for Prometheus {
    fn metric(&self) -> &MetricSpec {
        &self.metric
    }

    async fn read(&self, _now: DateTime<Utc>) -> Result<Reading, ReadError> {
        let answer = Arc::clone(&self.client).ask(&self.query).await?;
        let value = match answer {
            Answer::Value(value) if value.is_finite() => value,
            Answer::Value(_) if self.ignore_null_values => 0.0,
            Answer::Value(value) => {
                return Err(self.client.refused(&self.query, &format!("prometheus query returns {}", in_go(value))));
            }
            Answer::Empty(_) if self.ignore_null_values => {
                exchange::found_nothing(true);
                0.0
            }
            Answer::Empty(what) => {
                exchange::found_nothing(false);
                let text = format!(
                    "prometheus metrics 'prometheus' target may be lost, {what}; with ignoreNullValues: \"true\" this \
                     reads 0"
                );
                return Err(self.client.refused(&self.query, &text));
            }
            // KEDA takes a value that is null for one below every threshold.
            Answer::Null => -1.0,
        };
        Ok(Reading { value: value.max(0.0), active: value > self.metric.activation })
    }
}

/// A value that is no number, in Go's notation.
fn in_go(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

#[cfg(test)]
mod tests;
