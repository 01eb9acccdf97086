//! How long the first message waits for the first replica.

use std::time::{Duration, Instant};

use anyhow::ensure;
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
        let mut took = Vec::new();
        for name in &names {
            user.wait_condition(name, "Active", "False").await?;
            let watch = user.watch_replicas(name).await?;
            let published = Instant::now();
            world.rabbit.publish(name, 1).await?;
            let woken = watch.wait_since(published, "1", secs(35), |replicas| replicas == 1).await?;
            took.push(woken.at - published);
        }
        took.sort_unstable();
        let median = (took[TIMES / 2 - 1] + took[TIMES / 2]) / 2;
        println!("0 to 1: median {median:.2?}, all {took:.2?}");
        ensure!(median < Duration::from_secs(1), "median {median:.2?}, all {took:.2?}");
        Ok(())
    })
}
