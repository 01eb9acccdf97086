//! The ScaledObject from the user's document, first exactly as written, then with its missing fields.

use anyhow::ensure;
use ebb_tests::wait::secs;
use ebb_tests::workload::deployment;
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

const AS_WRITTEN: &str = r#"
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: my-app-scaler}
spec:
  scaleTargetRef: {name: my-app}
  minReplicaCount: 0
  maxReplicaCount: 50
  triggers:
    - type: rabbitmq
      metadata: {queueName: jobs, queueLength: "5"}
    - type: cron
      metadata: {timezone: Europe/London, start: "0 8 * * 1-5", end: "0 18 * * 1-5", desiredReplicas: "5"}
"#;

#[test]
fn without_a_host_it_is_accepted_and_says_what_is_missing() -> Outcome {
    story(async |world| {
        let user = world.sandbox("seed-as-written").await?;
        user.apply(&deployment("my-app", 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        user.kubectl.apply(AS_WRITTEN).await?;

        let ready = user.wait_condition("my-app-scaler", "Ready", "False").await?;
        ensure!(ready.reason == "ScaledObjectCheckFailed", "{ready:?}");
        let keda = r#"missing required parameter "host" in [triggerMetadata authParams resolvedEnv]"#;
        ensure!(ready.message.contains(keda), "{ready:?}");
        ensure!(ready.message.contains("hostFromEnv"), "it does not say how to give a host: {ready:?}");
        let event = user.wait_event("my-app-scaler", "KEDAScalerFailed").await?;
        ensure!(event.kind == "Warning" && event.message.contains(keda), "{event:?}");
        ensure!(user.replicas("my-app").await? == 1, "a broken ScaledObject must not touch its target");
        Ok(())
    })
}

#[test]
fn with_a_host_it_scales() -> Outcome {
    story(async |world| {
        let user = world.sandbox("seed-mended").await?;
        world.rabbit.declare("seed-mended").await?;
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        user.kubectl.apply(AS_WRITTEN).await?;
        user.wait_condition("my-app-scaler", "Ready", "False").await?;

        let patch = json!([
            {"op": "add", "path": "/spec/triggers/0/metadata/hostFromEnv", "value": "RABBITMQ_URL"},
            {"op": "replace", "path": "/spec/triggers/0/metadata/queueName", "value": "seed-mended"},
        ]);
        user.kubectl.run(&["patch", "so", "my-app-scaler", "--type=json", "-p", &patch.to_string()]).await?;
        user.kubectl.run(&["wait", "--for=condition=Ready", "--timeout=30s", "so/my-app-scaler"]).await?;

        // 40 messages at 5 a replica are 8, more than the 5 that office hours may ask for.
        world.rabbit.publish("seed-mended", 40).await?;
        user.wait_replicas("my-app", "8", secs(60), |replicas| replicas == 8).await?;
        Ok(())
    })
}
