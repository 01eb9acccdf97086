//! The HPA belongs to its ScaledObject: changes by hand are undone, and it goes when the ScaledObject goes.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

const HPA: &str = "keda-hpa-my-app";

/// A namespace with a ScaledObject `my-app` that is Ready.
async fn ready_app(world: &World, name: &str) -> Result<Sandbox> {
    let user = world.app(name, 0, 0, json!({"maxReplicaCount": 50})).await?;
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

/// The HPA that stays where Ebb was killed amid a change of the name: two of them would hold each other up without an
/// end.
#[test]
fn one_that_was_left_under_another_name_goes() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "hpa-left").await?;
        let mut left = user.get("HorizontalPodAutoscaler", HPA).await?;
        let kept = left["metadata"].take();
        left["metadata"] = json!({
            "name": "left", "namespace": user.name,
            "labels": kept["labels"], "ownerReferences": kept["ownerReferences"],
        });
        left["status"].take();
        user.apply(&left).await?;
        user.wait_gone("HorizontalPodAutoscaler", "left").await?;
        let present = user.get("HorizontalPodAutoscaler", HPA).await?;
        ensure!(present["metadata"]["uid"] == kept["uid"], "the other went, too");

        user.annotate("my-app", "autoscaling.keda.sh/paused=true").await?;
        user.wait_gone("HorizontalPodAutoscaler", HPA).await?;
        user.apply(&left).await?;
        user.wait_gone("HorizontalPodAutoscaler", "left").await
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

fn config(config: &Value) -> Value {
    json!({"advanced": {"horizontalPodAutoscalerConfig": config}})
}

async fn wait_hpa(user: &Sandbox, hpa: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    wait::until(&format!("HPA {hpa} to have {what}"), secs(10), async || {
        let found = user.get("HorizontalPodAutoscaler", hpa).await?;
        ensure!(fits(&found), "{} {}", found["metadata"], found["spec"]);
        Ok(found)
    })
    .await
}

#[test]
fn another_name_and_back_without_a_jump() -> Outcome {
    story(async |world| {
        let name = "hpa-renamed";
        let user = ready_app(world, name).await?;
        // Nothing in the HPA holds back a wrong count.
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        user.edit("my-app", config(&json!({"behavior": behavior}))).await?;
        world.rabbit.publish(name, 25).await?;
        user.wait_replicas("my-app", "5", secs(30), |replicas| replicas == 5).await?;
        let watch = user.watch_replicas("my-app").await?;
        let begin = Instant::now();
        for (wanted, old) in [(Some("mine"), HPA), (Some("other"), "mine"), (None, "other")] {
            user.edit("my-app", config(&json!({"name": wanted}))).await?;
            let hpa = wanted.unwrap_or(HPA);
            let found = user.wait_for("HorizontalPodAutoscaler", hpa).await?;
            ensure!(found["metadata"]["labels"]["app.kubernetes.io/name"] == hpa, "{}", found["metadata"]);
            user.wait_gone("HorizontalPodAutoscaler", old).await?;
            wait::until("the status to name it", secs(10), async || {
                let status = user.get("ScaledObject", "my-app").await?["status"].clone();
                ensure!(status["hpaName"] == hpa, "{status}");
                Ok(())
            })
            .await?;
        }
        // One after the other, sooner than a check takes.
        for wanted in [json!("a"), json!("b"), json!("c"), json!(null)] {
            user.edit("my-app", config(&json!({"name": wanted}))).await?;
        }
        wait::until("the last name alone to be left", secs(10), async || {
            let list = user.get("HorizontalPodAutoscaler", "").await?;
            let names: Vec<_> =
                list["items"].as_array().into_iter().flatten().map(|hpa| &hpa["metadata"]["name"]).collect();
            ensure!(names == [&json!(HPA)], "{names:?}");
            Ok(())
        })
        .await?;
        wait::throughout("it stays at five", secs(6), async || {
            watch.never_since(begin, "other than 5", |replicas| replicas != 5)
        })
        .await
    })
}

#[test]
fn the_behavior_is_passed_on_and_its_tolerance_counts() -> Outcome {
    story(async |world| {
        let name = "hpa-behavior";
        let user = ready_app(world, name).await?;
        let behavior = json!({
            "scaleUp": {
                "stabilizationWindowSeconds": 0, "selectPolicy": "Min", "tolerance": "500m",
                "policies": [{"type": "Pods", "value": 5, "periodSeconds": 1}, {"type": "Percent", "value": 900, "periodSeconds": 1}],
            },
            "scaleDown": {
                "stabilizationWindowSeconds": 1, "selectPolicy": "Max", "tolerance": "0",
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
            },
        });
        user.edit("my-app", config(&json!({"behavior": behavior}))).await?;
        wait_hpa(&user, HPA, "this behavior", |hpa| hpa["spec"]["behavior"] == behavior).await?;
        world.rabbit.publish(name, 20).await?;
        user.wait_replicas("my-app", "4", secs(30), |replicas| replicas == 4).await?;

        // 28 messages are 1.4 times what four replicas should have: within the tolerance.
        world.rabbit.publish(name, 8).await?;
        wait::throughout("the tolerance holds it", secs(6), async || {
            let replicas = user.replicas("my-app").await?;
            ensure!(replicas == 4, "there are {replicas}");
            Ok(())
        })
        .await?;
        user.edit("my-app", config(&json!({"behavior": {"scaleUp": {"tolerance": "0"}}}))).await?;
        user.wait_replicas("my-app", "6", secs(15), |replicas| replicas == 6).await?;

        user.edit("my-app", config(&json!({"behavior": null}))).await?;
        wait_hpa(&user, HPA, "no behavior", |hpa| hpa["spec"]["behavior"].is_null()).await.map(drop)
    })
}

#[test]
fn what_the_api_server_refuses_is_shown_and_the_last_one_stays() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "hpa-invalid").await?;
        let before = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
        let sometimes = config(&json!({"behavior": {"scaleDown": {"selectPolicy": "Sometimes"}}}));
        let slow = json!({"policies": [{"type": "Pods", "value": 1, "periodSeconds": 4000}]});
        let slow = config(&json!({"behavior": {"scaleDown": {"selectPolicy": null}, "scaleUp": slow}}));
        let name = config(&json!({"behavior": null, "name": "No_Name"}));
        for (spec, says) in [
            (sometimes, "horizontalPodAutoscalerConfig.behavior.scaleDown.selectPolicy"),
            (slow, "horizontalPodAutoscalerConfig.behavior.scaleUp.policies[0].periodSeconds"),
            (name, "No_Name"),
        ] {
            user.edit("my-app", spec).await?;
            let ready = user.wait_failing("my-app", says).await?;
            ensure!(ready.starts_with("failed to ensure HPA is correctly created for ScaledObject"), "{ready}");
            let now = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
            ensure!(now == before, "{now}");
        }
        user.edit("my-app", config(&json!({"name": null}))).await?;
        user.wait_ready("my-app").await
    })
}

#[test]
fn labels_and_annotations_follow_the_scaled_object() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "hpa-labels").await?;
        let kubectl = &user.kubectl;
        kubectl.run(&["label", "so", "my-app", "team=blue", "cost-center=7", "noise=x", "other=y"]).await?;
        user.annotate("my-app", "note=first").await?;
        wait_hpa(&user, HPA, "the labels", |hpa| {
            let (labels, notes) = (&hpa["metadata"]["labels"], &hpa["metadata"]["annotations"]);
            labels["team"] == "blue" && labels["noise"] == "x" && labels["other"] == "y" && notes["note"] == "first"
        })
        .await?;
        user.annotate("my-app", "scaledobject.keda.sh/hpa-excluded-labels=noise, other").await?;
        user.annotate("my-app", "note-").await?;
        kubectl.run(&["label", "so", "my-app", "team-", "cost-center=8", "--overwrite"]).await?;
        let hpa = wait_hpa(&user, HPA, "one label less", |hpa| {
            let labels = &hpa["metadata"]["labels"];
            labels["cost-center"] == "8" && ["team", "noise", "other"].iter().all(|label| labels[label].is_null())
        })
        .await?;
        ensure!(hpa["metadata"]["annotations"]["note"].is_null(), "{}", hpa["metadata"]);
        ensure!(hpa["metadata"]["labels"]["scaledobject.keda.sh/name"] == "my-app", "{}", hpa["metadata"]);
        Ok(())
    })
}

#[test]
fn a_users_hpa_is_taken_over_when_the_user_says_so() -> Outcome {
    story(async |world| {
        let name = "hpa-transfer";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 15).await?;
        user.apply(&deployment("my-app", 2, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let metric = json!({
            "type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        });
        user.apply(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "mine", "labels": {"team": "blue"}, "annotations": {"note": "kept"}},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "my-app"},
                "minReplicas": 2, "maxReplicas": 7, "metrics": [metric],
                "behavior": {"scaleUp": {"selectPolicy": "Disabled"}},
            },
        }))
        .await?;
        let before = user.get("HorizontalPodAutoscaler", "mine").await?;
        let mut spec = config(&json!({"name": "mine"}));
        spec["triggers"] = json!([rabbitmq(name)]);
        user.apply(&scaled_object("my-app", spec)).await?;
        user.wait_failing("my-app", "scaledobject.keda.sh/transfer-hpa-ownership").await?;
        let untouched = user.get("HorizontalPodAutoscaler", "mine").await?;
        ensure!(untouched["spec"] == before["spec"], "{}", untouched["spec"]);

        user.annotate("my-app", "scaledobject.keda.sh/transfer-hpa-ownership=true").await?;
        user.wait_ready("my-app").await?;
        let after = user.get("HorizontalPodAutoscaler", "mine").await?;
        ensure!(after["metadata"]["uid"] == before["metadata"]["uid"], "it is another one");
        ensure!(after["metadata"]["labels"]["team"] == "blue", "{}", after["metadata"]);
        ensure!(after["metadata"]["annotations"]["note"] == "kept", "{}", after["metadata"]);
        ensure!(after["metadata"]["ownerReferences"][0]["name"] == "my-app", "{}", after["metadata"]);
        ensure!(after["spec"]["behavior"].is_null() && after["spec"]["maxReplicas"] == 100, "{}", after["spec"]);
        user.wait_replicas("my-app", "3", secs(30), |replicas| replicas == 3).await?;

        user.kubectl.run(&["delete", "so", "my-app", "--timeout=20s"]).await?;
        user.wait_gone("HorizontalPodAutoscaler", "mine").await
    })
}

#[test]
fn its_labels_are_those_of_the_scaled_object() -> Outcome {
    story(async |world| {
        let user = world.sandbox("hpa-own-labels").await?;
        user.apply(&deployment("cart", 1, &[])).await?;
        let mut object = scaled_object("cart", json!({"minReplicaCount": 1, "triggers": [night()]}));
        let own = json!({
            "app.kubernetes.io/name": "cart", "app.kubernetes.io/part-of": "webshop", "app.kubernetes.io/version": "4.2.0",
            "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/component": "worker", "helm.sh/chart": "cart-4.2.0",
        });
        object["metadata"]["labels"] = own.clone();
        user.apply(&object).await?;
        user.wait_ready("cart").await?;
        let mut expected = own;
        expected["scaledobject.keda.sh/name"] = json!("cart");
        wait_hpa(&user, "keda-hpa-cart", "the labels", |hpa| hpa["metadata"]["labels"] == expected).await?;
        // A field that is taken away has its default again.
        let patch =
            r#"{"metadata": {"labels": {"app.kubernetes.io/part-of": null, "app.kubernetes.io/version": null}}}"#;
        user.kubectl.run(&["patch", "so", "cart", "--type=merge", "-p", patch]).await?;
        wait_hpa(&user, "keda-hpa-cart", "the defaults", |hpa| {
            let label = |name: &str| hpa["metadata"]["labels"][format!("app.kubernetes.io/{name}")].clone();
            label("part-of") == "cart" && label("version") == "v1alpha1" && label("name") == "cart"
        })
        .await
        .map(drop)
    })
}

/// A window of one minute at night.
fn night() -> Value {
    json!({"type": "cron", "metadata": {"timezone": "Etc/UTC", "start": "0 3 * * *", "end": "1 3 * * *", "desiredReplicas": "2"}})
}

/// A window that is nearly always open.
fn day(replicas: &str) -> Value {
    json!({"type": "cron", "metadata": {"timezone": "Etc/UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": replicas}})
}

/// A name of 60 characters, whose HPA has one of 69.
const LONG: &str = "customer-notification-dispatcher-consumer-scaler-production1";

#[test]
fn one_with_a_long_name_is_made_and_asks_for_its_metric() -> Outcome {
    story(async |world| {
        let user = world.sandbox("hpa-long-name").await?;
        user.apply(&deployment("feed", 1, &[])).await?;
        let mut object =
            scaled_object(LONG, json!({"minReplicaCount": 1, "maxReplicaCount": 5, "triggers": [day("3")]}));
        object["spec"]["scaleTargetRef"]["name"] = json!("feed");
        user.apply(&object).await?;
        user.wait_ready(LONG).await?;
        let name = format!("keda-hpa-{LONG}");
        let hpa = user.wait_for("HorizontalPodAutoscaler", &name).await?;
        let labels = &hpa["metadata"]["labels"];
        ensure!(labels["app.kubernetes.io/name"] == name[..63], "{labels}");
        ensure!(labels["app.kubernetes.io/part-of"] == LONG && labels["scaledobject.keda.sh/name"] == LONG, "{labels}");
        user.wait_replicas("feed", "3", secs(40), |replicas| replicas == 3).await?;

        // It is watched and goes as any other.
        user.kubectl.run(&["delete", "hpa", &name]).await?;
        user.wait_for("HorizontalPodAutoscaler", &name).await?;
        user.kubectl.run(&["delete", "so", LONG, "--timeout=20s"]).await?;
        user.wait_gone("HorizontalPodAutoscaler", &name).await
    })
}

#[test]
fn a_scaled_object_whose_name_is_no_label_says_so() -> Outcome {
    story(async |world| {
        let user = world.sandbox("hpa-no-label").await?;
        user.apply(&deployment("feed", 1, &[])).await?;
        let name = "a".repeat(64);
        let config = json!({"horizontalPodAutoscalerConfig": {"name": "short-hpa"}});
        let mut object =
            scaled_object(&name, json!({"minReplicaCount": 1, "advanced": config, "triggers": [day("3")]}));
        object["spec"]["scaleTargetRef"]["name"] = json!("feed");
        user.apply(&object).await?;
        let text = "is 64 characters long; must be no more than 63 characters";
        user.wait_failing(&name, text).await?;
        let event = user.wait_event(&name, "ScaledObjectCheckFailed").await?;
        ensure!(event.message.contains(text), "{event:?}");
        ensure!(user.get("HorizontalPodAutoscaler", "").await?["items"] == json!([]), "it has an HPA");
        // Nothing was put on that would have to come off.
        user.kubectl.run(&["delete", "so", &name, "--timeout=20s"]).await.map(drop)
    })
}
