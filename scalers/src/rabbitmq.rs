//! The `rabbitmq` trigger: how many messages wait in queues, or how fast they come and go, asked over AMQP or through
//! the management API.
//!
//! Parameters and their errors: [`params`]. From counts to the metric: [`mode`]. AMQP counts the messages that are
//! ready; the management API counts the unacknowledged ones too, unless `excludeUnacknowledged` is set (keda.sh/docs,
//! "RabbitMQ Queue").

pub mod amqp;
mod host;
pub mod management;
mod mode;
mod params;
mod queue_stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::kinds::Kind;
use crate::metric_name::{form_encode, metric_name};
use crate::net::oauth::TokenSource;
use crate::params::{ConfigError, TriggerConfig};
use crate::pool::ClientPools;
use crate::scaler::{MetricSpec, ReadError, Reading, Scaler};
use management::{About, Identity, Pattern};
use mode::Mode;
use params::{Broker, Management, Metadata, Search};
use queue_stats::{Operation, QueueStats};

/// `type: rabbitmq`.
pub(crate) const KIND: Kind = Kind::new("rabbitmq", "rabbitMQScaler", params::PARAMS, build);

/// A checked `rabbitmq` trigger.
#[derive(Debug)]
struct RabbitMq {
    metric: MetricSpec,
    queue: Arc<str>,
    mode: Mode,
    source: Source,
    /// The ready messages that AMQP counted last.
    ready: AtomicU32,
}

/// Where the figures come from.
#[derive(Debug)]
enum Source {
    /// The ready messages over AMQP and, where the management API is known, the unacknowledged ones from there.
    Amqp { client: Arc<amqp::Client>, unacknowledged: Option<Vhost> },
    /// One queue.
    Queue { at: Vhost, exclude_unacknowledged: bool },
    /// All that a pattern matches.
    Pattern { at: Vhost, exclude_unacknowledged: bool, pattern: Pattern, operation: Operation, allow_no_match: bool },
}

/// A virtual host of a management API.
#[derive(Debug)]
struct Vhost {
    client: Arc<management::Client>,
    name: Arc<str>,
}

fn build(trigger: &TriggerConfig, pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
    let Metadata { queue, mode, target, activation_value, broker } = Metadata::read(trigger)
        .map_err(|error| error.context("error parsing RabbitMQ metadata: error parsing RabbitMQ metadata: "))?;
    let part = format!("rabbitmq-{}", form_encode(&queue));
    let metric = MetricSpec {
        name: metric_name(trigger.index, &part),
        target,
        activation: activation_value,
        metric_type: trigger.metric_type,
    };
    let source = match broker {
        Broker::Amqp { endpoint, unacknowledged } => Source::Amqp {
            client: pools.get("rabbitmq", endpoint, amqp::Client::new)?,
            unacknowledged: unacknowledged.map(|at| Vhost::new(at, pools)).transpose()?,
        },
        Broker::Management { at, exclude_unacknowledged, pattern: None } => {
            Source::Queue { at: Vhost::new(at, pools)?, exclude_unacknowledged }
        }
        Broker::Management { at, exclude_unacknowledged, pattern: Some(search) } => {
            let Search { page_size, operation, allow_no_match } = search;
            let pattern = Pattern { expression: Arc::clone(&queue), page_size };
            Source::Pattern { at: Vhost::new(at, pools)?, exclude_unacknowledged, pattern, operation, allow_no_match }
        }
    };
    Ok(Box::new(RabbitMq { metric, queue, mode, source, ready: AtomicU32::new(0) }))
}

impl Vhost {
    fn new(Management { endpoint, vhost }: Management, pools: &ClientPools) -> Result<Self, ConfigError> {
        let tokens = match &endpoint.identity {
            Identity::Bearer(account) => Some(TokenSource::shared(account, pools)),
            Identity::Anonymous | Identity::Basic(..) => None,
        };
        let client = pools
            .get("rabbitmq", endpoint, |endpoint, outbound| management::Client::new(endpoint, tokens, outbound))?;
        Ok(Self { client, name: vhost })
    }

    async fn queue(&self, queue: &Arc<str>, mode: Mode) -> Result<QueueStats, ReadError> {
        let figures = Arc::clone(&self.client).figures(&self.name, queue).await?;
        if mode.needs_rates() {
            self.client.check_rates(About::Queue { vhost: &self.name, queue }, &figures).await?;
        }
        Ok(figures)
    }

    /// A pattern that matches nothing is not the same as queues that are empty: it may be mistyped, and queues that
    /// have vanished are an error where they are named one by one, too.
    async fn pattern(
        &self,
        pattern: &Pattern,
        operation: Operation,
        allow_no_match: bool,
        mode: Mode,
    ) -> Result<QueueStats, ReadError> {
        let matches = Arc::clone(&self.client).matches(&self.name, pattern).await?;
        let (expression, vhost, address) = (&pattern.expression, &self.name, self.client.address());
        if matches.is_empty() {
            return if allow_no_match {
                Ok(QueueStats::default())
            } else {
                Err(ReadError::Query(format!(
                    "error inspecting RabbitMQ: no queue in vhost {vhost:?} at {address} matches {expression:?}; with \
                     allowNoMatch: \"true\" in the trigger's metadata this reads 0"
                )))
            };
        }
        let (queues, unknown) = matches.counts();
        // Without statistics those that have no figures never will.
        let figures = matches.figures(operation).filter(|_| unknown == 0 || !self.client.has_no_statistics());
        let figures = figures.ok_or_else(|| {
            ReadError::Query(format!(
                "error inspecting RabbitMQ: of {queues} queues in vhost {vhost:?} at {address} that match \
                 {expression:?} {unknown} have no figures: {}",
                self.client.why_unknown()
            ))
        })?;
        if mode.needs_rates() {
            self.client.check_rates(About::Pattern { vhost, expression }, &figures).await?;
        }
        Ok(figures)
    }
}

#[async_trait]
impl Scaler for RabbitMq {
    fn metric(&self) -> &MetricSpec {
        &self.metric
    }

    async fn read(&self, _now: DateTime<Utc>) -> Result<Reading, ReadError> {
        let (figures, messages) = match &self.source {
            Source::Amqp { client, unacknowledged } => {
                let ready = Arc::clone(client).ready_messages(&self.queue).await?;
                self.ready.store(ready, Ordering::Relaxed);
                let ready = f64::from(ready);
                let messages = match unacknowledged {
                    None => ready,
                    Some(at) => with_unacknowledged(ready, &at.queue(&self.queue, self.mode).await?),
                };
                (QueueStats { messages, ready, ..QueueStats::default() }, messages)
            }
            Source::Queue { at, exclude_unacknowledged } => {
                counted(at.queue(&self.queue, self.mode).await?, *exclude_unacknowledged)
            }
            Source::Pattern { at, exclude_unacknowledged, pattern, operation, allow_no_match } => {
                let figures = at.pattern(pattern, *operation, *allow_no_match, self.mode).await?;
                counted(figures, *exclude_unacknowledged)
            }
        };
        Ok(self.mode.reading(&figures, messages, self.metric.activation))
    }

    async fn changed(&self) {
        match &self.source {
            Source::Amqp { client, .. } => client.changed(&self.queue, self.ready.load(Ordering::Relaxed)).await,
            Source::Queue { .. } | Source::Pattern { .. } => std::future::pending().await,
        }
    }

    fn notices_changes(&self) -> bool {
        matches!(self.source, Source::Amqp { .. })
    }
}

/// The figures, and which of the messages count.
fn counted(figures: QueueStats, exclude_unacknowledged: bool) -> (QueueStats, f64) {
    (figures, if exclude_unacknowledged { figures.ready } else { figures.messages })
}

/// The messages with the unacknowledged ones. `ready` is AMQP's present count; `figures` are a few seconds old. A
/// message that a consumer has taken in between is not ready any more and not unacknowledged yet. At least the former
/// total counts then, so that a busy worker never looks idle.
fn with_unacknowledged(ready: f64, figures: &QueueStats) -> f64 {
    (ready + figures.unacknowledged()).max(figures.messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::oauth::Account;

    #[test]
    fn a_message_on_its_way_to_a_consumer_is_not_lost_from_sight() {
        for (ready, messages_then, ready_then, counted) in [
            (0.0, 0.0, 0.0, 0.0),
            (10.0, 5.0, 0.0, 15.0),
            // Taken since the statistics were made.
            (0.0, 3.0, 3.0, 3.0),
            (1.0, 4.0, 2.0, 4.0),
        ] {
            let figures = QueueStats { messages: messages_then, ready: ready_then, ..QueueStats::default() };
            assert!((with_unacknowledged(ready, &figures) - counted).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn triggers_of_one_broker_share_its_clients_and_tokens() {
        let pools = ClientPools::default();
        let build = |queue: &str, host: &str, auth: &[(&str, &str)]| {
            let metadata = [("queueName", queue), ("host", host)].map(|(key, value)| (key.into(), value.into()));
            let auth = auth.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            let trigger =
                TriggerConfig { kind: "rabbitmq".into(), metadata: metadata.into(), auth, ..Default::default() };
            build(&trigger, &pools).unwrap()
        };
        let oauth = [("oauthTokenURI", "https://idp/token"), ("clientID", "ebb"), ("clientSecret", "s")];
        let mut triggers = Vec::new();
        for queue in ["a", "b", "c"] {
            triggers.push(build(queue, "amqp://u:p@h", &[]));
            triggers.push(build(queue, "http://u:p@h:15672/tenant", &[]));
            triggers.push(build(queue, "http://u:p@h:15672/", &[]));
            triggers.push(build(queue, "http://h:15672/", &oauth));
        }
        let in_use = || {
            (
                pools.in_use::<amqp::Client, amqp::Endpoint>(),
                pools.in_use::<management::Client, management::Endpoint>(),
                pools.in_use::<TokenSource, Account>(),
            )
        };
        assert_eq!(in_use(), (1, 2, 1));
        drop(triggers);
        assert_eq!(in_use(), (0, 0, 0));
    }
}
