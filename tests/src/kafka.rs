//! The application's side of Kafka: topics, records, committed offsets, transactions.
//!
//! It uses the listener without authentication, so it may do everything. The tests of Ebb cover users with fewer
//! rights.

mod groups;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use groups::Seen;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use serde_json::json;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::bed::KafkaFacts;
use crate::{paths, wait};

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Longer than any test: the broker itself ends no transaction that was left open.
const TRANSACTION_LIMIT: Duration = Duration::from_mins(15);

/// The application that uses Kafka. It connects again after a broker was away.
pub struct Kafka {
    config: ClientConfig,
    admin: AdminClient<DefaultClientContext>,
    producer: Arc<Application>,
}

/// A producer that keeps the brokers' answers about its records.
type Application = ThreadedProducer<Deliveries>;

/// Reports to the writer of a record whether the brokers took it.
#[derive(Clone, Default)]
struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    /// Where the outcome is to go: nothing, or why the record was not taken.
    type DeliveryOpaque = Box<mpsc::UnboundedSender<Option<KafkaError>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, outcome: Self::DeliveryOpaque) {
        // Nobody listens any more after an earlier record of the batch has failed.
        let _ = outcome.send(result.as_ref().err().map(|(error, _)| error.clone()));
    }
}

impl Kafka {
    /// Connects as the application.
    pub async fn connect(facts: &KafkaFacts) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &facts.plaintext).set("client.id", "the application");
        // A broker that was stopped is tried again soon after it is back.
        config.set("reconnect.backoff.max.ms", "500");
        let admin = config.create().context("cannot make a client of Kafka")?;
        // A record is given up before its writer gives up waiting for word of it: it does not come as a surprise later.
        let producer = config.clone().set("linger.ms", "5").set("message.timeout.ms", "25000").clone();
        let producer = Arc::new(producer.create_with_context(Deliveries)?);
        let kafka = Self { config, admin, producer };
        kafka.leaders("").await.context("cannot connect to Kafka")?;
        Ok(kafka)
    }

    /// The bootstrap servers.
    pub fn address(&self) -> &str {
        self.config.get("bootstrap.servers").unwrap_or_default()
    }

    /// Makes a topic whose partitions are where Kafka puts them.
    pub async fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        self.create(NewTopic::new(topic, partitions, TopicReplication::Fixed(1))).await
    }

    /// Makes a topic with one partition, without a second replica, on each of these brokers.
    pub async fn create_topic_on(&self, topic: &str, brokers: &[i32]) -> Result<()> {
        let replicas: Vec<&[i32]> = brokers.chunks(1).collect();
        let partitions = i32::try_from(brokers.len())?;
        self.create(NewTopic::new(topic, partitions, TopicReplication::Variable(&replicas))).await
    }

    /// Makes topics with as many partitions each, in one request.
    pub async fn create_topics(&self, topics: &[String], partitions: i32) -> Result<()> {
        let wanted: Vec<_> =
            topics.iter().map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(1))).collect();
        all_done(self.admin.create_topics(&wanted, &options()).await?)?;
        let last = topics.last().context("no topic is named")?;
        self.wait_leaders(last, usize::try_from(partitions)?).await
    }

    /// Makes a topic whose logs are compacted as often and as early as brokers can.
    pub async fn create_compacted_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        let settings = [
            ("cleanup.policy", "compact"),
            ("min.cleanable.dirty.ratio", "0.001"),
            ("segment.ms", "100"),
            ("delete.retention.ms", "0"),
        ];
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        self.create(settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))).await
    }

    async fn create(&self, topic: NewTopic<'_>) -> Result<()> {
        all_done(self.admin.create_topics([&topic], &options()).await?)?;
        self.wait_leaders(topic.name, usize::try_from(topic.num_partitions)?).await
    }

    /// Gives a topic more partitions; `total` is how many it has then.
    pub async fn add_partitions(&self, topic: &str, total: usize) -> Result<()> {
        all_done(self.admin.create_partitions([&NewPartitions::new(topic, total)], &options()).await?)?;
        self.wait_leaders(topic, total).await
    }

    /// Deletes a topic and waits until the brokers know nothing of it any more.
    pub async fn delete_topic(&self, topic: &str) -> Result<()> {
        all_done(self.admin.delete_topics(&[topic], &options()).await?)?;
        wait::until(&format!("topic {topic} to be gone"), LIMIT, async || match self.leaders(topic).await {
            Ok(leaders) => bail!("it has {} partitions", leaders.len()),
            Err(_) => Ok(()),
        })
        .await
    }

    /// Writes `count` records, one partition after the other in turn.
    pub async fn produce(&self, topic: &str, count: usize) -> Result<()> {
        let partitions = self.leaders(topic).await?.len();
        let turn = (0..count).map(|record| i32::try_from(record % partitions)).collect::<Result<Vec<_>, _>>()?;
        self.send(&self.producer, topic, turn).await
    }

    /// Writes `count` records into one partition.
    pub async fn produce_to(&self, topic: &str, partition: i32, count: usize) -> Result<()> {
        self.send(&self.producer, topic, vec![partition; count]).await
    }

    /// Writes `count` records of one key into one partition, where compaction leaves the last of them.
    pub async fn produce_keyed(&self, topic: &str, partition: i32, key: &str, count: usize) -> Result<()> {
        self.send_keyed(&self.producer, topic, Some(key), vec![partition; count]).await
    }

    /// Begins a transaction, writes `count` records into one partition and waits until they are in the log. The caller
    /// commits or aborts it; it stays open until then, also where the result is dropped.
    pub async fn begin(&self, id: &str, topic: &str, partition: i32, count: usize) -> Result<Transaction> {
        let mut config = self.config.clone();
        config.set("transactional.id", id);
        config.set("transaction.timeout.ms", TRANSACTION_LIMIT.as_millis().to_string());
        let producer: Arc<Application> = Arc::new(config.create_with_context(Deliveries)?);
        blocking(&producer, |producer| {
            producer.init_transactions(LIMIT)?;
            producer.begin_transaction()
        })
        .await
        .with_context(|| format!("cannot begin transaction {id}"))?;
        self.send(&producer, topic, vec![partition; count]).await?;
        Ok(Transaction(producer))
    }

    /// Drops the records of a partition before an offset: the log then begins there.
    pub async fn delete_before(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let deleted = self.admin.delete_records(&wanted, &options()).await?;
        for element in deleted.elements() {
            element.error().with_context(|| format!("cannot delete records of {topic}/{partition}"))?;
        }
        Ok(())
    }

    /// Where the log of a partition begins, and the offset that its next record will have.
    pub async fn log_of(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        self.watermarks(topic, partition, "read_uncommitted").await
    }

    /// The offset up to which readers of committed records get: that of the first record of an open transaction.
    pub async fn stable_end_of(&self, topic: &str, partition: i32) -> Result<i64> {
        Ok(self.watermarks(topic, partition, "read_committed").await?.1)
    }

    async fn watermarks(&self, topic: &str, partition: i32, isolation: &str) -> Result<(i64, i64)> {
        let mut config = self.config.clone();
        config.set("isolation.level", isolation);
        let begin = Instant::now();
        loop {
            let topic = topic.to_owned();
            let fetch = move |consumer: &BaseConsumer| Ok(consumer.fetch_watermarks(&topic, partition, LIMIT));
            match self.with(config.clone(), fetch).await? {
                // A broker may learn later than the metadata says that it leads a partition of a new topic.
                Err(KafkaError::MetadataFetch(RDKafkaErrorCode::NotLeaderForPartition)) if begin.elapsed() < LIMIT => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                ends => return Ok(ends?),
            }
        }
    }

    /// Commits offsets for a group, as its member would, without joining it.
    pub async fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        let mut wanted = TopicPartitionList::new();
        for (partition, offset) in offsets {
            wanted.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        self.with_consumer(Some(group), move |consumer| Ok(consumer.commit(&wanted, CommitMode::Sync)?)).await
    }

    /// Commits the end of every partition's log for a group: it has read everything.
    pub async fn commit_all(&self, group: &str, topic: &str) -> Result<()> {
        let mut offsets = Vec::new();
        for partition in 0..i32::try_from(self.leaders(topic).await?.len())? {
            offsets.push((partition, self.log_of(topic, partition).await?.1));
        }
        self.commit(group, topic, &offsets).await
    }

    /// The offset that a group has committed in each partition of a topic; `None` where it has committed none.
    pub async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_range(topic, 0, i32::try_from(self.leaders(topic).await?.len())? - 1);
        let found =
            self.with_consumer(Some(group), move |consumer| Ok(consumer.committed_offsets(wanted, LIMIT)?)).await?;
        Ok(found
            .elements()
            .iter()
            .map(|element| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
            .collect())
    }

    /// Deletes a group without members, and with it all that it has committed.
    pub async fn delete_group(&self, group: &str) -> Result<()> {
        all_done(self.admin.delete_groups(&[group], &options()).await?)
    }

    /// The broker that leads each partition of a topic, -1 where there is none; nothing for the empty name.
    pub async fn leaders(&self, topic: &str) -> Result<Vec<i32>> {
        let name = topic.to_owned();
        self.with_consumer(None, move |consumer| {
            let metadata = consumer.fetch_metadata((!name.is_empty()).then_some(name.as_str()), LIMIT)?;
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(vec![]) };
            if let Some(error) = topic.error() {
                bail!("topic {name}: {}", RDKafkaErrorCode::from(error));
            }
            let mut partitions: Vec<_> = topic.partitions().iter().collect();
            partitions.sort_by_key(|partition| partition.id());
            let leader = |error: Option<RDKafkaRespErr>, broker: i32| if error.is_some() { -1 } else { broker };
            Ok(partitions.iter().map(|partition| leader(partition.error(), partition.leader())).collect())
        })
        .await
    }

    /// Moves every partition of a topic to one broker, where it is led from then on.
    pub async fn move_topic(&self, topic: &str, broker: i32) -> Result<()> {
        let partitions = self.leaders(topic).await?.len();
        let replicas =
            (0..partitions).map(|partition| json!({"topic": topic, "partition": partition, "replicas": [broker]}));
        let plan = json!({"version": 1, "partitions": replicas.collect::<Vec<_>>()}).to_string();
        let file = paths::work("testbed").join(format!("move-{}-to-{broker}.json", std::process::id()));
        std::fs::write(&file, plan)?;
        let tool = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(paths::work("testbed").join("kafka/*"))
            .args(["org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "--execute"])
            .args(["--bootstrap-server", self.address(), "--reassignment-json-file"])
            .arg(&file)
            .kill_on_drop(true)
            .output();
        let output = timeout(LIMIT, tool).await.context("the tool takes too long")??;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        wait::until(&format!("{topic} to be on broker {broker}"), LIMIT, async || {
            let leaders = self.leaders(topic).await?;
            ensure!(leaders.iter().all(|leader| *leader == broker), "they are {leaders:?}");
            Ok(())
        })
        .await
    }

    /// Waits until a topic has as many partitions, and each a leader.
    pub async fn wait_leaders(&self, topic: &str, partitions: usize) -> Result<()> {
        wait::until(&format!("leaders of {topic}"), LIMIT, async || {
            let leaders = self.leaders(topic).await?;
            ensure!(leaders.len() == partitions && !leaders.contains(&-1), "they are {leaders:?}");
            Ok(())
        })
        .await
    }

    /// Runs something with a consumer that is in no group's rounds, away from the asynchronous threads.
    async fn with_consumer<T: Send + 'static>(
        &self,
        group: Option<&str>,
        act: impl FnOnce(&BaseConsumer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut config = self.config.clone();
        config.set("group.id", group.unwrap_or("unused")).set("enable.auto.commit", "false");
        self.with(config, act).await
    }

    async fn with<T: Send + 'static>(
        &self,
        config: ClientConfig,
        act: impl FnOnce(&BaseConsumer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        tokio::task::spawn_blocking(move || act(&config.create()?)).await?
    }

    /// Writes a record into each of these partitions and waits until all are in the log.
    async fn send(&self, producer: &Application, topic: &str, partitions: Vec<i32>) -> Result<()> {
        self.send_keyed(producer, topic, None, partitions).await
    }

    async fn send_keyed(
        &self,
        producer: &Application,
        topic: &str,
        key: Option<&str>,
        partitions: Vec<i32>,
    ) -> Result<()> {
        let (sender, mut outcomes) = mpsc::unbounded_channel();
        for (number, partition) in partitions.iter().enumerate() {
            let body = number.to_string();
            let outcome = Box::new(sender.clone());
            let record = BaseRecord::<str, _, _>::with_opaque_to(topic, outcome).partition(*partition);
            let record = record.payload(&body);
            let mut record = if let Some(key) = key { record.key(key) } else { record };
            while let Err((error, again)) = producer.send(record) {
                ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull), error);
                tokio::time::sleep(Duration::from_millis(10)).await;
                record = again;
            }
        }
        for _ in partitions {
            let outcome = tokio::time::timeout(LIMIT, outcomes.recv()).await;
            if let Some(error) = outcome.context("no word of a record")?.flatten() {
                return Err(error).with_context(|| format!("Kafka did not take a record for {topic}"));
            }
        }
        Ok(())
    }
}

/// A transaction with records in the log and no end yet. Dropping it leaves it open, as a crash of the application
/// would.
pub struct Transaction(Arc<Application>);

impl Transaction {
    /// Ends it so that its records count.
    pub async fn commit(self) -> Result<()> {
        blocking(&self.0, |producer| producer.commit_transaction(LIMIT)).await.context("cannot commit the transaction")
    }

    /// Ends it so that its records stay in the log and are read by nobody.
    pub async fn abort(self) -> Result<()> {
        blocking(&self.0, |producer| producer.abort_transaction(LIMIT)).await.context("cannot abort the transaction")
    }
}

async fn blocking(
    producer: &Arc<Application>,
    act: impl FnOnce(&Application) -> rdkafka::error::KafkaResult<()> + Send + 'static,
) -> Result<()> {
    let producer = producer.clone();
    Ok(tokio::task::spawn_blocking(move || act(&producer)).await??)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT))
}

/// The first of the failures, if there is one.
fn all_done(results: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Result<()> {
    for result in results {
        result.map_err(|(name, code)| anyhow::anyhow!("{name}: {code}"))?;
    }
    Ok(())
}
