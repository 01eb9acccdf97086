//! The lag of consumer groups, from the records and commits of an application.

mod bounds;
mod differential;
mod groups;
mod lag;
mod security;
mod topics;
mod transactions;

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// Both names of the trigger.
const KINDS: [&str; 2] = ["kafka", "apache-kafka"];

/// A trigger on a topic of the test cluster's Kafka, its consumer group named like the topic. The values in `more` are
/// added or replace others; a null takes a value away.
fn trigger(world: &World, kind: &str, topic: &str, more: &Value) -> Result<Value> {
    let mut metadata = json!({
        "bootstrapServers": world.bed.kafka()?.plaintext, "consumerGroup": topic, "topic": topic, "lagThreshold": "5",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    if let Some(all) = metadata.as_object_mut() {
        all.retain(|_, value| !value.is_null());
    }
    Ok(json!({"type": kind, "metadata": metadata}))
}

/// The same trigger with the credentials of the TriggerAuthentication of this name.
fn with_authentication(authentication: &str, mut trigger: Value) -> Value {
    trigger["authenticationRef"] = json!({"name": authentication});
    trigger
}

/// A Deployment and a ScaledObject of this name with one trigger, in a namespace that is there.
async fn scale(user: &Sandbox, app: &str, trigger: Value) -> Result<()> {
    scale_from(user, app, 0, trigger).await
}

async fn scale_from(user: &Sandbox, app: &str, replicas: u32, trigger: Value) -> Result<()> {
    user.apply(&deployment(app, replicas, &[])).await?;
    user.apply(&scaled_object(app, json!({"pollingInterval": 2, "cooldownPeriod": 1, "triggers": [trigger]}))).await?;
    Ok(())
}

#[test]
fn a_lag_takes_a_workload_up_and_its_end_takes_it_down() -> Outcome {
    story(async |world| {
        let (name, kafka) = ("kafka-lag", world.kafka()?);
        kafka.create_topic(name, 3).await?;
        kafka.commit_all(name, name).await?;
        let user = world.sandbox(name).await?;
        scale(&user, "my-app", trigger(world, "kafka", name, &json!({}))?).await?;
        user.wait_ready("my-app").await?;
        user.wait_metric("my-app", "s0-kafka-kafka-lag", 0.0).await?;
        ensure!(user.replicas("my-app").await? == 0, "an empty topic woke it");

        kafka.produce(name, 12).await?;
        user.wait_metric("my-app", "s0-kafka-kafka-lag", 12.0).await?;
        user.wait_replicas("my-app", "3", secs(20), |replicas| replicas == 3).await?;
        kafka.produce(name, 100).await?;
        user.wait_metric("my-app", "s0-kafka-kafka-lag", 15.0).await?;

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
        ensure!(woken.at - begin < secs(3), "only after {:?}", woken.at - begin);
        Ok(())
    })
}

#[test]
fn servers_group_and_topic_come_from_the_targets_environment() -> Outcome {
    story(async |world| {
        let (name, kafka) = ("kafka-from-env", world.kafka()?);
        kafka.create_topic(name, 1).await?;
        kafka.commit_all("kafka-from-env-group", name).await?;
        kafka.produce(name, 3).await?;
        let user = world.sandbox(name).await?;
        let env =
            [("SERVERS", world.bed.kafka()?.plaintext.as_str()), ("GROUP", "kafka-from-env-group"), ("TOPIC", name)];
        for kind in KINDS {
            let named = json!({
                "bootstrapServers": null, "consumerGroup": null, "topic": null,
                "bootstrapServersFromEnv": "SERVERS", "consumerGroupFromEnv": "GROUP", "topicFromEnv": "TOPIC",
            });
            user.apply(&deployment(kind, 0, &env)).await?;
            let trigger = trigger(world, kind, name, &named)?;
            user.apply(&scaled_object(kind, json!({"pollingInterval": 2, "triggers": [trigger]}))).await?;
            user.wait_metric(kind, "s0-kafka-kafka-from-env", 3.0).await?;
            user.wait_replicas(kind, "1", secs(10), |replicas| replicas == 1).await?;
        }
        Ok(())
    })
}
