//! The HPA stays as its ScaledObject asks, against every other writer.

use anyhow::{Context, Result, ensure};
use ebb_tests::audit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

const HPA: &str = "keda-hpa-my-app";

async fn ready_app(world: &World, name: &str) -> Result<Sandbox> {
    let user = world.app(name, 0, 0, json!({"maxReplicaCount": 50})).await?;
    user.wait_for("HorizontalPodAutoscaler", HPA).await?;
    Ok(user)
}

/// Writes into the HPA under the name of another program.
async fn write_as(user: &Sandbox, manager: &str, patch: &Value) -> Result<()> {
    let (manager, patch) = (format!("--field-manager={manager}"), patch.to_string());
    user.kubectl.run(&["patch", "hpa", HPA, "--type=merge", &manager, "-p", &patch]).await.map(drop)
}

async fn wait_spec(user: &Sandbox, spec: &Value) -> Result<Value> {
    wait::until("the HPA to be what the ScaledObject says", secs(10), async || {
        let hpa = user.get("HorizontalPodAutoscaler", HPA).await?;
        ensure!(hpa["spec"] == *spec, "{}", hpa["spec"]);
        Ok(hpa)
    })
    .await
}

#[test]
fn what_other_programs_write_into_it_goes() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "drift-others").await?;
        let spec = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
        for (manager, written) in [
            ("keda", json!({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}})),
            ("kubectl-edit", json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 60}}})),
            ("argocd-controller", json!({"minReplicas": 4, "maxReplicas": 5})),
            ("another", json!({"metrics": null})),
        ] {
            write_as(&user, manager, &json!({"spec": written})).await?;
            wait_spec(&user, &spec).await.with_context(|| format!("after {manager}"))?;
        }
        let marks = json!({
            "labels": {"app.kubernetes.io/instance": "shop", "team": "checkout"},
            "annotations": {"argocd.argoproj.io/tracking-id": "shop", "note": "by hand"},
        });
        write_as(&user, "argocd-controller", &json!({"metadata": marks})).await?;
        let metadata = wait::until("the marks to go", secs(10), async || {
            let metadata = user.get("HorizontalPodAutoscaler", HPA).await?["metadata"].clone();
            ensure!(metadata["labels"]["app.kubernetes.io/instance"].is_null(), "{metadata}");
            ensure!(metadata["annotations"]["argocd.argoproj.io/tracking-id"].is_null(), "{metadata}");
            Ok(metadata)
        })
        .await?;
        ensure!(metadata["labels"]["team"] == "checkout", "a label that hurts nobody is gone: {metadata}");
        ensure!(metadata["annotations"]["note"] == "by hand", "{metadata}");
        ensure!(user.condition("my-app", "Ready").await?.status == "True", "it is not Ready");
        Ok(())
    })
}

#[test]
fn a_behavior_that_the_scaled_object_names_no_more_goes_whoever_wrote_it() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "drift-behavior").await?;
        let spec = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 7}});
        let with = |behavior: &Value| json!({"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}});
        user.edit("my-app", with(&behavior)).await?;
        let held = wait::until("the behavior to be there", secs(10), async || {
            let spec = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
            ensure!(spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 7, "{spec}");
            Ok(spec)
        })
        .await?;
        // Another program writes the same values, and so owns them too.
        write_as(&user, "keda", &json!({"spec": {"behavior": held["behavior"]}})).await?;
        user.edit("my-app", with(&Value::Null)).await?;
        wait_spec(&user, &spec).await.map(drop)
    })
}

#[test]
fn a_field_that_comes_back_is_named_in_one_event_and_left_alone() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "drift-contest").await?;
        let spec = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
        let theirs = json!({"spec": {"maxReplicas": 3}});
        for _ in 0..3 {
            write_as(&user, "other-autoscaler", &theirs).await?;
            wait_spec(&user, &spec).await?;
        }
        let event = user.wait_event("my-app", "HPAContested").await?;
        ensure!(event.message.contains("spec.maxReplicas by other-autoscaler"), "{}", event.message);

        write_as(&user, "other-autoscaler", &theirs).await?;
        wait::throughout("the contested field is left alone", secs(3), async || {
            let now = user.get("HorizontalPodAutoscaler", HPA).await?["spec"].clone();
            ensure!(now["maxReplicas"] == 3, "{now}");
            Ok(())
        })
        .await?;
        // Another field is not contested, and what the ScaledObject says anew counts at once.
        write_as(&user, "other-autoscaler", &json!({"spec": {"minReplicas": 2}})).await?;
        wait_spec(&user, &spec).await?;
        write_as(&user, "other-autoscaler", &theirs).await?;
        user.edit("my-app", json!({"maxReplicaCount": 9})).await?;
        let mut edited = spec.clone();
        edited["maxReplicas"] = json!(9);
        wait_spec(&user, &edited).await?;
        ensure!(user.recorded("my-app", "HPAContested").await? == 1, "the contest has more than one event");
        Ok(())
    })
}

/// A policy of the cluster that sets the behavior of every HPA that is written in this namespace.
fn policy(namespace: &str) -> [Value; 2] {
    let window = "Object{spec: Object.spec{behavior: Object.spec.behavior{scaleDown: \
                  Object.spec.behavior.scaleDown{stabilizationWindowSeconds: 120}}}}";
    let metadata = json!({"name": namespace});
    let rule = json!({
        "apiGroups": ["autoscaling"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
        "resources": ["horizontalpodautoscalers"],
    });
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": metadata,
        "spec": {
            "matchConstraints": {"resourceRules": [rule]}, "reinvocationPolicy": "Never", "failurePolicy": "Fail",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": window}}],
        },
    });
    let selected = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}});
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding", "metadata": metadata,
        "spec": {"policyName": namespace, "matchResources": selected},
    });
    [policy, binding]
}

#[test]
fn what_a_policy_of_the_cluster_adds_to_every_write_is_no_contest() -> Outcome {
    story(async |world| {
        let name = "drift-policy";
        let user = ready_app(world, name).await?;
        for object in policy(name) {
            user.kubectl.apply(&object.to_string()).await?;
        }
        let window = |hpa: &Value| hpa["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 120;
        // The API server takes a while to heed it.
        wait::until("the policy to hold", secs(30), async || {
            write_as(&user, "other-autoscaler", &json!({"metadata": {"labels": {"team": "blue"}}})).await?;
            write_as(&user, "other-autoscaler", &json!({"metadata": {"labels": {"team": null}}})).await?;
            ensure!(window(&user.get("HorizontalPodAutoscaler", HPA).await?), "no behavior");
            Ok(())
        })
        .await?;
        for max in [9, 8] {
            user.edit("my-app", json!({"maxReplicaCount": max})).await?;
            wait::until("the edit and the policy to be in the HPA", secs(10), async || {
                let hpa = user.get("HorizontalPodAutoscaler", HPA).await?;
                ensure!(hpa["spec"]["maxReplicas"] == max && window(&hpa), "{}", hpa["spec"]);
                Ok(())
            })
            .await?;
        }
        write_as(&user, "other-autoscaler", &json!({"spec": {"maxReplicas": 3}})).await?;
        wait::until("another writer's change to go", secs(10), async || {
            let hpa = user.get("HorizontalPodAutoscaler", HPA).await?;
            ensure!(hpa["spec"]["maxReplicas"] == 8 && window(&hpa), "{}", hpa["spec"]);
            Ok(())
        })
        .await?;
        let updates = || -> Result<usize> {
            let writes = audit::writes(&world.bed)?;
            let own = |write: &&audit::Request| write.namespace == name && write.is_the_holders();
            Ok(writes.iter().filter(own).filter(|write| write.what() == "update horizontalpodautoscalers").count())
        };
        tokio::time::sleep(secs(1)).await;
        let before = updates()?;
        ensure!(before > 0, "the audit log has no update of Ebb's");
        tokio::time::sleep(secs(4)).await;
        ensure!(updates()? == before, "Ebb writes the HPA again and again");
        ensure!(user.recorded("my-app", "HPAContested").await? == 0, "a policy is taken for a contest");
        for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
            user.kubectl.run(&["delete", kind, name]).await?;
        }
        Ok(())
    })
}

/// A status that another program has written, or a write of Ebb's that came late.
#[test]
fn a_status_that_somebody_else_wrote_is_put_right() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "drift-status").await?;
        let ready = user.condition("my-app", "Ready").await?;
        let wrong = json!({"status": {
            "hpaName": "somebody-elses", "pausedReplicaCount": 2, "externalMetricNames": null,
            "conditions": [{"type": "Ready", "status": "False", "reason": "ErrorGettingCurrentReplicas"}],
        }});
        let args = ["patch", "so", "my-app", "--type=merge", "--subresource=status", "-p", &wrong.to_string()];
        user.kubectl.run(&args).await?;
        wait::until("the status to be right", secs(10), async || {
            let status = user.get("ScaledObject", "my-app").await?["status"].clone();
            ensure!(status["hpaName"] == HPA && status["pausedReplicaCount"].is_null(), "{status}");
            ensure!(status["externalMetricNames"] == json!(["s0-rabbitmq-drift-status"]), "{status}");
            ensure!(user.condition("my-app", "Ready").await? == ready, "{status}");
            for condition in ["Active", "Fallback", "Paused", "HPAActive"] {
                user.condition("my-app", condition).await?;
            }
            Ok(())
        })
        .await
    })
}

#[test]
fn finalizer_label_and_owner_that_somebody_took_away_come_back() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "drift-marks").await?;
        let bare = json!({"metadata": {"finalizers": null, "labels": {"scaledobject.keda.sh/name": null}}}).to_string();
        user.kubectl.run(&["patch", "so", "my-app", "--type=merge", "-p", &bare]).await?;
        write_as(&user, "somebody", &json!({"metadata": {"ownerReferences": null}})).await?;
        wait::until("the marks to be back", secs(10), async || {
            let metadata = user.get("ScaledObject", "my-app").await?["metadata"].clone();
            ensure!(metadata["finalizers"] == json!(["finalizer.keda.sh"]), "{metadata}");
            ensure!(metadata["labels"]["scaledobject.keda.sh/name"] == "my-app", "{metadata}");
            let hpa = user.get("HorizontalPodAutoscaler", HPA).await?["metadata"].clone();
            ensure!(hpa["ownerReferences"][0]["uid"] == metadata["uid"], "{hpa}");
            Ok(())
        })
        .await?;
        user.wait_ready("my-app").await
    })
}

/// `foo?x` must not read the object `foo`.
#[test]
fn a_name_that_no_object_can_have_is_refused_and_reads_no_other() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "drift-names").await?;
        let hint = "is no name of an object";
        for name in ["my-app?x=y", " my-app", "my-app/status", "../my-app"] {
            user.edit("my-app", json!({"scaleTargetRef": {"name": name}})).await?;
            user.wait_failing("my-app", hint).await?;
        }
        user.edit("my-app", json!({"scaleTargetRef": {"name": "my-app"}})).await?;
        user.wait_ready("my-app").await?;
        user.authenticate("broker", &[("host", &world.rabbit.url())]).await?;
        let reference = json!({"secretTargetRef": [{"parameter": "host", "name": "broker?x", "key": "host"}]});
        user.apply(&json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": "wrong"}, "spec": reference,
        }))
        .await?;
        let metadata = json!({"queueName": "drift-names", "mode": "QueueLength", "value": "5"});
        let trigger = json!({"type": "rabbitmq", "metadata": metadata, "authenticationRef": {"name": "wrong"}});
        user.edit("my-app", json!({"triggers": [trigger]})).await?;
        user.wait_failing("my-app", "that is no name of an object").await?;
        for name in ["<auth>", "broker?x", "broker/status"] {
            let mut trigger = trigger.clone();
            trigger["authenticationRef"]["name"] = json!(name);
            user.edit("my-app", json!({"triggers": [trigger]})).await?;
            let says = format!("TriggerAuthentication {name:?}: that is no name of an object");
            user.wait_failing("my-app", &says).await?;
        }
        Ok(())
    })
}

/// A process that died between the two writes of a change of the HPA's name leaves both HPAs. One of them goes,
/// although the specification cannot be served.
#[test]
fn of_two_hpas_the_one_of_the_specification_stays_also_where_it_cannot_be_served() -> Outcome {
    story(async |world| {
        let user = ready_app(world, "drift-two").await?;
        let mut second = user.get("HorizontalPodAutoscaler", HPA).await?;
        let metadata = &mut second["metadata"];
        *metadata = json!({
            "name": "own", "namespace": metadata["namespace"], "labels": metadata["labels"],
            "ownerReferences": metadata["ownerReferences"],
        });
        let named = json!({"advanced": {"horizontalPodAutoscalerConfig": {"name": "own"}}});
        let spec = json!({"scaleTargetRef": {"name": "nobody"}, "advanced": named["advanced"]});
        user.edit("my-app", spec).await?;
        user.wait_failing("my-app", "\"nobody\" not found").await?;
        user.get("HorizontalPodAutoscaler", HPA).await.context("the one in force stays")?;
        user.apply(&second).await?;
        user.wait_gone("HorizontalPodAutoscaler", HPA).await?;
        user.get("HorizontalPodAutoscaler", "own").await.map(drop)
    })
}
