//! The scaled workloads: Deployments, each with a ScaledObject of its name and a queue, a topic or a window of time.

use anyhow::Result;
use ebb_tests::kafka::Kafka;
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::settings::{Kind, Settings};

/// How many of a run's requests are under way at once.
pub(crate) const AT_ONCE: usize = 20;
/// KEDA's default, which most of the ScaledObjects have.
pub(crate) const SLOW: u32 = 30;
/// The other interval of the sample.
pub(crate) const FAST: u32 = 5;
/// How many topics are made in one request.
const TOPICS_AT_ONCE: usize = 250;

/// The source of a workload's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Queue,
    Topic,
    Window,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// Of the Deployment, the ScaledObject, the queue or topic and the group.
    pub(crate) name: String,
    source: Source,
    /// Its `pollingInterval`.
    interval: u32,
}

/// Where the triggers find the brokers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    /// The URL of RabbitMQ.
    pub(crate) rabbitmq: String,
    /// Kafka's bootstrap servers.
    pub(crate) kafka: String,
}

/// The applications that bring work.
pub(crate) struct Applications {
    /// RabbitMQ's.
    pub(crate) rabbit: Rabbit,
    /// Kafka's, where there is a Kafka.
    pub(crate) kafka: Option<Kafka>,
}

/// All of a run. The first have the short interval, as many as are woken one by one at it.
pub(crate) fn all(settings: &Settings) -> Vec<Workload> {
    let workload = |number: usize| Workload {
        name: format!("load-{number}"),
        source: source(settings.kind, number),
        interval: if number < settings.sample() { FAST } else { SLOW },
    };
    (0..settings.count).map(workload).collect()
}

fn source(kind: Kind, number: usize) -> Source {
    match (kind, number % 3) {
        (Kind::Rabbitmq, _) | (Kind::Mixed, 0) => Source::Queue,
        (Kind::Kafka, _) | (Kind::Mixed, 1) => Source::Topic,
        (Kind::Cron | Kind::Mixed, _) => Source::Window,
    }
}

impl Workload {
    /// The Deployment.
    pub(crate) fn deployment(&self, addresses: &Addresses) -> Value {
        deployment(&self.name, 0, &[("RABBITMQ_URL", &addresses.rabbitmq)])
    }

    /// The ScaledObject of the Deployment.
    pub(crate) fn scaled_object(&self, addresses: &Addresses) -> Value {
        let trigger = match self.source {
            Source::Queue => rabbitmq(&self.name),
            // A topic that is empty has no lag with any committed offset.
            Source::Topic => json!({"type": "kafka", "metadata": {
                "bootstrapServers": addresses.kafka, "consumerGroup": self.name, "topic": self.name,
                "offsetResetPolicy": "earliest",
            }}),
            Source::Window => cron("0 3 1 1 *", "1 3 1 1 *", "1"),
        };
        self.with(&trigger)
    }

    fn with(&self, trigger: &Value) -> Value {
        let spec = json!({"pollingInterval": self.interval, "maxReplicaCount": 10, "triggers": [trigger]});
        scaled_object(&self.name, spec)
    }

    /// Brings work that nobody does: a message, a record, or a window that is open.
    pub(crate) async fn wake(&self, user: &Sandbox, applications: &Applications) -> Result<()> {
        match (self.source, &applications.kafka) {
            (Source::Queue, _) => applications.rabbit.publish(&self.name, 1).await,
            (Source::Topic, Some(kafka)) => kafka.produce_to(&self.name, 0, 1).await,
            (Source::Topic, None) => anyhow::bail!("this run has no Kafka"),
            (Source::Window, _) => user.apply(&self.with(&cron("0 0 1 1 *", "59 23 31 12 *", "1"))).await.map(drop),
        }
    }
}

/// Makes the queues and topics.
pub(crate) async fn declare(workloads: &[Workload], applications: &Applications) -> Result<()> {
    let of = |source: Source| workloads.iter().filter(move |workload| workload.source == source);
    let queues = of(Source::Queue).map(|workload| async { applications.rabbit.declare(&workload.name).await });
    stream::iter(queues).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let topics: Vec<String> = of(Source::Topic).map(|workload| workload.name.clone()).collect();
    if let Some(kafka) = &applications.kafka {
        for some in topics.chunks(TOPICS_AT_ONCE) {
            kafka.create_topics(some, 1).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Source::{Queue, Topic, Window};
    use super::*;

    #[test]
    fn a_mixed_run_has_one_of_each_in_turn() {
        let settings = Settings { count: 7, kind: Kind::Mixed, peer: None, over: None, lister: None };
        let sources: Vec<_> = all(&settings).iter().map(|workload| workload.source).collect();
        assert_eq!(sources, [Queue, Topic, Window, Queue, Topic, Window, Queue]);
    }

    #[test]
    fn the_sample_at_each_interval_is_as_large() {
        let settings = Settings { count: 100, kind: Kind::Kafka, peer: None, over: None, lister: None };
        let fast = all(&settings).iter().filter(|workload| workload.interval == FAST).count();
        assert_eq!(fast, settings.sample());
    }
}
