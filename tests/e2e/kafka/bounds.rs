//! The replicas of a lag: the bounds of the metric, and when it wakes a workload.

use anyhow::ensure;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{KINDS, scale, trigger};
use crate::story;

#[test]
fn replicas_follow_the_partitions_that_they_can_share() -> Outcome {
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-bounds", world.kafka()?, "s0-kafka-kafka-bounds");
        kafka.create_topic(topic, 4).await?;
        kafka.commit_all(topic, topic).await?;
        kafka.produce_to(topic, 0, 100).await?;
        let user = world.sandbox(topic).await?;
        let even = "ensureEvenDistributionOfPartitions";
        // Five records a replica. Of each: with 100 records in one partition, with 11 there, with 4 more in a
        // second one.
        let ways: [(&str, Value, [f64; 3]); 4] = [
            ("plain", json!({}), [20.0, 11.0, 15.0]),
            ("idle", json!({"allowIdleConsumers": "true"}), [100.0, 11.0, 15.0]),
            ("with-lag", json!({"limitToPartitionsWithLag": "true"}), [5.0, 5.0, 10.0]),
            // Three replicas would have four partitions to share.
            ("even", json!({even: "true"}), [20.0, 20.0, 20.0]),
        ];
        let apps: Vec<_> = KINDS.iter().flat_map(|kind| ways.iter().map(move |way| (*kind, way))).collect();
        for (kind, (way, more, _)) in &apps {
            scale(&user, &format!("{kind}-{way}"), trigger(world, kind, topic, more)?).await?;
        }
        let all = async |step: usize| {
            try_join_all(apps.iter().map(async |(kind, (way, _, lags))| {
                user.wait_metric(&format!("{kind}-{way}"), metric, lags[step]).await
            }))
            .await
        };
        all(0).await?;
        // The HPA goes by it: no replica without a partition, unless that is wanted.
        let wanted = [
            ("kafka-plain", 4),
            ("kafka-idle", 20),
            ("kafka-with-lag", 1),
            ("kafka-even", 4),
            ("apache-kafka-even", 4),
        ];
        for (app, replicas) in wanted {
            user.wait_replicas(app, &replicas.to_string(), secs(30), |found| found == replicas).await?;
        }
        kafka.commit(topic, topic, &[(0, 89)]).await?;
        all(1).await?;
        kafka.produce_to(topic, 3, 4).await?;
        all(2).await?;
        Ok(())
    })
}

#[test]
fn a_lag_up_to_the_activation_threshold_wakes_nobody() -> Outcome {
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-activation", world.kafka()?, "s0-kafka-kafka-activation");
        kafka.create_topic(topic, 2).await?;
        kafka.commit_all(topic, topic).await?;
        kafka.produce(topic, 7).await?;
        let user = world.sandbox(topic).await?;
        for kind in KINDS {
            scale(&user, kind, trigger(world, kind, topic, &json!({"activationLagThreshold": "8"}))?).await?;
            user.wait_metric(kind, metric, 7.0).await?;
        }
        kafka.produce(topic, 1).await?;
        for kind in KINDS {
            user.wait_metric(kind, metric, 8.0).await?;
        }
        wait::throughout("they sleep on", secs(4), async || {
            for kind in KINDS {
                ensure!(user.replicas(kind).await? == 0, "{kind} woke up");
            }
            Ok(())
        })
        .await?;
        kafka.produce(topic, 1).await?;
        for kind in KINDS {
            user.wait_replicas(kind, "1 or more", secs(5), |replicas| replicas >= 1).await?;
        }
        Ok(())
    })
}
