//! A cluster: its brokers, the connections to them, and the coordinator of each group.
//!
//! There is one connection to each address, which is opened by the first question and again after it was lost. An
//! address that could not be reached is left alone for a while.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use super::super::endpoint::Endpoint;
use super::super::room::Room;
use super::address::Address;
use super::api::Request;
use super::connection::{Connection, ConnectionSettings};
use super::coordinator::FindCoordinator;
use super::error::{Code, Fault};
use super::fetch::{Fetch, FetchedLog};
use super::metadata::{ClusterMetadata, DescribedTopic, Metadata};
use super::offsets::{End, ListOffsets, OffsetFetch, Partition, PartitionOffset};
use super::sasl::Proof;
use super::share::{DescribeShareGroupOffsets, SharePartition};
use crate::net::oauth::TokenSource;
use crate::net::outbound::Outbound;
use crate::pool::{Backoff, Breaker, jitter};

/// How long a broker may take to answer one question.
pub(in crate::kafka) const ANSWER: Duration = Duration::from_secs(3);
/// The pauses before an address that could not be reached is tried again, the shortest and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How many brokers are tried besides those that the triggers name: an answer may hold any number.
const FEW: usize = 8;
/// How many topics are asked for at once, so that the answer is not too long where each has hundreds of partitions.
const TOPICS: usize = 64;
/// When the next of several brokers is tried beside one that has not been reached yet.
const STAGGER: Duration = Duration::from_millis(300);

/// A cluster, asked as one client.
pub(in crate::kafka) struct Cluster {
    access: Arc<Access>,
    /// By their numbers.
    brokers: Mutex<HashMap<i32, Address>>,
    broker_connections: Mutex<HashMap<Address, Arc<BrokerConnection>>>,
    coordinators: Mutex<HashMap<Arc<str>, Address>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("endpoint", &self.access.endpoint).finish_non_exhaustive()
    }
}

/// The addresses of its brokers, and the credentials.
struct Access {
    endpoint: Endpoint,
    outbound: Arc<Outbound>,
    tokens: Option<Arc<TokenSource>>,
    tls: OnceLock<Result<Option<TlsConnector>, String>>,
}

/// An address, and the connection to it.
struct BrokerConnection {
    address: Address,
    /// Held by the task that connects: the others wait for the outcome.
    connecting: tokio::sync::Mutex<()>,
    connection: Mutex<Option<Arc<Connection>>>,
    health: Breaker<Fault>,
}

impl Cluster {
    /// A cluster to which nobody is connected yet.
    pub(in crate::kafka) fn new(
        endpoint: &Endpoint,
        tokens: Option<Arc<TokenSource>>,
        outbound: &Arc<Outbound>,
    ) -> Self {
        let access =
            Access { endpoint: endpoint.clone(), outbound: Arc::clone(outbound), tokens, tls: OnceLock::new() };
        Self {
            access: Arc::new(access),
            brokers: Mutex::default(),
            broker_connections: Mutex::default(),
            coordinators: Mutex::default(),
        }
    }

    /// The partitions of these topics and their leaders.
    ///
    /// # Errors
    /// No broker answers.
    pub(in crate::kafka) async fn describe(&self, topics: &[Arc<str>]) -> Result<Vec<DescribedTopic>, Fault> {
        let (mut known, mut described) = (Vec::new(), Vec::new());
        // One after the other: parsed answers are part of no budget any more.
        for topics in topics.chunks(TOPICS) {
            let ClusterMetadata { brokers, topics } = self.ask_any(&Metadata { topics }).await?;
            if known.is_empty() {
                known = brokers;
            }
            described.extend(topics);
        }
        if !known.is_empty() {
            *self.brokers.lock() = known.into_iter().collect();
            self.forget_unused();
        }
        Ok(described)
    }

    /// One end of each partition that this broker leads.
    ///
    /// # Errors
    /// The broker does not answer.
    pub(in crate::kafka) async fn list_offsets(
        &self,
        leader: i32,
        end: End,
        partitions: &[Partition],
    ) -> Result<Vec<PartitionOffset>, Fault> {
        self.ask(&self.broker(leader)?, &ListOffsets { partitions, end }).await
    }

    /// Fetches the records of a partition that a `read_committed` consumer would be sent from this offset on. `leader`
    /// leads it.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub(in crate::kafka) async fn fetch(
        &self,
        leader: i32,
        (topic, partition): (&str, i32),
        from: i64,
    ) -> Result<FetchedLog, Fault> {
        self.ask(&self.broker(leader)?, &Fetch { topic, partition, from }).await?.map_err(Fault::Refused)
    }

    /// The offsets that a consumer group has committed: for these partitions, or for all that it has.
    ///
    /// # Errors
    /// The group's coordinator is not to be found, does not answer, or refuses.
    pub(in crate::kafka) async fn group_offsets(
        &self,
        group: &Arc<str>,
        partitions: Option<&[Partition]>,
    ) -> Result<Vec<PartitionOffset>, Fault> {
        let answer = self.ask_coordinator(group, |_| Some(OffsetFetch { group, partitions })).await?;
        Ok(answer.unwrap_or_default())
    }

    /// The offsets that a share group has read: empty for a group of another type, none where the broker knows no such
    /// groups.
    ///
    /// # Errors
    /// The group's coordinator is not to be found, does not answer, or refuses.
    pub(in crate::kafka) async fn share_offsets(&self, group: &Arc<str>) -> Result<Option<Vec<SharePartition>>, Fault> {
        let question = |to: &Connection| Some(DescribeShareGroupOffsets { group, version: to.share_offsets()? });
        self.ask_coordinator(group, question).await
    }

    /// Asks the coordinator of a group: the known one, else the one that `FindCoordinator` names. `question` is none
    /// where the broker does not know the question.
    async fn ask_coordinator<R: Request<Answer = Result<T, Code>>, T>(
        &self,
        group: &Arc<str>,
        question: impl Fn(&Connection) -> Option<R>,
    ) -> Result<Option<T>, Fault> {
        let known = self.coordinators.lock().get(group).cloned();
        if let Some(coordinator) = known {
            match self.ask_as_it_can(&coordinator, &question).await {
                Err(fault) if fault.is_no_coordinator() => self.forget_coordinator(group),
                Err(Fault::Unreachable(_)) => self.forget_coordinator(group),
                Err(Fault::Timeout) => {
                    self.forget_coordinator(group);
                    return Err(Fault::Timeout);
                }
                answer => return answer,
            }
        }
        let found = self.ask_any(&FindCoordinator { group }).await?.map_err(Fault::Refused)?;
        self.coordinators.lock().insert(Arc::clone(group), found.clone());
        let answer = self.ask_as_it_can(&found, &question).await;
        if answer.as_ref().is_err_and(|fault| !matches!(fault, Fault::Refused(_)) || fault.is_no_coordinator()) {
            self.forget_coordinator(group);
        }
        answer
    }

    async fn ask_as_it_can<R: Request<Answer = Result<T, Code>>, T>(
        &self,
        address: &Address,
        question: impl Fn(&Connection) -> Option<R>,
    ) -> Result<Option<T>, Fault> {
        let connection = self.connection(address).await.map_err(|fault| fault.at(address))?;
        let Some(request) = question(&connection) else { return Ok(None) };
        let answer = connection.ask(&request, ANSWER).await.map_err(|fault| fault.at(address))?;
        answer.map(Some).map_err(Fault::Refused)
    }

    fn forget_coordinator(&self, group: &Arc<str>) {
        self.coordinators.lock().remove(group);
    }

    fn broker(&self, number: i32) -> Result<Address, Fault> {
        let known = self.brokers.lock().get(&number).cloned();
        known.ok_or_else(|| Fault::Unreachable(format!("no broker has the number {number}")))
    }

    async fn ask<R: Request>(&self, address: &Address, request: &R) -> Result<R::Answer, Fault> {
        let connection = self.connection(address).await.map_err(|fault| fault.at(address))?;
        connection.ask(request, ANSWER).await.map_err(|fault| fault.at(address))
    }

    /// Asks whichever broker can be reached.
    async fn ask_any<R: Request>(&self, request: &R) -> Result<R::Answer, Fault> {
        let address = self.reachable().await?;
        self.ask(&address, request).await
    }

    /// A broker with an open connection: one that has it, or the first that gets it.
    async fn reachable(&self) -> Result<Address, Fault> {
        if let Some(open) =
            self.broker_connections.lock().values().find(|broker_connection| broker_connection.open().is_some())
        {
            return Ok(open.address.clone());
        }
        let mut left = self.candidates()?.into_iter();
        let mut tried = FuturesUnordered::new();
        let mut failed = None;
        loop {
            if let Some(address) = left.next() {
                tried.push(async move {
                    let reached = self.connection(&address).await;
                    reached.map(|_| address.clone()).map_err(|fault| fault.at(&address))
                });
            }
            tokio::select! {
                Some(outcome) = tried.next() => match outcome {
                    Ok(address) => return Ok(address),
                    Err(fault) => drop(failed.get_or_insert(fault)),
                },
                // A hanging broker must not keep the others from being tried.
                () = sleep(STAGGER), if left.len() > 0 => {}
                else => return Err(failed.unwrap_or(Fault::Timeout)),
            }
        }
    }

    /// Those that the triggers name, and some of those that are known to be brokers.
    fn candidates(&self) -> Result<Vec<Address>, Fault> {
        let mut addresses = self.named()?;
        let brokers = self.brokers.lock();
        addresses.extend(
            brokers.values().filter(|broker| !addresses.contains(broker)).take(FEW).cloned().collect::<Vec<_>>(),
        );
        Ok(addresses)
    }

    fn named(&self) -> Result<Vec<Address>, Fault> {
        let wrong = |wrong| Fault::Unreachable(format!("bootstrapServers: {wrong}"));
        self.access.endpoint.brokers.split(',').map(|named| Address::parse(named).map_err(wrong)).collect()
    }

    /// Drops connections that lead to no broker any more once their last questions are done, and forgets the
    /// coordinators of groups that no trigger asks about.
    fn forget_unused(&self) {
        let named = self.named().unwrap_or_default();
        let brokers: HashSet<Address> = self.brokers.lock().values().cloned().collect();
        self.broker_connections.lock().retain(|address, _| brokers.contains(address) || named.contains(address));
        self.coordinators.lock().retain(|group, _| Arc::strong_count(group) > 1);
    }

    /// The way to an address, and how many there are.
    fn broker_connection(&self, address: &Address) -> (Arc<BrokerConnection>, usize) {
        let mut broker_connections = self.broker_connections.lock();
        let broker_connection = Arc::clone(
            broker_connections.entry(address.clone()).or_insert_with(|| Arc::new(BrokerConnection::new(address))),
        );
        (broker_connection, broker_connections.len())
    }

    async fn connection(&self, address: &Address) -> Result<Arc<Connection>, Fault> {
        let (broker_connection, broker_connections) = self.broker_connection(address);
        if let Some(open) = broker_connection.open() {
            return Ok(open);
        }
        // A caller that gives up does not end the attempt: others may wait for it too.
        let attempt = tokio::spawn(broker_connection.connect(Arc::clone(&self.access), broker_connections));
        attempt.await.unwrap_or_else(|error| Err(Fault::Unreachable(error.to_string())))
    }
}

impl BrokerConnection {
    fn new(address: &Address) -> Self {
        Self {
            address: address.clone(),
            connecting: tokio::sync::Mutex::new(()),
            connection: Mutex::default(),
            health: Breaker::new(Backoff::new(PAUSES.0, PAUSES.1)),
        }
    }

    fn open(&self) -> Option<Arc<Connection>> {
        self.connection.lock().as_ref().filter(|connection| connection.is_open()).cloned()
    }

    async fn connect(
        self: Arc<Self>,
        access: Arc<Access>,
        broker_connections: usize,
    ) -> Result<Arc<Connection>, Fault> {
        let _alone = self.connecting.lock().await;
        if let Some(open) = self.open() {
            return Ok(open);
        }
        if let Some(fault) = self.health.open_error(Instant::now()) {
            return Err(fault);
        }
        match access.open(&self.address, broker_connections).await {
            Ok(connection) => {
                tracing::info!(endpoint = ?access.endpoint, broker = %self.address, "connected to Kafka");
                self.health.succeeded();
                Ok(Arc::clone(self.connection.lock().insert(Arc::new(connection))))
            }
            Err(fault) => {
                *self.connection.lock() = None;
                self.health.failed(Instant::now(), fault.clone(), jitter(&self.address));
                Err(fault)
            }
        }
    }
}

impl Access {
    async fn open(&self, address: &Address, broker_connections: usize) -> Result<Connection, Fault> {
        let tls = self.tls.get_or_init(|| {
            let connector =
                |tls: &crate::net::tls::Tls| Ok(TlsConnector::from(Arc::new(tls.client_config(&self.outbound)?)));
            self.endpoint.tls.as_ref().map(connector).transpose()
        });
        let tls = tls.clone().map_err(Fault::Unreachable)?;
        let token = match &self.tokens {
            Some(tokens) => Some(tokens.token().await.map_err(|error| Fault::Unreachable(error.to_string()))?),
            None => None,
        };
        let proof = self.endpoint.sasl.as_ref().and_then(|sasl| Proof::of(sasl, token));
        let room = Room::for_connection(broker_connections, &self.outbound.budget).map_err(Fault::Unreachable)?;
        Connection::open(address, ConnectionSettings { outbound: &self.outbound, room, tls, proof }).await
    }
}
