//! `KEDA_RESTRICT_SECRET_ACCESS`: Secrets are read in one namespace only.

use anyhow::ensure;
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use super::with_settings;
use crate::story;

#[test]
fn restricted_secrets_are_refused_elsewhere_with_the_hint() -> Outcome {
    story(async |world| {
        let (user, vault) = (world.sandbox("settings-secrets").await?, world.sandbox("settings-vault").await?);
        let queue = "settings-secrets";
        world.rabbit.declare(queue).await?;
        world.rabbit.publish(queue, 3).await?;
        let url = world.rabbit.url();
        let variables = [("KEDA_RESTRICT_SECRET_ACCESS", "true"), ("KEDA_CLUSTER_OBJECT_NAMESPACE", "settings-vault")];
        with_settings(world, &[], &variables, async || {
            // In the application's namespace, by an authentication and by the container's variable.
            user.authenticate("own", &[("host", &url)]).await?;
            let mut with_variable = deployment("by-variable", 0, &[]);
            with_variable["spec"]["template"]["spec"]["containers"][0]["env"] =
                json!([{"name": "RABBITMQ_URL", "valueFrom": {"secretKeyRef": {"name": "own", "key": "host"}}}]);
            user.apply(&with_variable).await?;
            user.apply(&scaled_object("by-variable", json!({"triggers": [rabbitmq(queue)]}))).await?;
            let trigger = |kind: &str, name: &str| {
                json!({
                    "type": "rabbitmq", "metadata": {"queueName": queue, "mode": "QueueLength", "value": "5"},
                    "authenticationRef": {"kind": kind, "name": name},
                })
            };
            for (app, kind, name) in [
                ("by-own", "TriggerAuthentication", "own"),
                ("by-cluster", "ClusterTriggerAuthentication", "settings-secrets"),
            ] {
                user.apply(&deployment(app, 0, &[])).await?;
                user.apply(&scaled_object(app, json!({"triggers": [trigger(kind, name)]}))).await?;
            }
            for app in ["by-own", "by-variable"] {
                let says = user.wait_failing(app, "KEDA_RESTRICT_SECRET_ACCESS").await?;
                let hint = "refer to it in a ClusterTriggerAuthentication";
                ensure!(says.contains("Secret settings-secrets/own") && says.contains(hint), "{says}");
                ensure!(says.contains("\"settings-vault\""), "it does not say where: {says}");
            }
            // In the one namespace.
            vault
                .apply(&json!({
                    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"url": url},
                }))
                .await?;
            user.apply(&json!({
                "apiVersion": "keda.sh/v1alpha1", "kind": "ClusterTriggerAuthentication",
                "metadata": {"name": "settings-secrets"},
                "spec": {"secretTargetRef": [{"parameter": "host", "name": "broker", "key": "url"}]},
            }))
            .await?;
            user.wait_ready("by-cluster").await?;
            user.wait_metric("by-cluster", "s0-rabbitmq-settings-secrets", 3.0).await
        })
        .await?;
        // Without the restriction they are read as ever.
        user.wait_ready("by-own").await?;
        user.delete_all("ScaledObject").await?;
        user.delete("ClusterTriggerAuthentication", "settings-secrets").await
    })
}
