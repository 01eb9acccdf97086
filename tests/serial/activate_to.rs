//! How long a backlog waits for the right count, and until it is gone: with `ebb.dev/activate-to: target`, and as in KEDA.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{rabbitmq, scaled_object, worker};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use crate::story;

const BACKLOG: usize = 200;
/// At five messages for each replica, this is the maximum. A replica is a process that takes two seconds for a message.
const REPLICAS: i32 = 16;

#[test]
fn a_backlog_of_two_hundred_is_gone_sooner() -> Outcome {
    story(async |world| {
        let user = world.sandbox("activate-to").await?;
        let (right, gone) = worked_off(world, &user, "activate-minimum", "minimum").await?;
        let (right_at_once, gone_sooner) = worked_off(world, &user, "activate-target", "target").await?;
        println!(
            "{BACKLOG} messages, {REPLICAS} replicas: minimum {right:.1?} to the right count, {gone:.1?} until they are gone"
        );
        println!(
            "{BACKLOG} messages, {REPLICAS} replicas: target {right_at_once:.1?} to the right count, {gone_sooner:.1?} until they are gone"
        );
        ensure!(right_at_once < right && gone_sooner < gone, "it is no sooner");
        Ok(())
    })
}

/// The times from the first message to the right count, and to the end of the backlog.
async fn worked_off(world: &World, user: &Sandbox, name: &str, activate_to: &str) -> Result<(Duration, Duration)> {
    world.rabbit.declare(name).await?;
    user.apply(&worker(name, 0, &[("RABBITMQ_URL", &world.rabbit.url()), ("QUEUE", name)])).await?;
    let spec = json!({"pollingInterval": 1, "maxReplicaCount": REPLICAS, "triggers": [rabbitmq(name)]});
    let mut object = scaled_object(name, spec);
    object["metadata"]["annotations"] = json!({"ebb.dev/activate-to": activate_to});
    user.apply(&object).await?;
    user.wait_ready(name).await?;
    let watch = user.watch_replicas(name).await?;
    let begun = Instant::now();
    world.rabbit.publish(name, BACKLOG).await?;
    let right = watch.wait_since(begun, "the right count", secs(120), |replicas| replicas == REPLICAS).await?;
    wait::until("the backlog to be gone", secs(300), async || {
        let ready = world.rabbit.depth(name).await?;
        ensure!(ready == 0, "{ready} messages");
        Ok(())
    })
    .await?;
    let gone = begun.elapsed();
    user.kubectl.run(&["delete", "so,deploy", name, "--timeout=30s"]).await?;
    Ok((right.at - begun, gone))
}
