//! `WATCH_NAMESPACE` and the label selectors: objects outside of them are left alone.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use ebb_tests::ebb::{MANIFEST, NAMESPACE, list, manifest, service_account_kubeconfig};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use super::with_settings;
use crate::story;

/// A ScaledObject on the queue of this name, with messages for one replica and these labels.
async fn app(world: &World, user: &Sandbox, name: &str, queue: &str, labels: Value) -> Result<()> {
    user.apply(&deployment(name, 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    let mut object = scaled_object(name, json!({"pollingInterval": 1, "triggers": [rabbitmq(queue)]}));
    object["metadata"]["labels"] = labels;
    user.apply(&object).await?;
    Ok(())
}

/// Nothing has been done for it: no status, no finalizer, no HPA, no replica.
async fn untouched(user: &Sandbox, name: &str) -> Result<()> {
    let object = user.get("ScaledObject", name).await?;
    ensure!(object["status"]["conditions"].is_null(), "{}/{name} has a status: {}", user.name, object["status"]);
    ensure!(object["metadata"]["finalizers"].is_null(), "{}/{name} has a finalizer", user.name);
    ensure!(user.get("HorizontalPodAutoscaler", &format!("keda-hpa-{name}")).await.is_err(), "{name} has an HPA");
    ensure!(user.replicas(name).await? == 0, "{name} was scaled");
    ensure!(user.metric(name, "s0-rabbitmq-scope").await.is_err(), "the API tells a metric of {name}");
    Ok(())
}

/// Another ServiceAccount for Ebb, with the rights of `deploy/components/namespaced` in two namespaces. Gives
/// its kubeconfig.
async fn account(world: &World, namespaces: [&str; 2]) -> Result<PathBuf> {
    let account = "ebb-some-namespaces";
    // Of the manifest those that give rights in Ebb's own namespace and in kube-system.
    let mut objects = manifest(MANIFEST)?;
    objects.retain(|object| object["kind"] == "RoleBinding");
    for binding in &mut objects {
        binding["metadata"]["name"] = json!("some-namespaces");
    }
    objects.extend(manifest("deploy/components/namespaced/rbac.yaml")?);
    for binding in &mut objects {
        if let Some(subject) = binding.pointer_mut("/subjects/0/name") {
            *subject = json!(account);
        }
    }
    let metadata = json!({"name": account, "namespace": NAMESPACE});
    objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}));
    let objects = list(&objects).replace("team-a", namespaces[0]).replace("team-b", namespaces[1]);
    let output = world.bed.kubectl().output(&["apply", "--server-side", "-f", "-"], Some(&objects)).await?;
    ensure!(output.ok, "{}", output.stderr);
    service_account_kubeconfig(&world.bed, NAMESPACE, account).await
}

#[test]
fn several_namespaces_are_served_and_others_are_left_alone() -> Outcome {
    story(async |world| {
        let (one, two) = (world.sandbox("scope-one").await?, world.sandbox("scope-two").await?);
        let other = world.sandbox("scope-other").await?;
        world.rabbit.declare("scope").await?;
        world.rabbit.publish("scope", 3).await?;
        // With rights in these namespaces alone, the API server would refuse a request for all namespaces at once.
        let kubeconfig = account(world, ["scope-one", "scope-two"]).await?;
        let variables =
            [("WATCH_NAMESPACE", "scope-one, scope-two"), ("KUBECONFIG", kubeconfig.to_str().unwrap_or_default())];
        with_settings(world, &[], &variables, async || {
            for user in [&one, &two, &other] {
                app(world, user, "app", "scope", json!({})).await?;
            }
            // Objects that it refers to are found in each namespace too.
            two.authenticate("broker", &[("host", &world.rabbit.url())]).await?;
            let trigger = json!({
                "type": "rabbitmq", "metadata": {"queueName": "scope", "mode": "QueueLength", "value": "5"},
                "authenticationRef": {"name": "broker"},
            });
            two.apply(&deployment("with-secret", 0, &[])).await?;
            two.apply(&scaled_object("with-secret", json!({"triggers": [trigger]}))).await?;
            for (user, name) in [(&one, "app"), (&two, "app"), (&two, "with-secret")] {
                user.wait_ready(name).await?;
                user.wait_replicas(name, "1", secs(10), |replicas| replicas == 1).await?;
                user.wait_metric(name, "s0-rabbitmq-scope", 3.0).await?;
            }
            // One that is made later is seen, and so is a deletion; an HPA that was deleted comes back.
            app(world, &two, "late", "scope", json!({})).await?;
            two.wait_ready("late").await?;
            two.delete("HorizontalPodAutoscaler", "keda-hpa-late").await?;
            two.wait_for("HorizontalPodAutoscaler", "keda-hpa-late").await?;
            two.delete("ScaledObject", "late").await?;
            two.wait_gone("ScaledObject", "late").await?;
            two.wait_gone("HorizontalPodAutoscaler", "keda-hpa-late").await?;

            wait::throughout("the other namespace is left alone", secs(3), async || untouched(&other, "app").await)
                .await?;
            let log = fs::read_to_string(&world.ebb.log)?;
            let latest = log.lines().rev().take_while(|line| !line.contains("ebb is running"));
            let refused: Vec<_> = latest.filter(|line| line.to_lowercase().contains("forbidden")).collect();
            ensure!(refused.is_empty(), "{refused:#?}");
            Ok(())
        })
        .await?;
        // The Ebb of the other tests serves all.
        other.wait_ready("app").await?;
        for user in [&one, &two, &other] {
            user.delete_all("ScaledObject").await?;
        }
        Ok(())
    })
}

#[test]
fn labels_select_what_is_served() -> Outcome {
    story(async |world| {
        let user = world.sandbox("scope-labels").await?;
        world.rabbit.declare("scope").await?;
        let variables =
            [("WATCH_LABEL_SELECTOR", "tier in (gold,silver)"), ("WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH", "for=ebb")];
        with_settings(world, &[], &variables, async || {
            app(world, &user, "gold", "scope", json!({"tier": "gold"})).await?;
            app(world, &user, "tin", "scope", json!({"tier": "tin"})).await?;
            user.wait_ready("gold").await?;
            wait::throughout("the other is left alone", secs(3), async || untouched(&user, "tin").await).await?;
            // Ebb serves it while it has the label. Afterwards its objects stay for the next server.
            app(world, &user, "tin", "scope", json!({"tier": "silver"})).await?;
            user.wait_ready("tin").await?;
            app(world, &user, "tin", "scope", json!({"tier": "tin"})).await?;
            wait::until("the metric of what is no longer served to go", secs(10), async || {
                ensure!(user.metric("tin", "s0-rabbitmq-scope").await.is_err(), "it has a metric");
                Ok(())
            })
            .await?;
            ensure!(user.get("HorizontalPodAutoscaler", "keda-hpa-tin").await.is_ok(), "its HPA is gone");

            // An authentication without the label is not known.
            user.authenticate("broker", &[("host", &world.rabbit.url())]).await?;
            let trigger = json!({
                "type": "rabbitmq", "metadata": {"queueName": "scope", "mode": "QueueLength", "value": "5"},
                "authenticationRef": {"name": "broker"},
            });
            user.apply(&deployment("with-secret", 0, &[])).await?;
            let mut object = scaled_object("with-secret", json!({"triggers": [trigger]}));
            object["metadata"]["labels"] = json!({"tier": "gold"});
            user.apply(&object).await?;
            user.wait_failing("with-secret", "WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH (for=ebb)").await?;
            user.kubectl.run(&["label", "triggerauthentication", "broker", "for=ebb"]).await?;
            user.wait_ready("with-secret").await
        })
        .await?;
        user.wait_ready("tin").await?;
        user.delete_all("ScaledObject").await
    })
}
