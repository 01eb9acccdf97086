//! Everything the run plays on: the servers, three replicas of Ebb, a hundred workloads with messages.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use ebb_tests::bed::Options;
use ebb_tests::kafka::Kafka;
use ebb_tests::process;
use ebb_tests::random::Random;
use ebb_tests::replicas::Replicas;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::secs;
use ebb_tests::world::World;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::deployments::Deployments;
use crate::queries::Queries;

/// Where the workloads are.
pub(crate) const NAMESPACE: &str = "chaos";
/// Workloads on RabbitMQ, those of them that have real workers, and workloads on Kafka.
const QUEUES: usize = 50;
const WITH_WORKERS: usize = 5;
const TOPICS: usize = 50;
/// Shorter than the defaults, so that a lease is lost more often.
const LEASE: &[&str] = &[
    "--leader-elect=true",
    "--leader-election-lease-duration=6s",
    "--leader-election-renew-deadline=4s",
    "--leader-election-retry-period=1s",
];
/// How many workloads are made at once.
const AT_ONCE: usize = 10;

/// The servers of a run. Dropping it ends them.
pub(crate) struct Stage {
    /// The workloads.
    pub(crate) apps: Vec<Arc<App>>,
    /// Their replicas.
    pub(crate) deployments: Arc<Deployments>,
    /// Whether nobody works.
    pub(crate) rest: Arc<AtomicBool>,
    /// The questions to the external metrics API.
    pub(crate) queries: Arc<Queries>,
    user: Sandbox,
    /// Ebb.
    pub(crate) replicas: Replicas,
    /// The servers.
    pub(crate) world: World,
    begin: Instant,
}

impl Stage {
    /// Starts everything, and waits until all ScaledObjects are Ready.
    pub(crate) async fn set() -> Result<Self> {
        let begin = Instant::now();
        let mut options = Options::new("chaos");
        options.with.push("kafka2");
        println!("starting the control plane, RabbitMQ and two Kafka brokers on 127.0.0.1");
        let world = World::start(options).await?;
        world.ebb.stop().await?;
        let replicas = Replicas::start(&world.bed, 3, LEASE).await?;
        let user = world.sandbox(NAMESPACE).await?;
        let deployments = Deployments::watch(user.client.clone(), NAMESPACE);
        let apps = apps(&world).await?;
        let (rest, queries) = (Arc::default(), Arc::default());
        let stage = Self { apps, deployments, rest, queries, user, replicas, world, begin };
        stage.apply().await?;
        for app in &stage.apps {
            tokio::spawn(Arc::clone(app).live(Arc::clone(&stage.deployments), Arc::clone(&stage.rest)));
        }
        stage.say("three replicas of Ebb serve a hundred ScaledObjects, and all are Ready");
        Ok(stage)
    }

    /// Prints a line for the person who looks on.
    pub(crate) fn say(&self, what: &str) {
        println!("[{:5.1} s] {what}", self.begin.elapsed().as_secs_f64());
    }

    /// The memory that each replica takes, in kilobytes.
    pub(crate) fn memory(&self) -> Result<[u64; 3]> {
        let of = |replica: usize| process::resident_kb(self.replicas.pid(replica)?);
        Ok([of(0)?, of(1)?, of(2)?])
    }

    /// How many messages were brought.
    pub(crate) async fn brought(&self) -> usize {
        stream::iter(&self.apps).fold(0, async |sum, app| sum + app.brought().await).await
    }

    /// Asks for external metrics of random workloads, until it is aborted.
    pub(crate) fn query(&self, seed: u64) -> JoinHandle<()> {
        let (user, queries, apps) = (self.user.clone(), Arc::clone(&self.queries), self.apps.clone());
        tokio::spawn(async move {
            let mut random = Random::new(seed);
            loop {
                let app = Arc::clone(&apps[random.below(apps.len())]);
                let (user, queries) = (user.clone(), Arc::clone(&queries));
                // One that hangs does not hold up the next.
                tokio::spawn(async move { queries.ask(&user, &app.name, &app.metric).await });
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
    }

    async fn apply(&self) -> Result<()> {
        let objects: Vec<_> = self.apps.iter().flat_map(|app| app.objects()).cloned().collect();
        self.user.apply_all(&objects).await?;
        self.user.wait_all_ready(self.apps.len(), secs(60)).await
    }
}

async fn apps(world: &World) -> Result<Vec<Arc<App>>> {
    let kafka = Arc::new(Kafka::connect(world.bed.kafka()?).await?);
    let queues =
        stream::iter((0..QUEUES).map(|number| App::queue(&world.bed, &world.rabbit, number, number < WITH_WORKERS)));
    let mut apps: Vec<App> = queues.buffer_unordered(AT_ONCE).try_collect().await?;
    let brokers = &world.bed.kafka()?.brokers;
    let topics = stream::iter((0..TOPICS).map(|number| {
        let (part, broker) = if number % 2 == 0 { ("kafka", &brokers[0]) } else { ("kafka-2", &brokers[1]) };
        App::topic(&kafka, number, part, broker.id)
    }));
    apps.extend(topics.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?);
    Ok(apps.into_iter().map(Arc::new).collect())
}
