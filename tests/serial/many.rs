//! Many `ScaledObjects` on one broker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::process;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::size;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::story;

/// How many requests of this test are under way at once.
const AT_ONCE: usize = 20;

/// The number of ScaledObjects, and the promises for it.
#[derive(Clone, Copy)]
struct Size {
    /// ScaledObjects.
    count: usize,
    /// Topics on which the Kafka triggers look.
    topics: usize,
    /// How soon all are Ready after the first was applied, on the slowest of machines: most of the work is the API
    /// server's. The time that it took is shown.
    ready: Duration,
    /// The most memory that they take beside the memory before. Ten kilobytes each are promised; the part that the
    /// allocator cannot give back differs from run to run.
    memory_kb: u64,
    /// How soon a message wakes the last of them. One connection bears 250 looks a second: each queue of a thousand has
    /// its turn every four seconds.
    wake: Duration,
}

const SMALL: Size = Size { count: 200, topics: 10, ready: secs(30), memory_kb: 6 << 10, wake: secs(3) };
const FULL: Size = Size { count: 1000, topics: 50, ready: secs(90), memory_kb: 12 << 10, wake: secs(6) };

/// Deployments that wait for their ScaledObjects of the same names.
struct ManyWorkloads<'a> {
    world: &'a World,
    user: Sandbox,
    names: Vec<String>,
}

impl<'a> ManyWorkloads<'a> {
    /// Makes a namespace with `count` of them, and waits until the Deployment controller has come to rest.
    async fn gather(world: &'a World, name: &str, count: usize, env: &[(&str, &str)]) -> Result<Self> {
        let user = world.sandbox(name).await?;
        let names: Vec<String> = (0..count).map(|number| format!("{name}-{number}")).collect();
        let deployments: Vec<Value> = names.iter().map(|name| deployment(name, 0, env)).collect();
        user.deploy_all(&deployments).await?;
        Ok(Self { world, user, names })
    }

    /// Applies a ScaledObject for each. Gives the times at which the last was applied, and at which all of them were
    /// Ready.
    async fn serve(&self, spec: impl Fn(usize) -> Value) -> Result<(Duration, Duration)> {
        let objects: Vec<Value> =
            self.names.iter().enumerate().map(|(number, name)| scaled_object(name, spec(number))).collect();
        let begin = Instant::now();
        self.user.apply_all(&objects).await?;
        let applied = begin.elapsed();
        // Asking for all of them is work for the API server: first for the one that was applied last.
        self.user.wait_ready(self.last()).await?;
        self.user.wait_all_ready(objects.len(), secs(180)).await?;
        Ok((applied, begin.elapsed()))
    }

    /// As [`ManyWorkloads::serve`], with the promises for this number of them.
    async fn serve_in_time(&self, size: Size, what: &str, spec: impl Fn(usize) -> Value) -> Result<()> {
        let Size { count, ready: in_time, memory_kb, .. } = size;
        let pid = self.world.ebb.pid().context("Ebb does not run")?;
        let before = process::resident_kb(pid)?;
        let (applied, ready) = self.serve(spec).await?;
        // Memory that only their beginning took is given back by then.
        tokio::time::sleep(secs(3)).await;
        let after = process::resident_kb(pid)?;
        println!(
            "{count} ScaledObjects with {what}: applied in {applied:.2?}, all Ready after {ready:.2?}; \
             memory {before} kB before, {after} kB after: {} kB more",
            after.saturating_sub(before),
        );
        ensure!(ready < in_time, "all Ready only after {ready:.2?} (applied in {applied:.2?})");
        ensure!(after.saturating_sub(before) < memory_kb, "memory has grown from {before} kB to {after} kB");
        Ok(())
    }

    /// A new message for the last of them wakes it in time.
    async fn wake_last(&self, limit: Duration, act: impl Future<Output = Result<()>>) -> Result<()> {
        self.user.wait_condition(self.last(), "Active", "False").await?;
        let watch = self.user.watch_replicas(self.last()).await?;
        let begin = Instant::now();
        act.await?;
        let woken = watch.wait_since(begin, "1", secs(30), |replicas| replicas == 1).await?;
        println!("the last of {} woke after {:.2?}", self.names.len(), woken.at - begin);
        ensure!(woken.at - begin < limit, "only after {:.2?}", woken.at - begin);
        Ok(())
    }

    fn last(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Does what is to be done with them and takes them away, however it went: the next tests are to have a quiet
    /// control plane.
    async fn meet(self, act: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        let outcome = act(&self).await;
        self.leave().await?;
        self.user.delete_all("Deployment").await?;
        outcome
    }

    /// Deletes the ScaledObjects, and brings those back to zero that were woken.
    async fn leave(&self) -> Result<()> {
        let begin = Instant::now();
        self.user.delete_all("ScaledObject").await?;
        println!("{} ScaledObjects were gone after {:.2?}", self.names.len(), begin.elapsed());
        self.user.kubectl.run(&["scale", "deployment", self.last(), "--replicas=0"]).await.map(drop)
    }
}

async fn declare_all(world: &World, names: &[String]) -> Result<()> {
    stream::iter(names).map(|name| world.rabbit.declare(name)).buffer_unordered(AT_ONCE).try_collect().await
}

#[test]
fn many_become_ready_over_a_few_connections() -> Outcome {
    let size = size::choose(SMALL, FULL);
    story(async |world| {
        let name = "many";
        // A broker user of their own, which distinguishes them in RabbitMQ's list of connections.
        world.rabbit.add_user(name, name).await?;
        let topics: Vec<String> = (0..size.topics).map(|number| format!("many-{number}")).collect();
        world.kafka()?.create_topics(&topics, 1).await?;
        let url = world.rabbit.url_of(name, name);
        let workloads = ManyWorkloads::gather(world, name, size.count, &[("RABBITMQ_URL", &url)]).await?;
        workloads
            .meet(async |workloads| {
                with_kafka(workloads, size, &topics).await.context("with kafka")?;
                workloads.leave().await?;
                with_rabbitmq(workloads, size, name).await.context("with rabbitmq")
            })
            .await
    })
}

async fn with_kafka(workloads: &ManyWorkloads<'_>, size: Size, topics: &[String]) -> Result<()> {
    let world = workloads.world;
    let (kafka, facts) = (world.kafka()?, world.bed.kafka()?);
    // Each has a group of its own, as it would be. Only the last has committed anything.
    let topic_of = |number: usize| &topics[number % topics.len()];
    kafka.commit_all(workloads.last(), topic_of(size.count - 1)).await?;
    let spec = |number: usize| {
        let metadata = json!({
            "bootstrapServers": facts.plaintext, "consumerGroup": workloads.names[number],
            "topic": topic_of(number), "scaleToZeroOnInvalidOffset": "true",
        });
        json!({"maxReplicaCount": 50, "triggers": [{"type": "kafka", "metadata": metadata}]})
    };
    workloads.serve_in_time(size, "kafka", spec).await?;

    let pid = world.ebb.pid().context("Ebb does not run")?;
    wait::throughout("there are three connections to each broker at most", secs(5), async || {
        for broker in &facts.brokers {
            let (_, port) = broker.plaintext.rsplit_once(':').context("no port")?;
            let connections = process::connections_to(pid, port.parse()?)?;
            ensure!((1..=3).contains(&connections), "broker {} has {connections}", broker.id);
        }
        Ok(())
    })
    .await?;
    workloads.wake_last(secs(3), kafka.produce(topic_of(size.count - 1), 1)).await
}

async fn with_rabbitmq(workloads: &ManyWorkloads<'_>, size: Size, user: &str) -> Result<()> {
    let world = workloads.world;
    declare_all(world, &workloads.names).await?;
    let spec = |number: usize| json!({"maxReplicaCount": 50, "triggers": [rabbitmq(&workloads.names[number])]});
    workloads.serve_in_time(size, "rabbitmq", spec).await?;

    // The broker's statistics are five seconds old: wait for the first connection, then for any more.
    let mut seen = wait::until("the broker to list a connection", secs(20), async || {
        let connections = world.rabbit.connections_of(user).await?;
        ensure!(!connections.is_empty(), "there is none");
        Ok(connections)
    })
    .await?;
    wait::throughout("there are two connections at most", secs(6), async || {
        seen.extend(world.rabbit.connections_of(user).await?);
        ensure!(seen.len() <= 2, "{seen:?}");
        Ok(())
    })
    .await?;
    workloads.wake_last(size.wake, world.rabbit.publish(workloads.last(), 1)).await
}

#[test]
fn two_hundred_over_the_management_api_share_two_connections() -> Outcome {
    story(async |world| {
        let name = "many-http";
        world.rabbit.add_user(name, name).await?;
        let facts = world.bed.rabbitmq()?;
        let host = format!("http://{name}:{name}@{}:{}/", facts.host, facts.http_port);
        let workloads = ManyWorkloads::gather(world, name, 200, &[]).await?;
        workloads
            .meet(async |workloads| {
                declare_all(world, &workloads.names).await?;
                let spec = |number: usize| {
                    let queue = &workloads.names[number];
                    let metadata = json!({"queueName": queue, "mode": "QueueLength", "value": "5", "host": host});
                    json!({"pollingInterval": 2, "triggers": [{"type": "rabbitmq", "metadata": metadata}]})
                };
                workloads.serve(spec).await?;
                let pid = world.ebb.pid().context("Ebb does not run")?;
                wait::throughout("there are two connections at most", secs(8), async || {
                    let connections = process::connections_to(pid, facts.http_port)?;
                    ensure!(connections <= 2, "there are {connections}");
                    Ok(())
                })
                .await?;
                world.rabbit.publish(workloads.last(), 1).await?;
                workloads.user.wait_replicas(workloads.last(), "1", secs(10), |replicas| replicas == 1).await?;
                Ok(())
            })
            .await
    })
}
