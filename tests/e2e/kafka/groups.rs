//! The lag of groups of every type: share groups, which commit nothing, groups of the newer protocols, and groups that
//! come back with another type.

use anyhow::{Result, ensure};
use ebb_tests::bed::KafkaUser;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use futures::future::try_join_all;
use serde_json::json;

use super::{KINDS, scale, trigger, with_authentication};
use crate::story;

/// Waits until both kinds report this lag.
async fn both(user: &Sandbox, metric: &str, lag: f64) -> Result<()> {
    try_join_all(KINDS.iter().map(|kind| user.wait_metric(kind, metric, lag))).await.map(drop)
}

#[test]
fn a_share_group_has_the_lag_that_the_broker_counts_for_it() -> Outcome {
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-share", world.kafka()?, "s0-kafka-kafka-share");
        let group = "kafka-share-pickers";
        kafka.create_topic(topic, 3).await?;
        kafka.produce(topic, 30).await?;
        let user = world.sandbox(topic).await?;
        let more = json!({"consumerGroup": group, "offsetResetPolicy": "earliest"});
        for kind in KINDS {
            scale(&user, kind, trigger(world, kind, topic, &more)?).await?;
        }
        // Nobody has read anything yet.
        both(&user, metric, 15.0).await?;
        for kind in KINDS {
            user.wait_replicas(kind, "3", secs(30), |replicas| replicas == 3).await?;
        }
        kafka.read_as_share_group(group, topic, ("earliest", 30, 1)).await?;
        both(&user, metric, 0.0).await?;
        for kind in KINDS {
            user.wait_ready(kind).await?;
            user.wait_replicas(kind, "0", secs(30), |replicas| replicas == 0).await?;
        }

        kafka.produce_to(topic, 0, 12).await?;
        both(&user, metric, 12.0).await?;
        for kind in KINDS {
            user.wait_replicas(kind, "1 or more", secs(10), |replicas| replicas >= 1).await?;
        }
        // Every second record is acknowledged, and those between them are not.
        kafka.read_as_share_group(group, topic, ("earliest", 6, 2)).await?;
        both(&user, metric, 6.0).await?;
        // Without a topic those count that the group reads.
        let any_topic = json!({"consumerGroup": group, "topic": null, "lagThreshold": "10"});
        scale(&user, "any-topic", trigger(world, "kafka", topic, &any_topic)?).await?;
        user.wait_metric("any-topic", "s0-kafka-kafka-share-pickers-topics", 6.0).await?;
        Ok(())
    })
}

#[test]
fn a_share_group_is_read_with_the_rights_that_a_consumer_group_needs() -> Outcome {
    story(async |world| {
        let (topic, kafka, facts) = ("kafka-share-viewer", world.kafka()?, world.bed.kafka()?);
        kafka.create_topic(topic, 2).await?;
        kafka.produce(topic, 8).await?;
        kafka.read_as_share_group(topic, topic, ("earliest", 8, 1)).await?;
        let user = world.sandbox(topic).await?;
        let KafkaUser { name: viewer, password } = &facts.viewer;
        user.authenticate("viewer", &[("sasl", "scram_sha512"), ("username", viewer), ("password", password)]).await?;
        let more = json!({"bootstrapServers": facts.sasl_plaintext, "offsetResetPolicy": "earliest"});
        scale(&user, "my-app", with_authentication("viewer", trigger(world, "kafka", topic, &more)?)).await?;
        user.wait_metric("my-app", "s0-kafka-kafka-share-viewer", 0.0).await?;
        kafka.produce(topic, 3).await?;
        user.wait_metric("my-app", "s0-kafka-kafka-share-viewer", 3.0).await?;
        Ok(())
    })
}

#[test]
fn a_group_that_comes_back_with_another_type_is_read_as_that() -> Outcome {
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-types", world.kafka()?, "s0-kafka-kafka-types");
        kafka.create_topic(topic, 1).await?;
        kafka.produce(topic, 5).await?;
        kafka.commit(topic, topic, &[(0, 2)]).await?;
        let user = world.sandbox(topic).await?;
        for kind in KINDS {
            scale(&user, kind, trigger(world, kind, topic, &json!({"offsetResetPolicy": "earliest"}))?).await?;
        }
        both(&user, metric, 3.0).await?;
        kafka.delete_group(topic).await?;
        both(&user, metric, 5.0).await?;
        kafka.read_as_share_group(topic, topic, ("earliest", 5, 1)).await?;
        both(&user, metric, 0.0).await?;
        kafka.delete_group(topic).await?;
        both(&user, metric, 5.0).await?;
        kafka.commit(topic, topic, &[(0, 1)]).await?;
        both(&user, metric, 4.0).await?;
        Ok(())
    })
}

#[test]
fn groups_of_the_newer_protocols_have_the_lag_of_what_they_commit() -> Outcome {
    story(async |world| {
        let (topic, kafka) = ("kafka-protocols", world.kafka()?);
        kafka.create_topic(topic, 1).await?;
        kafka.produce(topic, 4).await?;
        kafka.read_as_new_group("kafka-protocols-consumer", topic, 4).await?;
        kafka.commit_as_streams_group("kafka-protocols-streams", topic, 1, 3).await?;
        let user = world.sandbox(topic).await?;
        for group in ["consumer", "streams"] {
            let more = json!({"consumerGroup": format!("kafka-protocols-{group}")});
            scale(&user, group, trigger(world, "kafka", topic, &more)?).await?;
        }
        user.wait_metric("consumer", "s0-kafka-kafka-protocols", 0.0).await?;
        user.wait_metric("streams", "s0-kafka-kafka-protocols", 1.0).await?;
        kafka.produce(topic, 2).await?;
        user.wait_metric("consumer", "s0-kafka-kafka-protocols", 2.0).await?;
        user.wait_metric("streams", "s0-kafka-kafka-protocols", 3.0).await?;
        Ok(())
    })
}

#[test]
fn partitions_with_nothing_to_read_hold_no_replicas_whether_the_group_has_committed_or_not() -> Outcome {
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-sparse", world.kafka()?, "s0-kafka-kafka-sparse");
        kafka.create_topic(topic, 30).await?;
        kafka.produce_keyed(topic, 17, "one-key", 5).await?;
        kafka.commit(topic, topic, &[(17, 5)]).await?;
        // One log is emptied by deletion, another holds only what no reader of committed records is given.
        kafka.produce_to(topic, 3, 4).await?;
        kafka.delete_before(topic, 3, 4).await?;
        kafka.begin("kafka-sparse", topic, 4, 2).await?.abort().await?;
        let user = world.sandbox(topic).await?;
        let apps: Vec<_> = KINDS
            .iter()
            .flat_map(|kind| ["latest", "earliest"].map(|policy| (format!("{kind}-{policy}"), *kind, policy)))
            .collect();
        for (app, kind, policy) in &apps {
            scale(&user, app, trigger(world, kind, topic, &json!({"offsetResetPolicy": policy}))?).await?;
        }
        try_join_all(apps.iter().map(|(app, ..)| user.wait_metric(app, metric, 0.0))).await?;
        wait::throughout("nothing wakes them", secs(5), async || {
            for (app, ..) in &apps {
                ensure!(user.replicas(app).await? == 0, "{app} woke up");
            }
            Ok(())
        })
        .await?;
        // A record where nothing is committed: a consumer must come, and the policy decides where it begins.
        kafka.produce_to(topic, 9, 3).await?;
        for (app, _, policy) in &apps {
            user.wait_metric(app, metric, if *policy == "latest" { 1.0 } else { 3.0 }).await?;
            user.wait_replicas(app, "1", secs(10), |replicas| replicas == 1).await?;
        }
        Ok(())
    })
}
