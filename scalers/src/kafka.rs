//! The `kafka` and `apache-kafka` triggers: how many records a consumer group has yet to read.
//!
//! Parameters and their errors: [`params`]. From offsets to a lag: [`lag`]. The clients: [`client`], which speak the
//! protocol with [`protocol`].

pub mod client;
mod endpoint;
mod groups;
mod idle;
#[cfg(test)]
mod keda_cases;
mod lag;
mod log_probe;
mod params;
mod partitions;
mod phantom_lag;
mod protocol;
mod room;
mod topics;
mod unused;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::{join_all, select_all};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kinds::Kind;
use crate::metric_name::metric_name;
use crate::net::oauth::TokenSource;
use crate::net::peer::said;
use crate::params::{ConfigError, TriggerConfig};
use crate::pool::{Backoff, Breaker, ClientPools, jitter};
use crate::scaler::{MetricSpec, ReadError, Reading, Scaler};
use client::{Client, Wanted};
use endpoint::Sasl;
use groups::{Group, Position, Positions};
use lag::{Offsets, PartitionLag, Progress, Rules};
use log_probe::Question;
use params::{Flavor, Metadata};
use partitions::Partitions;
use phantom_lag::{Found, Standing, Verdict};
use protocol::{End, Partition};
use topics::Topic;

pub use endpoint::Endpoint;
use unused::unused_credentials;

/// `type: kafka`.
pub(crate) const KAFKA: Kind = Kind::new("kafka", "kafkaScaler", params::KAFKA, build_kafka).unused(unused_credentials);
/// `type: apache-kafka`.
pub(crate) const APACHE_KAFKA: Kind =
    Kind::new("apache-kafka", "apacheKafkaScaler", params::APACHE_KAFKA, build_apache_kafka).unused(unused_credentials);

/// Reads bytes as any answer of a broker.
#[cfg(fuzzing)]
pub fn read_any_answer(bytes: &[u8]) {
    protocol::read_any_answer(bytes);
}

/// A checked trigger.
#[derive(Debug)]
struct Kafka {
    metric: MetricSpec,
    client: Arc<Client>,
    group: Group,
    /// Empty for those that the group has committed to.
    topics: Vec<Arc<Topic>>,
    partitions: Partitions,
    rules: Rules,
    /// The group's coordinator may be down while all else is well.
    coordinator: Breaker,
    /// Rights are seldom given within seconds.
    refused: Breaker,
    progress: Mutex<Progress>,
    standing: Mutex<Standing>,
    /// The topics of the last reading, and how often each had moved before it.
    seen: Mutex<Vec<(Arc<Topic>, u64)>>,
    /// A possible reason for which a broker does not answer, with advice: credentials that are not used.
    suspicion: Option<String>,
}

fn build_kafka(trigger: &TriggerConfig, pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
    build(trigger, pools, Flavor::Kafka)
}

fn build_apache_kafka(trigger: &TriggerConfig, pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
    build(trigger, pools, Flavor::Apache)
}

fn build(trigger: &TriggerConfig, pools: &ClientPools, flavor: Flavor) -> Result<Box<dyn Scaler>, ConfigError> {
    let metadata = Metadata::read(trigger, flavor)
        .map_err(|error| error.context("error parsing kafka metadata: error parsing kafka metadata: "))?;
    #[allow(clippy::cast_precision_loss)] // Nobody has so many records for one replica.
    let (target, activation) = (metadata.rules.lag_threshold as f64, metadata.rules.activation_lag_threshold as f64);
    let metric = MetricSpec {
        name: metric_name(trigger.index, &metadata.metric_part()),
        target,
        activation,
        metric_type: trigger.metric_type,
    };
    let tokens = match &metadata.endpoint.sasl {
        Some(Sasl::Bearer { account, .. }) => Some(TokenSource::shared(account, pools)),
        _ => None,
    };
    let client = pools.get("kafka", metadata.endpoint, |endpoint, outbound| Client::new(endpoint, tokens, outbound))?;
    Ok(Box::new(Kafka {
        metric,
        topics: metadata.topics.iter().map(|name| client.topics.get(name)).collect(),
        client,
        group: Group::new(metadata.group),
        partitions: metadata.partitions,
        rules: metadata.rules,
        coordinator: client::breaker(),
        refused: Breaker::new(Backoff::new(Duration::from_secs(2), Duration::from_secs(30))),
        progress: Mutex::default(),
        standing: Mutex::default(),
        seen: Mutex::default(),
        suspicion: unused_credentials(trigger, &|key| {
            trigger.auth.get(key).is_some_and(|value| !value.trim().is_empty())
        })
        .map(|(text, hint)| format!("{text} ({hint})")),
    }))
}

#[async_trait]
impl Scaler for Kafka {
    fn metric(&self) -> &MetricSpec {
        &self.metric
    }

    async fn read(&self, _now: DateTime<Utc>) -> Result<Reading, ReadError> {
        self.look(false).await
    }

    async fn poll(&self, _now: DateTime<Utc>) -> Result<Reading, ReadError> {
        self.look(true).await
    }

    async fn changed(&self) {
        let seen = self.seen.lock().clone();
        if seen.is_empty() {
            return std::future::pending().await;
        }
        let _watchers: Vec<_> = seen.iter().map(|(topic, _)| self.client.watch(topic)).collect();
        match &seen[..] {
            [(topic, moves)] => topic.moved_since(*moves).await,
            _ => drop(select_all(seen.iter().map(|(topic, moves)| Box::pin(topic.moved_since(*moves)))).await),
        }
    }

    fn notices_changes(&self) -> bool {
        true
    }
}

impl Kafka {
    async fn look(&self, poll: bool) -> Result<Reading, ReadError> {
        let looked = match self.look_once(poll).await {
            // A leader has moved, or partitions have gone: with the new layout the question may succeed.
            Err(_) if self.topics.iter().any(|topic| topic.has_no_layout()) => self.look_once(poll).await,
            looked => looked,
        };
        if looked.is_err() {
            self.seen.lock().clear();
        }
        looked.map_err(|error| match (error, &self.suspicion) {
            (ReadError::Connect { broker, cause }, Some(suspicion)) => {
                ReadError::Connect { broker, cause: format!("{cause}; {suspicion}") }
            }
            (error, _) => error,
        })
    }

    async fn look_once(&self, poll: bool) -> Result<Reading, ReadError> {
        let (topics, positions) = if self.topics.is_empty() {
            let positions = self.positions(None, true).await?;
            (self.topics_of(&positions), Some(positions))
        } else {
            (self.topics.clone(), None)
        };
        let seen = topics.iter().map(|topic| (Arc::clone(topic), topic.moves())).collect();
        let wanted = self.wanted(&topics).await?;
        let ends = self.client.offsets(End::LastStable, &wanted).await?;
        let partitions: Arc<[Partition]> =
            wanted.iter().map(|wanted| (Arc::clone(&wanted.topic.name), wanted.partition)).collect();
        let positions = match positions {
            Some(positions) => positions,
            None => self.positions(Some(Arc::clone(&partitions)), ends.iter().any(|end| *end > 0)).await?,
        };
        let positions = partitions.iter().map(|partition| self.position_in(&positions, partition));
        let positions = positions.collect::<Result<Vec<_>, _>>()?;

        let lags = self.lags(poll, &wanted, &partitions, &ends, &positions).await?;
        *self.seen.lock() = seen;
        let total = lag::total(&self.rules, &lags);
        #[allow(clippy::cast_precision_loss)] // The HPA's own figures are not more precise.
        Ok(Reading { value: total.value as f64, active: total.active })
    }

    async fn lags(
        &self,
        poll: bool,
        wanted: &[Wanted],
        partitions: &[Partition],
        ends: &[i64],
        positions: &[Option<Position>],
    ) -> Result<Vec<PartitionLag>, ReadError> {
        let asked: Vec<_> =
            (0..wanted.len()).filter(|at| lag::needs_start(&self.rules, ends[*at], positions[*at])).collect();
        let mut starts = vec![None; wanted.len()];
        if !asked.is_empty() {
            let wanted: Vec<_> = asked.iter().map(|at| wanted[*at].clone()).collect();
            for (at, start) in asked.iter().zip(self.client.offsets(End::Start, &wanted).await?) {
                starts[*at] = Some(start);
            }
        }
        let offsets: Vec<_> =
            (0..wanted.len()).map(|at| Offsets { start: starts[at], end: ends[at], position: positions[at] }).collect();
        let mut lags: Vec<_> = offsets.iter().map(|offsets| lag::partition_lag(&self.rules, offsets)).collect();
        self.drop_phantom_lag(wanted, partitions, &offsets, &mut lags).await;

        let mut progress = self.progress.lock();
        if poll && self.rules.exclude_persistent_lag {
            progress.polled(partitions.iter().zip(positions.iter().copied()));
        }
        let lags = partitions.iter().zip(lags).zip(positions).map(|((partition, lag), position)| PartitionLag {
            lag,
            persistent: self.rules.exclude_persistent_lag && progress.is_stuck(partition, *position),
        });
        Ok(lags.collect())
    }

    /// Takes away the lags behind which there is nothing to read: see [`phantom_lag`].
    async fn drop_phantom_lag(
        &self,
        wanted: &[Wanted],
        partitions: &[Partition],
        offsets: &[Offsets],
        lags: &mut [i64],
    ) {
        let mut asked: BTreeMap<Arc<str>, Vec<(usize, Question)>> = BTreeMap::new();
        {
            let (mut standing, now) = (self.standing.lock(), Instant::now());
            for (at, (partition, offsets)) in partitions.iter().zip(offsets).enumerate() {
                let Some(place) = offsets.place() else { continue };
                if lags[at] == 0 {
                    standing.caught_up(partition, place, now);
                    continue;
                }
                match standing.verdict(partition, place, offsets.end, now) {
                    Verdict::Counts => {}
                    Verdict::NoRecords => lags[at] = 0,
                    Verdict::AskFrom(from) => {
                        let Some(leader) = wanted[at].leader else { continue };
                        let question = Question { partition: partition.1, leader, from, end: offsets.end };
                        asked.entry(Arc::clone(&partition.0)).or_default().push((at, question));
                    }
                }
            }
        }
        for (topic, questions) in asked {
            let found = self.client.look_into(&topic, questions.iter().map(|(_, question)| *question).collect()).await;
            let mut standing = self.standing.lock();
            for (at, Question { partition, .. }) in questions {
                let (Some(found), Some(place)) = (found.get(&partition), offsets[at].place()) else { continue };
                standing.found(&partitions[at], place, *found, Instant::now());
                if matches!(found, Found::NothingBefore(_)) {
                    lags[at] = 0;
                }
            }
        }
    }

    /// The partitions of these topics that the trigger looks at.
    async fn wanted(&self, topics: &[Arc<Topic>]) -> Result<Vec<Wanted>, ReadError> {
        let layouts = join_all(topics.iter().map(|topic| self.client.layout(topic))).await;
        let partitions = layouts.iter().flatten().map(|layout| layout.len()).sum();
        room::check_trigger(partitions).map_err(|error| self.client.query("the topics", error))?;
        let mut wanted = Vec::new();
        for (topic, layout) in topics.iter().zip(layouts) {
            let layout = match layout {
                Ok(layout) => layout,
                // A group's commits outlive a topic for a while.
                Err(ReadError::Query(_)) if self.topics.is_empty() => continue,
                Err(error) => return Err(error),
            };
            let before = wanted.len();
            let looked_at = layout.iter().filter(|(partition, _)| self.partitions.contains(*partition));
            wanted.extend(looked_at.map(|(partition, leader)| Wanted {
                topic: Arc::clone(topic),
                partition: *partition,
                leader: *leader,
            }));
            if wanted.len() == before {
                return Err(ReadError::Query(format!(
                    "expected at least one active partition within the topic '{}'",
                    said(&topic.name)
                )));
            }
        }
        Ok(wanted)
    }

    fn topics_of(&self, positions: &Positions) -> Vec<Arc<Topic>> {
        let has_read = positions.by_partition.iter().filter(|(_, position)| matches!(position, Ok(Some(_))));
        let names: BTreeSet<_> = has_read.map(|((topic, _), _)| topic).collect();
        names.into_iter().map(|name| self.client.topics.get(name)).collect()
    }

    async fn positions(
        &self,
        partitions: Option<Arc<[Partition]>>,
        were_written: bool,
    ) -> Result<Arc<Positions>, ReadError> {
        let now = Instant::now();
        if let Some(refused) = self.coordinator.open_error(now).or_else(|| self.refused.open_error(now)) {
            return Err(refused);
        }
        let positions = self.group.positions(&self.client, partitions, were_written).await;
        let group = &self.group.name;
        match &positions {
            Ok(_) => {
                self.coordinator.succeeded();
                self.refused.succeeded();
            }
            Err(error @ ReadError::Query(_)) => self.refused.failed(Instant::now(), error.clone(), jitter(group)),
            Err(error) => self.coordinator.failed(Instant::now(), error.clone(), jitter(group)),
        }
        positions
    }

    fn position_in(&self, positions: &Positions, partition: &Partition) -> Result<Option<Position>, ReadError> {
        let (topic, number) = partition;
        let group = &self.group.name;
        let what = || format!("the offset of consumer group {group:?} for topic {topic} and partition {number}");
        match positions.by_partition.get(partition) {
            Some(Ok(position)) => Ok(*position),
            Some(Err(error)) => Err(self.client.query(&what(), error)),
            None if positions.is_whole => Ok(None),
            None => Err(self.client.query(&what(), "the answer does not hold it")),
        }
    }
}
