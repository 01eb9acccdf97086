//! `advanced.scalingModifiers`: one formula over all triggers decides.

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// A trigger on the queue `<namespace>-<name>` under this name.
fn named(namespace: &str, name: &str) -> Value {
    let mut trigger = rabbitmq(&format!("{namespace}-{name}"));
    trigger["name"] = json!(name);
    trigger
}

/// A Deployment and a ScaledObject `my-app` with triggers `q` and `k`, whose queues are there.
async fn app(world: &World, user: &Sandbox, replicas: u32, modifiers: Value, spec: Value) -> Result<()> {
    for queue in ["q", "k"] {
        world.rabbit.declare(&format!("{}-{queue}", user.name)).await?;
    }
    user.apply(&deployment("my-app", replicas, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    let mut object = scaled_object("my-app", spec);
    object["spec"]["pollingInterval"] = json!(1);
    object["spec"]["advanced"]["scalingModifiers"] = modifiers;
    if object["spec"]["triggers"].is_null() {
        object["spec"]["triggers"] = json!([named(&user.name, "q"), named(&user.name, "k")]);
    }
    user.apply(&object).await?;
    Ok(())
}

async fn hpa_metrics(user: &Sandbox) -> Result<Value> {
    Ok(user.wait_for("HorizontalPodAutoscaler", "keda-hpa-my-app").await?["spec"]["metrics"].clone())
}

#[test]
fn the_formula_wakes_the_workload_and_scales_it() -> Outcome {
    story(async |world| {
        let name = "modifiers-formula";
        let user = world.sandbox(name).await?;
        let modifiers = json!({"formula": "(q + k)/2", "target": "2", "activationTarget": "1"});
        app(world, &user, 0, modifiers, json!({"maxReplicaCount": 10})).await?;
        user.wait_ready("my-app").await?;
        let metrics = hpa_metrics(&user).await?;
        let expected = json!([{"type": "External", "external": {
            "metric": {"name": "composite-metric", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "my-app"}}},
            "target": {"type": "AverageValue", "averageValue": "2"},
        }}]);
        ensure!(metrics == expected, "{metrics}");

        // One of the triggers would be active by itself; the formula is not.
        world.rabbit.publish(&format!("{name}-q"), 2).await?;
        wait::throughout("it stays at zero", secs(3), async || {
            ensure!(user.replicas("my-app").await? == 0);
            Ok(())
        })
        .await?;
        world.rabbit.publish(&format!("{name}-k"), 2).await?;
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;
        user.wait_metric("my-app", "composite-metric", 2.0).await?;
        let woken = user.wait_event("my-app", "KEDAScaleTargetActivated").await?;
        ensure!(woken.message.ends_with("from 0 to 1, triggered by q;k"), "{woken:?}");
        let status = user.get("ScaledObject", "my-app").await?["status"].clone();
        ensure!(status["compositeScalerName"] == "composite-metric", "{status}");
        ensure!(status["externalMetricNames"].as_array().is_some_and(|names| names.len() == 2), "{status}");

        // 14 over 2 at a target of 2.
        world.rabbit.publish(&format!("{name}-q"), 10).await?;
        user.wait_replicas("my-app", "4", secs(20), |replicas| replicas == 4).await?;
        Ok(())
    })
}

#[test]
fn a_formula_that_is_below_zero_takes_the_workload_to_zero_whatever_its_triggers_say() -> Outcome {
    story(async |world| {
        let name = "modifiers-below";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(&format!("{name}-q")).await?;
        world.rabbit.publish(&format!("{name}-q"), 2).await?;
        let modifiers = json!({"formula": "q - 5", "target": "2"});
        app(world, &user, 2, modifiers, json!({"cooldownPeriod": 30, "maxReplicaCount": 10})).await?;
        // The HPA would take -3 for a sum that has overflowed, and ask for 10 replicas.
        user.wait_metric("my-app", "composite-metric", 0.0).await?;
        user.wait_replicas("my-app", "0", secs(20), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn an_edit_brings_the_triggers_own_metrics_back() -> Outcome {
    story(async |world| {
        let name = "modifiers-edit";
        let user = world.sandbox(name).await?;
        let modifiers = json!({"formula": "count([q, k], # > 1) > 1 ? 5 : 0", "target": "1", "metricType": "Value"});
        let cpu = json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}});
        let triggers = json!([named(name, "q"), cpu, named(name, "k")]);
        app(world, &user, 1, modifiers, json!({"minReplicaCount": 1, "triggers": triggers})).await?;
        user.wait_ready("my-app").await?;
        let shown = |metrics: &Value| -> Vec<String> {
            let name = |metric: &Value| {
                let name = metric["external"]["metric"]["name"].as_str().or(metric["resource"]["name"].as_str());
                name.unwrap_or_default().to_owned()
            };
            metrics.as_array().into_iter().flatten().map(name).collect()
        };
        let metrics = hpa_metrics(&user).await?;
        ensure!(shown(&metrics) == ["composite-metric", "cpu"], "{metrics}");
        ensure!(metrics[0]["external"]["target"] == json!({"type": "Value", "value": "1"}), "{metrics}");
        for queue in ["q", "k"] {
            world.rabbit.publish(&format!("{name}-{queue}"), 2).await?;
        }
        user.wait_metric("my-app", "composite-metric", 5.0).await?;

        let patch = r#"{"spec": {"advanced": {"scalingModifiers": null}}}"#;
        user.kubectl.run(&["patch", "so", "my-app", "--type=merge", "-p", patch]).await?;
        let own = [format!("s0-rabbitmq-{name}-q"), format!("s2-rabbitmq-{name}-k"), "cpu".to_owned()];
        wait::until("the triggers' own metrics", secs(10), async || {
            let metrics = hpa_metrics(&user).await?;
            ensure!(shown(&metrics) == own, "{metrics}");
            let status = user.get("ScaledObject", "my-app").await?["status"].clone();
            ensure!(status["compositeScalerName"].is_null(), "{status}");
            Ok(())
        })
        .await?;
        user.wait_metric("my-app", &own[0], 2.0).await?;
        ensure!(user.metric("my-app", "composite-metric").await.is_err());
        Ok(())
    })
}

#[test]
fn a_formula_that_is_wrong_is_refused_with_the_place() -> Outcome {
    story(async |world| {
        let user = world.sandbox("modifiers-wrong").await?;
        app(world, &user, 1, json!({"formula": "q + kk", "target": "2"}), json!({"minReplicaCount": 1})).await?;
        let message = user.wait_failing("my-app", "scalingModifiers.formula").await?;
        ensure!(message.contains("kk") && message.contains('5'), "{message}");
        user.kubectl
            .run(&[
                "patch",
                "so",
                "my-app",
                "--type=merge",
                "-p",
                r#"{"spec": {"advanced": {"scalingModifiers": {"formula": "q + k"}}}}"#,
            ])
            .await?;
        user.wait_ready("my-app").await?;
        Ok(())
    })
}

#[test]
fn a_trigger_that_cannot_be_read_is_a_hole_the_fallback_or_a_freeze() -> Outcome {
    story(async |world| {
        let cases = [
            // The effect while `k` cannot be read: a value in its place, the fallback's count, or nothing.
            (
                "modifiers-hole",
                "q + (k ?? 7)",
                json!({"failureThreshold": 1, "replicas": 6, "behavior": "scalingModifiers"}),
                4,
            ),
            ("modifiers-fallback", "max(q, k)", json!({"failureThreshold": 1, "replicas": 6}), 6),
            ("modifiers-freeze", "max(q, k)", Value::Null, 2),
        ];
        let mut users = Vec::new();
        for (name, formula, fallback, _) in &cases {
            let user = world.sandbox(name).await?;
            let modifiers = json!({"formula": formula, "target": "2"});
            let mut spec = json!({"minReplicaCount": 2});
            if !fallback.is_null() {
                spec["fallback"] = fallback.clone();
            }
            app(world, &user, 2, modifiers, spec).await?;
            user.wait_ready("my-app").await?;
            world.rabbit.publish(&format!("{name}-q"), 1).await?;
            user.wait_metric("my-app", "composite-metric", 1.0).await?;
            world.rabbit.delete(&format!("{name}-k")).await?;
            users.push(user);
        }
        for (user, (name, .., expected)) in users.iter().zip(&cases) {
            user.wait_replicas("my-app", name, secs(20), |replicas| replicas == *expected).await?;
            // With both gone it is once the fallback's count, not twice.
            world.rabbit.delete(&format!("{name}-q")).await?;
        }
        wait::throughout("the fallback's count and the freeze stay", secs(7), async || {
            for (user, (name, .., expected)) in users.iter().zip(&cases).skip(1) {
                let replicas = user.replicas("my-app").await?;
                ensure!(replicas == *expected, "{name}: {replicas}");
            }
            Ok(())
        })
        .await?;
        users[2].wait_event("my-app", "KEDAMetricSourceFailed").await?;
        let asked = users[2].metric("my-app", "composite-metric").await;
        let error = asked.err().map(|error| format!("{error:#}")).unwrap_or_default();
        ensure!(error.contains("cannot be read"), "{error}");
        Ok(())
    })
}

#[test]
fn a_formula_without_any_value_goes_to_the_fallbacks_count() -> Outcome {
    story(async |world| {
        let name = "modifiers-nil";
        let user = world.sandbox(name).await?;
        let fallback = json!({"failureThreshold": 1, "replicas": 7, "behavior": "scalingModifiers"});
        let modifiers = json!({"formula": "q ?? k", "target": "2"});
        app(world, &user, 1, modifiers, json!({"minReplicaCount": 1, "maxReplicaCount": 10, "fallback": fallback}))
            .await?;
        user.wait_ready("my-app").await?;
        world.rabbit.publish(&format!("{name}-k"), 4).await?;
        user.wait_metric("my-app", "composite-metric", 0.0).await?;

        world.rabbit.delete(&format!("{name}-q")).await?;
        user.wait_metric("my-app", "composite-metric", 4.0).await?;
        world.rabbit.delete(&format!("{name}-k")).await?;
        user.wait_metric("my-app", "composite-metric", 14.0).await?;
        user.wait_replicas("my-app", "7", secs(40), |replicas| replicas == 7).await?;
        user.wait_condition("my-app", "Fallback", "True").await?;
        wait::throughout("the fallback's count stays", secs(5), async || {
            ensure!(user.replicas("my-app").await? == 7);
            Ok(())
        })
        .await?;
        world.rabbit.declare(&format!("{name}-q")).await?;
        user.wait_metric("my-app", "composite-metric", 0.0).await
    })
}
