//! What kubectl says when a mistake is applied: an error where KEDA's webhook has one, a warning where KEDA says nothing.
//! `ebb check` says the same of the same file.

use anyhow::{Result, ensure};
use ebb_tests::ebb::{self, ADMISSION_LABEL};
use ebb_tests::kubectl::Output;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// A namespace whose objects are reviewed, when the API server has come to know it.
async fn reviewed(world: &World, name: &str) -> Result<Sandbox> {
    let user = world.sandbox(name).await?;
    let label = format!("{ADMISSION_LABEL}=true");
    user.kubectl.run(&["label", "namespace", name, &label]).await?;
    wait::until("the webhook to be asked", wait::secs(30), async || {
        let refused = apply(
            &user,
            &cron("probe", &json!({"minReplicaCount": 5, "maxReplicaCount": 5, "idleReplicaCount": 5})),
            true,
        )
        .await?;
        ensure!(!refused.ok, "it is not: {}", refused.stdout);
        Ok(())
    })
    .await?;
    Ok(user)
}

async fn apply(user: &Sandbox, object: &Value, dry: bool) -> Result<Output> {
    let mut args = vec!["apply", "-f", "-"];
    if dry {
        args.push("--dry-run=server");
    }
    user.kubectl.output(&args, Some(&object.to_string())).await
}

/// The exit code of `ebb check`, and what it says.
fn check(object: &Value) -> Result<(Option<i32>, String)> {
    let output = ebb::command(&["check", "-"], object.to_string().as_bytes())?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?))
}

fn cron(name: &str, more: &Value) -> Value {
    let window = json!({"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "2"});
    let mut spec = json!({"triggers": [{"type": "cron", "metadata": window}]});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    scaled_object(name, spec)
}

#[test]
fn what_keda_refuses_is_refused_however_it_is_applied() -> Outcome {
    story(async |world| {
        let user = reviewed(world, "admission-refused").await?;
        let window = cron("x", &json!({}))["spec"]["triggers"][0].clone();
        let mut named = window.clone();
        named["name"] = json!("twice");
        let cpu = json!([{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}]);
        for (more, text) in [
            (
                json!({"idleReplicaCount": 2, "minReplicaCount": 2}),
                "IdleReplicaCount=2 must be less than MinReplicaCount=2",
            ),
            (json!({"triggers": [named, named]}), "triggerName \"twice\" is defined multiple times"),
            (json!({"triggers": cpu}), "scaledobject has only cpu/memory triggers AND minReplica is 0"),
            (
                json!({"triggers": cpu, "minReplicaCount": 1, "fallback": {"failureThreshold": 1, "replicas": 1}}),
                "type is cpu/memory for all triggers",
            ),
            (json!({"advanced": {"scalingModifiers": {"formula": "1 +", "target": "1"}}}), "scalingModifiers.formula"),
        ] {
            let object = cron("refused", &more);
            for dry in [true, false] {
                let output = apply(&user, &object, dry).await?;
                ensure!(!output.ok && output.stderr.contains("denied the request"), "{more}: {output:?}");
                ensure!(output.stderr.contains(text), "{more}: {}", output.stderr);
            }
            let output = user.kubectl.output(&["apply", "--server-side", "-f", "-"], Some(&object.to_string())).await?;
            ensure!(!output.ok && output.stderr.contains(text), "{more}: {output:?}");
            let (code, said) = check(&object)?;
            ensure!(code == Some(1) && said.contains(text), "{more}: {code:?} {said}");
        }
        let list = user.get("ScaledObject", "").await?;
        ensure!(list["items"] == json!([]), "{list}");
        let metrics = world.ebb.metrics().await?;
        let series = "keda_webhook_scaled_object_validation_errors_total{action=\"create\",namespace=\"admission-refused\",reason=\"incorrect-replicas\"}";
        ensure!(metrics.contains(series), "{metrics}");
        Ok(())
    })
}

#[test]
fn a_mistake_that_keda_takes_is_taken_with_a_warning() -> Outcome {
    story(async |world| {
        let user = reviewed(world, "admission-warned").await?;
        let mut zone = cron("zone", &json!({}));
        zone["spec"]["triggers"][0]["metadata"]["timezone"] = json!("Europe/Lodnon");
        let unknown =
            cron("unknown", &json!({"triggers": [{"type": "aws-sqs-queue", "metadata": {"queueURL": "https://q"}}]}));
        let rabbitmq = cron(
            "rabbitmq",
            &json!({"triggers": [{"type": "rabbitmq", "metadata": {"queueNam": "q", "hostFromEnv": "HOST", "mode": "QueueLength", "value": "5"}}]}),
        );
        for (object, text) in [
            (&zone, "spec.triggers[0].metadata.timezone: unable to load timezone: unknown time zone Europe/Lodnon"),
            (&unknown, "spec.triggers[0].type: no scaler found for type: aws-sqs-queue"),
            (&rabbitmq, "missing required parameter \"queueName\""),
            (&rabbitmq, "trigger 0 (rabbitmq) does not read \"queueNam\""),
        ] {
            for dry in [true, false] {
                let mut object = object.clone();
                // Applied once more without a change, nothing is said.
                object["metadata"]["annotations"] = json!({"case": format!("{text} {dry}").replace('"', "")});
                let output = apply(&user, &object, dry).await?;
                ensure!(output.ok && output.stderr.contains("Warning: "), "{output:?}");
                // kubectl writes quotation marks of a warning as they come.
                ensure!(output.stderr.contains(text), "{text}: {}", output.stderr);
            }
            let (code, said) = check(object)?;
            ensure!(code == Some(3) && said.contains(text), "{text}: {code:?} {said}");
        }
        // What is right is taken without a word.
        let output = apply(&user, &cron("right", &json!({})), false).await?;
        ensure!(output.ok && output.stderr.is_empty(), "{output:?}");
        // One with a mistake can still be deleted: its finalizer comes off.
        user.delete_all("ScaledObject").await
    })
}

#[test]
fn a_workload_has_one_autoscaler() -> Outcome {
    story(async |world| {
        let user = reviewed(world, "admission-taken").await?;
        user.apply(&deployment("app", 1, &[])).await?;
        let mut first = cron("first", &json!({}));
        first["spec"]["scaleTargetRef"]["name"] = json!("app");
        ensure!(apply(&user, &first, false).await?.ok, "the first is refused");
        user.wait_ready("first").await?;
        let mut second = first.clone();
        second["metadata"]["name"] = json!("second");
        let refused = apply(&user, &second, false).await?;
        let text = "the workload 'app' of type 'apps/v1.Deployment' is already managed by the ScaledObject 'first'";
        ensure!(!refused.ok && refused.stderr.contains(text), "{refused:?}");
        // The same again, and changed, is no other.
        first["spec"]["maxReplicaCount"] = json!(7);
        ensure!(apply(&user, &first, false).await?.ok, "a change of the first is refused");

        user.apply(&deployment("other", 1, &[])).await?;
        let hpa = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "mine"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}, "maxReplicas": 3,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]},
        });
        user.apply(&hpa).await?;
        let mut third = cron("third", &json!({}));
        third["spec"]["scaleTargetRef"]["name"] = json!("other");
        let text = "the workload 'other' of type 'apps/v1.Deployment' is already managed by the hpa 'mine'";
        wait::until("the HPA to be known", wait::secs(10), async || {
            let refused = apply(&user, &third, true).await?;
            ensure!(!refused.ok && refused.stderr.contains(text), "{refused:?}");
            Ok(())
        })
        .await?;
        third["metadata"]["annotations"] = json!({"scaledobject.keda.sh/transfer-hpa-ownership": "true"});
        third["spec"]["advanced"] = json!({"horizontalPodAutoscalerConfig": {"name": "mine"}});
        let taken = apply(&user, &third, false).await?;
        ensure!(taken.ok, "{taken:?}");
        Ok(())
    })
}

#[test]
fn a_percentage_needs_a_request() -> Outcome {
    story(async |world| {
        let user = reviewed(world, "admission-requests").await?;
        user.apply(&deployment("app", 1, &[])).await?;
        let cpu = json!([{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}]);
        let mut object = cron("app", &json!({"triggers": cpu, "minReplicaCount": 1}));
        object["spec"]["scaleTargetRef"]["name"] = json!("app");
        let refused = apply(&user, &object, true).await?;
        ensure!(!refused.ok && refused.stderr.contains("doesn't have the cpu request defined"), "{refused:?}");
        let range = json!({
            "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "given"},
            "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]},
        });
        user.kubectl.apply(&range.to_string()).await?;
        let taken = apply(&user, &object, true).await?;
        ensure!(taken.ok, "{taken:?}");
        Ok(())
    })
}

#[test]
fn an_authentication_is_reviewed_too() -> Outcome {
    story(async |world| {
        let user = reviewed(world, "admission-authentications").await?;
        for kind in ["TriggerAuthentication", "ClusterTriggerAuthentication"] {
            let authentication = |identity: Value| json!({"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "admission-auth"}, "spec": {"podIdentity": identity}});
            let refused =
                apply(&user, &authentication(json!({"provider": "azure-workload", "identityId": ""})), true).await?;
            ensure!(
                !refused.ok && refused.stderr.contains("identityId of PodIdentity should not be empty"),
                "{refused:?}"
            );
            let warned = apply(&user, &authentication(json!({"provider": "gcp"})), true).await?;
            ensure!(warned.ok && warned.stderr.contains("Warning: spec: podIdentity.provider"), "{warned:?}");
            let taken = apply(&user, &authentication(json!({"provider": "none"})), true).await?;
            ensure!(taken.ok && taken.stderr.is_empty(), "{taken:?}");
        }
        Ok(())
    })
}

#[test]
fn rubbish_is_sent_away() -> Outcome {
    story(async |world| {
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build()?;
        let url = format!("https://127.0.0.1:{}", world.ebb.webhook_port);
        let path = "/validate-keda-sh-v1alpha1-scaledobject";
        let review = |version: &str| json!({"apiVersion": version, "kind": "AdmissionReview", "request": {"uid": "1", "operation": "CREATE"}});
        for (path, body, code) in [
            (path, "rubbish".to_owned(), 400),
            (path, "{}".to_owned(), 400),
            (path, review("admission.k8s.io/v1beta1").to_string(), 400),
            (path, " ".repeat(5 << 20), 413),
            ("/validate-keda-sh-v1alpha1-scaledjob", review("admission.k8s.io/v1").to_string(), 404),
            (path, review("admission.k8s.io/v1").to_string(), 200),
        ] {
            let shown: String = body.chars().take(40).collect();
            let answer = client.post(format!("{url}{path}")).body(body).send().await?;
            ensure!(answer.status().as_u16() == code, "{path} {shown}: {answer:?}");
        }
        Ok(())
    })
}
