//! Scaling that is paused by annotations: altogether, at a count, or in one direction.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

const HPA: &str = "keda-hpa-my-app";
const PAUSED: &str = "autoscaling.keda.sh/paused";
const REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";
const SCALE_IN: &str = "autoscaling.keda.sh/paused-scale-in";
const SCALE_OUT: &str = "autoscaling.keda.sh/paused-scale-out";

/// A namespace with a ScaledObject `my-app` that looks every second at a queue of the namespace's name, five messages a
/// replica, with `messages` messages and the replicas for them, Ready.
async fn app(world: &World, name: &str, messages: usize, mut spec: Value) -> Result<Sandbox> {
    spec["pollingInterval"] = json!(1);
    let user = world.app(name, 0, messages, spec).await?;
    let wanted = i64::try_from(messages.div_ceil(5))?;
    user.wait_replicas("my-app", &wanted.to_string(), secs(30), |replicas| replicas == wanted).await?;
    Ok(user)
}

/// Fails if the replicas are another number at any time of the span.
async fn stays(user: &Sandbox, app: &str, wanted: i64, span: Duration) -> Result<()> {
    wait::throughout(&format!("{app} stays at {wanted}"), span, async || {
        let replicas = user.replicas(app).await?;
        ensure!(replicas == wanted, "there are {replicas}");
        Ok(())
    })
    .await
}

async fn wait_select_policies(user: &Sandbox, down: &str, up: &str) -> Result<Value> {
    wait::until(&format!("selectPolicy {down} and {up}"), secs(10), async || {
        let behavior = user.get("HorizontalPodAutoscaler", HPA).await?["spec"]["behavior"].clone();
        let found = (&behavior["scaleDown"]["selectPolicy"], &behavior["scaleUp"]["selectPolicy"]);
        ensure!(found == (&json!(down), &json!(up)), "{behavior}");
        Ok(behavior)
    })
    .await
}

async fn paused_metric(world: &World, user: &Sandbox, app: &str) -> Result<bool> {
    let text = world.ebb.metrics().await?;
    let series = format!("keda_scaled_object_paused{{namespace=\"{}\",scaledObject=\"{app}\"}} ", user.name);
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    Ok(line == Some("1"))
}

#[test]
fn a_paused_one_keeps_its_replicas_and_goes_on_afterwards() -> Outcome {
    story(async |world| {
        let name = "pause-whole";
        let user = app(world, name, 1, json!({"cooldownPeriod": 1})).await?;
        user.annotate("my-app", &format!("{PAUSED}=true")).await?;
        let paused = user.wait_condition("my-app", "Paused", "True").await?;
        ensure!((paused.reason.as_str(), paused.message.as_str()) == ("ScaledObjectPaused", "ScaledObject is paused"));
        user.wait_gone("HorizontalPodAutoscaler", HPA).await?;
        let ready = user.condition("my-app", "Ready").await?;
        ensure!(ready.status == "True" && ready.message == "ScaledObject is paused", "{ready:?}");
        ensure!(paused_metric(world, &user, "my-app").await?, "the series says that it is not paused");
        world.rabbit.purge(name).await?;
        stays(&user, "my-app", 1, secs(4)).await?;

        // `false` ends a pause as well as taking the annotation away.
        user.annotate("my-app", &format!("{PAUSED}=false")).await?;
        let unpaused = user.wait_condition("my-app", "Paused", "False").await?;
        ensure!(unpaused.reason == "ScaledObjectUnpaused", "{unpaused:?}");
        ensure!(unpaused.message == "pause annotation removed for ScaledObject", "{unpaused:?}");
        user.wait_for("HorizontalPodAutoscaler", HPA).await?;
        ensure!(!paused_metric(world, &user, "my-app").await?, "the series says that it is paused");
        user.wait_replicas("my-app", "0", secs(10), |replicas| replicas == 0).await?;

        for (reason, times) in [
            ("ScaledObjectPaused", 1),
            ("ScaledObjectUnpaused", 1),
            ("KEDAScalersStopped", 1),
            // The type of the trigger and the watch, twice.
            ("KEDAScalersStarted", 4),
            ("ScaledObjectReady", 1),
        ] {
            user.wait_event("my-app", reason).await?;
            let recorded = user.recorded("my-app", reason).await?;
            ensure!(recorded == times, "{reason} was recorded {recorded} times");
        }
        Ok(())
    })
}

#[test]
fn paused_at_zero_and_at_some_count() -> Outcome {
    story(async |world| {
        let name = "pause-at";
        let user = app(world, name, 10, json!({"cooldownPeriod": 1})).await?;
        for (text, count) in [("0", 0), ("4", 4), ("3", 3)] {
            user.annotate("my-app", &format!("{REPLICAS}={text}")).await?;
            user.wait_replicas("my-app", text, secs(10), |replicas| replicas == count).await?;
            wait::until("the status to say so", secs(10), async || {
                let status = user.get("ScaledObject", "my-app").await?["status"].clone();
                ensure!(status["pausedReplicaCount"] == count, "{status}");
                ensure!(status["hpaName"].is_null(), "{status}");
                Ok(())
            })
            .await?;
            user.wait_gone("HorizontalPodAutoscaler", HPA).await?;
            // The messages ask for two, without an effect.
            stays(&user, "my-app", count, secs(3)).await?;
        }
        ensure!(user.recorded("my-app", "ScaledObjectPaused").await? == 1, "another count is not another pause");

        user.annotate("my-app", &format!("{REPLICAS}-")).await?;
        user.wait_condition("my-app", "Paused", "False").await?;
        // The HPA is made after that.
        wait::until("the status to name the HPA again", secs(10), async || {
            let status = user.get("ScaledObject", "my-app").await?["status"].clone();
            ensure!(status["pausedReplicaCount"].is_null() && status["hpaName"] == HPA, "{status}");
            Ok(())
        })
        .await?;
        user.wait_replicas("my-app", "2", secs(30), |replicas| replicas == 2).await?;
        Ok(())
    })
}

/// A name, annotations, whether they pause, and the replicas that come of it.
type Case = (&'static str, &'static [(&'static str, &'static str)], bool, i64);

#[test]
fn which_annotation_wins() -> Outcome {
    story(async |world| {
        let name = "pause-precedence";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        // Each begins with three replicas and no messages: one that is not paused goes to zero.
        let cases: [Case; 11] = [
            ("true", &[(PAUSED, "true")], true, 3),
            ("no-boolean", &[(PAUSED, "yes please")], true, 3),
            ("empty", &[(PAUSED, "")], true, 3),
            ("false", &[(PAUSED, "false")], false, 0),
            ("short-false", &[(PAUSED, "F")], false, 0),
            ("count", &[(REPLICAS, "1")], true, 1),
            ("count-over-true", &[(PAUSED, "true"), (REPLICAS, "2")], true, 2),
            ("count-over-false", &[(PAUSED, "false"), (REPLICAS, "2")], true, 2),
            ("count-over-direction", &[(REPLICAS, "2"), (SCALE_IN, "true")], true, 2),
            ("whole-over-direction", &[(PAUSED, "true"), (SCALE_OUT, "true")], true, 3),
            ("direction-beside-false", &[(PAUSED, "false"), (SCALE_OUT, "true")], true, 0),
        ];
        for (app, annotations, ..) in cases {
            user.apply(&deployment(app, 3, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            let mut object = scaled_object(app, json!({"pollingInterval": 1, "triggers": [rabbitmq(name)]}));
            for (key, value) in annotations {
                object["metadata"]["annotations"][key] = json!(value);
            }
            user.apply(&object).await?;
        }
        for (app, _, paused, replicas) in cases {
            user.wait_ready(app).await?;
            user.wait_condition(app, "Paused", if paused { "True" } else { "False" }).await?;
            user.wait_replicas(app, &replicas.to_string(), secs(10), |found| found == replicas).await?;
        }
        for (app, _, _, replicas) in cases {
            stays(&user, app, replicas, secs(1)).await?;
            let hpa = user.get("HorizontalPodAutoscaler", &format!("keda-hpa-{app}")).await;
            // A direction alone leaves the HPA where it is.
            let served = app.ends_with("false") && app != "count-over-false" && replicas == 0;
            ensure!(hpa.is_ok() == served, "{app} has an HPA: {}", hpa.is_ok());
        }
        Ok(())
    })
}

#[test]
fn scaling_in_is_paused_and_restored() -> Outcome {
    story(async |world| {
        let name = "pause-in";
        let policy = json!([{"type": "Pods", "value": 3, "periodSeconds": 1}]);
        let behavior =
            json!({"scaleDown": {"policies": policy, "selectPolicy": "Min", "stabilizationWindowSeconds": 0}});
        let spec = json!({
            "cooldownPeriod": 1, "maxReplicaCount": 8, "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
        });
        let user = app(world, name, 20, spec).await?;
        user.annotate("my-app", &format!("{SCALE_IN}=true")).await?;
        let held = wait_select_policies(&user, "Disabled", "Max").await?;
        ensure!(held["scaleDown"]["policies"] == policy, "the user's policies are gone: {held}");
        let paused = user.wait_condition("my-app", "Paused", "True").await?;
        ensure!(paused.reason == "ScaledObjectPaused", "{paused:?}");
        user.wait_event("my-app", "ScaledObjectPaused").await?;
        ensure!(paused_metric(world, &user, "my-app").await?, "the series says that it is not paused");

        // Neither the HPA nor, past the cooldown, Ebb takes anything away.
        world.rabbit.purge(name).await?;
        user.wait_condition("my-app", "Active", "False").await?;
        stays(&user, "my-app", 4, secs(8)).await?;
        // The other direction works.
        world.rabbit.publish(name, 30).await?;
        user.wait_replicas("my-app", "6", secs(15), |replicas| replicas == 6).await?;

        world.rabbit.purge(name).await?;
        user.annotate("my-app", &format!("{SCALE_IN}-")).await?;
        wait_select_policies(&user, "Min", "Max").await?;
        user.wait_condition("my-app", "Paused", "False").await?;
        user.wait_event("my-app", "ScaledObjectUnpaused").await?;
        user.wait_replicas("my-app", "0", secs(15), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn scaling_out_is_paused_and_restored() -> Outcome {
    story(async |world| {
        let name = "pause-out";
        let user = app(world, name, 0, json!({"cooldownPeriod": 1})).await?;
        user.annotate("my-app", &format!("{SCALE_OUT}=true")).await?;
        wait_select_policies(&user, "Max", "Disabled").await?;
        user.wait_condition("my-app", "Paused", "True").await?;
        world.rabbit.publish(name, 20).await?;
        user.wait_condition("my-app", "Active", "True").await?;
        stays(&user, "my-app", 0, secs(4)).await?;

        user.annotate("my-app", &format!("{SCALE_OUT}-")).await?;
        user.wait_replicas("my-app", "4", secs(30), |replicas| replicas == 4).await?;
        user.annotate("my-app", &format!("{SCALE_OUT}=true")).await?;
        wait_select_policies(&user, "Max", "Disabled").await?;
        world.rabbit.publish(name, 20).await?;
        stays(&user, "my-app", 4, secs(6)).await?;
        world.rabbit.purge(name).await?;
        user.wait_replicas("my-app", "0", secs(15), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn with_both_directions_paused_it_keeps_its_hpa_and_moves_in_neither() -> Outcome {
    story(async |world| {
        let name = "pause-both";
        let user = app(world, name, 10, json!({"cooldownPeriod": 1})).await?;
        user.annotate("my-app", &format!("{SCALE_IN}=true")).await?;
        user.annotate("my-app", &format!("{SCALE_OUT}=true")).await?;
        wait_select_policies(&user, "Disabled", "Disabled").await?;
        user.wait_condition("my-app", "Paused", "True").await?;
        world.rabbit.publish(name, 20).await?;
        stays(&user, "my-app", 2, secs(5)).await?;
        world.rabbit.purge(name).await?;
        stays(&user, "my-app", 2, secs(7)).await?;
        // One direction less is still a pause.
        user.annotate("my-app", &format!("{SCALE_OUT}-")).await?;
        wait_select_policies(&user, "Disabled", "Max").await?;
        ensure!(user.condition("my-app", "Paused").await?.status == "True", "its other direction is still paused");
        ensure!(user.recorded("my-app", "ScaledObjectPaused").await? == 1, "it was paused once");
        ensure!(user.recorded("my-app", "ScaledObjectUnpaused").await? == 0, "it is still paused");
        Ok(())
    })
}

#[test]
fn it_goes_on_without_a_jump() -> Outcome {
    story(async |world| {
        let name = "pause-resume";
        // Nothing in the HPA holds back a wrong count.
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        let spec = json!({"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}});
        let user = app(world, name, 25, spec).await?;
        let watch = user.watch_replicas("my-app").await?;
        let begin = Instant::now();
        let pause = async || -> Result<()> {
            user.annotate("my-app", &format!("{PAUSED}=true")).await?;
            user.wait_gone("HorizontalPodAutoscaler", HPA).await
        };
        let resume = async || -> Result<()> {
            user.annotate("my-app", &format!("{PAUSED}-")).await?;
            user.wait_for("HorizontalPodAutoscaler", HPA).await.map(drop)
        };
        for _ in 0..2 {
            pause().await?;
            resume().await?;
            user.wait_condition("my-app", "HPAActive", "True").await?;
            wait::throughout("it stays at five", secs(5), async || {
                watch.never_since(begin, "other than 5", |replicas| replicas != 5)
            })
            .await?;
        }

        // Nor while the queue cannot be read.
        pause().await?;
        world.rabbit.delete(name).await?;
        resume().await?;
        user.wait_condition("my-app", "Ready", "False").await?;
        wait::throughout("it stays at five", secs(5), async || {
            watch.never_since(begin, "other than 5", |replicas| replicas != 5)
        })
        .await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 25).await?;
        user.wait_ready("my-app").await?;
        watch.never_since(begin, "other than 5", |replicas| replicas != 5)
    })
}

#[test]
fn what_was_edited_during_the_pause_holds_afterwards() -> Outcome {
    story(async |world| {
        let (name, other) = ("pause-edit", "pause-edit-other");
        let user = app(world, name, 25, json!({})).await?;
        world.rabbit.declare(other).await?;
        world.rabbit.publish(other, 15).await?;
        user.annotate("my-app", &format!("{PAUSED}=true")).await?;
        user.wait_gone("HorizontalPodAutoscaler", HPA).await?;
        user.edit("my-app", json!({"maxReplicaCount": 4, "triggers": [rabbitmq(other)]})).await?;
        stays(&user, "my-app", 5, secs(3)).await?;
        let gone = user.metric("my-app", "s0-rabbitmq-pause-edit").await;
        ensure!(gone.is_err(), "a paused one serves no metric");

        let watch = user.watch_replicas("my-app").await?;
        let begin = Instant::now();
        user.annotate("my-app", &format!("{PAUSED}-")).await?;
        let hpa = user.wait_for("HorizontalPodAutoscaler", HPA).await?;
        ensure!(hpa["spec"]["maxReplicas"] == 4, "{}", hpa["spec"]);
        watch.wait_since(begin, "3", secs(30), |replicas| replicas == 3).await?;
        watch.never_since(begin, "below 3 or above 5", |replicas| !(3..=5).contains(&replicas))
    })
}

#[test]
fn a_count_that_is_none_is_refused_and_changes_nothing() -> Outcome {
    story(async |world| {
        let name = "pause-invalid";
        let user = app(world, name, 5, json!({})).await?;
        user.annotate("my-app", &format!("{REPLICAS}=three")).await?;
        let ready = user.wait_failing("my-app", "paused-replicas has the value \"three\"").await?;
        ensure!(ready.contains("must be a number of replicas, 0 or more"), "{ready}");
        user.wait_event("my-app", "ScaledObjectCheckFailed").await?;
        // It is not paused, so it is served.
        ensure!(user.condition("my-app", "Paused").await?.status == "False", "it is paused");
        world.rabbit.publish(name, 10).await?;
        user.wait_replicas("my-app", "3", secs(20), |replicas| replicas == 3).await?;

        user.annotate("my-app", &format!("{REPLICAS}=2")).await?;
        user.wait_replicas("my-app", "2", secs(10), |replicas| replicas == 2).await?;
        user.wait_ready("my-app").await?;
        // The other way round: it stays paused.
        user.annotate("my-app", &format!("{REPLICAS}=-2")).await?;
        user.wait_failing("my-app", "\"-2\"").await?;
        ensure!(user.condition("my-app", "Paused").await?.status == "True", "the pause ended by a mistake");
        stays(&user, "my-app", 2, secs(3)).await?;
        user.annotate("my-app", &format!("{REPLICAS}-")).await?;
        user.wait_ready("my-app").await?;
        user.wait_replicas("my-app", "3", secs(20), |replicas| replicas == 3).await?;
        Ok(())
    })
}

#[test]
fn one_that_is_deleted_while_paused_goes_and_restores_its_replicas() -> Outcome {
    story(async |world| {
        let name = "pause-deleted";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        for (app, restores) in [("left", false), ("restored", true)] {
            user.apply(&deployment(app, 3, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            let advanced = json!({"restoreToOriginalReplicaCount": restores});
            let mut object = scaled_object(app, json!({"advanced": advanced, "triggers": [rabbitmq(name)]}));
            object["metadata"]["annotations"][REPLICAS] = json!("1");
            user.apply(&object).await?;
            user.wait_replicas(app, "1", secs(10), |replicas| replicas == 1).await?;
            user.wait_condition(app, "Paused", "True").await?;
            user.kubectl.run(&["delete", "so", app, "--timeout=20s"]).await?;
            user.wait_event(app, "ScaledObjectDeleted").await?;
        }
        user.wait_replicas("restored", "3", secs(5), |replicas| replicas == 3).await?;
        stays(&user, "left", 1, secs(2)).await
    })
}
