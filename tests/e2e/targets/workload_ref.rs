//! An Argo Rollout whose pods are described by another workload.

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::workload::{pod_template, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use super::{apply_soon, definition, usual_scale};
use crate::story;

/// A kind of workload that a Rollout refers to.
struct Referred {
    path: &'static str,
    kind: &'static str,
    /// It with this pod template.
    body: fn(Value) -> Value,
}

const REFERRED: [Referred; 4] = [
    Referred { path: "apps/v1", kind: "Deployment", body: |template| json!({"spec": workload(&template)}) },
    Referred { path: "apps/v1", kind: "ReplicaSet", body: |template| json!({"spec": workload(&template)}) },
    Referred {
        path: "apps/v1",
        kind: "StatefulSet",
        body: |template| {
            let mut spec = workload(&template);
            spec["serviceName"] = json!("reports");
            json!({"spec": spec})
        },
    },
    Referred { path: "v1", kind: "PodTemplate", body: |template| json!({"template": template}) },
];

fn workload(template: &Value) -> Value {
    json!({"replicas": 0, "selector": {"matchLabels": template["metadata"]["labels"]}, "template": template})
}

/// A Rollout and its ScaledObject, both of the workload's name. The trigger asks the broker of the container's
/// variable.
async fn rollout(world: &World, user: &Sandbox, name: &str, reference: &Value, trigger: &Value) -> Result<()> {
    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "workloadRef": reference},
    });
    apply_soon(user, &rollout).await?;
    let status = json!({"status": {"HPAReplicas": 0, "selector": format!("app={name}")}}).to_string();
    let resource = format!("rollouts.argoproj.io/{name}");
    user.kubectl.run(&["patch", &resource, "--subresource=status", "--type=merge", "-p", &status]).await?;
    world.rabbit.declare(&user.name).await?;
    let target = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": name});
    let spec = json!({"scaleTargetRef": target, "pollingInterval": 1, "triggers": [trigger]});
    user.apply(&scaled_object(name, spec)).await.map(drop)
}

async fn define(user: &Sandbox) -> Result<()> {
    let mut scale = usual_scale();
    scale["statusReplicasPath"] = json!(".status.HPAReplicas");
    let rollouts = definition(("Rollout", "rollouts", "argoproj.io"), &["v1alpha1"], &scale);
    user.kubectl.apply(&rollouts.to_string()).await.map(drop)
}

#[test]
fn its_variables_are_those_of_the_workload_that_it_refers_to() -> Outcome {
    story(async |world| {
        let user = world.sandbox("target-workload-ref").await?;
        define(&user).await?;
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "broker"},
            "data": {"RABBITMQ_URL": world.rabbit.url()}});
        user.kubectl.apply(&config.to_string()).await?;
        for Referred { path, kind, body } in &REFERRED {
            let name = kind.to_lowercase();
            let mut template = pod_template(&name, &[], None);
            template["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "broker"}}]);
            let mut object = body(template);
            object["apiVersion"] = json!(path);
            object["kind"] = json!(kind);
            object["metadata"] = json!({"name": name});
            user.kubectl.apply(&object.to_string()).await?;
            let reference = json!({"apiVersion": path, "kind": kind, "name": name});
            rollout(world, &user, &name, &reference, &rabbitmq(&user.name)).await?;
        }
        for Referred { kind, .. } in &REFERRED {
            user.wait_ready(&kind.to_lowercase()).await?;
        }
        world.rabbit.publish(&user.name, 3).await?;
        for Referred { kind, .. } in &REFERRED {
            user.wait_scale("argoproj.io/v1alpha1/rollouts", &kind.to_lowercase(), 1).await?;
        }
        Ok(())
    })
}

#[test]
fn an_authentication_finds_them_there_and_what_is_missing_is_named() -> Outcome {
    story(async |world| {
        let user = world.sandbox("target-workload-auth").await?;
        define(&user).await?;
        let authentication = json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": "from-env"},
            "spec": {"env": [{"parameter": "host", "name": "RABBITMQ_URL"}]},
        });
        user.apply(&authentication).await?;
        let mut trigger = rabbitmq(&user.name);
        if let Some(metadata) = trigger["metadata"].as_object_mut() {
            metadata.remove("hostFromEnv");
        }
        trigger["authenticationRef"] = json!({"name": "from-env"});
        let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "reports"});
        rollout(world, &user, "reports", &reference, &trigger).await?;
        let missing = "the Rollout \"reports\" refers to the Deployment \"reports\" in spec.workloadRef";
        user.wait_failing("reports", missing).await?;

        let template = pod_template("reports", &[("RABBITMQ_URL", &world.rabbit.url())], None);
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reports"}, "spec": workload(&template)});
        user.apply(&deployment).await?;
        user.wait_ready("reports").await?;
        world.rabbit.publish(&user.name, 3).await?;
        user.wait_scale("argoproj.io/v1alpha1/rollouts", "reports", 1).await?;
        ensure!(user.replicas("reports").await? == 0, "the Deployment is scaled, too");

        let patch = r#"{"spec": {"workloadRef": {"kind": "DaemonSet"}}}"#;
        user.kubectl.run(&["patch", "rollouts.argoproj.io/reports", "--type=merge", "-p", patch]).await?;
        user.annotate("reports", "looked=again").await?;
        user.wait_failing("reports", "a Rollout can refer to a Deployment, ReplicaSet or StatefulSet").await.map(drop)
    })
}
