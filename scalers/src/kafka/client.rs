//! The client that all triggers of one cluster share, and the questions that it asks for them.
//!
//! Owns: the topics and the leaders of a cluster as last read, and a breaker for each leader. One `ListOffsets` for
//! each leader reads the ends of all topics that are asked for together, so that a broker that hangs holds up its own
//! partitions only. Must not know what a lag is, nor the protocol's bytes.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::endpoint::Endpoint;
use super::groups::{GroupQuestion, Positions, ShareAnswer};
use super::idle::Idle;
use super::log_probe::{Answers, LOOKS, Question};
use super::protocol::{ANSWER, Cluster, Code, End, Fault, Partition};
use super::topics::{ByLeader, LAYOUT_AGE, Topic, TopicMetadata, Topics};
use crate::net::budget::Budget;
use crate::net::oauth::TokenSource;
use crate::net::outbound::Outbound;
use crate::net::peer::said;
use crate::pool::{Backoff, Batcher, Breaker, SingleFlight, jitter};
use crate::scaler::ReadError;

/// How long questions are gathered before they go out together.
const TOGETHER: Duration = Duration::from_millis(2);
/// How long a group whose coordinator moves is asked for again, within [`ANSWER`].
pub(super) const MOVING: Duration = Duration::from_secs(2);
/// The pause before it is.
pub(super) const MOVING_PAUSE: Duration = Duration::from_millis(300);
/// How old a list of partitions may be that serves while no newer one can be had.
const LAYOUT_OF_OLD: Duration = Duration::from_mins(2);
/// How long a newer list of partitions is waited for while there is an older one.
const WAIT_LIMIT: Duration = Duration::from_millis(250);

/// The partitions that could not be asked about, of those that were.
type Refused = Arc<HashMap<Partition, Code>>;

/// A partition that is to be asked about.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) topic: Arc<Topic>,
    pub(super) partition: i32,
    pub(super) leader: Option<i32>,
}

/// A shared client. Its connections are opened by the first questions.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    budget: Budget,
    pub(super) cluster: Cluster,
    health: Breaker,
    pub(super) topics: Topics,
    layouts: Batcher<Arc<str>, Result<(), ReadError>>,
    leaders: Mutex<HashMap<i32, Arc<Leader>>>,
    pub(super) groups: Arc<SingleFlight<GroupQuestion, Result<Arc<Positions>, ReadError>>>,
    pub(super) share_groups: Arc<SingleFlight<Arc<str>, ShareAnswer>>,
    pub(super) idle: Idle,
    /// The looks into logs that are under way, by topic and questions.
    pub(super) looks: SingleFlight<(Arc<str>, Vec<Question>), Answers>,
    /// The permits to look into a log.
    pub(super) looking: Semaphore,
}

/// The most leaders that are remembered besides those that are asked just now: as many as brokers of a cluster are
/// looked at.
const MOST_LEADERS: usize = 500;

/// A broker as the leader of partitions.
#[derive(Debug)]
struct Leader {
    ends: Batcher<Partition, Result<Refused, ReadError>>,
    starts: Batcher<Partition, Result<Refused, ReadError>>,
    health: Breaker,
}

/// A breaker with the pauses after failed questions: 250 ms to 5 s.
pub(super) fn breaker() -> Breaker {
    Breaker::new(Backoff::new(Duration::from_millis(250), Duration::from_secs(5)))
}

impl Client {
    /// A client that has not connected yet. `tokens` gives its tokens, if it authenticates with tokens.
    pub fn new(endpoint: &Endpoint, tokens: Option<Arc<TokenSource>>, outbound: &Arc<Outbound>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            budget: outbound.budget.clone(),
            cluster: Cluster::new(endpoint, tokens, outbound),
            health: breaker(),
            topics: Topics::default(),
            layouts: Batcher::new(TOGETHER),
            leaders: Mutex::default(),
            groups: Arc::default(),
            share_groups: Arc::default(),
            idle: Idle::default(),
            looks: SingleFlight::default(),
            looking: Semaphore::new(LOOKS),
        }
    }

    /// A topic's partitions and their leaders.
    pub(super) async fn layout(self: &Arc<Self>, topic: &Arc<Topic>) -> Result<TopicMetadata, ReadError> {
        let now = Instant::now();
        if let Some(layout) = topic.layout(now, LAYOUT_AGE) {
            return layout;
        }
        let described = if let Some(refused) = self.health.open_error(now) {
            Err(refused)
        } else {
            let (client, name) = (Arc::clone(self), Arc::clone(&topic.name));
            let asked = Arc::clone(self);
            let asking = tokio::spawn(async move {
                client.layouts.ask([name], |names| async move { asked.describe(names).await }).await
            });
            let described = match topic.layout(now, LAYOUT_OF_OLD) {
                // The broker that was asked may hang, while the topic's own leaders are well: the known layout serves
                // meanwhile.
                Some(Ok(known)) => match timeout(WAIT_LIMIT, asking).await {
                    Ok(described) => described,
                    Err(_) => return Ok(known),
                },
                _ => asking.await,
            };
            described.unwrap_or_else(|error| Err(self.query("the topics", error)))
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

    /// Asks a leader now, also where an answer is known, and notes its answer.
    pub(super) async fn ask_leader(
        self: &Arc<Self>,
        leader: i32,
        end: End,
        partitions: Vec<Partition>,
    ) -> Result<(), ReadError> {
        let broker = self.leader(leader);
        if let Some(refused) = broker.health.open_error(Instant::now()) {
            return Err(refused);
        }
        let gather = match end {
            End::Start => &broker.starts,
            End::LastStable => &broker.ends,
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
            return Err(self.query(&format!("partition {number} of topic {topic:?}"), error));
        }
        Ok(())
    }

    fn leader(&self, id: i32) -> Arc<Leader> {
        let new = || Leader { ends: Batcher::new(TOGETHER), starts: Batcher::new(TOGETHER), health: breaker() };
        let mut leaders = self.leaders.lock();
        if leaders.len() >= MOST_LEADERS && !leaders.contains_key(&id) {
            // A broker may name another leader each time.
            leaders.retain(|_, leader| Arc::strong_count(leader) > 1);
        }
        Arc::clone(leaders.entry(id).or_insert_with(|| Arc::new(new())))
    }

    async fn list_offsets(
        self: Arc<Self>,
        leader: i32,
        end: End,
        partitions: HashSet<Partition>,
    ) -> Result<Refused, ReadError> {
        let at = Instant::now();
        let partitions: Vec<_> = partitions.into_iter().collect();
        let health = &self.leader(leader).health;
        let answer = self.cluster.list_offsets(leader, end, &partitions).await.map_err(|fault| {
            let error = self.explain("the ends of partitions", fault);
            health.failed(Instant::now(), error.clone(), jitter(&leader));
            error
        })?;
        let mut refused = HashMap::new();
        let asked: HashSet<_> = partitions.into_iter().collect();
        // An answer may hold more than was asked for. Offsets are kept, so that only those that were asked for count.
        let answer = answer.into_iter().map(|found| ((found.topic, found.partition), found.offset));
        for ((topic, partition), offset) in answer.filter(|(partition, _)| asked.contains(partition)) {
            let Some(topic) = self.topics.find(&topic) else { continue };
            match offset {
                Ok(offset) => topic.set_offset(end, partition, at, offset),
                Err(error) => {
                    refused.insert((Arc::clone(&topic.name), partition), error);
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
        let names: Vec<_> = topics.iter().map(|topic| Arc::clone(&topic.name)).collect();
        let answer = self.cluster.describe(&names).await.map_err(|fault| {
            let error = self.explain("the topics", fault);
            self.health.failed(Instant::now(), error.clone(), jitter(&self.endpoint));
            error
        })?;
        self.health.succeeded();
        for described in answer {
            let Some(topic) = self.topics.find(&described.name) else { continue };
            let what = format!("topic {:?}", described.name);
            let layout = described.partitions.map_err(|error| self.query(&what, error)).and_then(|mut partitions| {
                topic.make_room(partitions.len(), &self.budget).map_err(|error| self.query(&what, error))?;
                partitions.sort_unstable();
                Ok(partitions.into())
            });
            topic.set_layout(now, layout);
        }
        Ok(())
    }

    /// The error of a refusing answer.
    pub(super) fn query(&self, what: &str, problem: impl Display) -> ReadError {
        // A topic's name may come from the broker.
        ReadError::Query(format!("{} at {}: {problem}", said(what), self.endpoint.broker()))
    }

    pub(super) fn explain(&self, what: &str, fault: Fault) -> ReadError {
        let broker = self.endpoint.broker();
        match fault {
            Fault::Refused(code) => self.query(what, code),
            Fault::Unreachable(cause) => ReadError::Connect { broker, cause },
            Fault::Timeout => ReadError::Timeout { broker, what: what.to_owned(), after: ANSWER },
        }
    }
}
