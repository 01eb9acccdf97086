//! A look into the log: whether a consumer would get a record from an offset on.
//!
//! The probe reads the log as a `read_committed` consumer would, until the first record or the log's end. It commits
//! nothing and joins no group. Callers that ask the same at the same time share a probe: a new record is new to every
//! group that had read all before it. A cluster has a few probes at a time; a caller that would wait for long goes
//! without.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::client::Client;
use super::phantom_lag::Found;
use super::protocol::{BatchScan, Code, End, Fault, FetchedLog, look};

/// How long a look may take. A lag that could not be looked into counts as it is.
const LOOK: Duration = Duration::from_secs(2);
/// The most topics that are looked into at a time: an answer may be as long as the longest batches of records.
pub(super) const LOOKS: usize = 4;
/// How long to wait for a turn. A new record is not to wake a workload any later for others' sake.
const TURN: Duration = Duration::from_millis(300);
/// The pause before a broker is asked again that sent nothing, where there should be something.
const PAUSE: Duration = Duration::from_millis(20);

/// From where to look, and up to where the log was known to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) partition: i32,
    /// The broker that leads the partition.
    pub(super) leader: i32,
    pub(super) from: i64,
    pub(super) end: i64,
}

/// The findings of a look, by partition.
pub(super) type Answers = Arc<HashMap<i32, Found>>;

impl Client {
    /// Looks into partitions of one topic. A partition that is missing in the answer is not known.
    pub(super) async fn look_into(self: &Arc<Self>, topic: &Arc<str>, questions: Vec<Question>) -> Answers {
        let question = (Arc::clone(topic), questions);
        let (client, (topic, questions)) = (Arc::clone(self), question.clone());
        self.looks.join(&question, async move { Arc::new(client.take_a_look(topic, questions).await) }).await
    }

    async fn take_a_look(&self, topic: Arc<str>, questions: Vec<Question>) -> HashMap<i32, Found> {
        let Ok(Ok(_turn)) = timeout(TURN, self.looking.acquire()).await else { return HashMap::new() };
        let until = Instant::now() + LOOK;
        let looks = questions.into_iter().map(|question| self.look_at(&topic, question, until));
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// Looks into one partition until something is found or the time is over.
    async fn look_at(&self, topic: &Arc<str>, mut question: Question, until: Instant) -> Option<(i32, Found)> {
        let Question { partition, leader, .. } = question;
        while Instant::now() < until {
            let piece = self.cluster.fetch(leader, (topic, partition), question.from).await;
            let next = match step(&question, &piece) {
                Step::Found(found) => return Some((partition, found)),
                Step::Unknown => {
                    tracing::debug!(%topic, partition, ?piece, "cannot look into a topic");
                    return None;
                }
                Step::From(offset) => offset,
                Step::FromStart => self.start_of(leader, topic, partition).await?.max(question.from),
            };
            if next == question.from {
                sleep(PAUSE).await;
            }
            question.from = next;
        }
        None
    }

    async fn start_of(&self, leader: i32, topic: &Arc<str>, partition: i32) -> Option<i64> {
        let partitions = [(Arc::clone(topic), partition)];
        let starts = self.cluster.list_offsets(leader, End::Start, &partitions).await.ok()?;
        starts.first()?.offset.ok()
    }
}

/// The finding in one fetched part of a log.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Found(Found),
    /// Nothing up to here; the log goes on.
    From(i64),
    /// The log begins later.
    FromStart,
    Unknown,
}

fn step(question: &Question, log: &Result<FetchedLog, Fault>) -> Step {
    match log {
        Ok(piece) => match look(&piece.batches, &piece.aborted, question.from) {
            BatchScan::Record(offset) => Step::Found(Found::Record(offset)),
            BatchScan::NothingBefore(next) if next >= piece.stable.min(question.end) => {
                Step::Found(Found::NothingBefore(question.end))
            }
            BatchScan::NothingBefore(next) => Step::From(next),
        },
        // A client that may not read the topic cannot prove the log empty: the lag counts, and is not asked about
        // again.
        Err(Fault::Refused(Code::TOPIC_AUTHORIZATION_FAILED)) => Step::Found(Found::Record(question.from)),
        Err(Fault::Refused(Code::OFFSET_OUT_OF_RANGE)) => Step::FromStart,
        Err(_) => Step::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_goes_on_until_a_record_or_the_end() {
        let question = Question { partition: 0, leader: 1, from: 4, end: 9 };
        let piece = |stable| Ok(FetchedLog { stable, aborted: Vec::new(), batches: Vec::new() });
        assert_eq!(step(&question, &piece(9)), Step::From(4), "there should be something");
        assert_eq!(step(&question, &piece(4)), Step::Found(Found::NothingBefore(9)), "the stable part ends there");
        let at_end = Question { from: 9, ..question };
        assert_eq!(step(&at_end, &piece(12)), Step::Found(Found::NothingBefore(9)), "more has come meanwhile");
        let unreadable = step(&question, &Err(Fault::Refused(Code::TOPIC_AUTHORIZATION_FAILED)));
        assert_eq!(unreadable, Step::Found(Found::Record(4)));
        assert_eq!(step(&question, &Err(Fault::Refused(Code::OFFSET_OUT_OF_RANGE))), Step::FromStart);
    }
}
