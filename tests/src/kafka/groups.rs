//! Members of groups: of the ones that rdkafka knows, and of those that only Kafka's own client library knows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Kafka, LIMIT};
use crate::paths;

/// How long a consumer may need to reach the end of a log.
const READING: Duration = Duration::from_secs(20);

/// A partition as rdkafka sees it, which is another implementation of the protocol than Ebb's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The first record that is still there.
    pub start: i64,
    /// The offset up to which readers of committed records get.
    pub end: i64,
    /// The offset that the group has committed.
    pub committed: Option<i64>,
    /// How many records a member of the group would get. Without a commit it begins at the log's start.
    pub records: i64,
}

impl Kafka {
    /// Reads `count` records as a member of a share group, which begins at `reset`, and acknowledges those whose
    /// offsets are multiples of `every`.
    pub async fn read_as_share_group(
        &self,
        group: &str,
        topic: &str,
        (reset, count, every): (&str, usize, usize),
    ) -> Result<()> {
        self.groups_tool(&["share", group, topic, reset, &count.to_string(), &every.to_string()]).await
    }

    /// Joins a streams group, commits an offset in each of the topic's first `partitions` partitions, and leaves.
    pub async fn commit_as_streams_group(&self, group: &str, topic: &str, partitions: i32, offset: i64) -> Result<()> {
        self.groups_tool(&["streams", group, topic, &partitions.to_string(), &offset.to_string()]).await
    }

    async fn groups_tool(&self, arguments: &[&str]) -> Result<()> {
        let tool = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(paths::work("testbed").join("kafka/*"))
            .arg(paths::root().join("tests/cluster/kafka/Groups.java"))
            .arg(self.address())
            .args(arguments)
            .kill_on_drop(true)
            .output();
        let output = timeout(LIMIT * 3, tool).await.context("the member takes too long")??;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Joins a group by the newer protocol (KIP-848), reads `count` records, commits and leaves.
    pub async fn read_as_new_group(&self, group: &str, topic: &str, count: usize) -> Result<()> {
        let mut config = self.config.clone();
        config.set("group.id", group).set("group.protocol", "consumer").set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "earliest");
        let topic = topic.to_owned();
        self.with(config, move |consumer| {
            consumer.subscribe(&[&topic])?;
            let (mut read, end) = (0, Instant::now() + LIMIT);
            while read < count {
                ensure!(Instant::now() < end, "only {read} records came");
                // Nothing also comes when it is given its partitions.
                if let Some(record) = consumer.poll(Duration::from_millis(200)) {
                    record.context("the member cannot read")?;
                    read += 1;
                }
            }
            consumer.commit_consumer_state(CommitMode::Sync)?;
            consumer.unsubscribe();
            Ok(())
        })
        .await
    }

    /// Every partition of a topic as rdkafka sees it for a group.
    pub async fn seen(&self, group: &str, topic: &str) -> Result<Vec<Seen>> {
        let mut partitions = Vec::new();
        for (number, committed) in (0..).zip(self.committed(group, topic).await?) {
            let (start, end) = self.watermarks(topic, number, "read_committed").await?;
            let from = committed.unwrap_or(start).max(start);
            let records = if from < end { self.records_from(topic, number, from, end).await? } else { 0 };
            partitions.push(Seen { start, end, committed, records });
        }
        Ok(partitions)
    }

    /// Counts what a reader of committed records is given from an offset on, before another one.
    async fn records_from(&self, topic: &str, partition: i32, from: i64, end: i64) -> Result<i64> {
        let mut config = self.config.clone();
        config.set("group.id", "unused").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        config.set("isolation.level", "read_committed");
        let topic = topic.to_owned();
        self.with(config, move |consumer| {
            let mut wanted = TopicPartitionList::new();
            wanted.add_partition_offset(&topic, partition, Offset::Offset(from))?;
            consumer.assign(&wanted)?;
            count_to_the_end(consumer, end).with_context(|| format!("cannot read {topic}/{partition} from {from}"))
        })
        .await
    }
}

fn count_to_the_end(consumer: &BaseConsumer, end: i64) -> Result<i64> {
    let mut records = 0;
    loop {
        match consumer.poll(READING).context("nothing comes, not even the end")? {
            Ok(record) if record.offset() < end => records += 1,
            Ok(_) | Err(KafkaError::PartitionEOF(_)) => return Ok(records),
            Err(error) => return Err(error.into()),
        }
    }
}
