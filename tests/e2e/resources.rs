//! The triggers `cpu` and `memory`, which the HPA reads from the pods.

use anyhow::ensure;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use http::Method;
use serde_json::{Value, json};

use crate::story;

fn cpu() -> Value {
    json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}})
}

#[test]
fn beside_a_queue_they_never_wake_the_workload() -> Outcome {
    story(async |world| {
        let name = "resources-beside";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        user.apply(&deployment("my-app", 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let memory =
            json!({"type": "memory", "metadata": {"type": "AverageValue", "value": "128Mi", "containerName": "app"}});
        let triggers = json!([cpu(), rabbitmq(name), memory]);
        let spec = json!({"pollingInterval": 1, "cooldownPeriod": 3, "maxReplicaCount": 10, "triggers": triggers});
        user.apply(&scaled_object("my-app", spec)).await?;
        user.wait_ready("my-app").await?;
        // Nothing in the queue: to zero, and no use of the pods takes it away from there.
        user.wait_replicas("my-app", "0", secs(15), |replicas| replicas == 0).await?;
        let hpa = user.wait_for("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        let expected = json!([
            {"type": "ContainerResource", "containerResource":
                {"name": "memory", "container": "app", "target": {"type": "AverageValue", "averageValue": "128Mi"}}},
            {"type": "External", "external": {
                "metric": {"name": format!("s1-rabbitmq-{name}"),
                    "selector": {"matchLabels": {"scaledobject.keda.sh/name": "my-app"}}},
                "target": {"type": "AverageValue", "averageValue": "5"}}},
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
        ]);
        ensure!(hpa["spec"]["metrics"] == expected, "{}", hpa["spec"]["metrics"]);
        let status = user.get("ScaledObject", "my-app").await?["status"].clone();
        // As in KEDA, the metric of a single container has no name there.
        ensure!(status["resourceMetricNames"] == json!(["cpu"]), "{status}");
        ensure!(status["externalMetricNames"] == json!([format!("s1-rabbitmq-{name}")]), "{status}");
        ensure!(status["triggersTypes"] == "cpu,rabbitmq,memory", "{status}");

        // The queue does, though no server has the pods' use here: the HPA scales out on what it has.
        world.rabbit.publish(name, 20).await?;
        user.wait_replicas("my-app", "4", secs(20), |replicas| replicas == 4).await?;
        Ok(())
    })
}

#[test]
fn alone_they_leave_everything_to_the_hpa() -> Outcome {
    story(async |world| {
        let user = world.sandbox("resources-alone").await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        user.apply(&scaled_object("my-app", json!({"minReplicaCount": 2, "triggers": [cpu()]}))).await?;
        user.wait_ready("my-app").await?;
        user.wait_condition("my-app", "Active", "True").await?;
        user.wait_replicas("my-app", "2", secs(10), |replicas| replicas == 2).await?;
        let status = user.get("ScaledObject", "my-app").await?["status"].clone();
        ensure!(status["externalMetricNames"].is_null() && status["triggersActivity"].is_null(), "{status}");
        ensure!(status["resourceMetricNames"] == json!(["cpu"]), "{status}");
        Ok(())
    })
}

#[test]
fn the_metric_of_one_container_stays_beside_a_formula() -> Outcome {
    story(async |world| {
        let name = "resources-formula";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        user.apply(&deployment("my-app", 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let mut container = cpu();
        container["metadata"]["containerName"] = json!("app");
        let mut queue = rabbitmq(name);
        queue["name"] = json!("q");
        let spec = json!({
            "minReplicaCount": 1, "triggers": [container, queue],
            "advanced": {"scalingModifiers": {"formula": "q * 2", "target": "5"}},
        });
        user.apply(&scaled_object("my-app", spec)).await?;
        user.wait_ready("my-app").await?;
        let hpa = user.wait_for("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        let metrics = &hpa["spec"]["metrics"];
        ensure!(metrics[0]["containerResource"]["container"] == "app", "{metrics}");
        ensure!(metrics[1]["external"]["metric"]["name"] == "composite-metric", "{metrics}");
        let status = user.get("ScaledObject", "my-app").await?["status"].clone();
        ensure!(status["resourceMetricNames"].is_null(), "{status}");
        Ok(())
    })
}

#[test]
fn what_is_wrong_with_one_is_named() -> Outcome {
    story(async |world| {
        let user = world.sandbox("resources-wrong").await?;
        user.apply(&deployment("my-app", 1, &[])).await?;
        let trigger = json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60%"}});
        user.apply(&scaled_object("my-app", json!({"minReplicaCount": 1, "triggers": [trigger]}))).await?;
        user.wait_failing("my-app", "trigger 0 (cpu): value \"60%\" must be a whole number of percent").await?;
        Ok(())
    })
}

/// The least that a VerticalPodAutoscaler's definition needs to be one.
fn vpa_definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "verticalpodautoscalers.autoscaling.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/63797"},
        },
        "spec": {
            "group": "autoscaling.k8s.io", "scope": "Namespaced",
            "names": {"plural": "verticalpodautoscalers", "singular": "verticalpodautoscaler", "kind": "VerticalPodAutoscaler"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

#[test]
fn a_vertical_pod_autoscaler_on_the_same_resource_is_warned_of() -> Outcome {
    story(async |world| {
        let user = world.sandbox("resources-vpa").await?;
        let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        user.send(Method::POST, definition, Some(&vpa_definition())).await?;
        wait::until("the cluster to know VerticalPodAutoscalers", secs(20), async || {
            user.send(Method::GET, "/apis/autoscaling.k8s.io/v1/verticalpodautoscalers", None).await
        })
        .await?;
        for (name, mode, resource) in
            [("clash", "Recreate", "cpu"), ("other", "Recreate", "memory"), ("off", "Off", "cpu")]
        {
            user.apply(&deployment(name, 1, &[])).await?;
            user.apply(&json!({
                "apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {"name": name},
                "spec": {
                    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                    "updatePolicy": {"updateMode": mode},
                    "resourcePolicy": {"containerPolicies": [{"containerName": "*", "controlledResources": [resource]}]},
                },
            }))
            .await?;
            user.apply(&scaled_object(name, json!({"minReplicaCount": 1, "triggers": [cpu()]}))).await?;
            user.wait_ready(name).await?;
        }
        let event = user.wait_event("clash", "VerticalPodAutoscalerConflict").await?;
        ensure!(event.kind == "Warning" && event.message.contains("VerticalPodAutoscaler \"clash\""), "{event:?}");
        // The others were checked before: their Ready events are there.
        for name in ["other", "off"] {
            user.wait_event(name, "ScaledObjectReady").await?;
            let events = user.events(name).await?;
            ensure!(events.iter().all(|event| event.reason != "VerticalPodAutoscalerConflict"), "{events:?}");
        }
        user.send(Method::DELETE, &format!("{definition}/verticalpodautoscalers.autoscaling.k8s.io"), None).await?;
        Ok(())
    })
}
