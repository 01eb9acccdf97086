//! `advanced.restoreToOriginalReplicaCount`: a ScaledObject that is deleted leaves the count that it found.

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use crate::story;

/// A ScaledObject and a Deployment of this name that had three replicas and now has none.
async fn asleep(world: &World, user: &Sandbox, app: &str, restores: bool) -> Result<()> {
    user.apply(&deployment(app, 3, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    let spec = json!({
        "pollingInterval": 1, "cooldownPeriod": 1, "triggers": [rabbitmq("restore")],
        "advanced": {"restoreToOriginalReplicaCount": restores},
    });
    user.apply(&scaled_object(app, spec)).await?;
    user.wait_replicas(app, "0", secs(20), |replicas| replicas == 0).await?;
    wait::until("the status to say how many there were", secs(10), async || {
        let status = user.get("ScaledObject", app).await?["status"].clone();
        ensure!(status["originalReplicaCount"] == 3, "{status}");
        Ok(())
    })
    .await
}

#[test]
fn the_count_that_was_found_comes_back_whatever_came_between() -> Outcome {
    story(async |world| {
        let user = world.sandbox("restore").await?;
        world.rabbit.declare("restore").await?;
        let delete = async |app: &str| user.kubectl.run(&["delete", "so", app, "--timeout=20s"]).await;

        asleep(world, &user, "plain", true).await?;
        delete("plain").await?;
        user.wait_replicas("plain", "3", secs(5), |replicas| replicas == 3).await?;

        asleep(world, &user, "kept", false).await?;
        delete("kept").await?;

        asleep(world, &user, "edited", true).await?;
        user.edit("edited", json!({"minReplicaCount": 2, "maxReplicaCount": 2})).await?;
        user.wait_replicas("edited", "2", secs(10), |replicas| replicas == 2).await?;
        delete("edited").await?;
        user.wait_replicas("edited", "3", secs(5), |replicas| replicas == 3).await?;

        asleep(world, &user, "paused", true).await?;
        user.annotate("paused", "autoscaling.keda.sh/paused-replicas=1").await?;
        user.wait_replicas("paused", "1", secs(10), |replicas| replicas == 1).await?;
        user.annotate("paused", "autoscaling.keda.sh/paused-replicas-").await?;
        user.wait_replicas("paused", "0", secs(20), |replicas| replicas == 0).await?;
        delete("paused").await?;
        user.wait_replicas("paused", "3", secs(5), |replicas| replicas == 3).await?;

        // The last request holds.
        asleep(world, &user, "asked-later", false).await?;
        user.edit("asked-later", json!({"advanced": {"restoreToOriginalReplicaCount": true}})).await?;
        delete("asked-later").await?;
        user.wait_replicas("asked-later", "3", secs(5), |replicas| replicas == 3).await?;

        asleep(world, &user, "made-anew", true).await?;
        user.kubectl.run(&["delete", "deployment", "made-anew"]).await?;
        user.apply(&deployment("made-anew", 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        delete("made-anew").await?;
        user.wait_replicas("made-anew", "3", secs(5), |replicas| replicas == 3).await?;

        // Another target has a count of its own.
        asleep(world, &user, "left", true).await?;
        user.apply(&deployment("moved-to", 2, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        user.edit("left", json!({"scaleTargetRef": {"name": "moved-to"}})).await?;
        user.wait_replicas("moved-to", "0", secs(20), |replicas| replicas == 0).await?;
        delete("left").await?;
        user.wait_replicas("moved-to", "2", secs(5), |replicas| replicas == 2).await?;
        ensure!(user.replicas("left").await? == 0, "the former target is none of its business any more");

        ensure!(user.replicas("kept").await? == 0, "it restores without being asked to");
        Ok(())
    })
}

#[test]
fn a_target_that_is_gone_holds_nothing_up() -> Outcome {
    story(async |world| {
        let user = world.sandbox("restore-gone").await?;
        world.rabbit.declare("restore").await?;
        asleep(world, &user, "my-app", true).await?;
        user.kubectl.run(&["delete", "deployment", "my-app"]).await?;
        user.kubectl.run(&["delete", "so", "my-app", "--timeout=20s"]).await?;
        user.wait_event("my-app", "ScaledObjectDeleted").await?;
        Ok(())
    })
}

#[test]
fn a_namespace_is_deleted_with_all_that_is_in_it() -> Outcome {
    story(async |world| {
        let user = world.sandbox("restore-namespace").await?;
        world.rabbit.declare("restore").await?;
        asleep(world, &user, "my-app", true).await?;
        user.kubectl.run(&["delete", "namespace", "restore-namespace", "--timeout=60s"]).await?;
        Ok(())
    })
}
