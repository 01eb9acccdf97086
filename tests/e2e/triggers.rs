//! The ways to tell a rabbitmq trigger where the broker is and what to count.

use anyhow::{Result, ensure};
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// A ScaledObject `my-app` with this one trigger, Ready, in a namespace of this name.
async fn with_trigger(world: &World, name: &str, trigger: Value, prepare: &[Value]) -> Result<Sandbox> {
    let user = world.sandbox(name).await?;
    for object in prepare {
        user.apply(object).await?;
    }
    user.apply(&deployment("my-app", 0, &[])).await?;
    user.apply(&scaled_object("my-app", json!({"pollingInterval": 2, "triggers": [trigger]}))).await?;
    user.wait_ready("my-app").await?;
    Ok(user)
}

/// Waits until the HPA would be told this number.
async fn counts(user: &Sandbox, metric: &str, wanted: f64) -> Result<()> {
    // The management API's own statistics may be ten seconds old.
    wait::until(&format!("{metric} to be {wanted}"), secs(25), async || {
        let value = user.metric("my-app", metric).await?;
        ensure!((value - wanted).abs() < 1e-9, "it is {value}");
        Ok(())
    })
    .await
}

#[test]
fn a_host_in_a_secret_by_way_of_a_trigger_authentication() -> Outcome {
    story(async |world| {
        let name = "trigger-secret";
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 3).await?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rabbitmq"},
            "stringData": {"url": world.rabbit.url()},
        });
        let authentication = json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": "rabbitmq"},
            "spec": {"secretTargetRef": [{"parameter": "host", "name": "rabbitmq", "key": "url"}]},
        });
        let trigger = json!({
            "type": "rabbitmq",
            "metadata": {"queueName": name, "mode": "QueueLength", "value": "5"},
            "authenticationRef": {"name": "rabbitmq"},
        });
        let user = with_trigger(world, name, trigger, &[secret, authentication]).await?;
        counts(&user, "s0-rabbitmq-trigger-secret", 3.0).await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;
        Ok(())
    })
}

#[test]
fn the_management_api_with_and_without_unacknowledged_messages() -> Outcome {
    story(async |world| {
        let name = "trigger-http";
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 6).await?;
        let in_hand = world.rabbit.take_in_hand(name, 2).await?;
        let trigger = json!({
            "type": "rabbitmq",
            "metadata": {"queueName": name, "mode": "QueueLength", "value": "5", "host": world.rabbit.http_url()},
        });
        let user = with_trigger(world, name, trigger, &[]).await?;
        counts(&user, "s0-rabbitmq-trigger-http", 6.0).await?;
        let patch = json!({"spec": {"triggers": [{
            "type": "rabbitmq",
            "metadata": {
                "queueName": name, "mode": "QueueLength", "value": "5", "host": world.rabbit.http_url(),
                "excludeUnacknowledged": "true",
            },
        }]}});
        user.kubectl.run(&["patch", "so", "my-app", "--type=merge", "-p", &patch.to_string()]).await?;
        counts(&user, "s0-rabbitmq-trigger-http", 4.0).await?;
        drop(in_hand);
        Ok(())
    })
}

#[test]
fn another_vhost_and_a_user_of_its_own() -> Outcome {
    story(async |world| {
        let name = "trigger-vhost";
        let facts = world.bed.rabbitmq()?;
        let tenant = Rabbit::connect_to(facts, "tenant").await?;
        tenant.declare(name).await?;
        tenant.publish(name, 1).await?;
        let trigger = json!({
            "type": "rabbitmq",
            "metadata": {
                "queueName": name, "mode": "QueueLength", "value": "5", "vhostName": "tenant",
                "host": world.rabbit.url_of(&facts.limited_user, &facts.limited_password),
            },
        });
        let user = with_trigger(world, name, trigger, &[]).await?;
        counts(&user, "s0-rabbitmq-trigger-vhost", 1.0).await
    })
}

#[test]
fn the_activation_value_is_another_threshold_than_the_target() -> Outcome {
    story(async |world| {
        let name = "trigger-activation";
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 3).await?;
        let trigger = json!({
            "type": "rabbitmq",
            "metadata": {
                "queueName": name, "mode": "QueueLength", "value": "1", "activationValue": "3",
                "host": world.rabbit.url(),
            },
        });
        let user = with_trigger(world, name, trigger, &[]).await?;
        let watch = user.watch_replicas("my-app").await?;
        counts(&user, "s0-rabbitmq-trigger-activation", 3.0).await?;
        wait::throughout("three messages do not wake it", secs(5), async || {
            ensure!(watch.peak() == 0, "{}", watch.story());
            Ok(())
        })
        .await?;
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("my-app", "more than 0", secs(5), |replicas| replicas > 0).await?;
        Ok(())
    })
}
