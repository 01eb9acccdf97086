//! The causes of replicas: each cause is brought about, and the decision names it, in data and in words.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ebb_tests::paths;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use kube::client::Body;
use serde_json::{Value, json};

use crate::story;

/// Waits for a decision with this cause about `my-app`.
async fn decided(user: &Sandbox, by: &str, reason: &str, words: &str) -> Result<Value> {
    wait::until(&format!("a decision {reason} by {by}"), secs(40), async || {
        let decisions = user.decisions("my-app").await?;
        let found = decisions.iter().rev().find(|one| one["by"] == by && one["reason"] == reason).cloned();
        let found = found.with_context(|| format!("{decisions:#?}"))?;
        let message = found["message"].as_str().unwrap_or_default();
        ensure!(message.contains(words), "no {words:?} in {message:?}");
        Ok(found)
    })
    .await
}

fn counts(decision: &Value) -> (i64, i64) {
    (decision["from"].as_i64().unwrap_or(-1), decision["to"].as_i64().unwrap_or(-1))
}

#[test]
fn a_backlog_is_followed_from_zero_to_zero() -> Outcome {
    story(async |world| {
        let name = "decisions-backlog";
        let user =
            world.app(name, 0, 0, json!({"pollingInterval": 1, "cooldownPeriod": 6, "maxReplicaCount": 3})).await?;
        decided(&user, "Ebb", "NoTriggerActive", "stays: no trigger is active").await?;

        world.rabbit.publish(name, 40).await?;
        let activated = decided(&user, "Ebb", "Activated", "trigger 0 (rabbitmq) is active").await?;
        ensure!(counts(&activated) == (0, 1), "{activated}");
        let trigger = &activated["triggers"][0];
        ensure!(trigger["active"] == true && trigger["target"] == 5.0 && trigger["asksFor"] == 8, "{activated}");
        ensure!(activated["target"] == json!({"kind": "Deployment", "name": "my-app"}), "{activated}");

        let scaled = decided(&user, "HPA", "MetricsAboveTarget", "asks for 8 replicas").await?;
        ensure!(counts(&scaled) == (1, 3) && scaled["winner"] == 0, "{scaled}");
        ensure!(scaled["bounds"] == json!(["MaxReplicas"]), "{scaled}");
        decided(&user, "HPA", "MaxReplicas", "maxReplicaCount is reached").await.ok();

        world.rabbit.purge(name).await?;
        let cooling = decided(&user, "Ebb", "Cooldown", "the cooldown ends at").await?;
        ensure!(cooling["until"].is_string() && cooling["bounds"] == json!(["Cooldown"]), "{cooling}");
        let asleep = decided(&user, "Ebb", "Deactivated", "no trigger is active, and the cooldown is over").await?;
        ensure!(asleep["to"] == 0, "{asleep}");

        let readings = user.readings("my-app").await?;
        let largest = readings["points"].as_array().context("no points")?.iter();
        let largest = largest.filter_map(|point| point["values"][0]["max"].as_f64()).fold(0.0, f64::max);
        ensure!((largest - 40.0).abs() < 0.5, "{readings}");
        let metrics = world.ebb.metrics().await?;
        let series = format!(
            "ebb_scaling_decisions_total{{by=\"Ebb\",namespace=\"{name}\",reason=\"Activated\",scaledObject=\"my-app\"}} 1"
        );
        ensure!(metrics.contains(&series), "no {series}");
        let log = std::fs::read_to_string(&world.ebb.log)?;
        let line =
            log.lines().find(|line| line.contains("decision") && line.contains(name) && line.contains("Activated"));
        ensure!(line.is_some_and(|line| line.contains("the replicas change")), "no line about the activation");
        Ok(())
    })
}

#[test]
fn kubectl_lists_watches_and_explains_decisions() -> Outcome {
    story(async |world| {
        let name = "decisions-kubectl";
        let user = world.app(name, 0, 5, json!({"pollingInterval": 1})).await?;
        let activated = decided(&user, "Ebb", "Activated", "is active").await?;
        let kubectl = &user.kubectl;
        let table = kubectl.run(&["get", "scalingdecisions"]).await?;
        let columns: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
        ensure!(columns == ["TIME", "SCALEDOBJECT", "FROM", "TO", "BY", "WHY"], "{table}");
        ensure!(table.contains("is active: 5 is above 0"), "{table}");
        let selected =
            kubectl.run(&["get", "scalingdecisions", "-l", "scaledobject.keda.sh/name=other", "-o", "name"]).await?;
        ensure!(selected.trim().is_empty(), "{selected}");
        let one = activated["metadata"]["name"].as_str().unwrap_or_default();
        let yaml = kubectl.run(&["get", "scalingdecision", one, "-o", "yaml"]).await?;
        for part in ["kind: ScalingDecision", "reason: Activated", "scaledobject.keda.sh/name: my-app"] {
            ensure!(yaml.contains(part), "no {part} in {yaml}");
        }
        let explained = kubectl.run(&["explain", "scalingdecisions.triggers"]).await?;
        ensure!(explained.contains("asksFor"), "{explained}");
        let resources = kubectl.run(&["api-resources", "--api-group=decisions.ebb.dev"]).await?;
        ensure!(resources.contains("scalingdecisions") && resources.contains("true"), "{resources}");

        // The watch goes on with what comes later, in one table.
        let watch = kubectl.output(&["get", "scalingdecisions", "--watch-only", "--request-timeout=15s"], None);
        let later = async {
            tokio::time::sleep(secs(2)).await;
            world.rabbit.publish(name, 20).await
        };
        let (shown, published) = tokio::join!(watch, later);
        published?;
        let shown = shown?.stdout;
        ensure!(shown.contains("HPA") && shown.contains("asks for 5"), "{shown}");
        Ok(())
    })
}

#[test]
fn a_user_without_the_right_reads_nothing() -> Outcome {
    story(async |world| {
        let name = "decisions-rights";
        let user = world.app(name, 0, 1, json!({"pollingInterval": 1})).await?;
        decided(&user, "Ebb", "Activated", "is active").await?;
        let kubectl = &user.kubectl;
        let refused = kubectl.run(&["get", "scalingdecisions", "--as=joe"]).await;
        let refused = refused.err().context("joe reads decisions without a right")?.to_string();
        ensure!(refused.contains("cannot list resource \"scalingdecisions\""), "{refused}");
        let resource = "--resource=scalingdecisions.decisions.ebb.dev";
        kubectl.run(&["create", "role", "reader", "--verb=get,list,watch", resource]).await?;
        kubectl.run(&["create", "rolebinding", "joe", "--role=reader", "--user=joe"]).await?;
        wait::until("the right to be known", secs(20), async || {
            kubectl.run(&["get", "scalingdecisions", "--as=joe"]).await
        })
        .await?;
        let written = kubectl.run(&["delete", "scalingdecisions", "--all"]).await;
        ensure!(written.is_err(), "decisions can be deleted");
        Ok(())
    })
}

#[test]
fn pauses_a_users_scale_and_the_minimum_are_told_apart() -> Outcome {
    story(async |world| {
        let name = "decisions-pauses";
        let user = world.app(name, 0, 10, json!({"pollingInterval": 1, "minReplicaCount": 1})).await?;
        decided(&user, "HPA", "OnTarget", "the metrics ask for this count").await?;

        user.annotate("my-app", "autoscaling.keda.sh/paused-replicas=4").await?;
        let paused = decided(&user, "Ebb", "Paused", "paused-replicas sets the count").await?;
        ensure!(counts(&paused) == (2, 4) && paused["bounds"] == json!(["Paused"]), "{paused}");
        user.annotate("my-app", "autoscaling.keda.sh/paused-replicas-").await?;
        decided(&user, "HPA", "MetricsBelowTarget", "asks for 2 replicas").await?;

        user.kubectl.run(&["scale", "deployment/my-app", "--replicas=0"]).await?;
        let scaled = decided(&user, "Other", "ChangedElsewhere", "another writer set the count").await;
        // Ebb may raise it before it is seen at zero.
        let raised = decided(&user, "Ebb", "Activated", "is active").await;
        ensure!(scaled.is_ok() || raised.is_ok(), "{scaled:?} {raised:?}");
        Ok(())
    })
}

#[test]
fn one_direction_that_is_paused_holds_the_count() -> Outcome {
    story(async |world| {
        let name = "decisions-directions";
        let user = world.app(name, 0, 0, json!({"pollingInterval": 1, "cooldownPeriod": 1})).await?;
        user.annotate("my-app", "autoscaling.keda.sh/paused-scale-out=true").await?;
        world.rabbit.publish(name, 5).await?;
        let held = decided(&user, "Ebb", "ScaleOutPaused", "paused-scale-out keeps replicas").await?;
        ensure!(counts(&held) == (0, 0), "{held}");
        user.annotate("my-app", "autoscaling.keda.sh/paused-scale-out-").await?;
        decided(&user, "Ebb", "Activated", "is active").await?;
        user.annotate("my-app", "autoscaling.keda.sh/paused-scale-in=true").await?;
        world.rabbit.purge(name).await?;
        let held = decided(&user, "Ebb", "ScaleInPaused", "paused-scale-in keeps replicas").await?;
        ensure!(counts(&held) == (1, 1), "{held}");
        Ok(())
    })
}

#[test]
fn a_trigger_that_cannot_be_read_holds_the_count_until_the_fallback_takes_over() -> Outcome {
    story(async |world| {
        let name = "decisions-fallback";
        let fallback = json!({"failureThreshold": 8, "replicas": 3});
        let user = world.app(name, 0, 0, json!({"pollingInterval": 1, "fallback": fallback})).await?;
        decided(&user, "Ebb", "NoTriggerActive", "no trigger is active").await?;
        world.rabbit.delete(name).await?;
        let held = decided(&user, "Ebb", "TriggerFailed", "trigger 0 (rabbitmq)").await?;
        ensure!(held["triggers"][0]["value"].is_null() && held["triggers"][0]["error"].is_string(), "{held}");
        let woken = decided(&user, "Ebb", "Fallback", "the fallback is in effect").await?;
        ensure!(woken["bounds"] == json!(["Fallback"]), "{woken}");
        Ok(())
    })
}

#[test]
fn a_formula_decides_in_the_triggers_place() -> Outcome {
    story(async |world| {
        let name = "decisions-formula";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let mut trigger = rabbitmq(name);
        trigger["name"] = json!("q");
        let modifiers = json!({"formula": "q * 2", "target": "5", "activationTarget": "3"});
        let spec = json!({"pollingInterval": 1, "triggers": [trigger], "advanced": {"scalingModifiers": modifiers}});
        user.apply(&scaled_object("my-app", spec)).await?;
        user.wait_ready("my-app").await?;
        world.rabbit.publish(name, 10).await?;
        let activated = decided(&user, "Ebb", "Activated", "the formula's value 20 is above").await?;
        ensure!(activated["formulaValue"] == 20.0 && activated["winner"].is_null(), "{activated}");
        let scaled = decided(&user, "HPA", "MetricsAboveTarget", "the formula's value is 20").await?;
        ensure!(counts(&scaled) == (1, 4) && scaled["bounds"] == json!(["Formula"]), "{scaled}");
        Ok(())
    })
}

#[test]
fn an_open_window_and_forced_activation_are_causes() -> Outcome {
    story(async |world| {
        let user = world.sandbox("decisions-cron").await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        let always = cron("0 0 1 1 *", "59 23 31 12 *", "2");
        user.apply(&scaled_object("my-app", json!({"triggers": [always]}))).await?;
        let opened = decided(&user, "Ebb", "Activated", "trigger 0 (cron) is active: 2 is above 0").await?;
        ensure!(counts(&opened) == (0, 1), "{opened}");
        decided(&user, "HPA", "MetricsAboveTarget", "trigger 0 (cron) asks for 2 replicas").await?;

        let forced = world.app("decisions-forced", 0, 0, json!({"pollingInterval": 1})).await?;
        forced.annotate("my-app", "autoscaling.keda.sh/force-activation=true").await?;
        let woken = decided(&forced, "Ebb", "Forced", "an annotation").await?;
        ensure!(counts(&woken) == (0, 1), "{woken}");
        Ok(())
    })
}

#[test]
fn what_the_hpa_waits_for_is_named() -> Outcome {
    story(async |world| {
        let name = "decisions-stabilized";
        let down = json!({"stabilizationWindowSeconds": 60});
        let up = json!({"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]});
        let behavior = json!({"scaleDown": down, "scaleUp": up});
        let advanced = json!({"horizontalPodAutoscalerConfig": {"behavior": behavior}});
        let user =
            world.app(name, 0, 20, json!({"pollingInterval": 1, "minReplicaCount": 1, "advanced": advanced})).await?;
        let scaled = decided(&user, "HPA", "MetricsAboveTarget", "the HPA's scale-up policy bounds it").await?;
        ensure!(scaled["bounds"] == json!(["ScaleUpLimit"]), "{scaled}");
        decided(&user, "HPA", "BehaviorLimit", "a policy of the HPA's behavior holds the count").await?;
        world.rabbit.purge(name).await?;
        decided(&user, "HPA", "Stabilized", "the HPA's stabilization window is not over").await?;
        Ok(())
    })
}

#[test]
fn the_minimum_holds_the_hpa_and_raises_what_is_below_it() -> Outcome {
    story(async |world| {
        let spec = json!({"pollingInterval": 1, "minReplicaCount": 2});
        let name = "decisions-minimum";
        // One message asks for one replica.
        let user = world.app(name, 2, 1, spec).await?;
        let held = decided(&user, "HPA", "MinReplicas", "minReplicaCount is reached").await?;
        ensure!(counts(&held) == (2, 2) && held["bounds"] == json!(["MinReplicas"]), "{held}");
        world.rabbit.purge(name).await?;
        decided(&user, "Ebb", "NoTriggerActive", "no trigger is active").await?;
        user.kubectl.run(&["scale", "deploy", "my-app", "--replicas=0"]).await?;
        let raised = decided(&user, "Ebb", "RaisedToMinimum", "the count was below minReplicaCount").await?;
        ensure!(counts(&raised) == (0, 2), "{raised}");
        Ok(())
    })
}

#[test]
fn a_formula_without_a_value_and_a_missing_target_are_named() -> Outcome {
    story(async |world| {
        let name = "decisions-no-value";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let mut trigger = rabbitmq(name);
        trigger["name"] = json!("q");
        let modifiers = json!({"formula": "10 / q", "target": "5"});
        let spec = json!({"pollingInterval": 1, "triggers": [trigger], "advanced": {"scalingModifiers": modifiers}});
        user.apply(&scaled_object("my-app", spec)).await?;
        let failed = decided(&user, "Ebb", "FormulaFailed", "the formula has no value").await?;
        ensure!(failed["from"] == failed["to"] && failed["bounds"] == json!(["Formula"]), "{failed}");

        let user = world.app("decisions-no-target", 0, 0, json!({"pollingInterval": 1})).await?;
        decided(&user, "Ebb", "NoTriggerActive", "no trigger is active").await?;
        user.kubectl.run(&["delete", "deploy", "my-app"]).await?;
        world.rabbit.publish("decisions-no-target", 1).await?;
        decided(&user, "Ebb", "TargetFailed", "my-app").await?;
        Ok(())
    })
}

#[test]
fn an_idle_count_is_left_for_the_minimum_and_returned_to() -> Outcome {
    story(async |world| {
        let name = "decisions-idle";
        let spec = json!({"pollingInterval": 1, "cooldownPeriod": 2, "idleReplicaCount": 0, "minReplicaCount": 2});
        let user = world.app(name, 0, 0, spec).await?;
        world.rabbit.publish(name, 1).await?;
        let woken = decided(&user, "Ebb", "Activated", "trigger 0 (rabbitmq) is active: 1 is above 0").await?;
        ensure!(counts(&woken) == (0, 2), "{woken}");
        world.rabbit.purge(name).await?;
        let asleep = decided(&user, "Ebb", "Deactivated", "the cooldown is over").await?;
        ensure!(counts(&asleep) == (2, 0), "{asleep}");
        Ok(())
    })
}

/// The answer of `ebb explain` about `my-app`.
fn explain(world: &World, user: &Sandbox, more: &[&str]) -> Result<String> {
    let output = Command::new(paths::bin("ebb")?)
        .args(["explain", "so/my-app", "-n", &user.name])
        .args(more)
        .env("KUBECONFIG", &world.bed.facts.kubeconfig)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn ebb_explain_puts_the_state_and_the_decisions_together() -> Outcome {
    story(async |world| {
        let name = "decisions-explain";
        let user =
            world.app(name, 0, 40, json!({"pollingInterval": 1, "maxReplicaCount": 3, "cooldownPeriod": 120})).await?;
        decided(&user, "HPA", "MetricsAboveTarget", "asks for 8").await?;
        let text = explain(world, &user, &[])?;
        for part in [
            "decisions-explain/my-app  scales Deployment my-app",
            "(min 0, max 3)",
            "trigger 0 (rabbitmq): 40 against target 5, activation 0: active, asks for 8 (most)",
            "0 -> 1    Ebb   trigger 0 (rabbitmq) is active: 40 is above 0",
        ] {
            ensure!(text.contains(part), "no {part:?} in:\n{text}");
        }
        let report: Value = serde_json::from_str(&explain(world, &user, &["-o", "json"])?)?;
        ensure!(report["driver"] == "the HPA" && report["max"] == 3, "{report}");

        // Another one of the same workload is found, although the webhook was not asked.
        let queue = format!("{name}-2");
        world.rabbit.declare(&queue).await?;
        let mut other = scaled_object("other", json!({"triggers": [rabbitmq(&queue)]}));
        other["spec"]["scaleTargetRef"]["name"] = json!("my-app");
        user.apply(&other).await?;
        let text = explain(world, &user, &[])?;
        ensure!(text.contains("ScaledObject other scales the same workload"), "{text}");

        let missing = Command::new(paths::bin("ebb")?)
            .args(["explain", "nobody", "-n", name])
            .env("KUBECONFIG", &world.bed.facts.kubeconfig)
            .output()?;
        let error = String::from_utf8_lossy(&missing.stderr).into_owned();
        ensure!(!missing.status.success() && error.contains("decisions-explain/nobody"), "{error}");
        Ok(())
    })
}

#[test]
fn a_version_of_another_term_is_expired() -> Outcome {
    story(async |world| {
        let path = "/apis/decisions.ebb.dev/v1alpha1/scalingdecisions";
        let request = http::Request::get(format!("{path}?resourceVersion=4294967297")).body(Body::empty())?;
        ensure!(world.bed.client.send(request).await?.status() == 410, "a list of another term");
        let request = http::Request::get(format!("{path}?watch=true&resourceVersion=4294967297")).body(Vec::new())?;
        let event: Value = world.bed.client.request(request).await?;
        ensure!(event["type"] == "ERROR" && event["object"]["reason"] == "Expired", "{event}");
        let request = http::Request::get(format!("{path}?fieldSelector=spec.x%3D1")).body(Body::empty())?;
        ensure!(world.bed.client.send(request).await?.status() == 400, "a field that there is not");
        Ok(())
    })
}
