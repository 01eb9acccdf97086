//! From zero straight to the count that the readings ask for: the annotation `ebb.dev/activate-to`.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// A workload at zero with a queue of its name, whose replicas are for five messages each.
async fn asleep(world: &World, user: &Sandbox, name: &str, activate_to: &str, mut spec: Value) -> Result<()> {
    world.rabbit.declare(name).await?;
    user.apply(&deployment(name, 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    spec["pollingInterval"] = json!(1);
    spec["triggers"] = json!([rabbitmq(name)]);
    let mut object = scaled_object(name, spec);
    object["metadata"]["annotations"] = json!({"ebb.dev/activate-to": activate_to});
    user.apply(&object).await?;
    user.wait_ready(name).await
}

/// Publishes `messages` while scaling is paused, so that no look finds a part of them, and ends the pause. Returns when.
async fn backlog(world: &World, user: &Sandbox, name: &str, messages: usize) -> Result<Instant> {
    user.kubectl.run(&["annotate", "so", name, "autoscaling.keda.sh/paused=true"]).await?;
    user.wait_condition(name, "Paused", "True").await?;
    world.rabbit.publish(name, messages).await?;
    let ends = Instant::now();
    user.kubectl.run(&["annotate", "so", name, "autoscaling.keda.sh/paused-"]).await?;
    Ok(ends)
}

#[test]
fn a_workload_wakes_to_the_count_that_its_backlog_asks_for() -> Outcome {
    story(async |world| {
        let name = "activation-target";
        let user = world.sandbox(name).await?;
        asleep(world, &user, name, "target", json!({"maxReplicaCount": 20})).await?;
        let watch = user.watch_replicas(name).await?;
        let begun = backlog(world, &user, name, 40).await?;
        let woken = watch.wait_since(begun, "1 or more", secs(10), |replicas| replicas > 0).await?;
        ensure!(woken.replicas == 8, "the first count: {}", watch.story());
        // Two looks of the HPA: it agrees.
        wait::throughout("the count stays", secs(35), async || {
            let replicas = user.replicas(name).await?;
            ensure!(replicas == 8, "{replicas}: {}", watch.story());
            Ok(())
        })
        .await?;

        let decisions = user.decisions(name).await?;
        let woke = decisions.iter().find(|decision| decision["reason"] == "ActivatedToTarget");
        let words = woke.map(|decision| decision["message"].to_string()).unwrap_or_default();
        ensure!(words.contains("is active: 40 is above 0") && words.contains("asks for 8 replicas"), "{decisions:#?}");
        let event = user.wait_event(name, "KEDAScaleTargetActivated").await?;
        ensure!(event.message.contains("from 0 to 8"), "{event:?}");
        Ok(())
    })
}

#[test]
fn maximum_and_the_own_scale_up_policy_bound_the_first_count() -> Outcome {
    story(async |world| {
        let user = world.sandbox("activation-bounds").await?;
        let policy = json!({"type": "Pods", "value": 2, "periodSeconds": 600});
        let behavior = json!({"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"policies": [policy]}}}});
        for (name, activate_to, spec, first, bounds) in [
            ("activation-max", "target", json!({"maxReplicaCount": 4}), 4, json!(["MaxReplicas"])),
            ("activation-policy", "target", json!({"advanced": behavior}), 3, json!(["ScaleUpLimit"])),
            ("activation-minimum", "minimum", json!({"minReplicaCount": 0, "advanced": behavior}), 1, json!([])),
        ] {
            asleep(world, &user, name, activate_to, spec).await?;
            let watch = user.watch_replicas(name).await?;
            let begun = backlog(world, &user, name, 100).await?;
            let woken = watch.wait_since(begun, "1 or more", secs(10), |replicas| replicas > 0).await?;
            ensure!(woken.replicas == first, "{name}: {} instead of {first}", woken.replicas);
            let bounded = wait::until("the decision", secs(5), async || {
                let decisions = user.decisions(name).await?;
                let woke = decisions.iter().find(|decision| decision["by"] == "Ebb" && decision["to"] == first);
                let woke = woke.with_context(|| format!("{decisions:#?}"))?;
                Ok(woke["bounds"].as_array().cloned().unwrap_or_default())
            });
            let bounded = Value::from(bounded.await?);
            ensure!(bounded == bounds, "{name}: bounded by {bounded}");
        }
        Ok(())
    })
}

#[test]
fn another_value_is_named_with_its_cure_and_changes_nothing() -> Outcome {
    story(async |world| {
        let name = "activation-mistake";
        let user = world.app(name, 0, 0, json!({"pollingInterval": 1})).await?;
        user.kubectl.run(&["annotate", "so", "my-app", "ebb.dev/activate-to=Target"]).await?;
        let ready = user.wait_condition("my-app", "Ready", "False").await?;
        let text = "annotation ebb.dev/activate-to has the value \"Target\": it must be minimum or target";
        ensure!(ready.message.contains(text), "{ready:?}");
        user.kubectl.run(&["annotate", "so", "my-app", "ebb.dev/activate-to=target", "--overwrite"]).await?;
        user.wait_condition("my-app", "Ready", "True").await?;
        Ok(())
    })
}
