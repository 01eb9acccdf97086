//! The offsets that a trigger's group has read, for every type of group.
//!
//! A classic, consumer (KIP-848) or streams (KIP-1071) group commits offsets. A share group (KIP-932) commits none:
//! brokers answer as if it had read nothing, and know better when they are asked for share groups. The type is asked
//! for only where there are records and no commit, and then remembered. A reading is one question to the coordinator,
//! but for one more in ten seconds for a group without commits. A group that is deleted may come back with another
//! type.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Client, MOVING, MOVING_PAUSE};
use super::protocol::{ANSWER, Code, Fault, Partition, PartitionOffset, ShareOffset, SharePartition};
use super::room::MOST_COMMITTED;
use crate::scaler::ReadError;

/// How long a group without commits is taken for one that is no share group.
const TYPE_AGE: Duration = Duration::from_secs(10);

/// The reason why the lag of a share group cannot be read, and advice.
const NOT_COUNTED: &str = "the broker does not count it, as Kafka does from 4.2 on; upgrade the brokers, or name in \
    consumerGroup a group that commits offsets";

/// A group's place in a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The next record that it will read; of a share group the first that is not acknowledged.
    pub(super) offset: i64,
    /// How many records a share group has yet to read, as the broker counts them. None for every other group.
    pub(super) share_lag: Option<i64>,
}

impl Position {
    /// Whether the group has read nothing since it was `before`.
    pub(super) fn is_still(&self, before: &Self) -> bool {
        self.offset == before.offset && self.share_lag >= before.share_lag
    }
}

/// The offsets that a group has read.
#[derive(Debug)]
pub(super) struct Positions {
    /// None where it has read nothing.
    pub(super) by_partition: HashMap<Partition, Result<Option<Position>, Code>>,
    /// Whether the group has read nothing of the partitions that are missing here; otherwise the answer is not
    /// complete.
    pub(super) is_whole: bool,
}
/// A group, and the partitions that are asked about; none for all that it has committed to.
pub(super) type GroupQuestion = (Arc<str>, Option<Arc<[Partition]>>);
/// The offsets of a share group; none if the group is of another type.
pub(super) type ShareAnswer = Result<Option<Arc<Positions>>, ReadError>;

/// The type of a group, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Known {
    #[default]
    Nothing,
    /// It was a share group when it was asked about last.
    Share,
    /// It was none at that time.
    NoShare(Instant),
}

/// A trigger's group, and its type as far as it is known.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Arc<str>,
    known: Mutex<Known>,
}

impl Group {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, known: Mutex::default() }
    }

    fn known(&self, now: Instant) -> Known {
        match *self.known.lock() {
            Known::NoShare(at) if now.saturating_duration_since(at) > TYPE_AGE => Known::Nothing,
            known => known,
        }
    }

    /// The offsets that the group has read of these partitions, or of all that it reads. `were_written`: there were
    /// records in at least one of them. Where there never were any, all types of groups have read the same.
    pub(super) async fn positions(
        &self,
        client: &Arc<Client>,
        partitions: Option<Arc<[Partition]>>,
        were_written: bool,
    ) -> Result<Arc<Positions>, ReadError> {
        if self.known(Instant::now()) == Known::Share {
            if let Some(read) = client.share_positions(&self.name).await? {
                return Ok(read);
            }
            *self.known.lock() = Known::Nothing;
        }
        let committed = client.committed(&self.name, partitions).await?;
        let is_committed = committed.by_partition.values().any(|offset| !matches!(offset, Ok(None)));
        let now = Instant::now();
        if is_committed || !were_written || self.known(now) != Known::Nothing {
            return Ok(committed);
        }
        let read = client.share_positions(&self.name).await?;
        *self.known.lock() = if read.is_some() { Known::Share } else { Known::NoShare(now) };
        Ok(read.unwrap_or(committed))
    }
}

impl Client {
    /// The offsets that a consumer group has committed. Callers that ask the same at the same time share one question.
    async fn committed(
        self: &Arc<Self>,
        group: &Arc<str>,
        partitions: Option<Arc<[Partition]>>,
    ) -> Result<Arc<Positions>, ReadError> {
        let question = (Arc::clone(group), partitions);
        let (client, asked) = (Arc::clone(self), question.clone());
        let answer = self.groups.join_to_the_end(&question, async move { client.ask_group(asked).await });
        timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(self.explain(&offsets_of(group), Fault::Timeout)))
    }

    async fn ask_group(self: Arc<Self>, (group, partitions): GroupQuestion) -> Result<Arc<Positions>, ReadError> {
        let ask = || self.cluster.group_offsets(&group, partitions.as_deref());
        let offsets = patiently(ask).await.map_err(|fault| self.explain(&offsets_of(&group), fault))?;
        let asked: Option<HashSet<_>> = partitions.as_ref().map(|partitions| partitions.iter().cloned().collect());
        if asked.is_none() {
            self.check_count(&offsets_of(&group), offsets.len())?;
        }
        let positions = offsets.into_iter().map(|PartitionOffset { topic, partition, offset }| {
            let position = |offset: i64| (offset >= 0).then_some(Position { offset, share_lag: None });
            ((topic, partition), offset.map(position))
        });
        // An answer may hold more than was asked for.
        let positions = positions.filter(|(partition, _)| asked.as_ref().is_none_or(|asked| asked.contains(partition)));
        Ok(Arc::new(Positions { by_partition: positions.collect(), is_whole: partitions.is_none() }))
    }

    /// Whether a group is not in more partitions than are looked at together.
    fn check_count(&self, what: &str, partitions: usize) -> Result<(), ReadError> {
        if partitions <= MOST_COMMITTED {
            return Ok(());
        }
        Err(self.query(what, format!("there are some for {partitions} partitions, and {MOST_COMMITTED} are the most")))
    }

    /// The offsets that a share group has read; none if it is no share group. Callers that ask at the same time share
    /// one question.
    async fn share_positions(self: &Arc<Self>, group: &Arc<str>) -> ShareAnswer {
        let (client, asked) = (Arc::clone(self), Arc::clone(group));
        let answer = self.share_groups.join_to_the_end(group, async move { client.ask_share_group(asked).await });
        timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(self.explain(&share_offsets_of(group), Fault::Timeout)))
    }

    async fn ask_share_group(self: Arc<Self>, group: Arc<str>) -> ShareAnswer {
        match patiently(|| self.cluster.share_offsets(&group)).await {
            Ok(found) => {
                let found = found.unwrap_or_default();
                self.check_count(&share_offsets_of(&group), found.len())?;
                match share_positions(found) {
                    Ok(positions) => Ok(positions.map(Arc::new)),
                    Err(NotCounted) => Err(self.query(&format!("the lag of share group {group:?}"), NOT_COUNTED)),
                }
            }
            Err(Fault::Refused(code)) if code.is_not_such_a_group() => Ok(None),
            Err(fault) => Err(self.explain(&share_offsets_of(&group), fault)),
        }
    }
}

/// Asks until the group's coordinator has been found where it moves to, or too much time has gone.
async fn patiently<T, F: Future<Output = Result<T, Fault>>>(ask: impl Fn() -> F) -> Result<T, Fault> {
    let until = Instant::now() + MOVING;
    loop {
        match ask().await {
            Err(fault) if fault.is_no_coordinator() && Instant::now() < until => sleep(MOVING_PAUSE).await,
            answer => return answer,
        }
    }
}

/// The broker says where a share group is, but not how many records it has yet to read.
#[derive(Debug, PartialEq, Eq)]
struct NotCounted;

/// None if there is no partition that the group has begun to read: then it is no share group, as far as is known.
///
/// The lag does not follow from the place: brokers write down the place before records are acknowledged, so that a
/// group that has read everything may keep an old one.
fn share_positions(found: Vec<SharePartition>) -> Result<Option<Positions>, NotCounted> {
    let mut by_partition = HashMap::new();
    for SharePartition { topic, partition, read } in found {
        let position = match read {
            Ok(Some(ShareOffset { lag: None, .. })) => return Err(NotCounted),
            Ok(Some(ShareOffset { start, lag })) => Ok(Some(Position { offset: start, share_lag: lag })),
            Ok(None) => Ok(None),
            Err(code) => Err(code),
        };
        by_partition.insert((topic, partition), position);
    }
    Ok((!by_partition.is_empty()).then_some(Positions { by_partition, is_whole: true }))
}

fn offsets_of(group: &str) -> String {
    format!("the offsets of consumer group {group:?}")
}

fn share_offsets_of(group: &str) -> String {
    format!("the offsets of share group {group:?}")
}

#[cfg(test)]
mod tests;
