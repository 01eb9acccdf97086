//! Every kind with a scale subresource can be a target, and may come and go at any time.

mod kinds;
mod workload_ref;

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::ebb::let_read_any_target;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, pod_template, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::story;

/// The definition of a kind, `Things` of the group in `thing`: `(kind, plural, group)`. `scale` is its scale
/// subresource, if it has one; every version is served.
fn definition((kind, plural, group): (&str, &str, &str), versions: &[&str], scale: &Value) -> Value {
    let version = |(index, name): (usize, &&str)| {
        let mut version = json!({
            "name": name, "served": true, "storage": index == 0, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        });
        if !scale.is_null() {
            version["subresources"]["scale"] = scale.clone();
        }
        version
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": versions.iter().enumerate().map(version).collect::<Vec<_>>(),
        },
    })
}

/// Where most kinds keep their counts.
fn usual_scale() -> Value {
    json!({
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    })
}

/// Applies an object as soon as the API server knows its kind.
async fn apply_soon(user: &Sandbox, object: &Value) -> Result<()> {
    let text = object.to_string();
    wait::until("the API server to take the object", secs(20), async || user.kubectl.apply(&text).await).await.map(drop)
}

fn target(api_version: &str, kind: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": "store"})
}

#[test]
fn without_a_label_selector_the_hpa_does_nothing_and_that_is_said() -> Outcome {
    story(async |world| {
        let (name, path) = ("target-bare", "tests.ebb.dev/v1/bares");
        let user = world.sandbox(name).await?;
        let_read_any_target(&world.bed).await?;
        world.rabbit.declare(name).await?;
        let scale = json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"});
        let bares = definition(("Bare", "bares", "tests.ebb.dev"), &["v1"], &scale);
        user.kubectl.apply(&bares.to_string()).await?;
        let spec =
            json!({"replicas": 0, "template": pod_template("store", &[("RABBITMQ_URL", &world.rabbit.url())], None)});
        apply_soon(
            &user,
            &json!({
                "apiVersion": "tests.ebb.dev/v1", "kind": "Bare", "metadata": {"name": "store"}, "spec": spec,
            }),
        )
        .await?;
        let spec = json!({
            "scaleTargetRef": target("tests.ebb.dev/v1", "Bare"), "pollingInterval": 1, "cooldownPeriod": 2,
            "triggers": [rabbitmq(name)],
        });
        user.apply(&scaled_object("store", spec)).await?;
        user.wait_ready("store").await?;
        world.rabbit.publish(name, 20).await?;
        user.wait_scale(path, "store", 1).await?;
        let condition = wait::until("the HPA's complaint", secs(30), async || {
            let condition = user.condition("store", "HPAActive").await?;
            ensure!(condition.status == "False", "{condition:?}");
            Ok(condition)
        })
        .await?;
        ensure!(condition.reason == "InvalidSelector" && condition.message.contains("selector"), "{condition:?}");
        ensure!(user.scale(path, "store").await? == 1, "the HPA scales it after all");
        world.rabbit.purge(name).await?;
        user.wait_scale(path, "store", 0).await
    })
}

#[test]
fn one_that_comes_later_goes_and_is_made_anew() -> Outcome {
    story(async |world| {
        let name = "target-later";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 1).await?;
        let url = world.rabbit.url();
        let spec = json!({"pollingInterval": 1, "cooldownPeriod": 2, "triggers": [rabbitmq(name)]});
        user.apply(&scaled_object("my-app", spec)).await?;
        let ready = user.wait_failing("my-app", "deployments.apps \"my-app\" not found").await?;
        ensure!(ready.contains("must name an object in the ScaledObject's namespace"), "{ready}");
        // By now the pauses between two checks are as long as they become.
        tokio::time::sleep(secs(10)).await;

        let begin = Instant::now();
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &url)])).await?;
        user.wait_ready("my-app").await?;
        ensure!(begin.elapsed() < secs(12), "it took {:.1?}", begin.elapsed());
        user.wait_replicas("my-app", "1", secs(5), |replicas| replicas == 1).await?;

        user.kubectl.run(&["delete", "deployment", "my-app"]).await?;
        let text = "Error getting current replicas count for ScaleTarget: deployments.apps \"my-app\" not found";
        user.wait_failing("my-app", text).await?;
        ensure!(user.condition("my-app", "Ready").await?.reason == "ErrorGettingCurrentReplicas", "another reason");
        let begin = Instant::now();
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &url)])).await?;
        user.wait_replicas("my-app", "1", secs(12), |replicas| replicas == 1).await?;
        user.wait_ready("my-app").await?;
        ensure!(begin.elapsed() < secs(12), "it took {:.1?}", begin.elapsed());

        // Made anew before Ebb has noticed its absence, with other replicas.
        user.kubectl.run(&["delete", "deployment", "my-app"]).await?;
        user.apply(&deployment("my-app", 4, &[("RABBITMQ_URL", &url)])).await?;
        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "0", secs(20), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn a_definition_that_is_newer_than_ebb_goes_and_comes_back() -> Outcome {
    story(async |world| {
        let (name, path) = ("target-custom", "gone.tests.ebb.dev/v1/things");
        let user = world.sandbox(name).await?;
        let_read_any_target(&world.bed).await?;
        world.rabbit.declare(name).await?;
        let things = definition(("Thing", "things", "gone.tests.ebb.dev"), &["v1"], &usual_scale());
        let thing = json!({
            "apiVersion": "gone.tests.ebb.dev/v1", "kind": "Thing", "metadata": {"name": "store"},
            "spec": {"replicas": 0, "template": pod_template("store", &[("RABBITMQ_URL", &world.rabbit.url())], None)},
        });
        let spec = json!({
            "scaleTargetRef": target("gone.tests.ebb.dev/v1", "Thing"), "pollingInterval": 1, "cooldownPeriod": 2,
            "triggers": [rabbitmq(name)],
        });
        user.apply(&scaled_object("store", spec)).await?;
        let unknown = "no matches for kind \"Thing\" in version \"gone.tests.ebb.dev/v1\"";
        for _ in 0..2 {
            let ready = user.wait_failing("store", unknown).await?;
            ensure!(ready.contains("install its custom resource definition"), "{ready}");
            user.kubectl.apply(&things.to_string()).await?;
            apply_soon(&user, &thing).await?;
            user.wait_ready("store").await?;
            world.rabbit.publish(name, 1).await?;
            user.wait_scale(path, "store", 1).await?;
            world.rabbit.purge(name).await?;
            user.wait_scale(path, "store", 0).await?;
            user.kubectl.run(&["delete", "crd", "things.gone.tests.ebb.dev"]).await?;
        }
        user.wait_failing("store", unknown).await?;
        user.kubectl.run(&["delete", "so", "store", "--timeout=20s"]).await.map(drop)
    })
}

#[test]
fn a_version_that_is_served_no_longer() -> Outcome {
    story(async |world| {
        let name = "target-version";
        let user = world.sandbox(name).await?;
        let_read_any_target(&world.bed).await?;
        world.rabbit.declare(name).await?;
        let kinds = ("Aged", "ageds", "tests.ebb.dev");
        let mut ageds = definition(kinds, &["v1", "v1beta1"], &usual_scale());
        user.kubectl.apply(&ageds.to_string()).await?;
        apply_soon(&user, &json!({
            "apiVersion": "tests.ebb.dev/v1", "kind": "Aged", "metadata": {"name": "store"},
            "spec": {"replicas": 0, "template": pod_template("store", &[("RABBITMQ_URL", &world.rabbit.url())], None)},
        }))
        .await?;
        let reference = |version: &str| json!({"scaleTargetRef": target(&format!("tests.ebb.dev/{version}"), "Aged")});
        let mut spec = reference("v1beta1");
        spec["pollingInterval"] = json!(1);
        spec["triggers"] = json!([rabbitmq(name)]);
        user.apply(&scaled_object("store", spec)).await?;
        user.wait_ready("store").await?;

        ageds["spec"]["versions"][1]["served"] = json!(false);
        user.kubectl.apply(&ageds.to_string()).await?;
        let ready =
            user.wait_failing("store", "no matches for kind \"Aged\" in version \"tests.ebb.dev/v1beta1\"").await?;
        ensure!(ready.contains("correct scaleTargetRef"), "{ready}");
        user.edit("store", reference("v1")).await?;
        user.wait_ready("store").await?;
        world.rabbit.publish(name, 1).await?;
        user.wait_scale("tests.ebb.dev/v1/ageds", "store", 1).await
    })
}

#[test]
fn what_cannot_be_scaled_is_refused_with_the_hint() -> Outcome {
    story(async |world| {
        let name = "target-fixed";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        let kinds = ("Fixed", "fixeds", "tests.ebb.dev");
        user.kubectl.apply(&definition(kinds, &["v1"], &Value::Null).to_string()).await?;
        let mut fixed = json!({
            "apiVersion": "tests.ebb.dev/v1", "kind": "Fixed", "metadata": {"name": "store"}, "spec": {"note": "no count"},
        });
        apply_soon(&user, &fixed).await?;
        let spec = json!({
            "scaleTargetRef": target("tests.ebb.dev/v1", "Fixed"), "pollingInterval": 1, "triggers": [rabbitmq(name)],
        });
        user.apply(&scaled_object("store", spec)).await?;
        let ready = user.wait_failing("store", "tests.ebb.dev/v1.Fixed has no /scale subresource").await?;
        ensure!(ready.starts_with("ScaledObject doesn't have correct scaleTargetRef specification"), "{ready}");
        ensure!(ready.contains("declares it under subresources.scale"), "{ready}");

        user.kubectl.apply(&definition(kinds, &["v1"], &usual_scale()).to_string()).await?;
        let ready = user.wait_failing("store", "has no count of replicas").await?;
        ensure!(ready.contains("specReplicasPath") && ready.contains(".spec.replicas"), "{ready}");

        fixed["spec"]["replicas"] = json!(0);
        user.kubectl.apply(&fixed.to_string()).await?;
        user.wait_failing("store", "the target has no pod template at spec.template").await?;
        fixed["spec"]["template"] = pod_template("store", &[("RABBITMQ_URL", &world.rabbit.url())], None);
        user.kubectl.apply(&fixed.to_string()).await?;
        user.wait_ready("store").await?;
        let events = user.events("store").await?;
        let said = "Target resource doesn't expose /scale subresource";
        ensure!(
            events.iter().any(|event| event.reason == "ScaledObjectCheckFailed" && event.message == said),
            "{events:?}"
        );
        Ok(())
    })
}
