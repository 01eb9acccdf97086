//! Changes of a ScaledObject, and of the objects that it refers to.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::story;

async fn wait_hpa(user: &Sandbox, what: &str, fits: impl Fn(&Value) -> bool) -> Result<()> {
    wait::until(&format!("the HPA to have {what}"), secs(10), async || {
        let spec = user.get("HorizontalPodAutoscaler", "keda-hpa-my-app").await?["spec"].clone();
        ensure!(fits(&spec), "{spec}");
        Ok(())
    })
    .await
}

#[test]
fn another_minimum_and_another_maximum() -> Outcome {
    story(async |world| {
        let name = "edit-bounds";
        let user = world.app(name, 0, 0, json!({"pollingInterval": 1, "cooldownPeriod": 1})).await?;
        user.edit("my-app", json!({"minReplicaCount": 2})).await?;
        user.wait_replicas("my-app", "2", secs(10), |replicas| replicas == 2).await?;
        wait_hpa(&user, "minReplicas 2", |spec| spec["minReplicas"] == 2).await?;

        world.rabbit.publish(name, 50).await?;
        user.wait_replicas("my-app", "10", secs(30), |replicas| replicas == 10).await?;
        for (max, text) in [(4, "4"), (6, "6")] {
            user.edit("my-app", json!({"maxReplicaCount": max})).await?;
            wait_hpa(&user, "the new maximum", |spec| spec["maxReplicas"] == max).await?;
            user.wait_replicas("my-app", text, secs(30), |replicas| replicas == max).await?;
        }

        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "2", secs(30), |replicas| replicas == 2).await?;
        user.edit("my-app", json!({"minReplicaCount": 1})).await?;
        user.wait_replicas("my-app", "1", secs(30), |replicas| replicas == 1).await?;
        user.edit("my-app", json!({"minReplicaCount": null})).await?;
        user.wait_replicas("my-app", "0", secs(10), |replicas| replicas == 0).await?;
        ensure!(user.recorded("my-app", "ScaledObjectReady").await? == 1, "an edit does not make it ready again");
        Ok(())
    })
}

#[test]
fn another_cooldown() -> Outcome {
    story(async |world| {
        let name = "edit-cooldown";
        let user = world.app(name, 0, 1, json!({"pollingInterval": 1, "cooldownPeriod": 300})).await?;
        user.wait_replicas("my-app", "1", secs(10), |replicas| replicas == 1).await?;
        world.rabbit.purge(name).await?;
        wait::throughout("the long cooldown holds it", secs(4), async || {
            let replicas = user.replicas("my-app").await?;
            ensure!(replicas == 1, "there are {replicas}");
            Ok(())
        })
        .await?;
        user.edit("my-app", json!({"cooldownPeriod": 5})).await?;
        user.wait_replicas("my-app", "0", secs(10), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn another_polling_interval() -> Outcome {
    story(async |world| {
        let name = "edit-polling";
        // The management API is asked at polls only.
        let trigger = json!({
            "type": "rabbitmq",
            "metadata": {"queueName": name, "mode": "QueueLength", "value": "5", "host": world.rabbit.http_url()},
        });
        let spec = json!({"pollingInterval": 600, "cooldownPeriod": 1, "triggers": [trigger]});
        let user = world.app(name, 0, 0, spec).await?;
        user.edit("my-app", json!({"pollingInterval": 1})).await?;
        wait::until("the edit to be taken up", secs(10), async || {
            let ready = user.get("ScaledObject", "my-app").await?;
            let condition = ready["status"]["conditions"][0]["observedGeneration"].clone();
            ensure!(condition == ready["metadata"]["generation"], "{condition}");
            Ok(())
        })
        .await?;
        world.rabbit.publish(name, 1).await?;
        // The broker's statistics are up to five seconds old.
        user.wait_replicas("my-app", "1", secs(10), |replicas| replicas == 1).await?;

        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "0", secs(15), |replicas| replicas == 0).await?;
        user.edit("my-app", json!({"pollingInterval": 600})).await?;
        // An edit is followed by a look, and the first interval is cut to a random part: both must be over.
        tokio::time::sleep(secs(2)).await;
        world.rabbit.publish(name, 1).await?;
        wait::throughout("it is not looked at", secs(10), async || {
            let replicas = user.replicas("my-app").await?;
            ensure!(replicas == 0, "there are {replicas}");
            Ok(())
        })
        .await
    })
}

#[test]
fn triggers_are_added_reordered_and_removed_without_a_jump() -> Outcome {
    story(async |world| {
        let (name, other) = ("edit-triggers", "edit-triggers-other");
        world.rabbit.declare(other).await?;
        world.rabbit.publish(other, 25).await?;
        let user = world.app(name, 0, 10, json!({"pollingInterval": 1})).await?;
        user.wait_replicas("my-app", "2", secs(30), |replicas| replicas == 2).await?;
        let metrics = async |wanted: &[&str], types: &str| -> Result<()> {
            wait_hpa(&user, &format!("the metrics {wanted:?}"), |spec| {
                let metrics = spec["metrics"].as_array().into_iter().flatten();
                metrics.map(|metric| metric["external"]["metric"]["name"].as_str()).eq(wanted.iter().copied().map(Some))
            })
            .await?;
            wait::until("the status to say the same", secs(10), async || {
                let status = user.get("ScaledObject", "my-app").await?["status"].clone();
                ensure!(status["externalMetricNames"] == json!(wanted), "{status}");
                ensure!(status["triggersTypes"] == types, "{status}");
                let active = status["triggersActivity"].as_object().map(|active| active.keys().cloned().collect());
                let mut sorted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
                sorted.sort();
                ensure!(active == Some(sorted), "{status}");
                Ok(())
            })
            .await
        };
        metrics(&["s0-rabbitmq-edit-triggers"], "rabbitmq").await?;
        let watch = user.watch_replicas("my-app").await?;

        let added = Instant::now();
        let night = cron("0 3 29 2 *", "1 3 29 2 *", "1");
        user.edit("my-app", json!({"triggers": [rabbitmq(name), rabbitmq(other), night]})).await?;
        watch.wait_since(added, "5", secs(30), |replicas| replicas == 5).await?;
        watch.never_since(added, "below 2", |replicas| replicas < 2)?;
        let window = "s2-cron-Europe-London-03292x-13292x";
        metrics(&["s0-rabbitmq-edit-triggers", "s1-rabbitmq-edit-triggers-other", window], "rabbitmq,cron").await?;

        let reordered = Instant::now();
        user.edit("my-app", json!({"triggers": [rabbitmq(other), rabbitmq(name)]})).await?;
        metrics(&["s0-rabbitmq-edit-triggers-other", "s1-rabbitmq-edit-triggers"], "rabbitmq").await?;
        wait::throughout("it stays at five", secs(6), async || {
            watch.never_since(reordered, "other than 5", |replicas| replicas != 5)
        })
        .await?;
        let gone = user.metric("my-app", window).await;
        ensure!(gone.is_err(), "the metric of a trigger that was removed is still served");

        let removed = Instant::now();
        user.edit("my-app", json!({"triggers": [rabbitmq(name)]})).await?;
        watch.wait_since(removed, "2", secs(30), |replicas| replicas == 2).await?;
        watch.never_since(removed, "below 2", |replicas| replicas < 2)?;
        metrics(&["s0-rabbitmq-edit-triggers"], "rabbitmq").await
    })
}

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
