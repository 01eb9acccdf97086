//! Faults of the brokers: each is reported, leaves the replicas where they were, holds up no other, and passes by
//! itself.

mod brokers;
mod credentials;
mod flood;
mod floods;
mod impostors;
mod tampering;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::watch::ReplicaWatch;
use ebb_tests::workload::{deployment, kafka_at, scaled_object};
use ebb_tests::world::World;
use futures::future::try_join_all;
use serde_json::{Value, json};

/// How long a fault is left to do harm once it is known: longer than the cooldown and a poll.
const HOLD: Duration = secs(7);
/// How soon the metric of a healthy broker is served, and its records wake, during every fault.
const QUICK: Duration = secs(1);
/// The messages that wait for each app, for the replicas that it has: the HPA has nothing to do.
const WAITING: usize = 25;
const REPLICAS: u32 = 5;

/// A workload that has as many replicas as its trigger asks for, with all their changes.
struct App {
    name: String,
    metric: String,
    watch: ReplicaWatch,
}

impl App {
    /// Applies it.
    async fn apply(user: &Sandbox, name: &str, metric: &str, trigger: Value) -> Result<Self> {
        user.apply(&deployment(name, REPLICAS, &[])).await?;
        let spec = json!({"pollingInterval": 2, "cooldownPeriod": 3, "triggers": [trigger]});
        user.apply(&scaled_object(name, spec)).await?;
        let watch = user.watch_replicas(name).await?;
        Ok(Self { name: name.to_owned(), metric: metric.to_owned(), watch })
    }

    /// The number of its replicas has never changed.
    fn unchanged(&self) -> Result<()> {
        ensure!(self.watch.history().len() == 1, "{}: {}", self.name, self.watch.story());
        Ok(())
    }

    /// It is Ready, and the HPA gets the number of waiting messages.
    async fn works(&self, user: &Sandbox) -> Result<()> {
        user.wait_ready(&self.name).await?;
        #[allow(clippy::cast_precision_loss)]
        user.wait_metric(&self.name, &self.metric, WAITING as f64).await
    }

    /// The HPA gets the number of waiting messages, and at once.
    async fn serves_quickly(&self, user: &Sandbox) -> Result<()> {
        self.serves_within(user, QUICK).await
    }

    /// The HPA gets the number of waiting messages within this time.
    async fn serves_within(&self, user: &Sandbox, limit: Duration) -> Result<()> {
        let begin = Instant::now();
        let lag = user.metric(&self.name, &self.metric).await?;
        ensure!(begin.elapsed() < limit, "{}: the metric took {:.2?}", self.name, begin.elapsed());
        #[allow(clippy::cast_precision_loss)]
        let right = (lag - WAITING as f64).abs() < 1e-9;
        ensure!(right, "{}: {lag}", self.name);
        Ok(())
    }
}

/// All of them work.
async fn all_work(user: &Sandbox, apps: &[App]) -> Result<()> {
    try_join_all(apps.iter().map(|app| app.works(user))).await?;
    apps.iter().try_for_each(App::unchanged)
}

/// For a while nothing is scaled, and those that are not concerned are served as ever.
async fn nothing_happens(user: &Sandbox, apps: &[App], healthy: &[&App]) -> Result<()> {
    wait::throughout("the replicas stay and the others are served", HOLD, async || {
        for app in healthy {
            app.serves_quickly(user).await?;
        }
        apps.iter().try_for_each(App::unchanged)
    })
    .await
}

/// The same trigger with the credentials of the TriggerAuthentication of this name.
fn with_authentication(authentication: &str, mut trigger: Value) -> Value {
    trigger["authenticationRef"] = json!({"name": authentication});
    trigger
}

/// A topic with a partition for each replica on one broker, and the records that wait in it.
async fn busy_topic(world: &World, topic: &str, broker: i32) -> Result<()> {
    busy_topic_on(world, topic, &[broker; REPLICAS as usize]).await
}

async fn busy_topic_on(world: &World, topic: &str, brokers: &[i32]) -> Result<()> {
    let kafka = world.kafka()?;
    kafka.create_topic_on(topic, brokers).await?;
    kafka.commit_all(topic, topic).await?;
    kafka.produce(topic, WAITING).await
}

async fn busy_queue(world: &World, queue: &str) -> Result<()> {
    world.rabbit.declare(queue).await?;
    world.rabbit.publish(queue, WAITING).await?;
    // The management API may show for seconds the state of the queue at its declaration: empty.
    wait::until(&format!("the statistics of {queue} to be right"), secs(20), async || {
        let waiting = world.rabbit.counts(queue).await?.waiting;
        ensure!(waiting == WAITING as u64, "{waiting} wait");
        Ok(())
    })
    .await
}

/// Workloads at zero, each on a topic of its own. One is woken at a time.
struct Sleepers<'a> {
    world: &'a World,
    user: &'a Sandbox,
    names: std::vec::IntoIter<String>,
}

impl<'a> Sleepers<'a> {
    /// Lays them down; their topics are on broker 1.
    async fn new(world: &'a World, user: &'a Sandbox, prefix: &str, count: usize) -> Result<Self> {
        let names: Vec<String> = (0..count).map(|number| format!("{prefix}-idle-{number}")).collect();
        for name in &names {
            let kafka = world.kafka()?;
            kafka.create_topic_on(name, &[1]).await?;
            // The application knows the topic's leader from now on, whichever broker hangs.
            kafka.produce_to(name, 0, 1).await?;
            kafka.commit_all(name, name).await?;
            user.apply(&deployment(name, 0, &[])).await?;
            let trigger = kafka_at(&world.bed.kafka()?.plaintext, name);
            user.apply(&scaled_object(name, json!({"pollingInterval": 30, "triggers": [trigger]}))).await?;
        }
        for name in &names {
            user.wait_condition(name, "Active", "False").await?;
        }
        Ok(Self { world, user, names: names.into_iter() })
    }

    /// A record wakes the next of them as soon as ever.
    async fn wake_one(&mut self) -> Result<()> {
        let name = self.names.next().context("all are awake")?;
        let watch = self.user.watch_replicas(&name).await?;
        let begin = Instant::now();
        self.world.kafka()?.produce_to(&name, 0, 1).await?;
        let woken = watch.wait_since(begin, "1", secs(20), |replicas| replicas == 1).await?;
        ensure!(woken.at - begin < QUICK, "{name} woke only after {:.2?}", woken.at - begin);
        Ok(())
    }
}

/// The next tests are to have a quiet control plane.
async fn leave(user: &Sandbox) -> Result<()> {
    user.delete_all("ScaledObject").await?;
    user.delete_all("Deployment").await
}
