//! Ebb is killed and comes back: nothing scales wrongly, and work that it was about to do is not forgotten.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use crate::story;

const COOLDOWN: u64 = 20;

/// A ScaledObject and a queue of this name, with `replicas` replicas and `messages` messages, Ready.
async fn app(world: &World, user: &Sandbox, name: &str, replicas: u32, messages: usize) -> Result<()> {
    world.rabbit.declare(name).await?;
    world.rabbit.publish(name, messages).await?;
    user.apply(&deployment(name, replicas, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    let spec = json!({"pollingInterval": 5, "cooldownPeriod": COOLDOWN, "triggers": [rabbitmq(name)]});
    user.apply(&scaled_object(name, spec)).await?;
    user.wait_ready(name).await?;
    user.wait_condition(name, "Active", if messages > 0 { "True" } else { "False" }).await?;
    Ok(())
}

#[test]
fn killed_at_any_moment_it_goes_on_where_it_was() -> Outcome {
    story(async |world| {
        let user = world.sandbox("restarts").await?;
        app(world, &user, "scaled-out", 5, 25).await?;
        app(world, &user, "cooling-down", 1, 1).await?;
        app(world, &user, "at-zero", 0, 0).await?;
        app(world, &user, "asleep", 0, 0).await?;
        let scaled_out = user.watch_replicas("scaled-out").await?;
        let cooling_down = user.watch_replicas("cooling-down").await?;
        let at_zero = user.watch_replicas("at-zero").await?;
        let asleep = user.watch_replicas("asleep").await?;

        let emptied = Instant::now();
        world.rabbit.purge("cooling-down").await?;
        wait::until("the cooldown to begin", secs(10), async || {
            let active = user.condition("cooling-down", "Active").await?;
            ensure!(active.status == "False", "{active:?}");
            Ok(())
        })
        .await?;

        world.ebb.kill()?;
        world.rabbit.publish("at-zero", 1).await?;
        // Long enough that the HPA controller asks while nobody answers.
        wait::throughout("nothing scales without Ebb", secs(8), async || {
            let now = [scaled_out.now(), cooling_down.now(), at_zero.now(), asleep.now()];
            ensure!(now == [5, 1, 0, 0], "{now:?}");
            Ok(())
        })
        .await?;
        world.ebb.restart().await?;
        let _restarted = Instant::now();

        // Messages that came while it was away are found at once.
        at_zero.wait_since(emptied, "1", secs(5), |replicas| replicas == 1).await?;
        // The cooldown is neither cut short nor forgotten.
        let limit = secs(COOLDOWN + 15);
        let slept = cooling_down.wait_since(emptied, "0", limit, |replicas| replicas == 0).await?;
        // The last look that found the message may be a pollingInterval older than the purge.
        let cooled = slept.at - emptied;
        ensure!(cooled >= secs(COOLDOWN - 5), "after {cooled:.1?}: {}", cooling_down.story());
        wait::throughout("what was scaled out stays so", secs(5), async || {
            ensure!(scaled_out.history().len() == 1, "{}", scaled_out.story());
            ensure!(asleep.history().len() == 1, "{}", asleep.story());
            Ok(())
        })
        .await?;
        user.wait_ready("scaled-out").await?;
        let metric = user.metric("scaled-out", "s0-rabbitmq-scaled-out").await?;
        ensure!((metric - 25.0).abs() < 1e-9, "{metric}");
        Ok(())
    })
}

#[test]
fn asked_to_end_it_ends_soon_and_scales_nothing() -> Outcome {
    story(async |world| {
        let user = world.sandbox("stops").await?;
        app(world, &user, "stops", 2, 10).await?;
        let watch = user.watch_replicas("stops").await?;
        let took = world.ebb.stop().await?;
        ensure!(took < secs(5), "it took {took:.1?}");
        world.ebb.restart().await?;
        user.wait_ready("stops").await?;
        ensure!(watch.history().len() == 1, "{}", watch.story());
        Ok(())
    })
}

#[test]
fn pauses_and_counts_to_restore_outlive_it() -> Outcome {
    story(async |world| {
        let user = world.sandbox("restarts-paused").await?;
        for name in ["stays-paused", "paused-at", "was-paused"] {
            app(world, &user, name, 5, 25).await?;
        }
        user.annotate("stays-paused", "autoscaling.keda.sh/paused=true").await?;
        user.annotate("was-paused", "autoscaling.keda.sh/paused=true").await?;
        user.annotate("paused-at", "autoscaling.keda.sh/paused-replicas=2").await?;
        for name in ["stays-paused", "paused-at", "was-paused"] {
            user.wait_condition(name, "Paused", "True").await?;
            user.wait_gone("HorizontalPodAutoscaler", &format!("keda-hpa-{name}")).await?;
        }
        user.wait_replicas("paused-at", "2", secs(10), |replicas| replicas == 2).await?;

        // The count that it found is written down before it is changed.
        let found = async |name: &str| {
            anyhow::Ok(user.get("ScaledObject", name).await?["status"]["originalReplicaCount"].clone())
        };
        world.rabbit.declare("restored").await?;
        for name in ["restored", "deleted-meanwhile"] {
            user.apply(&deployment(name, 3, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            let spec = json!({
                "pollingInterval": 1, "triggers": [rabbitmq("restored")],
                "advanced": {"restoreToOriginalReplicaCount": true},
            });
            user.apply(&scaled_object(name, spec)).await?;
            let watch = user.watch_replicas(name).await?;
            while watch.now() != 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            ensure!(found(name).await? == 3, "{}", found(name).await?);
        }
        world.ebb.kill()?;
        user.annotate("was-paused", "autoscaling.keda.sh/paused-").await?;
        user.kubectl.run(&["delete", "so", "deleted-meanwhile", "--wait=false"]).await?;
        let watches = [user.watch_replicas("stays-paused").await?, user.watch_replicas("was-paused").await?];
        world.ebb.restart().await?;

        user.wait_replicas("deleted-meanwhile", "3", secs(10), |replicas| replicas == 3).await?;
        user.wait_gone("ScaledObject", "deleted-meanwhile").await?;
        user.wait_event("deleted-meanwhile", "ScaledObjectDeleted").await?;
        user.wait_condition("was-paused", "Paused", "False").await?;
        user.wait_for("HorizontalPodAutoscaler", "keda-hpa-was-paused").await?;
        user.wait_event("was-paused", "ScaledObjectUnpaused").await?;
        ensure!(found("restored").await? == 3, "{}", found("restored").await?);
        user.kubectl.run(&["delete", "so", "restored", "--timeout=20s"]).await?;
        user.wait_replicas("restored", "3", secs(5), |replicas| replicas == 3).await?;

        wait::throughout("what is paused stays so", secs(5), async || {
            for watch in &watches {
                ensure!(watch.history().len() == 1, "{}", watch.story());
            }
            ensure!(user.replicas("paused-at").await? == 2, "{}", user.replicas("paused-at").await?);
            Ok(())
        })
        .await?;
        for (name, reason, times) in [
            ("stays-paused", "ScaledObjectPaused", 1),
            ("stays-paused", "ScaledObjectReady", 1),
            ("paused-at", "ScaledObjectPaused", 1),
            ("was-paused", "ScaledObjectPaused", 1),
            ("was-paused", "ScaledObjectUnpaused", 1),
            ("was-paused", "ScaledObjectReady", 1),
        ] {
            let recorded = user.recorded(name, reason).await?;
            ensure!(recorded == times, "{name}: {reason} was recorded {recorded} times");
        }
        Ok(())
    })
}

#[test]
fn asked_to_end_while_it_starts_it_ends() -> Outcome {
    story(async |world| {
        let mut longest = std::time::Duration::ZERO;
        for _ in 0..8 {
            longest = longest.max(world.ebb.stop().await?);
            // Ready comes before the first list of ScaledObjects.
            world.ebb.restart().await?;
        }
        println!("it ended within {longest:?} each time");
        ensure!(longest < secs(15), "it took {longest:?} to end");
        Ok(())
    })
}

#[test]
fn what_hpas_say_meanwhile_is_told_afterwards() -> Outcome {
    story(async |world| {
        let user = world.sandbox("restarts-said").await?;
        let names: Vec<String> = (0..20).map(|number| format!("said-{number}")).collect();
        world.rabbit.declare("said").await?;
        world.rabbit.publish("said", 1).await?;
        for name in &names {
            user.apply(&deployment(name, 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            // It stays idle until long after the test's end.
            let spec = json!({"pollingInterval": 2, "cooldownPeriod": 300, "triggers": [rabbitmq("said")]});
            user.apply(&scaled_object(name, spec)).await?;
        }
        let all_have = async |reason: &str, longest| {
            wait::until(&format!("HPAActive to be {reason}"), longest, async || {
                for name in &names {
                    let condition = user.condition(name, "HPAActive").await?;
                    ensure!(condition.status == "True" && condition.reason == reason, "{name}: {condition:?}");
                }
                Ok(())
            })
            .await
        };
        all_have("HPAActive", secs(45)).await?;

        world.ebb.stop().await?;
        world.rabbit.purge("said").await?;
        user.kubectl.run(&["scale", "deployment", "--all", "--replicas=0"]).await?;
        wait::until("all HPAs to find their workloads at zero", secs(45), async || {
            for hpa in user.get("HorizontalPodAutoscaler", "").await?["items"].as_array().into_iter().flatten() {
                let conditions = hpa["status"]["conditions"].as_array().into_iter().flatten();
                let reasons: Vec<_> = conditions.map(|condition| condition["reason"].clone()).collect();
                ensure!(reasons.contains(&json!("ScalingDisabled")), "{reasons:?}");
            }
            Ok(())
        })
        .await?;
        world.ebb.restart().await?;

        // No HPA changes any more, so its last condition must be enough.
        all_have("ScalingDisabled", secs(10)).await
    })
}

/// The HPA that KEDA left, with what a user and a GitOps tool put on it, is what the ScaledObject says from the
/// start on.
#[test]
fn an_hpa_that_keda_left_is_put_right_at_the_start() -> Outcome {
    story(async |world| {
        let user = world.sandbox("left-by-keda").await?;
        app(world, &user, "shop", 1, 0).await?;
        let hpa = user.get("HorizontalPodAutoscaler", "keda-hpa-shop").await?;
        let owner = user.get("ScaledObject", "shop").await?;
        world.ebb.stop().await?;
        user.delete("HorizontalPodAutoscaler", "keda-hpa-shop").await?;
        let mut spec = hpa["spec"].clone();
        spec["behavior"] = json!({"scaleDown": {"selectPolicy": "Disabled"}});
        let left = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {
                "name": "keda-hpa-shop", "namespace": user.name,
                "labels": {"scaledobject.keda.sh/name": "shop", "app.kubernetes.io/instance": "shop-prod", "team": "checkout"},
                "annotations": {
                    "argocd.argoproj.io/tracking-id": "shop-prod:keda.sh/ScaledObject:left-by-keda/shop",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                },
                "ownerReferences": hpa["metadata"]["ownerReferences"],
            },
            "spec": spec,
        });
        ensure!(left["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"], "{left}");
        let created =
            user.kubectl.output(&["create", "--field-manager=keda", "-f", "-"], Some(&left.to_string())).await?;
        ensure!(created.ok, "{}", created.stderr);
        world.ebb.restart().await?;
        wait::until("the HPA to be what the ScaledObject says", secs(15), async || {
            let now = user.get("HorizontalPodAutoscaler", "keda-hpa-shop").await?;
            ensure!(now["spec"] == hpa["spec"], "{}", now["spec"]);
            ensure!(now["metadata"]["annotations"].is_null(), "{}", now["metadata"]);
            let mut labels = hpa["metadata"]["labels"].clone();
            labels["team"] = json!("checkout");
            ensure!(now["metadata"]["labels"] == labels, "{}", now["metadata"]);
            Ok(())
        })
        .await?;
        user.wait_ready("shop").await
    })
}

/// Anybody may have written the status while Ebb was away, names that no HPA can have among it.
#[test]
fn a_status_with_an_impossible_hpa_is_put_right_at_the_start() -> Outcome {
    story(async |world| {
        let user = world.sandbox("impossible-hpa").await?;
        app(world, &user, "shop", 1, 0).await?;
        for name in ["", "a/b", "../x"] {
            world.ebb.stop().await?;
            let status = json!({"status": {"hpaName": name, "lastActiveTime": "2050-01-01T00:00:00Z"}}).to_string();
            user.kubectl.run(&["patch", "so", "shop", "--type=merge", "--subresource=status", "-p", &status]).await?;
            world.ebb.restart().await?;
            wait::until("the HPA's name to be right", secs(15), async || {
                let status = user.get("ScaledObject", "shop").await?["status"].clone();
                ensure!(status["hpaName"] == "keda-hpa-shop", "{status}");
                Ok(())
            })
            .await?;
        }
        // An activity in the future would keep it from zero for years.
        user.wait_replicas("shop", "0", secs(COOLDOWN + 20), |replicas| replicas == 0).await?;
        user.kubectl.run(&["delete", "so", "shop", "--timeout=20s"]).await.map(drop)
    })
}
