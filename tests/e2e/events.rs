//! The events of a ScaledObject: KEDA's reasons and texts, each once for its cause.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

#[test]
fn a_whole_life() -> Outcome {
    story(async |world| {
        let name = "events-life";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        let spec = json!({"pollingInterval": 1, "cooldownPeriod": 1, "triggers": [rabbitmq(name)]});
        user.apply(&scaled_object("my-app", spec)).await?;
        user.wait_failing("my-app", "not found").await?;
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        user.wait_ready("my-app").await?;
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("my-app", "1", secs(10), |replicas| replicas == 1).await?;
        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "0", secs(10), |replicas| replicas == 0).await?;
        // A trigger that cannot be read, until it can.
        world.rabbit.delete(name).await?;
        user.wait_condition("my-app", "Ready", "False").await?;
        world.rabbit.declare(name).await?;
        user.wait_ready("my-app").await?;
        user.annotate("my-app", "autoscaling.keda.sh/paused=true").await?;
        user.wait_condition("my-app", "Paused", "True").await?;
        user.annotate("my-app", "autoscaling.keda.sh/paused-").await?;
        user.wait_condition("my-app", "Paused", "False").await?;
        user.wait_for("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        user.kubectl.run(&["delete", "so", "my-app", "--timeout=20s"]).await?;
        user.wait_event("my-app", "ScaledObjectDeleted").await?;

        let target = format!("apps/v1.Deployment {name}/my-app");
        let wanted = [
            (
                "Warning",
                "ScaledObjectCheckFailed",
                "ScaledObject doesn't have correct scaleTargetRef specification: deployments.apps \"my-app\" not found: scaleTargetRef must name an object in the ScaledObject's namespace".to_owned(),
                1,
            ),
            ("Warning", "ScaledObjectCheckFailed", "Target resource doesn't exist".to_owned(), 1),
            ("Normal", "KEDAScalersStarted", "Scaler rabbitmq is built".to_owned(), 2),
            ("Normal", "KEDAScalersStarted", "Started scalers watch".to_owned(), 2),
            ("Normal", "ScaledObjectReady", "ScaledObject is ready for scaling".to_owned(), 1),
            (
                "Normal",
                "KEDAScaleTargetActivated",
                format!("Scaled {target} from 0 to 1, triggered by rabbitMQScaler"),
                1,
            ),
            ("Normal", "KEDAScaleTargetDeactivated", format!("Deactivated {target} from 1 to 0"), 1),
            ("Normal", "ScaledObjectPaused", "ScaledObject is paused".to_owned(), 1),
            ("Normal", "ScaledObjectUnpaused", "ScaledObject is unpaused".to_owned(), 1),
            ("Normal", "KEDAScalersStopped", "Stopped scalers watch".to_owned(), 2),
            ("Warning", "ScaledObjectDeleted", "ScaledObject was deleted".to_owned(), 1),
        ];
        let wanted: BTreeSet<_> = wanted
            .into_iter()
            .map(|(kind, reason, text, count)| format!("{count} × {kind} {reason}: {text}"))
            .collect();
        wait::until("these events and no others", secs(10), async || {
            let events = user.send(http::Method::GET, &format!("/api/v1/namespaces/{name}/events"), None).await?;
            let events = events["items"].as_array().into_iter().flatten();
            let about = events.filter(|event| event["involvedObject"]["kind"] == "ScaledObject");
            let text = |event: &serde_json::Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
            let mut seen: BTreeSet<_> = about
                .map(|event| {
                    let (kind, reason, message) = (text(event, "type"), text(event, "reason"), text(event, "message"));
                    format!("{} × {kind} {reason}: {message}", event["count"])
                })
                .collect();
            // The broker's own words. There may be more than one text while a queue is being deleted.
            let failures: Vec<_> = seen.extract_if(.., |line| line.contains("Warning KEDAScalerFailed")).collect();
            ensure!(!failures.is_empty() && failures.iter().all(|line| line.starts_with("1 ×")), "{failures:?}");
            let missing: Vec<_> = wanted.difference(&seen).collect();
            let extra: Vec<_> = seen.difference(&wanted).collect();
            ensure!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}, besides: {extra:#?}");
            Ok(())
        })
        .await
    })
}

/// Refuses every change of the replicas of the Deployment `refused` in a namespace.
fn no_scaling(namespace: &str) -> String {
    format!(
        r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {namespace}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments/scale]}}
  matchConditions:
    - {{name: refused-only, expression: "request.name == 'refused'"}}
  validations:
    - {{expression: "false", message: nobody scales this}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {namespace}}}
spec:
  policyName: {namespace}
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchLabels: {{kubernetes.io/metadata.name: {namespace}}}
"#
    )
}

#[test]
fn a_refused_scaling_is_told_once_and_disturbs_nobody_else() -> Outcome {
    story(async |world| {
        let name = "events-refused";
        let user = world.sandbox(name).await?;
        let kubectl = &user.kubectl;
        world.rabbit.declare(name).await?;
        for app in ["refused", "neighbour"] {
            user.apply(&deployment(app, 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            let spec = json!({"pollingInterval": 1, "cooldownPeriod": 2, "triggers": [rabbitmq(name)]});
            user.apply(&scaled_object(app, spec)).await?;
            user.wait_ready(app).await?;
        }
        let refused = async |wanted: bool| -> Result<()> {
            let scale = ["scale", "deployment", "refused", "--replicas=7", "--dry-run=server"];
            wait::until("the policy to take effect", secs(20), async || {
                let output = kubectl.output(&scale, None).await?;
                ensure!(output.ok != wanted, "{output:?}");
                Ok(())
            })
            .await
        };
        kubectl.apply(&no_scaling(name)).await?;
        refused(true).await?;
        world.rabbit.publish(name, 1).await?;
        user.wait_replicas("neighbour", "1", secs(5), |replicas| replicas == 1).await?;
        let event = user.wait_event("refused", "KEDAScaleTargetActivationFailed").await?;
        let begins = format!("Failed to scale apps/v1.Deployment {name}/refused from 0 to 1: ");
        ensure!(event.kind == "Warning" && event.message.starts_with(&begins), "{event:?}");
        ensure!(event.message.contains("nobody scales this"), "{event:?}");
        let ready = user.wait_failing("refused", "Error scaling ScaleTarget: ").await?;
        ensure!(ready.contains("nobody scales this"), "{ready}");
        ensure!(user.condition("refused", "Ready").await?.reason == "ErrorScalingTarget", "another reason");
        tokio::time::sleep(secs(5)).await;
        ensure!(
            user.recorded("refused", "KEDAScaleTargetActivationFailed").await? == 1,
            "it is recorded again and again"
        );
        ensure!(user.replicas("refused").await? == 0, "it was scaled");
        user.wait_ready("neighbour").await?;

        kubectl.run(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", name]).await?;
        user.wait_replicas("refused", "1", secs(20), |replicas| replicas == 1).await?;
        user.wait_ready("refused").await?;

        // The way back.
        kubectl.apply(&no_scaling(name)).await?;
        refused(true).await?;
        world.rabbit.purge(name).await?;
        user.wait_replicas("neighbour", "0", secs(10), |replicas| replicas == 0).await?;
        let event = user.wait_event("refused", "KEDAScaleTargetDeactivationFailed").await?;
        let begins = format!("Failed to deactivate apps/v1.Deployment {name}/refused from 1 to 0: ");
        ensure!(event.kind == "Warning" && event.message.starts_with(&begins), "{event:?}");
        kubectl.run(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", name]).await?;
        user.wait_replicas("refused", "0", secs(20), |replicas| replicas == 0).await?;
        Ok(())
    })
}
