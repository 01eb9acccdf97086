//! The fallback: while a trigger cannot be read, the workload goes to the replicas that the user has set for that.

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// A Deployment and a ScaledObject `name` on these queues. The first queue exists.
async fn app(world: &World, user: &Sandbox, name: &str, replicas: u32, queues: &[&str], spec: Value) -> Result<()> {
    world.rabbit.declare(queues[0]).await?;
    user.apply(&deployment(name, replicas, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    let mut object = scaled_object(name, spec);
    object["spec"]["pollingInterval"] = json!(1);
    if object["spec"]["triggers"].is_null() {
        object["spec"]["triggers"] = queues.iter().map(|queue| rabbitmq(queue)).collect();
    }
    user.apply(&object).await?;
    Ok(())
}

async fn wait_fallback(user: &Sandbox, name: &str, status: &str, reason: &str) -> Result<()> {
    let condition = user.wait_condition(name, "Fallback", status).await?;
    ensure!(condition.reason == reason, "{condition:?}");
    Ok(())
}

#[test]
fn it_begins_and_ends_with_the_failure_and_is_told_once() -> Outcome {
    story(async |world| {
        let name = "fallback-static";
        let user = world.sandbox(name).await?;
        let spec = json!({"minReplicaCount": 1, "fallback": {"failureThreshold": 2, "replicas": 3}});
        app(world, &user, "my-app", 1, &[name], spec).await?;
        user.wait_ready("my-app").await?;
        let metric = "s0-rabbitmq-fallback-static";
        let health = async || {
            Ok::<_, anyhow::Error>(user.get("ScaledObject", "my-app").await?["status"]["health"][metric].clone())
        };
        wait::until("the trigger to be happy", secs(5), async || {
            let health = health().await?;
            ensure!(health == json!({"numberOfFailures": 0, "status": "Happy"}), "{health}");
            Ok(())
        })
        .await?;

        world.rabbit.delete(name).await?;
        wait_fallback(&user, "my-app", "True", "FallbackExists").await?;
        // Five a replica.
        user.wait_metric("my-app", metric, 15.0).await?;
        user.wait_replicas("my-app", "3", secs(20), |replicas| replicas == 3).await?;
        // More failures than may be are not counted: the status would change at every poll.
        let failing = health().await?;
        ensure!(failing == json!({"numberOfFailures": 3, "status": "Failing"}), "{failing}");
        ensure!(user.condition("my-app", "Ready").await?.status == "True");

        world.rabbit.declare(name).await?;
        wait_fallback(&user, "my-app", "False", "NoFallbackFound").await?;
        user.wait_replicas("my-app", "1", secs(30), |replicas| replicas == 1).await?;
        user.wait_event("my-app", "ScaledObjectFallbackDeactivated").await?;
        let events = user.events("my-app").await?;
        for (reason, message) in [
            ("ScaledObjectFallbackActivated", "ScaledObject fallback is active"),
            ("ScaledObjectFallbackDeactivated", "ScaledObject fallback is no longer active"),
        ] {
            let recorded: Vec<_> = events.iter().filter(|event| event.reason == reason).collect();
            ensure!(
                recorded.len() == 1 && recorded[0].message == message && recorded[0].kind == "Normal",
                "{recorded:?}"
            );
        }
        Ok(())
    })
}

#[test]
fn polls_alone_count_not_the_questions_of_the_hpa() -> Outcome {
    story(async |world| {
        let name = "fallback-polls";
        let user = world.sandbox(name).await?;
        let spec = json!({"minReplicaCount": 1, "fallback": {"failureThreshold": 2, "replicas": 3}});
        app(world, &user, "my-app", 1, &[name], spec).await?;
        user.kubectl
            .run(&["patch", "so", "my-app", "--type=merge", "-p", r#"{"spec": {"pollingInterval": 5}}"#])
            .await?;
        user.wait_ready("my-app").await?;

        world.rabbit.delete(name).await?;
        // Three failed polls are at least ten seconds apart; the HPA and this question fail all the while.
        let mut failed = 0;
        wait::throughout("there is no fallback yet", secs(9), async || {
            failed += i32::from(user.metric("my-app", "s0-rabbitmq-fallback-polls").await.is_err());
            ensure!(user.condition("my-app", "Fallback").await?.status == "False");
            Ok(())
        })
        .await?;
        ensure!(failed > 3, "only {failed} questions failed");
        wait_fallback(&user, "my-app", "True", "FallbackExists").await?;
        Ok(())
    })
}

#[test]
fn a_metric_of_type_value_comes_to_the_same_count() -> Outcome {
    story(async |world| {
        let name = "fallback-value";
        let user = world.sandbox(name).await?;
        let mut trigger = rabbitmq(name);
        trigger["metricType"] = json!("Value");
        let spec = json!({
            "minReplicaCount": 2, "maxReplicaCount": 20, "triggers": [trigger],
            "fallback": {"failureThreshold": 1, "replicas": 7},
        });
        app(world, &user, "my-app", 2, &[name], spec).await?;
        user.wait_ready("my-app").await?;
        world.rabbit.delete(name).await?;
        user.wait_replicas("my-app", "7", secs(30), |replicas| replicas == 7).await?;
        // The value depends on the ready pods, which have just become more.
        wait::throughout("the count stays", secs(8), async || {
            let replicas = user.replicas("my-app").await?;
            ensure!(replicas == 7, "{replicas}");
            Ok(())
        })
        .await
    })
}

#[test]
fn the_present_count_counts_where_the_behavior_says_so() -> Outcome {
    story(async |world| {
        let name = "fallback-behavior";
        let user = world.sandbox(name).await?;
        let cases = [
            ("keep", "currentReplicas", 1, 4),
            ("higher", "currentReplicasIfHigher", 2, 4),
            ("lower", "currentReplicasIfLower", 2, 2),
        ];
        for (short, behavior, replicas, _) in cases {
            let queue = format!("{name}-{short}");
            let fallback = json!({"failureThreshold": 1, "replicas": replicas, "behavior": behavior});
            app(world, &user, short, 1, &[&queue], json!({"minReplicaCount": 1, "fallback": fallback})).await?;
            world.rabbit.publish(&queue, 18).await?;
        }
        for (short, ..) in cases {
            user.wait_replicas(short, "4", secs(20), |replicas| replicas == 4).await?;
        }
        for (short, ..) in cases {
            world.rabbit.delete(&format!("{name}-{short}")).await?;
        }
        for (short, _, _, expected) in cases {
            wait_fallback(&user, short, "True", "FallbackExists").await?;
            user.wait_replicas(short, "the fallback's count", secs(20), |replicas| replicas == expected).await?;
        }
        wait::throughout("the counts stay", secs(7), async || {
            for (short, _, _, expected) in cases {
                let replicas = user.replicas(short).await?;
                ensure!(replicas == expected, "{short}: {replicas}");
            }
            Ok(())
        })
        .await
    })
}

#[test]
fn it_wakes_a_workload_at_zero() -> Outcome {
    story(async |world| {
        let name = "fallback-zero";
        let user = world.sandbox(name).await?;
        let missing = "fallback-zero-missing";
        let spec = json!({"fallback": {"failureThreshold": 2, "replicas": 2}, "triggers": [rabbitmq(missing)]});
        app(world, &user, "my-app", 0, &[name], spec).await?;
        user.wait_replicas("my-app", "2", secs(30), |replicas| replicas == 2).await?;
        let woken = user.wait_event("my-app", "KEDAScaleTargetActivated").await?;
        let wanted = format!("Scaled apps/v1.Deployment {name}/my-app from 0 to 1, triggered by the fallback");
        ensure!(woken.message == wanted, "{woken:?}");
        ensure!(user.condition("my-app", "Active").await?.status == "False");
        Ok(())
    })
}

#[test]
fn it_applies_where_one_of_several_triggers_fails() -> Outcome {
    story(async |world| {
        let name = "fallback-one";
        let user = world.sandbox(name).await?;
        let spec = json!({"minReplicaCount": 1, "fallback": {"failureThreshold": 1, "replicas": 4}});
        app(world, &user, "my-app", 1, &[name, "fallback-one-missing"], spec).await?;
        world.rabbit.publish(name, 10).await?;
        // The one that can be read asks for two, the other one's fallback for four.
        user.wait_replicas("my-app", "4", secs(30), |replicas| replicas == 4).await?;
        let ready = user.wait_condition("my-app", "Ready", "Unknown").await?;
        ensure!(ready.reason == "PartialTriggerError" && ready.message.contains("fallback-one-missing"), "{ready:?}");
        wait_fallback(&user, "my-app", "True", "FallbackExists").await?;
        // A readable trigger that asks for more gets it.
        world.rabbit.publish(name, 20).await?;
        user.wait_replicas("my-app", "6", secs(20), |replicas| replicas == 6).await?;
        Ok(())
    })
}
