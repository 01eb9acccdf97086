//! The `rabbitmq` trigger: how many messages wait in a queue, asked over AMQP or through the management API.
//!
//! Parameters and their errors: [`metadata`]. AMQP counts the messages that are ready; the management API counts the
//! unacknowledged ones too, unless `excludeUnacknowledged` is set (keda.sh/docs, "RabbitMQ Queue").

pub mod amqp;
mod host;
pub mod management;
mod metadata;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::broker::Brokers;
use crate::config::{ConfigError, TriggerConfig};
use crate::metric_name::{form_encode, metric_name};
use crate::scaler::{MetricSpec, ReadError, Reading, Scaler};
pub(crate) use metadata::KEYS;
use metadata::{Broker, Metadata};

/// The shortest time between two looks at an idle workload's queue.
const EARLY_LOOK: Duration = Duration::from_millis(200);

/// A checked `rabbitmq` trigger.
#[derive(Debug)]
struct RabbitMq {
    metric: MetricSpec,
    queue: String,
    activation_value: f64,
    source: QueueSource,
}

#[derive(Debug)]
enum QueueSource {
    Amqp(Arc<amqp::Client>),
    Management { client: Arc<management::Client>, vhost: String, exclude_unacknowledged: bool },
}

pub(crate) fn build(trigger: &TriggerConfig, brokers: &Brokers) -> Result<Box<dyn Scaler>, ConfigError> {
    let Metadata { queue, target, activation_value, broker } = Metadata::read(trigger)
        .map_err(|error| error.context("error parsing RabbitMQ metadata: error parsing RabbitMQ metadata: "))?;
    let part = format!("rabbitmq-{}", form_encode(&queue));
    let metric = MetricSpec { name: metric_name(trigger.index, &part), target, metric_type: trigger.metric_type };
    let source = match broker {
        Broker::Amqp(endpoint) => QueueSource::Amqp(brokers.amqp.get(endpoint, amqp::Client::new)),
        Broker::Management { endpoint, vhost, exclude_unacknowledged } => QueueSource::Management {
            client: brokers.management.get(endpoint, management::Client::new),
            vhost,
            exclude_unacknowledged,
        },
    };
    Ok(Box::new(RabbitMq { metric, queue, activation_value, source }))
}

#[async_trait]
impl Scaler for RabbitMq {
    fn metric(&self) -> &MetricSpec {
        &self.metric
    }

    async fn read(&self, _now: DateTime<Utc>) -> Result<Reading, ReadError> {
        let messages = match &self.source {
            QueueSource::Amqp(client) => f64::from(Arc::clone(client).ready_messages(&self.queue).await?),
            QueueSource::Management { client, vhost, exclude_unacknowledged } => {
                let depth = Arc::clone(client).depth(vhost, &self.queue).await?;
                if *exclude_unacknowledged { depth.ready } else { depth.messages }
            }
        };
        Ok(Reading { value: messages, active: messages > self.activation_value })
    }

    fn next_look(&self, now: Instant) -> Option<Instant> {
        match &self.source {
            QueueSource::Amqp(client) => client.next_look(&self.queue, now + EARLY_LOOK),
            QueueSource::Management { .. } => None,
        }
    }
}
