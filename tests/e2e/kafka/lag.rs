//! Cases of lag: groups without commits, logs that begin late, topics that are made anew, groups that stand still.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::Outcome;
use futures::future::try_join_all;
use serde_json::json;

use super::{KINDS, scale, trigger};
use crate::story;

#[test]
fn without_a_commit_the_policy_says_what_counts_and_what_retention_has_deleted_never_does() -> Outcome {
    story(async |world| {
        let (topic, kafka) = ("kafka-policies", world.kafka()?);
        kafka.create_topic(topic, 2).await?;
        kafka.produce(topic, 6).await?;
        let user = world.sandbox(topic).await?;
        let cases = [("latest", false), ("earliest", false), ("latest", true), ("earliest", true)];
        let apps: Vec<_> = KINDS.iter().flat_map(|kind| cases.map(|(policy, zero)| (*kind, policy, zero))).collect();
        let name = |(kind, policy, zero): &(&str, &str, bool)| format!("{kind}-{policy}-{zero}");
        for app in &apps {
            let more = json!({"offsetResetPolicy": app.1, "scaleToZeroOnInvalidOffset": app.2.to_string()});
            scale(&user, &name(app), trigger(world, app.0, topic, &more)?).await?;
        }
        let all = async |latest, earliest, zero| {
            try_join_all(apps.iter().map(async |app| {
                let wanted = match app {
                    (.., true) => zero,
                    (_, "latest", _) => latest,
                    _ => earliest,
                };
                user.wait_metric(&name(app), "s0-kafka-kafka-policies", wanted).await
            }))
            .await
        };
        // One for each partition, so that a consumer comes and commits; or all that is there; or nothing.
        all(2.0, 6.0, 0.0).await?;
        for app in &apps {
            if app.2 {
                ensure!(user.replicas(&name(app)).await? == 0, "{app:?} was woken");
            } else {
                user.wait_replicas(&name(app), "1 or more", secs(10), |replicas| replicas >= 1).await?;
            }
        }

        kafka.commit(topic, topic, &[(0, 1)]).await?;
        all(3.0, 5.0, 2.0).await?;
        kafka.delete_before(topic, 1, 2).await?;
        all(3.0, 3.0, 2.0).await?;
        // The group's place in partition 0 is not there any more.
        kafka.delete_before(topic, 0, 2).await?;
        all(2.0, 2.0, 1.0).await?;
        Ok(())
    })
}

#[test]
fn a_topic_that_is_made_again_is_read_from_its_new_beginning() -> Outcome {
    story(async |world| {
        let (topic, kafka) = ("kafka-again", world.kafka()?);
        kafka.create_topic(topic, 2).await?;
        kafka.produce(topic, 6).await?;
        kafka.commit_all(topic, topic).await?;
        let user = world.sandbox(topic).await?;
        let apps = [("kafka", "latest"), ("apache-kafka", "earliest")];
        for (kind, policy) in apps {
            scale(&user, kind, trigger(world, kind, topic, &json!({"offsetResetPolicy": policy}))?).await?;
        }
        let all = async |lags: [f64; 2]| {
            try_join_all(
                apps.iter()
                    .zip(lags)
                    .map(async |((app, _), lag)| user.wait_metric(app, "s0-kafka-kafka-again", lag).await),
            )
            .await
        };
        all([0.0, 0.0]).await?;
        kafka.produce(topic, 4).await?;
        all([4.0, 4.0]).await?;
        for (app, _) in apps {
            user.wait_replicas(app, "1", secs(10), |replicas| replicas == 1).await?;
        }

        kafka.delete_topic(topic).await?;
        for (app, _) in apps {
            user.wait_failing(app, "topic \"kafka-again\"").await?;
        }
        // Longer than the cooldown.
        wait::throughout("a topic that is not there takes no replicas away", secs(4), async || {
            for (app, _) in apps {
                ensure!(user.replicas(app).await? == 1, "{app} was scaled");
            }
            Ok(())
        })
        .await?;

        kafka.create_topic(topic, 1).await?;
        kafka.produce(topic, 3).await?;
        let committed = kafka.committed(topic, topic).await?;
        ensure!(committed == [None], "the broker forgets a group's commits with the topic: {committed:?}");
        all([1.0, 3.0]).await?;
        // A place beyond the log's end, as an old commit would be, is no lag below zero.
        kafka.commit(topic, topic, &[(0, 50)]).await?;
        all([0.0, 0.0]).await?;
        for (app, _) in apps {
            user.wait_ready(app).await?;
            user.wait_replicas(app, "0", secs(20), |replicas| replicas == 0).await?;
        }
        kafka.commit(topic, topic, &[(0, 3)]).await?;
        kafka.produce(topic, 1).await?;
        for (app, _) in apps {
            user.wait_replicas(app, "1", secs(10), |replicas| replicas == 1).await?;
        }
        Ok(())
    })
}

#[test]
fn new_partitions_are_seen_without_a_restart() -> Outcome {
    story(async |world| {
        let (topic, kafka) = ("kafka-grows", world.kafka()?);
        kafka.create_topic(topic, 1).await?;
        kafka.commit_all(topic, topic).await?;
        let user = world.sandbox(topic).await?;
        for kind in KINDS {
            scale(&user, kind, trigger(world, kind, topic, &json!({"offsetResetPolicy": "earliest"}))?).await?;
            user.wait_metric(kind, "s0-kafka-kafka-grows", 0.0).await?;
        }
        kafka.add_partitions(topic, 3).await?;
        kafka.produce_to(topic, 2, 4).await?;
        for kind in KINDS {
            user.wait_metric(kind, "s0-kafka-kafka-grows", 4.0).await?;
            user.wait_replicas(kind, "1", secs(10), |replicas| replicas == 1).await?;
        }
        Ok(())
    })
}

#[test]
fn a_lag_that_does_not_move_counts_for_the_activation_only() -> Outcome {
    /// Longer than this test's questions take, to show that they are no polls.
    const INTERVAL: u64 = 6;
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-stuck", world.kafka()?, "s0-kafka-kafka-stuck");
        kafka.create_topic(topic, 2).await?;
        kafka.commit(topic, topic, &[(0, 0), (1, 0)]).await?;
        kafka.produce_to(topic, 0, 8).await?;
        let user = world.sandbox(topic).await?;
        for kind in KINDS {
            let trigger = trigger(world, kind, topic, &json!({"excludePersistentLag": "true"}))?;
            user.apply(&deployment(kind, 0, &[])).await?;
            let spec = json!({"pollingInterval": INTERVAL, "cooldownPeriod": 1, "triggers": [trigger]});
            user.apply(&scaled_object(kind, spec)).await?;
        }
        let each = async |lag: f64| try_join_all(KINDS.iter().map(|kind| user.wait_metric(kind, metric, lag))).await;
        each(8.0).await?;
        let awake = Instant::now();
        let watches = [user.watch_replicas(KINDS[0]).await?, user.watch_replicas(KINDS[1]).await?];
        each(0.0).await?;
        still_active(&user).await?;

        // One commit brings it back, and two polls must see the same before it goes again.
        kafka.commit(topic, topic, &[(0, 1)]).await?;
        let moved = Instant::now();
        each(7.0).await?;
        let rest = secs(INTERVAL - 1).saturating_sub(moved.elapsed());
        wait::throughout("the HPA's questions are no polls", rest, async || {
            for kind in KINDS {
                let lag = user.metric(kind, metric).await?;
                ensure!((lag - 7.0).abs() < 1e-9, "{kind}: {lag}");
            }
            Ok(())
        })
        .await?;
        each(0.0).await?;
        still_active(&user).await?;
        for watch in &watches {
            watch.never_since(awake + secs(INTERVAL), "0", |replicas| replicas == 0)?;
            ensure!(watch.now() >= 1, "{}", watch.story());
        }

        // A partition beside it that moves counts.
        kafka.produce_to(topic, 1, 4).await?;
        kafka.commit(topic, topic, &[(1, 1)]).await?;
        each(3.0).await?;
        Ok(())
    })
}

async fn still_active(user: &Sandbox) -> Result<()> {
    for kind in KINDS {
        user.wait_condition(kind, "Active", "True").await?;
    }
    Ok(())
}
