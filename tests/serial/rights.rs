//! A right that Ebb does not have is named, in the words of the API server.

use anyhow::{Result, ensure};
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, pod_template, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use ebb_tests::{ebb, paths};
use serde_json::{Value, json};

use crate::story;

#[test]
fn a_missing_right_is_named_and_its_grant_is_all_it_takes() -> Outcome {
    story(async |world| {
        let name = "rights";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 1).await?;
        let url = world.rabbit.url();
        let kubectl = world.bed.kubectl();
        let role: Value = serde_json::from_str(&kubectl.run(&["get", "clusterrole", "ebb", "-o", "json"]).await?)?;
        let with_scale = |verbs: &[&str]| {
            let mut role = role.clone();
            role["metadata"] = json!({"name": "ebb"});
            for rule in role["rules"].as_array_mut().into_iter().flatten() {
                if rule["resources"] == json!(["*/scale"]) {
                    rule["verbs"] = json!(verbs);
                }
            }
            role.to_string()
        };
        let put = async |role: String| -> Result<()> {
            let output = kubectl.output(&["replace", "-f", "-"], Some(&role)).await?;
            ensure!(output.ok, "{output:?}");
            Ok(())
        };
        let manifest = paths::root().join("deploy/manifests/10-rbac.yaml");
        let restore = async || {
            kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", &manifest.to_string_lossy()]).await
        };

        put(with_scale(&["list"])).await?;
        let told = async {
            user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &url)])).await?;
            user.apply(&scaled_object("my-app", json!({"pollingInterval": 1, "triggers": [rabbitmq(name)]}))).await?;
            let ready = user.wait_failing("my-app", "is forbidden").await?;
            let right = "cannot get resource \"deployments/scale\" in API group \"apps\" in the namespace \"rights\"";
            ensure!(ready.contains(right), "{ready}");
            let event = user.wait_event("my-app", "ScaledObjectCheckFailed").await?;
            ensure!(event.message.contains(right), "{event:?}");

            // Seen, but not to be changed.
            put(with_scale(&["get"])).await?;
            let ready = user.wait_failing("my-app", "cannot patch resource \"deployments/scale\"").await?;
            ensure!(ready.starts_with("Error scaling ScaleTarget: "), "{ready}");
            user.wait_event("my-app", "KEDAScaleTargetActivationFailed").await?;

            put(with_scale(&["get", "patch"])).await?;
            user.wait_replicas("my-app", "1", secs(15), |replicas| replicas == 1).await?;
            user.wait_ready("my-app").await?;

            // A kind whose pod template only an optional role lets Ebb read.
            let template = pod_template("store", &[("RABBITMQ_URL", &url)], None);
            let controller = json!({
                "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "store"},
                "spec": {"replicas": 0, "selector": {"app": "store"}, "template": template},
            });
            user.kubectl.apply(&controller.to_string()).await?;
            let reference = json!({"apiVersion": "v1", "kind": "ReplicationController", "name": "store"});
            let spec = json!({"scaleTargetRef": reference, "pollingInterval": 1, "triggers": [rabbitmq(name)]});
            user.apply(&scaled_object("store", spec)).await?;
            let ready = user.wait_failing("store", "cannot read the target \"store\"").await?;
            ensure!(ready.contains("cannot get resource \"replicationcontrollers\""), "{ready}");
            anyhow::Ok(())
        }
        .await;
        // The stories that follow need the rights, whatever came of this one.
        restore().await?;
        told?;
        ebb::let_read_any_target(&world.bed).await?;
        let ready = user.wait_ready("store").await;
        kubectl.run(&["delete", "clusterrolebinding", "ebb-any-target"]).await?;
        ready
    })
}

/// What Ebb's account may do, and what whoever takes its token would like to.
#[test]
fn the_account_may_do_what_it_needs_and_nothing_else() -> Outcome {
    story(async |world| {
        for (wanted, verb, resource, namespace) in [
            (true, "list", "scaledobjects.keda.sh", "shop"),
            (true, "patch", "deployments.apps:scale", "shop"),
            (true, "get", "secrets/any", "shop"),
            (true, "update", "secrets/ebb-certs", "ebb-system"),
            (false, "list", "secrets", "shop"),
            (false, "update", "secrets/any", "shop"),
            (false, "update", "secrets/other", "ebb-system"),
            (false, "delete", "secrets/ebb-certs", "ebb-system"),
            (false, "update", "scaledobjects.keda.sh", "shop"),
            (false, "delete", "scaledobjects.keda.sh", "shop"),
            (false, "patch", "deployments.apps", "shop"),
            (false, "list", "deployments.apps", "shop"),
            (false, "delete", "deployments.apps", "shop"),
            (false, "create", "pods", "shop"),
            (false, "get", "pods", "shop"),
            (false, "get", "pods:exec", "shop"),
            (false, "create", "pods:exec", "shop"),
            (false, "get", "pods:log", "shop"),
            (false, "get", "nodes:proxy", "default"),
            (false, "create", "serviceaccounts:token", "shop"),
            (false, "impersonate", "users", "default"),
            (false, "create", "clusterrolebindings.rbac.authorization.k8s.io", "default"),
            (false, "bind", "clusterroles.rbac.authorization.k8s.io", "default"),
            (false, "escalate", "clusterroles.rbac.authorization.k8s.io", "default"),
            (false, "patch", "apiservices.apiregistration.k8s.io/v1.apps", "default"),
            (false, "update", "validatingwebhookconfigurations.admissionregistration.k8s.io/other", "default"),
            (false, "create", "validatingwebhookconfigurations.admissionregistration.k8s.io", "default"),
            (false, "update", "leases.coordination.k8s.io/other", "ebb-system"),
            (false, "update", "leases.coordination.k8s.io/any", "kube-system"),
            (false, "get", "configmaps/any:x", "kube-system"),
        ] {
            let may = ebb::may(&world.bed, verb, resource, namespace).await?;
            ensure!(may == wanted, "may {verb} {resource} in {namespace}: {may}");
        }
        Ok(())
    })
}
