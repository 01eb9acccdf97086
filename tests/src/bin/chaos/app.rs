//! One of the hundred workloads: a Deployment, its ScaledObject, its messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use ebb_tests::bed::Bed;
use ebb_tests::kafka::Kafka;
use ebb_tests::rabbit::Rabbit;
use ebb_tests::workload::{deployment, rabbitmq, scaled_object, worker};
use serde_json::{Value, json};

use crate::backlog::Backlog;
use crate::deployments::Deployments;
use crate::queue::Queue;
use crate::topic::Topic;

/// The most replicas of a workload whose work this program does.
pub(crate) const MOST: i32 = 10;
/// The most replicas of a workload of real workers: each is a process.
const MOST_WORKERS: i32 = 2;
/// Messages for each replica.
pub(crate) const TARGET: usize = 5;
/// How long nothing waits before a workload goes to zero, in seconds.
const COOLDOWN: u32 = 8;
/// How often a workload does something.
const TICK: Duration = Duration::from_secs(1);
/// How many messages a replica gets done in a tick.
const PACE: usize = 2;

/// A workload.
pub(crate) struct App {
    /// Of its Deployment, its ScaledObject, its queue or topic and its group.
    pub(crate) name: String,
    /// The part of the test cluster without which its messages cannot be counted.
    pub(crate) part: &'static str,
    /// How many messages wait, as far as the application knows.
    pub(crate) backlog: Backlog,
    /// The metric that the HPA asks for.
    pub(crate) metric: String,
    /// How many messages shall have been brought in all.
    wanted: AtomicUsize,
    source: Source,
    most: i32,
    objects: [Value; 2],
}

enum Source {
    Queue(Box<Queue>),
    Topic(Topic),
}

impl App {
    /// One with a queue. `workers`: its pods are processes that consume it.
    pub(crate) async fn queue(bed: &Bed, rabbit: &Rabbit, number: usize, workers: bool) -> Result<Self> {
        let name = format!("queue-{number}");
        let queue = Queue::new(bed.rabbitmq()?, &name, workers).await?;
        let url = rabbit.url();
        let results = format!("{name}-results");
        let env =
            [("RABBITMQ_URL", url.as_str()), ("QUEUE", &name), ("RESULTS_QUEUE", &results), ("WORK_SECONDS", "0.5")];
        let target = if workers { worker(&name, 0, &env) } else { deployment(&name, 0, &env[..1]) };
        let metric = format!("s0-rabbitmq-{name}");
        let most = if workers { MOST_WORKERS } else { MOST };
        Ok(Self::new(name.clone(), "rabbitmq", metric, Source::Queue(Box::new(queue)), most, target, &rabbitmq(&name)))
    }

    /// One with a topic on one of two brokers.
    pub(crate) async fn topic(kafka: &Arc<Kafka>, number: usize, part: &'static str, broker: i32) -> Result<Self> {
        let name = format!("topic-{number}");
        let topic = Topic::new(Arc::clone(kafka), &name, broker).await?;
        let trigger = json!({"type": "kafka", "metadata": {
            "bootstrapServers": kafka.address(), "consumerGroup": name, "topic": name,
            "lagThreshold": TARGET.to_string(), "allowIdleConsumers": "true",
        }});
        let metric = format!("s0-kafka-{name}");
        let target = deployment(&name, 0, &[]);
        Ok(Self::new(name, part, metric, Source::Topic(topic), MOST, target, &trigger))
    }

    fn new(
        name: String,
        part: &'static str,
        metric: String,
        source: Source,
        most: i32,
        target: Value,
        trigger: &Value,
    ) -> Self {
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 5}});
        let spec = json!({
            "pollingInterval": 2, "cooldownPeriod": COOLDOWN, "maxReplicaCount": most, "triggers": [trigger],
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
        });
        let objects = [target, scaled_object(&name, spec)];
        let (backlog, wanted) = (Backlog::new(), AtomicUsize::new(0));
        Self { name, part, backlog, metric, wanted, source, most, objects }
    }

    /// The objects that a user applies for it.
    pub(crate) fn objects(&self) -> &[Value] {
        &self.objects
    }

    /// The most replicas that it may have.
    pub(crate) fn most(&self) -> i32 {
        self.most
    }

    /// More messages come.
    pub(crate) fn send(&self, messages: usize) {
        self.wanted.fetch_add(messages, Ordering::Relaxed);
    }

    /// Brings messages and works them off, as many as the pods there are get done, until it is aborted. While `rest` is
    /// set nobody works.
    pub(crate) async fn live(self: Arc<Self>, deployments: Arc<Deployments>, rest: Arc<std::sync::atomic::AtomicBool>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A failure is tried again with the next tick: a broker may be away.
            let _ = self.bring().await;
            let pods = if rest.load(Ordering::Relaxed) { 0 } else { deployments.now(&self.name) };
            let _ = self.work(usize::try_from(pods).unwrap_or(0) * PACE).await;
        }
    }

    async fn bring(&self) -> Result<()> {
        let wanted = self.wanted.load(Ordering::Relaxed);
        match &self.source {
            Source::Queue(queue) => queue.bring(wanted).await,
            Source::Topic(topic) => topic.bring(wanted).await,
        }
    }

    async fn work(&self, most: usize) -> Result<()> {
        self.backlog.note(self.backlog.now().saturating_sub(most));
        let left = match &self.source {
            Source::Queue(queue) => queue.work(most).await?,
            Source::Topic(topic) => topic.work(most).await?,
        };
        self.backlog.note(left);
        Ok(())
    }

    /// Fails unless all that was brought has been worked off.
    pub(crate) async fn all_done(&self) -> Result<()> {
        match &self.source {
            Source::Queue(queue) => queue.all_done().await,
            Source::Topic(topic) => topic.all_done().await,
        }
    }

    /// How many messages were brought.
    pub(crate) async fn brought(&self) -> usize {
        match &self.source {
            Source::Queue(queue) => queue.brought().await,
            Source::Topic(topic) => topic.brought().await,
        }
    }
}
