//! The lag of consumer groups, from what an application has written and committed.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// A trigger on a topic of the test bed's Kafka, its consumer group called like the topic.
fn trigger(world: &World, kind: &str, topic: &str, more: &Value) -> Result<Value> {
    let mut metadata = json!({
        "bootstrapServers": world.bed.kafka()?.plaintext, "consumerGroup": topic, "topic": topic, "lagThreshold": "5",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    Ok(json!({"type": kind, "metadata": metadata}))
}

/// A ScaledObject `my-app` with this one trigger, Ready, in a namespace of this name.
async fn with_trigger(world: &World, name: &str, trigger: Value) -> Result<Sandbox> {
    let user = world.sandbox(name).await?;
    user.apply(&deployment("my-app", 0, &[])).await?;
    user.apply(&scaled_object("my-app", json!({"pollingInterval": 2, "cooldownPeriod": 1, "triggers": [trigger]})))
        .await?;
    user.wait_ready("my-app").await?;
    Ok(user)
}

/// Waits until the HPA would be told this lag.
async fn lag_is(user: &Sandbox, metric: &str, wanted: f64) -> Result<()> {
    wait::until(&format!("{metric} to be {wanted}"), secs(15), async || {
        let value = user.metric("my-app", metric).await?;
        ensure!((value - wanted).abs() < 1e-9, "it is {value}");
        Ok(())
    })
    .await
}

#[test]
fn a_lag_takes_a_workload_up_and_its_end_takes_it_down() -> Outcome {
    story(async |world| {
        let (name, kafka) = ("kafka-lag", world.kafka()?);
        kafka.create_topic(name, 3).await?;
        kafka.commit_all(name, name).await?;
        let user = with_trigger(world, name, trigger(world, "kafka", name, &json!({}))?).await?;
        lag_is(&user, "s0-kafka-kafka-lag", 0.0).await?;
        ensure!(user.replicas("my-app").await? == 0, "an empty topic woke it");

        kafka.produce(name, 12).await?;
        lag_is(&user, "s0-kafka-kafka-lag", 12.0).await?;
        user.wait_replicas("my-app", "3", secs(20), |replicas| replicas == 3).await?;
        kafka.produce(name, 100).await?;
        lag_is(&user, "s0-kafka-kafka-lag", 15.0).await?;

        kafka.commit_all(name, name).await?;
        user.wait_replicas("my-app", "0", secs(20), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn a_new_record_wakes_an_idle_workload_long_before_its_next_poll() -> Outcome {
    story(async |world| {
        let (name, kafka) = ("kafka-wake", world.kafka()?);
        kafka.create_topic(name, 2).await?;
        kafka.commit_all(name, name).await?;
        let user = world.sandbox(name).await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        let trigger = trigger(world, "kafka", name, &json!({}))?;
        user.apply(&scaled_object("my-app", json!({"pollingInterval": 300, "triggers": [trigger]}))).await?;
        user.wait_ready("my-app").await?;
        user.wait_condition("my-app", "Active", "False").await?;

        let watch = user.watch_replicas("my-app").await?;
        let begin = Instant::now();
        kafka.produce(name, 1).await?;
        let woken = watch.wait_since(begin, "1", secs(5), |replicas| replicas == 1).await?;
        ensure!(woken.at - begin < secs(1), "only after {:?}", woken.at - begin);
        Ok(())
    })
}
