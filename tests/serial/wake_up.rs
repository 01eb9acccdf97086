//! How long the first message waits for the first replica.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

const TIMES: usize = 10;

#[test]
fn from_zero_to_one_in_under_a_second_at_a_polling_interval_of_thirty() -> Outcome {
    story(async |world| {
        let user = world.sandbox("wake-up").await?;
        let url = world.rabbit.url();
        let names: Vec<String> = (0..TIMES).map(|number| format!("wake-up-{number}")).collect();
        for name in &names {
            world.rabbit.declare(name).await?;
            user.apply(&deployment(name, 0, &[("RABBITMQ_URL", &url)])).await?;
            let spec = json!({"pollingInterval": 30, "triggers": [rabbitmq(name)]});
            user.apply(&scaled_object(name, spec)).await?;
        }
        let median = wake(&user, &names, async |name| world.rabbit.publish(name, 1).await).await?;
        ensure!(median < secs(1), "median {median:.2?}");
        Ok(())
    })
}

/// Wakes one after the other and gives the median of the time that it took.
async fn wake(user: &Sandbox, names: &[String], act: impl AsyncFn(&str) -> Result<()>) -> Result<Duration> {
    let mut took = Vec::new();
    for name in names {
        user.wait_condition(name, "Active", "False").await?;
        let watch = user.watch_replicas(name).await?;
        let begin = Instant::now();
        act(name).await?;
        let woken = watch.wait_since(begin, "1", secs(35), |replicas| replicas == 1).await?;
        took.push(woken.at - begin);
    }
    took.sort_unstable();
    let median = (took[TIMES / 2 - 1] + took[TIMES / 2]) / 2;
    println!("0 to 1: median {median:.2?}, all {took:.2?}");
    Ok(median)
}

#[test]
fn from_zero_to_one_among_a_thousand_idle_topics() -> Outcome {
    /// Each workload waits for as many topics as the others.
    const OBJECTS: usize = 50;
    const TOPICS_OF_EACH: usize = 20;
    story(async |world| {
        let (user, kafka) = (world.sandbox("wake-kafka").await?, world.kafka()?);
        let names: Vec<String> = (0..OBJECTS).map(|number| format!("wake-kafka-{number}")).collect();
        let topics =
            |name: &str| -> Vec<String> { (0..TOPICS_OF_EACH).map(|number| format!("{name}.{number}")).collect() };
        let all: Vec<String> = names.iter().flat_map(|name| topics(name)).collect();
        for some in all.chunks(250) {
            kafka.create_topics(some, 1).await?;
        }
        for (number, name) in names.iter().enumerate() {
            let metadata = json!({
                "bootstrapServers": world.bed.kafka()?.plaintext, "consumerGroup": name,
                "topic": topics(name).join(","), "scaleToZeroOnInvalidOffset": "true",
            });
            let trigger = json!({"type": "apache-kafka", "metadata": metadata});
            if number < TIMES {
                kafka.commit_all(name, &format!("{name}.7")).await?;
            }
            user.apply(&deployment(name, 0, &[])).await?;
            user.apply(&scaled_object(name, json!({"pollingInterval": 30, "triggers": [trigger]}))).await?;
        }
        for name in &names {
            user.wait_ready(name).await?;
        }
        let median = wake(&user, &names[..TIMES], async |name| kafka.produce(&format!("{name}.7"), 1).await).await?;
        ensure!(median < secs(1), "median {median:.2?}");
        user.delete_all("ScaledObject").await
    })
}
