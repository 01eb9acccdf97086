//! The HPA belongs to its ScaledObject: what is changed by hand comes back, and it goes when the ScaledObject goes.

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use crate::story;

const HPA: &str = "keda-hpa-my-app";

/// A namespace with a ScaledObject `my-app` that is Ready.
async fn ready_app(world: &World, name: &str) -> Result<Sandbox> {
    let user = world.sandbox(name).await?;
    world.rabbit.declare(name).await?;
    user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    user.apply(&scaled_object("my-app", json!({"maxReplicaCount": 50, "triggers": [rabbitmq(name)]}))).await?;
    user.wait_ready("my-app").await?;
    user.wait_for("HorizontalPodAutoscaler", HPA).await?;
    Ok(user)
}

#[test]
fn a_change_by_hand_is_undone() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "hpa-changed").await?;
        let before = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
        let patch = r#"{"spec": {"maxReplicas": 3, "minReplicas": 2}}"#;
        user.kubectl.run(&["patch", "hpa", HPA, "--type=merge", "-p", patch]).await?;
        wait::until("the HPA to be as before", secs(10), async || {
            let spec = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
            ensure!(spec == before, "{spec}");
            Ok(())
        })
        .await
    })
}

#[test]
fn a_deleted_one_comes_back() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "hpa-deleted").await?;
        let before = user.get("HorizontalPodAutoscaler", HPA).await?;
        user.kubectl.run(&["delete", "hpa", HPA]).await?;
        wait::until("a new HPA", secs(10), async || {
            let now = user.get("HorizontalPodAutoscaler", HPA).await?;
            ensure!(now["metadata"]["uid"] != before["metadata"]["uid"], "it is the old one");
            ensure!(now["spec"] == before["spec"], "{}", now["spec"]);
            Ok(())
        })
        .await
    })
}

#[test]
fn a_deleted_scaled_object_takes_it_along_and_scales_no_more() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "hpa-orphan").await?;
        let object = user.get("ScaledObject", "my-app").await?;
        ensure!(object["metadata"]["finalizers"] == json!(["finalizer.keda.sh"]), "{}", object["metadata"]);

        user.kubectl.run(&["delete", "so", "my-app", "--timeout=20s"]).await?;
        user.wait_gone("ScaledObject", "my-app").await?;
        user.wait_gone("HorizontalPodAutoscaler", HPA).await?;

        world.rabbit.publish("hpa-orphan", 10).await?;
        let watch = user.watch_replicas("my-app").await?;
        wait::throughout("nothing scales my-app", secs(3), async || {
            ensure!(watch.peak() == 0, "{}", watch.story());
            Ok(())
        })
        .await?;
        let gone = user.metric("my-app", "s0-rabbitmq-hpa-orphan").await;
        ensure!(gone.is_err(), "the metric is still served");
        Ok(())
    })
}
