//! A right that Ebb does not have is named, in the words of the API server.

use anyhow::{Result, ensure};
use ebb_tests::ebb;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, pod_template, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// Ebb's ClusterRole as it is.
async fn role(world: &World) -> Result<Value> {
    Ok(serde_json::from_str(&world.bed.kubectl().run(&["get", "clusterrole", "ebb", "-o", "json"]).await?)?)
}

/// The role with these keys changed in its rule about the scale of targets.
fn with_scale_rule(role: &Value, changes: &Value) -> Value {
    let mut role = role.clone();
    role["metadata"] = json!({"name": "ebb"});
    let rules = role["rules"].as_array_mut().into_iter().flatten();
    for rule in rules.filter(|rule| rule["resources"] == json!(["*/scale"])) {
        for (key, value) in changes.as_object().into_iter().flatten() {
            rule[key] = value.clone();
        }
    }
    role
}

async fn put(world: &World, role: &Value) -> Result<()> {
    let output = world.bed.kubectl().output(&["replace", "-f", "-"], Some(&role.to_string())).await?;
    ensure!(output.ok, "{output:?}");
    Ok(())
}

/// Ebb's ClusterRoles as the manifest has them.
async fn restore(world: &World) -> Result<()> {
    let mut objects = ebb::manifest(ebb::MANIFEST)?;
    objects.retain(|object| object["kind"] == "ClusterRole");
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let output = world.bed.kubectl().output(&apply, Some(&ebb::list(&objects))).await?;
    ensure!(output.ok, "{output:?}");
    Ok(())
}

#[test]
fn a_missing_right_is_named_and_its_grant_is_all_it_takes() -> Outcome {
    story(async |world| {
        let name = "rights";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 1).await?;
        let url = world.rabbit.url();
        let all = role(world).await?;
        let with_scale = |verbs: &[&str]| with_scale_rule(&all, &json!({"verbs": verbs}));

        put(world, &with_scale(&["list"])).await?;
        let outcome = async {
            user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &url)])).await?;
            user.apply(&scaled_object("my-app", json!({"pollingInterval": 1, "triggers": [rabbitmq(name)]}))).await?;
            let ready = user.wait_failing("my-app", "is forbidden").await?;
            let right = "cannot get resource \"deployments/scale\" in API group \"apps\" in the namespace \"rights\"";
            ensure!(ready.contains(right), "{ready}");
            let event = user.wait_event("my-app", "ScaledObjectCheckFailed").await?;
            ensure!(event.message.contains(right), "{event:?}");

            // Seen, but not to be changed.
            put(world, &with_scale(&["get"])).await?;
            let ready = user.wait_failing("my-app", "cannot patch resource \"deployments/scale\"").await?;
            ensure!(ready.starts_with("Error scaling ScaleTarget: "), "{ready}");
            user.wait_event("my-app", "KEDAScaleTargetActivationFailed").await?;

            put(world, &with_scale(&["get", "patch"])).await?;
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
        // The tests that follow need the rights, also after a failure of this one.
        restore(world).await?;
        outcome?;
        ebb::let_read_any_target(&world.bed).await?;
        let ready = user.wait_ready("store").await;
        world.bed.kubectl().run(&["delete", "clusterrolebinding", "ebb-any-target"]).await?;
        ready
    })
}

#[test]
fn only_named_kinds_can_be_scaled_where_the_role_names_them() -> Outcome {
    story(async |world| {
        let name = "rights-kinds";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 1).await?;
        let url = world.rabbit.url();
        let named = json!({"apiGroups": ["apps"], "resources": ["deployments/scale"]});
        put(world, &with_scale_rule(&role(world).await?, &named)).await?;
        let outcome = async {
            let spec = json!({"pollingInterval": 1, "triggers": [rabbitmq(name)]});
            user.apply(&deployment("shop", 0, &[("RABBITMQ_URL", &url)])).await?;
            user.apply(&scaled_object("shop", spec.clone())).await?;
            user.wait_replicas("shop", "1", secs(15), |replicas| replicas == 1).await?;
            user.wait_ready("shop").await?;

            let set = json!({
                "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "store"},
                "spec": {
                    "replicas": 0, "serviceName": "store", "selector": {"matchLabels": {"app": "store"}},
                    "template": pod_template("store", &[("RABBITMQ_URL", &url)], None),
                },
            });
            user.apply(&set).await?;
            let mut object = scaled_object("store", spec);
            object["spec"]["scaleTargetRef"] = json!({"kind": "StatefulSet", "name": "store"});
            user.apply(&object).await?;
            let ready = user.wait_failing("store", "cannot get resource \"statefulsets/scale\"").await?;
            ensure!(ready.contains("in the namespace \"rights-kinds\""), "{ready}");
            ensure!(user.scale("StatefulSet", "store").await? == 0, "it was scaled");
            anyhow::Ok(())
        }
        .await;
        restore(world).await?;
        outcome?;
        user.wait_scale("StatefulSet", "store", 1).await?;
        user.delete_all("ScaledObject").await
    })
}

/// The rights of Ebb's account, and requests of an attacker who has taken its token.
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
