//! A right that Ebb does not have is named, in the words of the API server.

use anyhow::{Result, ensure};
use ebb_tests::paths;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, pod_template, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
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
        kubectl.run(&["delete", "clusterrolebinding", "ebb-any-target"]).await?;
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

            // A kind whose pod template only the optional role lets Ebb read.
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
        user.wait_ready("store").await
    })
}

/// Ebb's account without the optional role: what it may do, and what whoever takes its token would like to.
#[test]
fn the_account_may_do_what_it_needs_and_nothing_else() -> Outcome {
    story(async |world| {
        let kubectl = world.bed.kubectl();
        kubectl.run(&["delete", "clusterrolebinding", "ebb-any-target"]).await?;
        let may = async |what: &[&str]| -> Result<bool> {
            let account = ["auth", "can-i", "--as=system:serviceaccount:ebb-system:ebb"];
            let output = kubectl.output(&[&account[..], what].concat(), None).await?;
            Ok(output.stdout.trim() == "yes")
        };
        let asked = async {
            for (wanted, what) in [
                (true, &["list", "scaledobjects.keda.sh", "-n", "shop"][..]),
                (true, &["patch", "deployments.apps", "--subresource=scale", "-n", "shop"]),
                (true, &["get", "secrets/any", "-n", "shop"]),
                (true, &["update", "secrets/ebb-certs", "-n", "ebb-system"]),
                (false, &["list", "secrets", "-n", "shop"]),
                (false, &["update", "secrets/any", "-n", "shop"]),
                (false, &["update", "secrets/other", "-n", "ebb-system"]),
                (false, &["delete", "secrets/ebb-certs", "-n", "ebb-system"]),
                (false, &["update", "scaledobjects.keda.sh", "-n", "shop"]),
                (false, &["delete", "scaledobjects.keda.sh", "-n", "shop"]),
                (false, &["patch", "deployments.apps", "-n", "shop"]),
                (false, &["list", "deployments.apps", "-n", "shop"]),
                (false, &["delete", "deployments.apps", "-n", "shop"]),
                (false, &["create", "pods", "-n", "shop"]),
                (false, &["get", "pods", "-n", "shop"]),
                (false, &["get", "pods", "--subresource=exec", "-n", "shop"]),
                (false, &["create", "pods", "--subresource=exec", "-n", "shop"]),
                (false, &["get", "pods", "--subresource=log", "-n", "shop"]),
                (false, &["get", "nodes", "--subresource=proxy"]),
                (false, &["create", "serviceaccounts", "--subresource=token", "-n", "shop"]),
                (false, &["impersonate", "users"]),
                (false, &["create", "clusterrolebindings.rbac.authorization.k8s.io"]),
                (false, &["bind", "clusterroles.rbac.authorization.k8s.io"]),
                (false, &["escalate", "clusterroles.rbac.authorization.k8s.io"]),
                (false, &["patch", "apiservices.apiregistration.k8s.io/v1.apps"]),
                (false, &["update", "validatingwebhookconfigurations.admissionregistration.k8s.io/other"]),
                (false, &["create", "validatingwebhookconfigurations.admissionregistration.k8s.io"]),
                (false, &["update", "leases.coordination.k8s.io/other", "-n", "ebb-system"]),
                (false, &["update", "leases.coordination.k8s.io/any", "-n", "kube-system"]),
                (false, &["get", "configmaps/any", "-n", "kube-system", "--subresource=x"]),
            ] {
                ensure!(may(what).await? == wanted, "kubectl auth can-i {}: not {wanted}", what.join(" "));
            }
            anyhow::Ok(())
        }
        .await;
        let manifest = paths::root().join("deploy/manifests/10-rbac.yaml");
        kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", &manifest.to_string_lossy()]).await?;
        asked
    })
}
