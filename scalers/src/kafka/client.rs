//! The client that all triggers of one cluster share, and the questions that it asks for them.
//!
//! Owns: the one librdkafka client, what is known of topics, and what is left alone for a while after a failure. The ends
//! of all topics that are asked for together are one `ListOffsets` for each leader, so that a broker that hangs holds up
//! its own partitions only. Must not know what a lag is.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::admin::{AdminError, End, PartitionOffset};
use super::context::Context;
use super::endpoint::Endpoint;
use super::idle::Idle;
use super::lag::Partition;
use super::link::{ANSWER, Link};
use super::proof::{Answers, LOOKS, Question};
use super::topics::{ByLeader, LAYOUT_AGE, Layout, Topic, Topics};
use crate::broker::{Backoff, Breaker, Flights, Gather, chance};
use crate::oauth::{Token, TokenSource};
use crate::outbound::Outbound;
use crate::scaler::ReadError;

/// How long questions are gathered before they go out together.
const TOGETHER: Duration = Duration::from_millis(2);
/// Partitions in one question: librdkafka compares each with each when the answer comes.
const PARTITIONS_AT_ONCE: usize = 500;
/// How long a group whose coordinator moves is asked for again, within [`ANSWER`].
const MOVING: Duration = Duration::from_secs(2);
/// The pause before it is.
const MOVING_PAUSE: Duration = Duration::from_millis(300);
/// How old a list of partitions may be that serves while no newer one can be had.
const LAYOUT_OF_OLD: Duration = Duration::from_mins(2);
/// How long a newer list of partitions is waited for while there is an older one.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a consumer group has committed, by partition; none where it has committed nothing.
pub(super) type Committed = HashMap<Partition, Result<Option<i64>, AdminError>>;
/// A group, and the partitions that are asked about; none for all that it has committed to.
type GroupQuestion = (CString, Option<Arc<[Partition]>>);
/// The partitions that could not be asked about, of those that were.
type Refused = Arc<HashMap<Partition, AdminError>>;

/// A partition that is to be asked about.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) topic: Arc<Topic>,
    pub(super) partition: i32,
    pub(super) leader: Option<i32>,
}

/// A shared client. It is opened by the first question; librdkafka keeps its connections from then on.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    outbound: Arc<Outbound>,
    tokens: Option<Arc<TokenSource>>,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
    cluster: Breaker,
    pub(super) topics: Topics,
    layouts: Gather<Arc<str>, Result<(), ReadError>>,
    leaders: Mutex<HashMap<i32, Arc<Leader>>>,
    groups: Arc<Flights<GroupQuestion, Result<Arc<Committed>, ReadError>>>,
    pub(super) idle: Idle,
    /// The looks into logs that are under way, by topic and what is asked of it.
    pub(super) looks: Flights<(Arc<str>, Vec<Question>), Answers>,
    /// The turns of those who look into a log.
    pub(super) looking: Semaphore,
}

/// A broker as the leader of partitions.
#[derive(Debug)]
struct Leader {
    ends: Gather<Partition, Result<Refused, ReadError>>,
    starts: Gather<Partition, Result<Refused, ReadError>>,
    health: Breaker,
}

/// How long what has failed is left alone.
pub(super) fn breaker() -> Breaker {
    Breaker::new(Backoff::new(Duration::from_millis(250), Duration::from_secs(5)))
}

impl Client {
    /// A client that has not been opened. `tokens` is where its tokens come from, if it is let in with such.
    pub fn new(endpoint: &Endpoint, tokens: Option<Arc<TokenSource>>, outbound: &Arc<Outbound>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            outbound: Arc::clone(outbound),
            tokens,
            link: tokio::sync::Mutex::new(None),
            cluster: breaker(),
            topics: Topics::default(),
            layouts: Gather::new(TOGETHER),
            leaders: Mutex::default(),
            groups: Arc::default(),
            idle: Idle::default(),
            looks: Flights::default(),
            looking: Semaphore::new(LOOKS),
        }
    }

    /// The cluster, and as whom it is asked.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The configuration for librdkafka.
    pub(super) fn config(&self) -> ClientConfig {
        self.endpoint.config(&self.outbound.authorities)
    }

    /// The ear and the door of a librdkafka client.
    pub(super) fn context(&self) -> Context {
        Context::new(&self.outbound.denied)
    }

    /// A token to be let in with and whom it names, where one is needed.
    pub(super) async fn token(&self) -> Result<Option<(Token, String)>, ReadError> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        Ok(Some((tokens.token().await?, tokens.credentials().client_id.clone())))
    }

    /// A topic's partitions and their leaders.
    pub(super) async fn layout(self: &Arc<Self>, topic: &Arc<Topic>) -> Result<Layout, ReadError> {
        let now = Instant::now();
        if let Some(layout) = topic.layout(now, LAYOUT_AGE) {
            return layout;
        }
        let described = if let Some(refused) = self.cluster.resting(now) {
            Err(refused)
        } else {
            let (client, name) = (Arc::clone(self), Arc::clone(&topic.name));
            let asked = Arc::clone(self);
            let asking = tokio::spawn(async move {
                client.layouts.ask([name], |names| async move { asked.describe(names).await }).await
            });
            let described = match topic.layout(now, LAYOUT_OF_OLD) {
                // The broker that was asked may hang, and the topic's own be well: what is known serves meanwhile.
                Some(Ok(known)) => match timeout(PATIENCE, asking).await {
                    Ok(described) => described,
                    Err(_) => return Ok(known),
                },
                _ => asking.await,
            };
            described.unwrap_or_else(|error| Err(self.query("the topics", &error.to_string())))
        };
        let age = if described.is_ok() { LAYOUT_AGE } else { LAYOUT_OF_OLD };
        match (described, topic.layout(now, age)) {
            (_, Some(layout)) => layout,
            (Err(error), None) => Err(error),
            (Ok(()), None) => Err(self.query(&format!("topic {:?}", topic.name), "the answer does not hold it")),
        }
    }

    /// One end of each partition's log, in their order.
    pub(super) async fn offsets(self: &Arc<Self>, end: End, wanted: &[Wanted]) -> Result<Vec<i64>, ReadError> {
        let now = Instant::now();
        let mut stale = ByLeader::default();
        for Wanted { topic, partition, leader } in wanted {
            if topic.offset(end, *partition, now).is_none() {
                stale.add(topic, *partition, *leader);
            }
        }
        if let Some((topic, partition)) = stale.leaderless.first() {
            return Err(self.query(&format!("partition {partition} of topic {topic:?}"), "it has no leader"));
        }
        let answers = stale.led.into_iter().map(|(leader, partitions)| self.ask_leader(leader, end, partitions));
        for answer in join_all(answers).await {
            answer?;
        }
        let known = |Wanted { topic, partition, .. }: &Wanted| {
            topic.offset(end, *partition, now).ok_or_else(|| {
                self.query(&format!("partition {partition} of topic {:?}", topic.name), "the answer does not hold it")
            })
        };
        wanted.iter().map(known).collect()
    }

    /// What a consumer group has committed. Those who ask the same at the same time share one question.
    pub(super) async fn committed(
        self: &Arc<Self>,
        group: &CString,
        partitions: Option<Arc<[Partition]>>,
    ) -> Result<Arc<Committed>, ReadError> {
        let question = (group.clone(), partitions);
        let (client, asked) = (Arc::clone(self), question.clone());
        let link = self.link().await?;
        let answer = self.groups.join_to_the_end(&question, async move { client.ask_group(asked).await });
        let late = |_| Err(self.explain(&offsets_of(group), &AdminError::timed_out(), &link));
        timeout(ANSWER, answer).await.unwrap_or_else(late)
    }

    /// Asks a leader now, whatever is known, and notes what it says.
    pub(super) async fn ask_leader(
        self: &Arc<Self>,
        leader: i32,
        end: End,
        partitions: Vec<Partition>,
    ) -> Result<(), ReadError> {
        let broker = self.leader(leader);
        if let Some(refused) = broker.health.resting(Instant::now()) {
            return Err(refused);
        }
        let gather = match end {
            End::Start => &broker.starts,
            End::Stable => &broker.ends,
        };
        let client = Arc::clone(self);
        let asked = partitions.iter().cloned();
        let refused = gather.ask(asked, move |all| async move { client.list_offsets(leader, end, all).await }).await?;
        for partition in &partitions {
            let Some(error) = refused.get(partition) else { continue };
            let (topic, number) = partition;
            if error.is_moved()
                && let Some(topic) = self.topics.find(topic)
            {
                topic.forget_layout();
            }
            return Err(self.query(&format!("partition {number} of topic {topic:?}"), &error.text));
        }
        Ok(())
    }

    fn leader(&self, id: i32) -> Arc<Leader> {
        let new = || Leader { ends: Gather::new(TOGETHER), starts: Gather::new(TOGETHER), health: breaker() };
        Arc::clone(self.leaders.lock().entry(id).or_insert_with(|| Arc::new(new())))
    }

    async fn list_offsets(
        self: Arc<Self>,
        leader: i32,
        end: End,
        partitions: HashSet<Partition>,
    ) -> Result<Refused, ReadError> {
        let link = self.link().await?;
        let at = Instant::now();
        let partitions: Vec<_> = partitions.into_iter().collect();
        let questions = partitions.chunks(PARTITIONS_AT_ONCE).map(|chunk| {
            let named = chunk.iter().map(|(topic, partition)| (&**topic, *partition));
            link.ask_and_check(move |admin| admin.list_offsets(named, end, ANSWER), all_answered)
        });
        let mut refused = HashMap::new();
        let health = &self.leader(leader).health;
        for answer in join_all(questions).await {
            let answer = answer.map_err(|error| {
                let error = self.explain("the ends of partitions", &error, &link);
                health.failed(Instant::now(), error.clone(), chance(&leader));
                error
            })?;
            for PartitionOffset { topic, partition, offset } in answer {
                let Some(topic) = self.topics.find(&topic) else { continue };
                match offset {
                    Ok(offset) => topic.set_offset(end, partition, at, offset),
                    Err(error) => {
                        refused.insert((Arc::clone(&topic.name), partition), error);
                    }
                }
            }
        }
        health.succeeded();
        Ok(Arc::new(refused))
    }

    /// Asks for the partitions of these topics, and of those whose turn is soon.
    async fn describe(self: Arc<Self>, names: HashSet<Arc<str>>) -> Result<(), ReadError> {
        let now = Instant::now();
        let mut topics: Vec<_> = names.iter().filter_map(|name| self.topics.find(name)).collect();
        topics.extend(self.topics.all().into_iter().filter(|topic| {
            let known = matches!(topic.layout(now, LAYOUT_OF_OLD), Some(Ok(_)));
            !names.contains(&topic.name) && known && topic.layout(now, LAYOUT_AGE / 2).is_none()
        }));
        let c_names: Vec<_> = topics.iter().map(|topic| topic.c_name.clone()).collect();
        let link = self.link().await?;
        let answer = link.ask(|admin| admin.describe_topics(&c_names, ANSWER)).await.map_err(|error| {
            let error = self.explain("the topics", &error, &link);
            self.cluster.failed(Instant::now(), error.clone(), chance(&self.endpoint));
            error
        })?;
        self.cluster.succeeded();
        for described in answer {
            let Some(topic) = self.topics.find(&described.name) else { continue };
            let layout = match described.partitions {
                Ok(mut partitions) => {
                    partitions.sort_unstable();
                    Ok(partitions.into())
                }
                Err(error) => Err(self.query(&format!("topic {:?}", described.name), &error.text)),
            };
            topic.set_layout(now, layout);
        }
        Ok(())
    }

    async fn ask_group(self: Arc<Self>, (group, partitions): GroupQuestion) -> Result<Arc<Committed>, ReadError> {
        let until = Instant::now() + MOVING;
        let offsets = loop {
            let link = self.link().await?;
            let asked = link.ask_coordinator(|admin, limit| admin.group_offsets(&group, partitions.as_deref(), limit));
            let error = match asked.await {
                Ok(offsets) => break offsets,
                Err(error) => error,
            };
            // librdkafka goes on asking a coordinator that it knows, whatever that says; another client knows none.
            if error.is_lost() || error.is_wrong_coordinator() {
                self.close(&link).await;
            }
            if !error.is_no_coordinator() || Instant::now() > until {
                return Err(self.explain(&offsets_of(&group), &error, &link));
            }
            sleep(MOVING_PAUSE).await;
        };
        // Most groups have one topic: its name is not to be held once for each partition.
        let mut name: Arc<str> = "".into();
        let committed = offsets.into_iter().map(|PartitionOffset { topic, partition, offset }| {
            if *name != *topic {
                name = topic.into();
            }
            ((Arc::clone(&name), partition), offset.map(|offset| (offset >= 0).then_some(offset)))
        });
        Ok(Arc::new(committed.collect()))
    }

    async fn link(&self) -> Result<Arc<Link>, ReadError> {
        let mut link = self.link.lock().await;
        if let Some(link) = &*link {
            return Ok(Arc::clone(link));
        }
        if let Some(refused) = self.cluster.resting(Instant::now()) {
            return Err(refused);
        }
        match Link::open(&self.endpoint, self.config(), self.context(), self.tokens.clone()).await {
            Ok(opened) => {
                tracing::info!(endpoint = ?self.endpoint, "a client for Kafka is open");
                Ok(Arc::clone(link.insert(Arc::new(opened))))
            }
            Err(error) => {
                self.cluster.failed(Instant::now(), error.clone(), chance(&self.endpoint));
                Err(error)
            }
        }
    }

    /// Leaves a client to those who still wait for its answers; the next question opens another.
    async fn close(&self, link: &Arc<Link>) {
        let mut present = self.link.lock().await;
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, link)) {
            *present = None;
        }
    }

    /// An answer that says no.
    pub(super) fn query(&self, what: &str, problem: &str) -> ReadError {
        ReadError::Query(format!("{what} at {}: {problem}", self.endpoint.broker()))
    }

    fn explain(&self, what: &str, error: &AdminError, link: &Link) -> ReadError {
        if !error.is_local() {
            return self.query(what, &error.text);
        }
        let broker = self.endpoint.broker();
        match link.trouble() {
            Some(cause) => ReadError::Connect { broker, cause },
            None if error.is_timeout() => ReadError::Timeout { broker, what: what.to_owned(), after: ANSWER },
            None => ReadError::Connect { broker, cause: error.text.clone() },
        }
    }
}

fn offsets_of(group: &CString) -> String {
    format!("the offsets of consumer group {:?}", group.to_string_lossy())
}

/// librdkafka answers for partitions whose leader did not with neither an offset nor an error.
fn all_answered(answer: Vec<PartitionOffset>) -> Result<Vec<PartitionOffset>, AdminError> {
    if answer.iter().any(|found| matches!(found.offset, Ok(offset) if offset < 0)) {
        return Err(AdminError::timed_out());
    }
    Ok(answer)
}
