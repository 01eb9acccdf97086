//! Anything with a scale subresource can be a target.

use anyhow::{Result, ensure};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{pod_template, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::story;

#[test]
fn a_stateful_set() -> Outcome {
    story(async |world| {
        let user = world.sandbox("target-stateful-set").await?;
        world.rabbit.declare("target-stateful-set").await?;
        let env = [("RABBITMQ_URL", world.rabbit.url())];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        user.apply(&json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "store"},
            "spec": {
                "replicas": 0, "serviceName": "store", "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {"app": "store"}},
                "template": pod_template("store", &env, None),
            },
        }))
        .await?;
        scales(world, &user, "StatefulSet", json!({"kind": "StatefulSet", "name": "store"}), "apps/v1.StatefulSet")
            .await
    })
}

#[test]
fn a_custom_resource_whose_definition_is_newer_than_ebb() -> Outcome {
    story(async |world| {
        let user = world.sandbox("target-custom").await?;
        world.rabbit.declare("target-custom").await?;
        user.kubectl.apply(WORKLOADS).await?;
        let established = ["wait", "--for=condition=Established", "--timeout=20s", "crd/workloads.tests.ebb.dev"];
        user.kubectl.run(&established).await?;
        let url = world.rabbit.url();
        wait::until("the API server to serve workloads", secs(10), async || {
            user.apply(&json!({
                "apiVersion": "tests.ebb.dev/v1", "kind": "Workload",
                "metadata": {"name": "store"},
                "spec": {"replicas": 0, "template": pod_template("store", &[("RABBITMQ_URL", &url)], None)},
            }))
            .await
        })
        .await?;
        let target = json!({"apiVersion": "tests.ebb.dev/v1", "kind": "Workload", "name": "store"});
        scales(world, &user, "Workload", target, "tests.ebb.dev/v1.Workload").await
    })
}

/// A message brings the target from none to one, and an empty queue back to none.
async fn scales(
    world: &ebb_tests::world::World,
    user: &ebb_tests::sandbox::Sandbox,
    kind: &str,
    target: Value,
    shown_as: &str,
) -> Result<()> {
    let queue = user.name.clone();
    let spec = json!({
        "scaleTargetRef": target, "pollingInterval": 1, "cooldownPeriod": 2, "triggers": [rabbitmq(&queue)],
    });
    user.apply(&scaled_object("store", spec)).await?;
    user.wait_ready("store").await?;
    let object = user.get("ScaledObject", "store").await?;
    ensure!(object["status"]["scaleTargetKind"] == shown_as, "{}", object["status"]);
    let hpa = user.wait_for("HorizontalPodAutoscaler", "keda-hpa-store").await?;
    ensure!(hpa["spec"]["scaleTargetRef"]["kind"] == kind, "{}", hpa["spec"]);

    let reaches = async |wanted: u32| {
        wait::until(&format!("{wanted} replicas of the {kind}"), secs(15), async || {
            let replicas = user.get(kind, "store").await?["spec"]["replicas"].clone();
            ensure!(replicas == wanted, "{replicas}");
            Ok(())
        })
        .await
    };
    world.rabbit.publish(&queue, 1).await?;
    reaches(1).await?;
    world.rabbit.purge(&queue).await?;
    reaches(0).await
}

const WORKLOADS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: workloads.tests.ebb.dev}
spec:
  group: tests.ebb.dev
  names: {kind: Workload, plural: workloads, singular: workload}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      subresources:
        status: {}
        scale:
          specReplicasPath: .spec.replicas
          statusReplicasPath: .status.replicas
          labelSelectorPath: .status.selector
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-preserve-unknown-fields: true
          properties:
            spec:
              type: object
              x-kubernetes-preserve-unknown-fields: true
              properties:
                replicas: {type: integer}
            status:
              type: object
              properties:
                replicas: {type: integer}
                selector: {type: string}
";
