//! RabbitMQ or the API server is away for a while: the replicas stay, the reason is shown, all recovers by itself.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use crate::story;

/// A namespace with an app that has 5 replicas for 25 messages, and one that has none for none.
async fn two_apps(world: &World, name: &str) -> Result<(Sandbox, String, String)> {
    let user = world.sandbox(name).await?;
    let (busy, idle) = (format!("{name}-busy"), format!("{name}-idle"));
    for (app, replicas, messages) in [(&busy, 5, 25), (&idle, 0, 0)] {
        world.rabbit.declare(app).await?;
        world.rabbit.publish(app, messages).await?;
        user.apply(&deployment(app, replicas, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        // The cooldown is shorter than the outage: an error must not count as an empty queue.
        let spec = json!({"pollingInterval": 5, "cooldownPeriod": 5, "triggers": [rabbitmq(app)]});
        user.apply(&scaled_object(app, spec)).await?;
        user.wait_ready(app).await?;
        user.wait_condition(app, "Active", if messages > 0 { "True" } else { "False" }).await?;
    }
    Ok((user, busy, idle))
}

/// Everything works again: the reading, the way from zero to one, and a new ScaledObject.
async fn recovered(world: &World, user: &Sandbox, busy: &str, idle: &str) -> Result<()> {
    user.wait_ready(busy).await?;
    user.wait_ready(idle).await?;
    wait::until("the metric to be served again", secs(60), async || {
        let metric = user.metric(busy, &format!("s0-rabbitmq-{busy}")).await?;
        ensure!((metric - 25.0).abs() < 1e-9, "{metric}");
        Ok(())
    })
    .await?;
    world.rabbit.publish(idle, 1).await?;
    user.wait_replicas(idle, "1", secs(10), |replicas| replicas == 1).await?;

    // Every watch has begun again.
    let newcomer = format!("{busy}-newcomer");
    user.apply(&deployment(&newcomer, 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    user.apply(&scaled_object(&newcomer, json!({"triggers": [rabbitmq(busy)]}))).await?;
    wait::until("a new ScaledObject to be Ready", secs(15), async || {
        let ready = user.condition(&newcomer, "Ready").await?;
        ensure!(ready.status == "True", "{ready:?}");
        Ok(())
    })
    .await
}

#[test]
fn rabbitmq_is_away_for_thirty_seconds() -> Outcome {
    story(async |world| {
        let (user, busy, idle) = two_apps(world, "no-rabbitmq").await?;
        let watches = (user.watch_replicas(&busy).await?, user.watch_replicas(&idle).await?);
        let unchanged = || {
            let changes = watches.0.history().len() + watches.1.history().len();
            ensure!(changes == 2, "{}; {}", watches.0.story(), watches.1.story());
            Ok(())
        };

        let begin = Instant::now();
        world.bed.stop_part("rabbitmq").await?;
        let ready = user.wait_condition(&busy, "Ready", "False").await?;
        ensure!(ready.reason == "TriggerError", "{ready:?}");
        ensure!(ready.message.contains("127.0.0.1"), "it does not say which broker: {ready:?}");
        user.wait_event(&busy, "KEDAScalerFailed").await?;
        let left = secs(30).saturating_sub(begin.elapsed());
        wait::throughout("the replicas stay", left, async || unchanged()).await?;

        world.bed.start_part("rabbitmq").await?;
        user.wait_ready(&busy).await?;
        unchanged()?;
        recovered(world, &user, &busy, &idle).await
    })
}

#[test]
fn the_api_server_is_away_for_ten_seconds() -> Outcome {
    story(async |world| {
        let (user, busy, idle) = two_apps(world, "no-api-server").await?;
        let watch = user.watch_replicas(&busy).await?;
        let pid = world.ebb.pid();

        world.bed.stop_part("kube-apiserver").await?;
        wait::throughout("Ebb runs on", secs(10), async || {
            let (status, text) = world.ebb.health("healthz").await?;
            ensure!(status == 200, "{status} {text}");
            Ok(())
        })
        .await?;
        world.bed.start_part("kube-apiserver").await?;
        world.bed.wait_api().await?;

        recovered(world, &user, &busy, &idle).await?;
        ensure!(watch.history().len() == 1, "{}", watch.story());
        ensure!(world.ebb.pid() == pid, "another process");
        world.ebb.wait_ready().await
    })
}
