//! Scaling from zero and back, within the bounds that the user gave.

use std::time::Instant;

use anyhow::ensure;
use chrono::{Duration, Utc};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::cron;
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

#[test]
fn a_message_wakes_it_and_the_cooldown_puts_it_to_sleep() -> Outcome {
    story(async |world| {
        let name = "scaling-cooldown";
        let user = world.app(name, 0, 0, json!({"pollingInterval": 1, "cooldownPeriod": 5})).await?;
        let watch = user.watch_replicas("my-app").await?;
        user.wait_condition("my-app", "Active", "False").await?;

        let published = Instant::now();
        world.rabbit.publish(name, 1).await?;
        watch.wait_since(published, "1", secs(5), |replicas| replicas == 1).await?;
        user.wait_condition("my-app", "Active", "True").await?;
        let activated = user.wait_event("my-app", "KEDAScaleTargetActivated").await?;
        let wanted = format!("Scaled apps/v1.Deployment {name}/my-app from 0 to 1, triggered by rabbitMQScaler");
        ensure!(activated.message == wanted, "{activated:?}");

        let emptied = Instant::now();
        world.rabbit.purge(name).await?;
        let cooling = wait::until("the cooldown to be shown", secs(5), async || {
            let active = user.condition("my-app", "Active").await?;
            ensure!(active.reason == "ScalerCooldown", "{active:?}");
            Ok(active)
        })
        .await?;
        ensure!(cooling.status == "False", "{cooling:?}");
        let asleep = watch.wait_since(emptied, "0", secs(20), |replicas| replicas == 0).await?;
        // The last look that found the message may be a pollingInterval older than the purge.
        ensure!(asleep.at - emptied >= secs(4), "before the cooldown: {}", watch.story());
        let deactivated = user.wait_event("my-app", "KEDAScaleTargetDeactivated").await?;
        let wanted = format!("Deactivated apps/v1.Deployment {name}/my-app from 1 to 0");
        ensure!(deactivated.message == wanted, "{deactivated:?}");
        Ok(())
    })
}

#[test]
fn an_idle_count_of_zero_beside_a_minimum_of_zero_is_zero() -> Outcome {
    story(async |world| {
        let name = "scaling-idle-zero";
        let bounds = json!({"minReplicaCount": 0, "idleReplicaCount": 0, "pollingInterval": 1, "cooldownPeriod": 2});
        let user = world.app(name, 2, 0, bounds).await?;
        user.wait_replicas("my-app", "0", secs(15), |replicas| replicas == 0).await?;
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;
        let hpa = user.wait_for("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        ensure!(hpa["spec"]["minReplicas"] == 1, "{}", hpa["spec"]);
        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "0", secs(20), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn a_new_one_without_messages_goes_to_zero_at_once() -> Outcome {
    story(async |world| {
        let user = world.app("scaling-new", 3, 0, json!({})).await?;
        user.wait_replicas("my-app", "0", secs(10), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn the_initial_cooldown_protects_a_new_one() -> Outcome {
    story(async |world| {
        let user =
            world.app("scaling-initial", 1, 0, json!({"initialCooldownPeriod": 8, "pollingInterval": 1})).await?;
        let created = Instant::now();
        let watch = user.watch_replicas("my-app").await?;
        let asleep = watch.wait_since(created, "0", secs(30), |replicas| replicas == 0).await?;
        ensure!(asleep.at - created >= secs(5), "{}", watch.story());
        Ok(())
    })
}

#[test]
fn the_minimum_is_a_floor() -> Outcome {
    story(async |world| {
        let user = world.app("scaling-floor", 0, 0, json!({"minReplicaCount": 2, "cooldownPeriod": 1})).await?;
        user.wait_replicas("my-app", "2", secs(10), |replicas| replicas == 2).await?;
        wait::throughout("two replicas stay", secs(4), async || {
            let replicas = user.replicas("my-app").await?;
            ensure!(replicas == 2, "{replicas}");
            Ok(())
        })
        .await
    })
}

#[test]
fn idle_is_below_the_minimum() -> Outcome {
    story(async |world| {
        let name = "scaling-idle";
        let spec = json!({
            "idleReplicaCount": 0, "minReplicaCount": 2, "maxReplicaCount": 4,
            "pollingInterval": 1, "cooldownPeriod": 2,
        });
        let user = world.app(name, 2, 0, spec).await?;
        user.wait_replicas("my-app", "0", secs(10), |replicas| replicas == 0).await?;
        let watch = user.watch_replicas("my-app").await?;
        let awake = Instant::now();
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("my-app", "2", secs(10), |replicas| replicas == 2).await?;
        watch.never_since(awake, "1", |replicas| replicas == 1)?;
        let event = user.wait_event("my-app", "KEDAScaleTargetActivated").await?;
        ensure!(event.message.contains("from 0 to 2, triggered by rabbitMQScaler"), "{event:?}");
        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "0", secs(15), |replicas| replicas == 0).await?;
        watch.never_since(awake, "1", |replicas| replicas == 1)?;

        // Another idle count holds at once, and without one the minimum does.
        user.edit("my-app", json!({"idleReplicaCount": 1})).await?;
        user.wait_replicas("my-app", "1", secs(10), |replicas| replicas == 1).await?;
        user.edit("my-app", json!({"idleReplicaCount": null})).await?;
        user.wait_replicas("my-app", "2", secs(10), |replicas| replicas == 2).await?;
        Ok(())
    })
}

#[test]
fn the_initial_cooldown_is_over_with_the_first_activity() -> Outcome {
    story(async |world| {
        let name = "scaling-initial-over";
        let spec = json!({"initialCooldownPeriod": 300, "cooldownPeriod": 2, "pollingInterval": 1});
        let user = world.app(name, 0, 0, spec).await?;
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;
        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "0", secs(15), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn an_annotation_forces_it_to_be_active() -> Outcome {
    story(async |world| {
        let name = "scaling-forced";
        let user = world.app(name, 0, 0, json!({"pollingInterval": 1, "cooldownPeriod": 2})).await?;
        let active = user.wait_condition("my-app", "Active", "False").await?;
        ensure!(active.reason == "ScalerNotActive", "{active:?}");

        user.annotate("my-app", "autoscaling.keda.sh/force-activation=true").await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;
        let active = user.wait_condition("my-app", "Active", "True").await?;
        let wanted = "Scaling is performed because activation is being forced by annotation";
        ensure!((active.reason.as_str(), active.message.as_str()) == ("ScalerActive", wanted), "{active:?}");
        let event = user.wait_event("my-app", "KEDAScaleTargetActivated").await?;
        let wanted =
            format!("Scaled apps/v1.Deployment {name}/my-app from 0 to 1, caused by forced activation annotation");
        ensure!(event.message == wanted, "{event:?}");
        wait::throughout("it outlasts the cooldown", secs(5), async || {
            let replicas = user.replicas("my-app").await?;
            ensure!(replicas == 1, "there are {replicas}");
            Ok(())
        })
        .await?;
        user.annotate("my-app", "autoscaling.keda.sh/force-activation-").await?;
        user.wait_replicas("my-app", "0", secs(10), |replicas| replicas == 0).await?;
        user.wait_condition("my-app", "Active", "False").await?;

        // Not even a trigger that cannot be read is in its way.
        world.rabbit.delete(name).await?;
        user.wait_condition("my-app", "Ready", "False").await?;
        user.annotate("my-app", "autoscaling.keda.sh/force-activation=true").await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;
        let ready = user.wait_condition("my-app", "Ready", "Unknown").await?;
        ensure!(ready.reason == "PartialTriggerError", "{ready:?}");
        Ok(())
    })
}

#[test]
fn the_maximum_is_a_ceiling() -> Outcome {
    story(async |world| {
        let name = "scaling-ceiling";
        let user = world.app(name, 0, 0, json!({"maxReplicaCount": 3})).await?;
        let watch = user.watch_replicas("my-app").await?;
        let begin = Instant::now();
        world.rabbit.publish(name, 100).await?;
        watch.wait_since(begin, "3", secs(30), |replicas| replicas == 3).await?;
        wait::throughout("it has three at most", secs(5), async || {
            ensure!(watch.peak() == 3, "{}", watch.story());
            Ok(())
        })
        .await
    })
}

#[test]
fn a_cron_window_that_is_open_now_brings_its_replicas() -> Outcome {
    story(async |world| {
        let now = Utc::now();
        let daily = |hours| (now + Duration::hours(hours)).format("%-M %-H * * *").to_string();
        let mut open = cron(&daily(-2), &daily(2), "3");
        open["metadata"]["timezone"] = json!("UTC");
        let mut closed = cron(&daily(2), &daily(4), "9");
        closed["metadata"]["timezone"] = json!("UTC");
        let user = world.app("scaling-cron", 0, 0, json!({"triggers": [open, closed]})).await?;
        user.wait_replicas("my-app", "3", secs(30), |replicas| replicas == 3).await?;
        Ok(())
    })
}
