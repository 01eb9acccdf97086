//! The parameters of a rabbitmq trigger for the broker's address and for the count.

use anyhow::{Result, ensure};
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
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
        user.wait_metric("my-app", "s0-rabbitmq-trigger-secret", 3.0).await?;
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
        user.wait_metric("my-app", "s0-rabbitmq-trigger-http", 6.0).await?;
        let patch = json!({"spec": {"triggers": [{
            "type": "rabbitmq",
            "metadata": {
                "queueName": name, "mode": "QueueLength", "value": "5", "host": world.rabbit.http_url(),
                "excludeUnacknowledged": "true",
            },
        }]}});
        user.kubectl.run(&["patch", "so", "my-app", "--type=merge", "-p", &patch.to_string()]).await?;
        user.wait_metric("my-app", "s0-rabbitmq-trigger-http", 4.0).await?;
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
        user.wait_metric("my-app", "s0-rabbitmq-trigger-vhost", 1.0).await
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
        user.wait_metric("my-app", "s0-rabbitmq-trigger-activation", 3.0).await?;
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

#[test]
fn a_value_is_compared_as_a_whole_and_an_average_for_each_replica() -> Outcome {
    story(async |world| {
        let name = "trigger-value";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 10).await?;
        for (app, metric_type) in
            [("default", Value::Null), ("average", json!("AverageValue")), ("value", json!("Value"))]
        {
            user.apply(&deployment(app, 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            let mut trigger = rabbitmq(name);
            trigger["name"] = json!("jobs");
            if !metric_type.is_null() {
                trigger["metricType"] = metric_type;
            }
            let spec = json!({"pollingInterval": 1, "cooldownPeriod": 2, "maxReplicaCount": 4, "triggers": [trigger]});
            user.apply(&scaled_object(app, spec)).await?;
        }
        for (app, target) in [
            ("default", json!({"type": "AverageValue", "averageValue": "5"})),
            ("average", json!({"type": "AverageValue", "averageValue": "5"})),
            ("value", json!({"type": "Value", "value": "5"})),
        ] {
            user.wait_ready(app).await?;
            let hpa = user.wait_for("HorizontalPodAutoscaler", &format!("keda-hpa-{app}")).await?;
            ensure!(hpa["spec"]["metrics"][0]["external"]["target"] == target, "{}", hpa["spec"]);
            let event = user.wait_event(app, "KEDAScaleTargetActivated").await?;
            ensure!(event.message.ends_with("triggered by jobs"), "{event:?}");
        }
        // The value stays at twice its target however many replicas there are.
        user.wait_replicas("value", "4", secs(40), |replicas| replicas == 4).await?;
        for app in ["default", "average"] {
            user.wait_replicas(app, "2", secs(30), |replicas| replicas == 2).await?;
        }
        world.rabbit.purge(name).await?;
        for app in ["default", "average", "value"] {
            user.wait_replicas(app, "0", secs(20), |replicas| replicas == 0).await?;
        }
        Ok(())
    })
}

#[test]
fn a_cached_metric_is_the_last_polls_and_another_is_the_present_one() -> Outcome {
    story(async |world| {
        let (name, metric) = ("trigger-cached", "s0-rabbitmq-trigger-cached");
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        for (app, cached) in [("cached", true), ("live", false)] {
            user.apply(&deployment(app, 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            let mut trigger = rabbitmq(name);
            trigger["useCachedMetrics"] = json!(cached);
            let spec = json!({"pollingInterval": 10, "minReplicaCount": 1, "triggers": [trigger]});
            user.apply(&scaled_object(app, spec)).await?;
            user.wait_ready(app).await?;
        }
        // A poll has just been when the cached value follows; the next one is ten seconds later.
        world.rabbit.publish(name, 1).await?;
        user.wait_metric("cached", metric, 1.0).await?;
        world.rabbit.publish(name, 4).await?;
        let begin = std::time::Instant::now();
        // Not older than a second.
        tokio::time::sleep(secs(1)).await;
        let now = user.metric("live", metric).await?;
        ensure!((now - 5.0).abs() < 1e-9, "it is {now} after a second");
        while begin.elapsed() < secs(7) {
            let last = user.metric("cached", metric).await?;
            ensure!((last - 1.0).abs() < 1e-9, "it is {last} after {:.1?}", begin.elapsed());
            tokio::time::sleep(secs(1)).await;
        }
        user.wait_metric("cached", metric, 5.0).await?;
        ensure!(begin.elapsed() < secs(13), "the next poll was late");
        Ok(())
    })
}
