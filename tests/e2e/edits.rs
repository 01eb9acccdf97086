//! What happens to a ScaledObject when it, or what it refers to, is changed.

use anyhow::ensure;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

#[test]
fn an_invalid_edit_leaves_the_last_valid_one_in_force() -> Outcome {
    story(async |world| {
        let name = "edit-invalid";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        user.apply(&scaled_object("my-app", json!({"triggers": [rabbitmq(name)]}))).await?;
        user.wait_ready("my-app").await?;

        let broken = json!({"type": "rabbitmq", "metadata": {"hostFromEnv": "RABBITMQ_URL"}});
        user.apply(&scaled_object("my-app", json!({"triggers": [broken]}))).await?;
        let ready = user.wait_condition("my-app", "Ready", "False").await?;
        ensure!(ready.message.contains("missing required parameter \"queueName\""), "{ready:?}");
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;

        user.apply(&scaled_object("my-app", json!({"triggers": [rabbitmq(name)]}))).await?;
        user.wait_ready("my-app").await
    })
}

#[test]
fn a_corrected_password_is_read_without_a_restart() -> Outcome {
    story(async |world| {
        let name = "edit-secret";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        let secret = |url: &str| {
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rabbitmq"}, "stringData": {"url": url},
            })
        };
        user.apply(&secret(&world.rabbit.url_of("ebb", "mistyped"))).await?;
        user.apply(&json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": "rabbitmq"},
            "spec": {"secretTargetRef": [{"parameter": "host", "name": "rabbitmq", "key": "url"}]},
        }))
        .await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        let trigger = json!({
            "type": "rabbitmq",
            "metadata": {"queueName": name, "mode": "QueueLength", "value": "5"},
            "authenticationRef": {"name": "rabbitmq"},
        });
        user.apply(&scaled_object("my-app", json!({"triggers": [trigger]}))).await?;
        let ready = user.wait_condition("my-app", "Ready", "False").await?;
        ensure!(ready.message.contains("ACCESS_REFUSED") && !ready.message.contains("mistyped"), "{ready:?}");

        user.apply(&secret(&world.rabbit.url())).await?;
        user.wait_ready("my-app").await?;
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;
        Ok(())
    })
}

#[test]
fn somebody_elses_hpa_of_the_same_name_is_left_alone() -> Outcome {
    story(async |world| {
        let name = "edit-foreign";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        user.apply(&deployment("my-app", 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let metric = json!({
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        });
        user.apply(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "keda-hpa-my-app"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "my-app"},
                "minReplicas": 1, "maxReplicas": 7, "metrics": [metric],
            },
        }))
        .await?;
        user.apply(&scaled_object("my-app", json!({"triggers": [rabbitmq(name)]}))).await?;
        let ready = user.wait_condition("my-app", "Ready", "False").await?;
        ensure!(ready.message.contains("is not owned by this ScaledObject"), "{ready:?}");
        let spec = user.get("HorizontalPodAutoscaler", "keda-hpa-my-app").await?["spec"].clone();
        ensure!(spec["maxReplicas"] == 7, "{spec}");

        user.delete("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        user.wait_ready("my-app").await
    })
}
