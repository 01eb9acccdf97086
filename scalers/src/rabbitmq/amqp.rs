//! RabbitMQ over AMQP: one connection for each (host, credentials, virtual host), shared by all its triggers.
//!
//! Queues that are known to be missing are asked about on a channel of their own, one at a time: a missing queue never costs
//! the others their channel, and never a connection.

mod connection;
mod endpoint;
mod frame;
mod frame_reader;
mod handshake;
mod session;
mod single_asker;
mod watcher;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use self::connection::Connection;
pub use self::endpoint::{Endpoint, EndpointParts, Login, Mechanism};
use self::session::{Lane, Question, Refusal};
use self::watcher::Watcher;
use crate::net::outbound::Outbound;
use crate::pool::{Backoff, SingleFlight, jitter};
use crate::scaler::ReadError;

/// How long a connection may take from the first packet to the open virtual host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the broker may take to answer one question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest name of a queue, in bytes (AMQP 0-9-1, section 4.2.5.3).
const LONGEST_NAME: usize = 255;

/// A shared connection. It is opened by the first question and again, after a pause, when it was lost.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    outbound: Arc<Outbound>,
    link: Mutex<Link>,
    /// Held by the task that connects: the others wait for the outcome.
    connecting: tokio::sync::Mutex<()>,
    /// Held by the question about a missing queue.
    isolated: tokio::sync::Mutex<()>,
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
            isolated: tokio::sync::Mutex::new(()),
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

    /// Resolves when `queue` has another count than `seen`, or cannot be asked about. Never resolves while the
    /// connection is not open, or for a queue that does not exist: asking about one costs a channel.
    pub async fn changed(self: &Arc<Self>, queue: &Arc<str>, seen: u32) {
        let is_open = self.open().is_some();
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
        let answer = if was_missing { self.ask_alone(queue).await } else { self.in_time(queue, Lane::Shared).await };
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
        }
    }

    /// Asks on the isolated channel, one at a time.
    async fn ask_alone(&self, queue: &str) -> Result<u32, Failure> {
        let Ok(_alone) = timeout(ANSWER_TIMEOUT, self.isolated.lock()).await else {
            // That says nothing about the broker: the others' connection stays.
            let error = ReadError::Query(format!(
                "queue {queue:?} at {} was missing, and could not be asked about again within {} s: too many others are",
                self.endpoint.broker(),
                ANSWER_TIMEOUT.as_secs()
            ));
            return Err(Failure::Queue { missing: false, error });
        };
        self.in_time(queue, Lane::Isolated).await
    }

    async fn in_time(&self, queue: &str, lane: Lane) -> Result<u32, Failure> {
        timeout(ANSWER_TIMEOUT, self.declare(queue, lane)).await.unwrap_or_else(|_| {
            Err(Failure::Connection(ReadError::Timeout {
                broker: self.endpoint.broker(),
                what: format!("queue {queue:?}"),
                after: ANSWER_TIMEOUT,
            }))
        })
    }

    async fn declare(&self, queue: &str, lane: Lane) -> Result<u32, Failure> {
        if queue.len() > LONGEST_NAME {
            let error = ReadError::Query(format!("queue {queue:?}: its name is longer than {LONGEST_NAME} bytes"));
            return Err(Failure::Queue { missing: false, error });
        }
        let connection = self.connection().await.map_err(Failure::Connection)?;
        let (asker, answer) = single_asker::asker();
        connection.ask(lane, [Question { queue: queue.into(), asker }]);
        match answer.await {
            Ok(answer) => answer.map_err(|refusal| self.explain(queue, refusal)),
            Err(_) => Err(Failure::Connection(self.unreachable("the connection is closed".into()))),
        }
    }

    /// The open connection, if there is one.
    fn open(&self) -> Option<Arc<Connection>> {
        self.link.lock().open()
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
        let attempt = Connection::open(&self.endpoint, &self.outbound, CONNECT_TIMEOUT);
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

    fn explain(&self, queue: &str, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Queue(code, text) => Failure::Queue {
                missing: code == 404,
                error: ReadError::Query(format!(
                    "error inspecting RabbitMQ: queue {queue:?} at {}: Exception ({code}) Reason: {text:?}",
                    self.endpoint.broker()
                )),
            },
            Refusal::Connection(why) => Failure::Connection(self.unreachable(why)),
        }
    }
}

impl Link {
    fn open(&self) -> Option<Arc<Connection>> {
        self.connection.as_ref().filter(|connection| connection.is_open()).map(Arc::clone)
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
    Connection(ReadError),
}
