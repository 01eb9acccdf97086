//! The lag that Ebb reports beside what rdkafka sees of the same logs and groups, after random histories: two
//! implementations of the protocol that share no code.
//!
//! `EBB_KAFKA_SEED` brings a history back.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use ebb_tests::kafka::{Kafka, Seen, Transaction};
use ebb_tests::random::{self, Random};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use super::{scale, trigger};
use crate::story;

const ROUNDS: usize = 8;
const STEPS: usize = 6;
const PARTITIONS: i32 = 4;

/// The triggers that are compared: each with its kind and its policy.
const APPS: [(&str, &str); 3] = [("kafka", "latest"), ("kafka", "earliest"), ("apache-kafka", "earliest")];

#[test]
fn the_lag_is_what_another_client_sees_after_any_history() -> Outcome {
    let seed = random::seed("EBB_KAFKA_SEED");
    println!("EBB_KAFKA_SEED={seed}");
    story(async |world| compare(world, seed).await.with_context(|| format!("with EBB_KAFKA_SEED={seed}")))
}

async fn compare(world: &World, seed: u64) -> Result<()> {
    let (topic, kafka) = ("kafka-differential", world.kafka()?);
    kafka.create_topic(topic, PARTITIONS).await?;
    let user = world.sandbox(topic).await?;
    let mut history = History { kafka, topic, random: Random::new(seed), open: BTreeMap::new(), log: Vec::new() };
    watch(world, &user, topic).await?;
    for round in 0..ROUNDS {
        for _ in 0..STEPS {
            history.step().await.with_context(|| format!("after {:?}", history.log))?;
        }
        agree(&user, kafka, topic).await.with_context(|| format!("round {round}, after {:?}", history.log))?;
    }
    // Open transactions end, so that nothing holds the logs back any more.
    for (_, transaction) in std::mem::take(&mut history.open) {
        transaction.abort().await?;
    }
    agree(&user, kafka, topic).await.with_context(|| format!("at the end, after {:?}", history.log))
}

#[test]
fn the_lag_is_what_another_client_sees_in_logs_that_are_compacted() -> Outcome {
    let seed = random::seed("EBB_KAFKA_SEED");
    println!("EBB_KAFKA_SEED={seed}");
    story(async |world| compare_compacted(world, seed).await.with_context(|| format!("with EBB_KAFKA_SEED={seed}")))
}

async fn compare_compacted(world: &World, seed: u64) -> Result<()> {
    let (topic, kafka, mut random) = ("kafka-compacted", world.kafka()?, Random::new(seed));
    kafka.create_compacted_topic(topic, 2).await?;
    for _ in 0..12 {
        let (partition, count) = (i32::try_from(random.below(2))?, random.within(1..6));
        let key = format!("key-{}", random.below(3));
        kafka.produce_keyed(topic, partition, &key, count).await?;
    }
    // A record in the last segment has the earlier ones closed, which are then compacted.
    tokio::time::sleep(secs(1)).await;
    for partition in 0..2 {
        kafka.produce_keyed(topic, partition, "last", 1).await?;
    }
    let user = world.sandbox(topic).await?;
    watch(world, &user, topic).await?;
    wait::until("the logs to be compacted", secs(90), async || {
        let partitions = kafka.seen(topic, topic).await?;
        let is_compacted = |one: &Seen| one.records < one.end - one.start;
        ensure!(partitions.iter().all(is_compacted), "they are not yet: {partitions:?}");
        Ok(())
    })
    .await?;
    agree(&user, kafka, topic).await?;
    for _ in 0..3 {
        for partition in 0..2 {
            let end = kafka.stable_end_of(topic, partition).await?;
            let place = i64::try_from(random.below(usize::try_from(end)? + 1))?;
            kafka.commit(topic, topic, &[(partition, place)]).await?;
        }
        agree(&user, kafka, topic).await?;
    }
    Ok(())
}

/// Has Ebb look at a topic with each of the triggers, without a bound on the metric.
async fn watch(world: &World, user: &Sandbox, topic: &str) -> Result<()> {
    for (kind, policy) in APPS {
        let more = json!({"offsetResetPolicy": policy, "allowIdleConsumers": "true"});
        scale(user, &format!("{kind}-{policy}"), trigger(world, kind, topic, &more)?).await?;
    }
    Ok(())
}

/// Waits until all triggers report the lag that follows from rdkafka's view.
async fn agree(user: &Sandbox, kafka: &Kafka, topic: &str) -> Result<()> {
    let seen = kafka.seen(topic, topic).await?;
    for (kind, policy) in APPS {
        let lag: i64 = seen.iter().map(|seen| lag(seen, policy)).sum();
        let (app, metric) = (format!("{kind}-{policy}"), format!("s0-kafka-{topic}"));
        #[allow(clippy::cast_precision_loss)] // There are some hundred records.
        user.wait_metric(&app, &metric, lag as f64).await.with_context(|| format!("rdkafka sees {seen:?}"))?;
    }
    Ok(())
}

/// The lag of a partition in this state.
fn lag(seen: &Seen, policy: &str) -> i64 {
    match (seen.committed, policy) {
        _ if seen.records == 0 => 0,
        (Some(committed), _) => seen.end - committed.max(seen.start),
        (None, "latest") => 1,
        (None, _) => seen.end - seen.start,
    }
}

/// An application's doings, at random.
struct History<'a> {
    kafka: &'a Kafka,
    topic: &'a str,
    random: Random,
    /// The transactions that are open, by partition.
    open: BTreeMap<i32, Transaction>,
    log: Vec<String>,
}

impl History<'_> {
    async fn step(&mut self) -> Result<()> {
        let partition = i32::try_from(self.random.below(usize::try_from(PARTITIONS)?))?;
        let (kafka, topic) = (self.kafka, self.topic);
        let count = self.random.within(1..9);
        match self.random.below(8) {
            0 | 1 => {
                self.log.push(format!("{count} records into {partition}"));
                kafka.produce_to(topic, partition, count).await
            }
            2 | 3 => {
                let place = self.offset_up_to(kafka.log_of(topic, partition).await?.1 + 1)?;
                self.log.push(format!("{place} committed in {partition}"));
                kafka.commit(topic, topic, &[(partition, place)]).await
            }
            4 => {
                // Where a transaction is open nothing beyond its first record can be committed by a reader.
                let place = kafka.stable_end_of(topic, partition).await?;
                self.log.push(format!("all of {partition} committed, up to {place}"));
                kafka.commit(topic, topic, &[(partition, place)]).await
            }
            5 => {
                let (start, _) = kafka.log_of(topic, partition).await?;
                let before = start.max(self.offset_up_to(kafka.stable_end_of(topic, partition).await?)?);
                self.log.push(format!("{partition} cut before {before}"));
                kafka.delete_before(topic, partition, before).await
            }
            _ => self.transact(partition, count).await,
        }
    }

    /// Begins a transaction, or ends the one that is open.
    async fn transact(&mut self, partition: i32, count: usize) -> Result<()> {
        let fate = self.random.below(3);
        let transaction = if let Some(open) = self.open.remove(&partition) {
            open
        } else {
            let id = format!("{}-{partition}", self.topic);
            self.kafka.begin(&id, self.topic, partition, count).await?
        };
        let fates = ["committed", "aborted", "left open"];
        self.log.push(format!("a transaction in {partition}, with {count} records if it is new, {}", fates[fate]));
        match fate {
            0 => transaction.commit().await,
            1 => transaction.abort().await,
            _ => {
                self.open.insert(partition, transaction);
                Ok(())
            }
        }
    }

    fn offset_up_to(&mut self, limit: i64) -> Result<i64> {
        Ok(i64::try_from(self.random.below(usize::try_from(limit)? + 1))?)
    }
}
