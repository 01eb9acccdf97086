//! The output of kubectl when a mistake is applied: an error where KEDA's webhook has one, a warning where KEDA says
//! nothing. `ebb check` finds the same in the same file.

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

/// The exit code of `ebb check`, and its output.
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
        let mut cached = window.clone();
        cached["useCachedMetrics"] = json!(true);
        let cpu = json!([{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}]);
        for (more, text) in [
            (
                json!({"scaleTargetRef": {"kind": "deployment", "name": "refused"}}),
                "no matches for kind \"deployment\" in version \"apps/v1\": kinds are case-sensitive",
            ),
            (json!({"triggers": [cached]}), "property \"useCachedMetrics\" is not supported for \"cron\" scaler"),
            (json!({"idleReplicaCount": 0}), "IdleReplicaCount=0 must be less than MinReplicaCount=0"),
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
            (&rabbitmq, "trigger 0 (rabbitmq) does not read \"queueNam\": write queueName"),
        ] {
            for dry in [true, false] {
                let mut object = object.clone();
                // Applied once more without a change, the object gets no warning.
                object["metadata"]["annotations"] = json!({"case": format!("{text} {dry}").replace('"', "")});
                let output = apply(&user, &object, dry).await?;
                ensure!(output.ok && output.stderr.contains("Warning: "), "{output:?}");
                // kubectl writes quotation marks of a warning as they come.
                ensure!(output.stderr.contains(text), "{text}: {}", output.stderr);
            }
            let (code, said) = check(object)?;
            ensure!(code == Some(3) && said.contains(text), "{text}: {code:?} {said}");
        }
        // A setting without effect is reported too, and `ebb check` finds nothing wrong with it.
        let vain = cron("vain", &json!({"minReplicaCount": 1, "cooldownPeriod": 30}));
        let output = apply(&user, &vain, true).await?;
        let text = "spec.cooldownPeriod: CooldownPeriod is configured but is not relevant";
        ensure!(output.ok && output.stderr.contains(text), "{output:?}");
        let (code, said) = check(&vain)?;
        ensure!(code == Some(0) && said.contains(&format!("note: ScaledObject vain: {text}")), "{code:?} {said}");
        // A correct object is accepted without a warning.
        for more in [json!({}), json!({"minReplicaCount": 0, "idleReplicaCount": 0})] {
            let output = apply(&user, &cron("right", &more), false).await?;
            ensure!(output.ok && output.stderr.is_empty(), "{output:?}");
        }
        // One with a mistake can still be deleted: its finalizer comes off.
        user.delete_all("ScaledObject").await
    })
}

#[test]
fn too_long_a_name_is_refused_unless_it_is_there_already() -> Outcome {
    story(async |world| {
        let user = reviewed(world, "admission-names").await?;
        let (served, label) = (format!("served-{}", "a".repeat(53)), format!("{ADMISSION_LABEL}-"));
        let short = json!({"advanced": {"horizontalPodAutoscalerConfig": {"name": "short-hpa"}}});
        for (name, more, text) in [
            ("a".repeat(64), short.clone(), "scaledobject name"),
            ("a".repeat(55), json!({}), "HPA name"),
            (
                "a".to_owned(),
                json!({"advanced": {"horizontalPodAutoscalerConfig": {"name": "b".repeat(64)}}}),
                "HPA name",
            ),
        ] {
            let object = cron(&name, &more);
            let refused = apply(&user, &object, false).await?;
            ensure!(!refused.ok && refused.stderr.contains(text), "{name}: {refused:?}");
            ensure!(refused.stderr.contains("is 64 characters long"), "{name}: {refused:?}");
            let (code, said) = check(&object)?;
            ensure!(code == Some(1) && said.contains(text), "{name}: {code:?} {said}");
        }
        let fits = apply(&user, &cron(&"a".repeat(54), &json!({})), true).await?;
        ensure!(fits.ok, "{fits:?}");

        // One from before the webhook: here, from while nobody asked it.
        user.kubectl.run(&["label", "namespace", &user.name, &label]).await?;
        user.apply(&deployment(&served, 1, &[])).await?;
        let mut object = cron(&served, &json!({}));
        wait::until("a name that nobody reviews to be taken", wait::secs(20), async || {
            let output = apply(&user, &object, false).await?;
            ensure!(output.ok, "{output:?}");
            Ok(())
        })
        .await?;
        user.kubectl.run(&["label", "namespace", &user.name, &format!("{ADMISSION_LABEL}=true")]).await?;
        user.wait_ready(&served).await?;
        object["spec"]["maxReplicaCount"] = json!(7);
        let warning = format!("HPA name \"keda-hpa-{served}\" derived from scaledobject is 69 characters long");
        wait::until("the webhook to be asked again", wait::secs(30), async || {
            let updated = apply(&user, &object, true).await?;
            ensure!(updated.ok && updated.stderr.contains(&warning), "{updated:?}");
            Ok(())
        })
        .await?;
        // Ebb's own mark is such an update.
        user.kubectl.run(&["label", "so", &served, "scaledobject.keda.sh/name-"]).await?;
        user.annotate(&served, "looked=again").await?;
        wait::until("Ebb's label to be back", wait::secs(20), async || {
            let found = user.get("ScaledObject", &served).await?;
            ensure!(found["metadata"]["labels"]["scaledobject.keda.sh/name"] == served, "{}", found["metadata"]);
            Ok(())
        })
        .await?;
        object["spec"]["advanced"] = json!({"horizontalPodAutoscalerConfig": {"name": "c".repeat(64)}});
        let refused = apply(&user, &object, true).await?;
        ensure!(!refused.ok && refused.stderr.contains("HPA name"), "{refused:?}");
        object["spec"]["advanced"] = short["advanced"].clone();
        let shortened = apply(&user, &object, false).await?;
        ensure!(shortened.ok, "{shortened:?}");
        user.wait_for("HorizontalPodAutoscaler", "short-hpa").await.map(drop)
    })
}

#[test]
fn a_kind_is_looked_for_in_the_cluster() -> Outcome {
    story(async |world| {
        let user = reviewed(world, "admission-kinds").await?;
        let of = |api_version: &str, kind: &str| {
            let target = json!({"apiVersion": api_version, "kind": kind, "name": "app"});
            cron("app", &json!({"scaleTargetRef": target}))
        };
        // Of those that every API server serves as custom resources, Ebb's own kinds are there.
        let refused = apply(&user, &of("keda.sh/v1alpha1", "scaledobject"), true).await?;
        ensure!(!refused.ok && refused.stderr.contains("this one is written ScaledObject"), "{refused:?}");
        for (object, text) in [
            (of("keda.sh/v1alpha1", "ScaledObject"), "has no /scale subresource"),
            (of("never.tests.ebb.dev/v1", "Thing"), "its custom resource definition is not installed yet"),
        ] {
            let warned = apply(&user, &object, true).await?;
            ensure!(warned.ok && warned.stderr.contains(text), "{warned:?}");
        }
        let taken = apply(&user, &of("apps/v1", "ReplicaSet"), true).await?;
        ensure!(taken.ok && taken.stderr.is_empty(), "{taken:?}");
        Ok(())
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
            ensure!(
                warned.ok && warned.stderr.contains("Warning: spec.podIdentity.provider: podIdentity.provider"),
                "{warned:?}"
            );
            let taken = apply(&user, &authentication(json!({"provider": "none"})), true).await?;
            ensure!(taken.ok && taken.stderr.is_empty(), "{taken:?}");
            let mut incomplete = authentication(json!({"provider": "none"}));
            incomplete["spec"] = json!({"oauth2": {"clientId": "c", "tokenUrl": "id/token"}});
            let refused = apply(&user, &incomplete, true).await?;
            ensure!(!refused.ok && refused.stderr.contains("must be a valid http or https URL"), "{refused:?}");
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
