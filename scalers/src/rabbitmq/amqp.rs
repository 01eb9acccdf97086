//! RabbitMQ over AMQP: one connection for each (host, credentials, virtual host), shared by all its triggers.
//!
//! A queue's depth is asked with a passive declare. The broker answers one for a queue that does not exist by closing
//! the channel, so queues known to be missing are asked about on a channel of their own: a missing queue never costs
//! the others their channel, and never a connection.

mod dial;
mod endpoint;
mod gate;
mod watcher;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

pub use self::endpoint::{Endpoint, EndpointParts, Login, Mechanism};
use self::watcher::Watcher;
use crate::net::outbound::Outbound;
use crate::net::peer::said;
use crate::pool::{Backoff, SingleFlight, jitter};
use crate::scaler::ReadError;

/// How long a connection may take from the first packet to the open virtual host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the broker may take to answer one question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a question is asked on the channel that all share before it gets one to itself.
const SHARED_TRIES: u32 = 4;
/// The same for the channel of its own, where a new one could not be opened.
const ALONE_TRIES: u32 = 3;

/// A shared connection. It is opened by the first question and again, after a pause, when it was lost.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    outbound: Arc<Outbound>,
    link: Mutex<Link>,
    /// Held by the task that connects: the others wait for the outcome.
    connecting: tokio::sync::Mutex<()>,
    /// The channel for queues that were there at the last look.
    shared_channel: tokio::sync::Mutex<Option<Channel>>,
    /// The channel for those that were not.
    isolated_channel: tokio::sync::Mutex<Option<Channel>>,
    missing: Mutex<HashSet<String>>,
    flights: SingleFlight<String, Result<u32, ReadError>>,
    watcher: Watcher,
}

struct Link {
    connection: Option<Arc<Connection>>,
    backoff: Backoff,
    last_error: Option<ReadError>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("open", &self.connection.is_some()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(endpoint: &Endpoint, outbound: &Arc<Outbound>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            outbound: Arc::clone(outbound),
            link: Mutex::new(Link {
                connection: None,
                backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(10)),
                last_error: None,
            }),
            connecting: tokio::sync::Mutex::new(()),
            shared_channel: tokio::sync::Mutex::new(None),
            isolated_channel: tokio::sync::Mutex::new(None),
            missing: Mutex::default(),
            flights: SingleFlight::default(),
            watcher: Watcher::default(),
        }
    }

    /// How many messages are ready in `queue`. Askers for the same queue at the same time share one question.
    pub async fn ready_messages(self: Arc<Self>, queue: &str) -> Result<u32, ReadError> {
        let client = Arc::clone(&self);
        let asked = queue.to_owned();
        self.flights.join(&queue.to_owned(), async move { client.ask(&asked).await }).await
    }

    /// Resolves when `queue` has another count than `seen`, or cannot be asked about. Never resolves while the connection is
    /// not open, or for a queue that does not exist: asking about one costs a channel.
    pub async fn changed(self: &Arc<Self>, queue: &Arc<str>, seen: u32) {
        let is_open = self.link.lock().open().is_some();
        if !is_open || self.missing.lock().contains(&**queue) {
            std::future::pending::<()>().await;
        }
        Watcher::changed(self, queue, seen).await;
    }

    async fn ask(&self, queue: &str) -> Result<u32, ReadError> {
        if let Some(refused) = self.link.lock().open_error() {
            return Err(refused);
        }
        let was_missing = self.missing.lock().contains(queue);
        let mut answer = Err(Failure::ChannelClosedByOther);
        if !was_missing {
            answer = self.in_time(queue, self.ask_with_others(queue)).await;
        }
        if matches!(answer, Err(Failure::ChannelClosedByOther)) {
            answer = self.ask_alone(queue).await;
        }
        match answer {
            Ok(messages) => {
                if was_missing {
                    self.missing.lock().remove(queue);
                }
                Ok(messages)
            }
            Err(Failure::Queue { missing, error }) => {
                if missing && !was_missing {
                    self.missing.lock().insert(queue.to_owned());
                }
                Err(error)
            }
            Err(Failure::Connection(error)) => {
                self.lost(error.clone());
                Err(error)
            }
            // That says nothing about the queue, nor about the connection.
            Err(Failure::ChannelClosedByOther) => Err(ReadError::Query(format!(
                "error inspecting RabbitMQ: queue {queue:?} at {}: its channel was closed because of other queues",
                self.endpoint.broker()
            ))),
        }
    }

    /// Asks on the channel that all share. Questions are sent without waiting for each other's answers.
    async fn ask_with_others(&self, queue: &str) -> Result<u32, Failure> {
        for _ in 0..SHARED_TRIES {
            let channel = self.open(&mut *self.shared_channel.lock().await).await?;
            match self.declare(&channel, queue, true).await {
                Err(Failure::ChannelClosedByOther) => {}
                answer => return answer,
            }
        }
        Err(Failure::ChannelClosedByOther)
    }

    /// Asks on the isolated channel, one at a time: whatever closes that channel is about this queue.
    async fn ask_alone(&self, queue: &str) -> Result<u32, Failure> {
        let Ok(mut slot) = timeout(ANSWER_TIMEOUT, self.isolated_channel.lock()).await else {
            // That says nothing about the broker: the others' connection stays.
            let error = ReadError::Query(format!(
                "queue {queue:?} at {} was missing, and could not be asked about again within {} s: too many others are",
                self.endpoint.broker(),
                ANSWER_TIMEOUT.as_secs()
            ));
            return Err(Failure::Queue { missing: false, error });
        };
        let mut answer = Err(Failure::ChannelClosedByOther);
        for _ in 0..ALONE_TRIES {
            let question = async {
                let channel = self.open(&mut slot).await?;
                self.declare(&channel, queue, false).await
            };
            answer = self.in_time(queue, question).await;
            if answer.is_err() {
                // It is closed, whether the library has noticed yet or not: the next question must not come upon it.
                *slot = None;
            }
            if !matches!(answer, Err(Failure::ChannelClosedByOther)) {
                break;
            }
        }
        answer
    }

    async fn in_time(&self, queue: &str, answer: impl Future<Output = Result<u32, Failure>>) -> Result<u32, Failure> {
        timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(|_| {
            Err(Failure::Connection(ReadError::Timeout {
                broker: self.endpoint.broker(),
                what: format!("queue {queue:?}"),
                after: ANSWER_TIMEOUT,
            }))
        })
    }

    async fn declare(&self, channel: &Channel, queue: &str, shared: bool) -> Result<u32, Failure> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = ShortString::try_new(queue).map_err(|error| Failure::Queue {
            missing: false,
            error: ReadError::Query(format!("queue {queue:?}: {error}")),
        })?;
        let declared = channel.queue_declare(name, options, FieldTable::default()).await;
        declared.map(|found| found.message_count()).map_err(|error| self.explain(channel, queue, shared, &error))
    }

    async fn open(&self, slot: &mut Option<Channel>) -> Result<Channel, Failure> {
        if let Some(channel) = slot.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        Ok(slot.insert(self.open_channel().await?).clone())
    }

    /// Drops a connection that no longer answers.
    fn lost(&self, error: ReadError) {
        // Until the next attempt all get this error: it must not name one's queue to the others.
        let error = match error {
            ReadError::Timeout { after, .. } => self.unreachable(format!("no answer within {} s", after.as_secs())),
            error => error,
        };
        let mut link = self.link.lock();
        let was_open = link.connection.take().is_some();
        // An attempt to connect has noted its own failure, unless the question was given up before it ended.
        if was_open || link.backoff.wait(Instant::now()).is_none() {
            link.failed(error, jitter(&self.endpoint));
        }
    }

    async fn open_channel(&self) -> Result<Channel, Failure> {
        let connection = self.connection().await.map_err(Failure::Connection)?;
        connection.create_channel().await.map_err(|error| match error.kind() {
            // The broker's close of the channel that had this number before came upon the new one, and may come upon the next
            // ones too: they get another connection. Channels that are open keep this one.
            ErrorKind::ProtocolError(amqp) if is_of_a_queue(amqp.get_id()) => {
                self.link.lock().connection.take_if(|present| Arc::ptr_eq(present, &connection));
                Failure::ChannelClosedByOther
            }
            _ => Failure::Connection(self.unreachable(said(error))),
        })
    }

    async fn connection(&self) -> Result<Arc<Connection>, ReadError> {
        let _alone = self.connecting.lock().await;
        {
            let link = self.link.lock();
            if let Some(connection) = link.open() {
                return Ok(connection);
            }
            if let Some(error) = link.open_error() {
                return Err(error);
            }
        }
        let connected = self.connect().await;
        let mut link = self.link.lock();
        match connected {
            Ok(connection) => {
                link.backoff.succeeded();
                link.last_error = None;
                Ok(Arc::clone(link.connection.insert(Arc::new(connection))))
            }
            Err(error) => {
                link.connection = None;
                link.failed(error.clone(), jitter(&self.endpoint));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, ReadError> {
        let properties = ConnectionProperties::default().with_connection_name("ebb".into());
        let (uri, tls) = (self.endpoint.uri(), self.endpoint.tls());
        let attempt = dial::connect(uri, tls, &self.outbound, properties, CONNECT_TIMEOUT);
        match timeout(CONNECT_TIMEOUT, attempt).await {
            Ok(Ok(connection)) => {
                tracing::info!(endpoint = ?self.endpoint, "connected to RabbitMQ");
                Ok(connection)
            }
            Ok(Err(cause)) if cause.contains("ACCESS_REFUSED") => {
                Err(self.unreachable(format!("{cause} (as {})", self.endpoint.login())))
            }
            Ok(Err(cause)) => Err(self.unreachable(cause)),
            Err(_) => Err(self.unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
        }
    }

    fn unreachable(&self, cause: String) -> ReadError {
        ReadError::Connect { broker: format!("RabbitMQ at {}", self.endpoint.broker()), cause }
    }

    fn explain(&self, channel: &Channel, queue: &str, shared: bool, error: &lapin::Error) -> Failure {
        let ErrorKind::ProtocolError(amqp) = error.kind() else {
            // The question came upon a channel that another one's answer had just closed.
            let closed_by_other =
                matches!(error.kind(), ErrorKind::InvalidChannelState(..)) && !channel.status().connected();
            return if closed_by_other {
                Failure::ChannelClosedByOther
            } else {
                Failure::Connection(self.unreachable(said(error)))
            };
        };
        // They close the channel, and every question on its way with it; the text names the queue that was meant.
        match amqp.get_id() {
            code if is_of_a_queue(code) && shared && !amqp.get_message().as_str().contains(&format!("'{queue}'")) => {
                Failure::ChannelClosedByOther
            }
            code if is_of_a_queue(code) => Failure::Queue {
                missing: code == 404,
                error: ReadError::Query(format!(
                    "error inspecting RabbitMQ: queue {queue:?} at {}: Exception ({code}) Reason: {:?}",
                    self.endpoint.broker(),
                    said(amqp.get_message())
                )),
            },
            _ => Failure::Connection(self.unreachable(said(error))),
        }
    }
}

/// Reply codes of the AMQP 0-9-1 specification: 403 access-refused, 404 not-found, 405 resource-locked.
fn is_of_a_queue(code: u16) -> bool {
    (403..=405).contains(&code)
}

impl Link {
    fn open(&self) -> Option<Arc<Connection>> {
        self.connection.as_ref().filter(|connection| connection.status().connected()).map(Arc::clone)
    }

    /// The last error, while the broker is to be left alone after it.
    fn open_error(&self) -> Option<ReadError> {
        if self.open().is_some() || self.backoff.wait(Instant::now()).is_none() {
            return None;
        }
        self.last_error.clone()
    }

    fn failed(&mut self, error: ReadError, chance: f64) {
        self.backoff.failed(Instant::now(), chance);
        self.last_error = Some(error);
    }
}

enum Failure {
    /// The queue cannot be asked about; the connection is fine.
    Queue {
        missing: bool,
        error: ReadError,
    },
    /// The channel was closed because of another queue: ask again.
    ChannelClosedByOther,
    Connection(ReadError),
}
