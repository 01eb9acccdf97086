//! A user's commands of kubectl and their output.

use anyhow::ensure;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

#[test]
fn get_describe_explain_wait_apply_and_patch_behave() -> Outcome {
    story(async |world| {
        let user = world.sandbox("kubectl").await?;
        let kubectl = &user.kubectl;
        world.rabbit.declare("kubectl").await?;
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let object = scaled_object("my-app", json!({"maxReplicaCount": 50, "triggers": [rabbitmq("kubectl")]}));

        let applied = kubectl.apply(&object.to_string()).await?;
        ensure!(applied.contains("my-app serverside-applied"), "{applied}");
        kubectl.run(&["wait", "--for=condition=Ready", "--timeout=30s", "so/my-app"]).await?;

        let table = kubectl.run(&["get", "so"]).await?;
        let mut lines = table.lines();
        let columns: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
        let wanted = [
            "NAME",
            "SCALETARGETKIND",
            "SCALETARGETNAME",
            "MIN",
            "MAX",
            "READY",
            "ACTIVE",
            "FALLBACK",
            "PAUSED",
            "TRIGGERS",
            "AUTHENTICATIONS",
            "AGE",
        ];
        ensure!(columns == wanted, "{table}");
        let row = lines.next().unwrap_or_default();
        for value in ["my-app", "apps/v1.Deployment", "50", "True", "rabbitmq"] {
            ensure!(row.split_whitespace().any(|cell| cell == value), "no {value} in:\n{table}");
        }

        let described = kubectl.run(&["describe", "so", "my-app"]).await?;
        for text in ["ScaledObjectReady", "keda-hpa-my-app", "s0-rabbitmq-kubectl", "KEDAScalersStarted"] {
            ensure!(described.contains(text), "no {text} in:\n{described}");
        }

        let explained = kubectl.run(&["explain", "so.spec.triggers"]).await?;
        for text in ["metadata", "authenticationRef", "metricType", "useCachedMetrics", "-required-"] {
            ensure!(explained.contains(text), "no {text} in:\n{explained}");
        }

        // Applying the same again takes nothing away from what Ebb has added.
        kubectl.apply(&object.to_string()).await?;
        let labels = user.get("ScaledObject", "my-app").await?["metadata"]["labels"].clone();
        ensure!(labels["scaledobject.keda.sh/name"] == "my-app", "{labels}");

        kubectl.run(&["patch", "so", "my-app", "--type=merge", "-p", r#"{"spec":{"maxReplicaCount":7}}"#]).await?;
        wait::until("the HPA to follow the patch", secs(10), async || {
            let hpa = user.get("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
            ensure!(hpa["spec"]["maxReplicas"] == 7, "{}", hpa["spec"]);
            Ok(())
        })
        .await
    })
}

#[test]
fn bounds_that_cross_are_refused_when_they_are_applied() -> Outcome {
    story(async |world| {
        let user = world.sandbox("kubectl-bounds").await?;
        let bounds = json!({"minReplicaCount": 9, "maxReplicaCount": 3, "triggers": [rabbitmq("q")]});
        let object = scaled_object("my-app", bounds).to_string();
        let refused = user.kubectl.output(&["apply", "--server-side", "-f", "-"], Some(&object)).await?;
        let reason = "minReplicaCount must be less than or equal to maxReplicaCount";
        ensure!(!refused.ok && refused.stderr.contains(reason), "{refused:?}");
        Ok(())
    })
}
