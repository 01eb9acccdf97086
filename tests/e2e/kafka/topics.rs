//! The topics and partitions of a trigger.

use anyhow::ensure;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use serde_json::json;

use super::{KINDS, scale, scale_from, trigger};
use crate::story;

#[test]
fn without_a_topic_only_what_the_group_has_committed_to_counts() -> Outcome {
    story(async |world| {
        let (name, kafka) = ("kafka-any-topic", world.kafka()?);
        let [first, second] = ["kafka-any-topic-1", "kafka-any-topic-2"];
        for (topic, records) in [(first, 3), (second, 4)] {
            kafka.create_topic(topic, 1).await?;
            kafka.produce(topic, records).await?;
        }
        kafka.commit("kafka-readers", first, &[(0, 0)]).await?;
        let user = world.sandbox(name).await?;
        for kind in KINDS {
            for group in ["readers", "nobody"] {
                let more = json!({"topic": null, "consumerGroup": format!("kafka-{group}")});
                scale(&user, &format!("{kind}-{group}"), trigger(world, kind, "", &more)?).await?;
            }
        }
        for kind in KINDS {
            let (readers, nobody) = (format!("{kind}-readers"), format!("{kind}-nobody"));
            user.wait_metric(&readers, "s0-kafka-kafka-readers-topics", 3.0).await?;
            user.wait_replicas(&readers, "1", secs(10), |replicas| replicas == 1).await?;
            user.wait_ready(&nobody).await?;
            user.wait_metric(&nobody, "s0-kafka-kafka-nobody-topics", 0.0).await?;
        }

        kafka.commit("kafka-readers", second, &[(0, 2)]).await?;
        kafka.commit("kafka-nobody", second, &[(0, 4)]).await?;
        for kind in KINDS {
            user.wait_metric(&format!("{kind}-readers"), "s0-kafka-kafka-readers-topics", 5.0).await?;
            let nobody = format!("{kind}-nobody");
            user.wait_metric(&nobody, "s0-kafka-kafka-nobody-topics", 0.0).await?;
            ensure!(user.replicas(&nobody).await? == 0, "records of topics that it does not read woke {nobody}");
        }
        // A deleted topic is no error of a group that reads others, too.
        kafka.delete_topic(first).await?;
        kafka.produce(second, 1).await?;
        for kind in KINDS {
            user.wait_metric(&format!("{kind}-readers"), "s0-kafka-kafka-readers-topics", 3.0).await?;
            user.wait_ready(&format!("{kind}-readers")).await?;
            let nobody = format!("{kind}-nobody");
            user.wait_replicas(&nobody, "1", secs(10), |replicas| replicas == 1).await?;
        }
        Ok(())
    })
}

#[test]
fn a_list_of_topics_is_added_up_and_a_missing_one_is_named() -> Outcome {
    story(async |world| {
        let (name, kafka) = ("kafka-list", world.kafka()?);
        let [first, second, missing] = ["kafka-list-1", "kafka-list-2", "kafka-list-3"];
        for (topic, records) in [(first, 3), (second, 4)] {
            kafka.create_topic(topic, 2).await?;
            kafka.commit_all(name, topic).await?;
            kafka.produce(topic, records).await?;
        }
        let user = world.sandbox(name).await?;
        let listed = |topics: String| trigger(world, "apache-kafka", name, &json!({"topic": topics}));
        scale(&user, "both", listed(format!("{first}, {second}"))?).await?;
        user.wait_metric("both", "s0-kafka-kafka-list-1,kafka-list-2", 7.0).await?;
        user.wait_replicas("both", "2", secs(20), |replicas| replicas == 2).await?;

        scale_from(&user, "missing", 2, listed(format!("{first},{missing}"))?).await?;
        let says = user.wait_failing("missing", missing).await?;
        ensure!(says.contains(&world.bed.kafka()?.plaintext), "it does not say where: {says}");
        wait::throughout("a missing topic takes no replicas away", secs(4), async || {
            ensure!(user.replicas("missing").await? == 2, "it was scaled");
            Ok(())
        })
        .await?;
        kafka.create_topic(missing, 1).await?;
        kafka.commit_all(name, missing).await?;
        kafka.produce(missing, 5).await?;
        user.wait_metric("missing", "s0-kafka-kafka-list-1,kafka-list-3", 8.0).await?;
        user.wait_ready("missing").await?;

        // The other kind has one topic, and says so.
        scale(&user, "not-a-list", trigger(world, "kafka", name, &json!({"topic": format!("{first},{second}")}))?)
            .await?;
        user.wait_failing("not-a-list", "apache-kafka takes a list").await?;
        Ok(())
    })
}

#[test]
fn a_limitation_to_partitions_leaves_the_others_out() -> Outcome {
    story(async |world| {
        let (topic, kafka) = ("kafka-some-partitions", world.kafka()?);
        kafka.create_topic(topic, 4).await?;
        kafka.commit_all(topic, topic).await?;
        for (partition, records) in [(0, 1), (1, 2), (2, 4), (3, 8)] {
            kafka.produce_to(topic, partition, records).await?;
        }
        let user = world.sandbox(topic).await?;
        let cases = [("0,2", 5.0), ("1-3", 14.0), ("0-1,3", 11.0), ("3", 8.0)];
        for kind in KINDS {
            for (number, (partitions, _)) in cases.iter().enumerate() {
                let more = json!({"partitionLimitation": partitions, "lagThreshold": "20"});
                scale(&user, &format!("{kind}-{number}"), trigger(world, kind, topic, &more)?).await?;
            }
        }
        for kind in KINDS {
            for (number, (_, lag)) in cases.iter().enumerate() {
                user.wait_metric(&format!("{kind}-{number}"), "s0-kafka-kafka-some-partitions", *lag).await?;
            }
        }
        scale(&user, "none", trigger(world, "kafka", topic, &json!({"partitionLimitation": "7"}))?).await?;
        user.wait_failing("none", "expected at least one active partition within the topic 'kafka-some-partitions'")
            .await?;
        Ok(())
    })
}
