//! Kafka's consumer groups whose broker is killed, or whose coordinator moves to another broker.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::{Sandbox, is_ready};
use ebb_tests::wait;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use serde_json::json;

use crate::story;

/// Kafka's topic for the commits of groups. The leader of a partition of it is the coordinator of its groups.
const OFFSETS: &str = "__consumer_offsets";

/// Workloads that are looked at each second, with a consumer group each.
async fn read_groups(world: &World, user: &Sandbox, count: usize) -> Result<Vec<String>> {
    let (kafka, servers) = (world.kafka()?, &world.bed.kafka()?.plaintext);
    let names: Vec<String> = (0..count).map(|number| format!("{}-{number}", user.name)).collect();
    kafka.create_topics(&names, 1).await?;
    let mut objects = Vec::new();
    for name in &names {
        let metadata = json!({"bootstrapServers": servers, "consumerGroup": name, "topic": name, "lagThreshold": "5"});
        let trigger = json!({"type": "kafka", "metadata": metadata});
        objects.push(deployment(name, 0, &[]));
        objects.push(scaled_object(name, json!({"pollingInterval": 1, "triggers": [trigger]})));
    }
    user.apply_all(&objects).await?;
    are_ready(user, true).await?;
    Ok(names)
}

async fn are_ready(user: &Sandbox, ready: bool) -> Result<()> {
    wait::until(&format!("all to be Ready: {ready}"), wait::secs(60), async || {
        let list = user.get("ScaledObject", "").await?;
        let wrong = list["items"].as_array().into_iter().flatten().filter(|one| is_ready(one) != ready).count();
        ensure!(wrong == 0, "{wrong} are not");
        Ok(())
    })
    .await
}

/// The process is the one of before, and answers.
async fn ensure_process(world: &World, before: Option<u32>) -> Result<()> {
    ensure!(world.ebb.pid() == before, "it is another");
    world.ebb.metrics().await.map(drop)
}

/// As [`ensure_process`], for long enough to see one that is about to end. An Ebb that has ended does not come back by
/// itself: it is enough to wait once, after the last fault.
async fn stays_up(world: &World, before: Option<u32>) -> Result<()> {
    let same = async || ensure_process(world, before).await;
    wait::throughout("the process is the same and answers", wait::secs(5), same).await
}

#[test]
fn groups_whose_broker_was_killed_are_read_again_by_the_same_process() -> Outcome {
    story(async |world| {
        let user = world.sandbox("faults-groups").await?;
        read_groups(world, &user, 40).await?;
        let before = world.ebb.pid();
        for _ in 0..2 {
            world.bed.kill_part("kafka").await?;
            let outcome = are_ready(&user, false).await;
            world.bed.start_part("kafka").await?;
            outcome?;
            are_ready(&user, true).await?;
        }
        stays_up(world, before).await?;
        leave(&user).await
    })
}

/// With few groups librdkafka remembers the coordinator of each, with many it asks for them anew.
async fn coordinators_move(world: &World, name: &str, groups: usize) -> Result<()> {
    let user = world.sandbox(name).await?;
    let names = read_groups(world, &user, groups).await?;
    let kafka = world.kafka()?;
    try_join_all(names.iter().map(|name| kafka.commit_all(name, name))).await?;
    let before = world.ebb.pid();
    for (lag, broker) in (1_u8..).zip([2, 1, 2, 1]) {
        kafka.move_topic(OFFSETS, broker).await?;
        let begin = Instant::now();
        try_join_all(names.iter().map(async |name| {
            kafka.produce(name, 1).await?;
            user.wait_metric(name, &format!("s0-kafka-{name}"), lag.into()).await
        }))
        .await?;
        println!("{groups} groups whose coordinators are on broker {broker}: read after {:?}", begin.elapsed());
        ensure_process(world, before).await?;
        are_ready(&user, true).await?;
    }
    stays_up(world, before).await?;
    leave(&user).await
}

#[test]
fn groups_whose_coordinator_moves_to_another_broker_are_read_on() -> Outcome {
    story(async |world| {
        coordinators_move(world, "faults-coordinator-few", 6).await?;
        coordinators_move(world, "faults-coordinator-many", 40).await
    })
}

async fn leave(user: &Sandbox) -> Result<()> {
    user.delete_all("ScaledObject").await?;
    user.delete_all("Deployment").await
}
