//! Records of transactions count when they are committed; aborted ones, and the markers of both, never do.

use anyhow::{Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use serde_json::json;

use super::{scale, trigger};
use crate::story;

async fn stays_asleep(user: &Sandbox, apps: &[String], metric: &str) -> Result<()> {
    wait::throughout("nothing wakes them", secs(6), async || {
        for app in apps {
            ensure!(user.replicas(app).await? == 0, "{app} woke up");
            let lag = user.metric(app, metric).await?;
            ensure!(lag == 0.0, "{app} has a lag of {lag}");
        }
        Ok(())
    })
    .await
}

#[test]
fn a_transaction_counts_when_it_is_committed_and_never_when_it_is_aborted() -> Outcome {
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-transactions", world.kafka()?, "s0-kafka-kafka-transactions");
        kafka.create_topic(topic, 1).await?;
        kafka.commit(topic, topic, &[(0, 0)]).await?;
        let user = world.sandbox(topic).await?;
        let app = "my-app".to_owned();
        scale(&user, &app, trigger(world, "kafka", topic, &json!({}))?).await?;
        user.wait_metric(&app, metric, 0.0).await?;
        let asleep = async || stays_asleep(&user, std::slice::from_ref(&app), metric).await;

        let open = kafka.begin("kafka-committed", topic, 0, 3).await?;
        asleep().await?;
        open.commit().await?;
        // Three records, and the marker that ends them.
        user.wait_metric(&app, metric, 4.0).await?;
        user.wait_replicas(&app, "1", secs(10), |replicas| replicas == 1).await?;

        // The application has read all three. It is never given the marker.
        kafka.commit(topic, topic, &[(0, 3)]).await?;
        user.wait_metric(&app, metric, 0.0).await?;
        user.wait_replicas(&app, "0", secs(20), |replicas| replicas == 0).await?;

        kafka.begin("kafka-aborted", topic, 0, 5).await?.abort().await?;
        asleep().await?;

        // It wakes up for a record behind all that, and a transaction that is aborted afterwards does not hold it.
        kafka.produce(topic, 1).await?;
        user.wait_replicas(&app, "1", secs(5), |replicas| replicas == 1).await?;
        let read = kafka.log_of(topic, 0).await?.1;
        kafka.begin("kafka-aborted", topic, 0, 2).await?.abort().await?;
        kafka.commit(topic, topic, &[(0, read)]).await?;
        ensure!(kafka.log_of(topic, 0).await?.1 > read, "nothing was written");
        user.wait_replicas(&app, "0", secs(20), |replicas| replicas == 0).await?;
        Ok(())
    })
}

#[test]
fn an_aborted_transaction_wakes_none_of_many_who_wait() -> Outcome {
    story(async |world| {
        let (topic, kafka, metric) = ("kafka-aborted", world.kafka()?, "s0-kafka-kafka-aborted");
        kafka.create_topic(topic, 1).await?;
        let user = world.sandbox(topic).await?;
        let apps: Vec<String> = (0..6).map(|number| format!("my-app-{number}")).collect();
        for app in &apps {
            let group = format!("{topic}-{app}");
            kafka.commit(&group, topic, &[(0, 0)]).await?;
            scale(&user, app, trigger(world, "kafka", topic, &json!({"consumerGroup": group}))?).await?;
        }
        for app in &apps {
            user.wait_metric(app, metric, 0.0).await?;
        }
        kafka.begin("kafka-aborted-for-many", topic, 0, 3).await?.abort().await?;
        stays_asleep(&user, &apps, metric).await?;
        kafka.produce(topic, 1).await?;
        for app in &apps {
            user.wait_replicas(app, "1", secs(5), |replicas| replicas == 1).await?;
        }
        Ok(())
    })
}
