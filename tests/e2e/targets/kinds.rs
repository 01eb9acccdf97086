//! Kinds of targets, each from nothing to many and back.

use anyhow::{Result, ensure};
use ebb_tests::ebb::let_read_any_target;
use ebb_tests::workload::{pod_template, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use super::{apply_soon, definition, usual_scale};
use crate::story;

/// The namespace, and the queue of all of them.
const NAME: &str = "target-kinds";

/// An object `store` of some kind.
struct Scalable {
    /// Where it is served: group, version, plural.
    path: &'static str,
    kind: &'static str,
    spec: Value,
    /// The labels of its pods in the status, where no controller writes them. The HPA wants those of each target to
    /// differ from all others'.
    status: Value,
    trigger: Value,
}

impl Scalable {
    fn api_version(&self) -> &'static str {
        self.path.rsplit_once('/').unwrap_or_default().0
    }

    /// As `kubectl patch` calls it.
    fn resource(&self) -> String {
        let plural = self.path.rsplit('/').next().unwrap_or_default();
        format!("{plural}.{}/store", self.path.split('/').next().unwrap_or_default())
    }

    fn scaled_object(&self) -> Value {
        let spec = json!({
            "scaleTargetRef": {
                "apiVersion": self.api_version(), "kind": self.kind, "name": "store", "envSourceContainerName": "worker",
            },
            "pollingInterval": 1, "cooldownPeriod": 2, "triggers": [self.trigger],
        });
        scaled_object(&self.kind.to_lowercase(), spec)
    }
}

/// A pod whose second container knows where the broker is.
fn two_containers(app: &str, world: &World) -> Value {
    let mut template = pod_template(app, &[("RABBITMQ_URL", "amqp://127.0.0.1:1")], None);
    let mut worker = template["spec"]["containers"][0].clone();
    worker["name"] = json!("worker");
    worker["env"][0]["value"] = json!(world.rabbit.url());
    if let Some(containers) = template["spec"]["containers"].as_array_mut() {
        containers.push(worker);
    }
    template
}

fn kinds(world: &World) -> Vec<Scalable> {
    let pods = |app: &str| {
        json!({
            "replicas": 0, "selector": {"matchLabels": {"app": app}}, "template": two_containers(app, world),
        })
    };
    let mut stateful = pods("stateful");
    stateful["serviceName"] = json!("store");
    stateful["podManagementPolicy"] = json!("Parallel");
    let host = json!({"queueName": NAME, "mode": "QueueLength", "value": "5", "host": world.rabbit.url()});
    let scalable = |path, kind, spec, status| Scalable { path, kind, spec, status, trigger: rabbitmq(NAME) };
    vec![
        scalable("apps/v1/statefulsets", "StatefulSet", stateful, Value::Null),
        scalable("apps/v1/replicasets", "ReplicaSet", pods("replica-set"), Value::Null),
        scalable("argoproj.io/v1alpha1/rollouts", "Rollout", pods("rollout"), json!({"selector": "app=rollout"})),
        scalable(
            "tests.ebb.dev/v1/fleets",
            "Fleet",
            json!({"size": {"count": 0}, "template": two_containers("fleet", world)}),
            json!({"pods": {"labels": "app=fleet"}}),
        ),
        Scalable {
            path: "cluster.x-k8s.io/v1beta2/machinedeployments",
            kind: "MachineDeployment",
            // Its template makes machines, not pods.
            spec: json!({"clusterName": "mine", "replicas": 0, "template": {"spec": {"clusterName": "mine"}}}),
            status: json!({"selector": "app=machine"}),
            trigger: json!({"type": "rabbitmq", "metadata": host}),
        },
    ]
}

fn definitions() -> [Value; 3] {
    let mut rollout = usual_scale();
    rollout["statusReplicasPath"] = json!(".status.HPAReplicas");
    let fleet = json!({
        "specReplicasPath": ".spec.size.count", "statusReplicasPath": ".status.size.running",
        "labelSelectorPath": ".status.pods.labels",
    });
    let machine = ("MachineDeployment", "machinedeployments", "cluster.x-k8s.io");
    [
        definition(("Rollout", "rollouts", "argoproj.io"), &["v1alpha1"], &rollout),
        definition(("Fleet", "fleets", "tests.ebb.dev"), &["v1"], &fleet),
        definition(machine, &["v1beta2"], &usual_scale()),
    ]
}

#[test]
fn every_kind_goes_from_nothing_to_many_and_back() -> Outcome {
    story(async |world| {
        let user = world.sandbox(NAME).await?;
        let_read_any_target(&world.bed).await?;
        world.rabbit.declare(NAME).await?;
        for definition in definitions() {
            user.kubectl.apply(&definition.to_string()).await?;
        }
        let kinds = kinds(world);
        for scalable in &kinds {
            let Scalable { kind, spec, status, .. } = scalable;
            let object = json!({
                "apiVersion": scalable.api_version(), "kind": kind, "metadata": {"name": "store"}, "spec": spec,
            });
            apply_soon(&user, &object).await?;
            if !status.is_null() {
                let (resource, patch) = (scalable.resource(), json!({"status": status}).to_string());
                user.kubectl.run(&["patch", &resource, "--subresource=status", "--type=merge", "-p", &patch]).await?;
            }
            user.apply(&scalable.scaled_object()).await?;
        }
        for scalable in &kinds {
            let app = scalable.kind.to_lowercase();
            user.wait_ready(&app).await?;
            let status = user.get("ScaledObject", &app).await?["status"].clone();
            let shown = format!("{}.{}", scalable.api_version(), scalable.kind);
            ensure!(status["scaleTargetKind"] == shown, "{status}");
            let plural = status["scaleTargetGVKR"]["resource"].as_str().unwrap_or("none");
            ensure!(scalable.path.ends_with(plural), "{status}");
            let hpa = user.get("HorizontalPodAutoscaler", &format!("keda-hpa-{app}")).await?;
            ensure!(hpa["spec"]["scaleTargetRef"]["kind"] == scalable.kind, "{}", hpa["spec"]);
        }
        let reach = async |wanted: i64| -> Result<()> {
            for scalable in &kinds {
                user.wait_scale(scalable.path, "store", wanted).await?;
            }
            Ok(())
        };
        world.rabbit.publish(NAME, 1).await?;
        reach(1).await?;
        world.rabbit.publish(NAME, 14).await?;
        reach(3).await?;
        world.rabbit.purge(NAME).await?;
        reach(0).await?;
        let fleet = user.get("tests.ebb.dev/v1/fleets", "store").await?["spec"].clone();
        ensure!(fleet["size"]["count"] == 0 && fleet["replicas"].is_null(), "{fleet}");
        Ok(())
    })
}
