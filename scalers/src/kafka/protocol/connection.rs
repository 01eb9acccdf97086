//! One connection to one broker, on which many questions may be on their way.
//!
//! Owns the socket and the task that reads and writes it. Answers are matched with questions by their numbers, so that
//! a caller that gives up disturbs no other. The connection ends with the first malformed answer, and when a broker has
//! sent nothing for as long as a question waited.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, split};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::super::room::Room;
use super::address::Address;
use super::api::{ApiVersions, Request, SaslAuthenticate, SaslHandshake, Versions};
use super::codec::{self, Reader};
use super::coordinator::FindCoordinator;
use super::error::Fault;
use super::fetch::Fetch;
use super::metadata::Metadata;
use super::offsets::{End, ListOffsets, OffsetFetch};
use super::sasl::{self, Proof};
use super::share::DescribeShareGroupOffsets;
use crate::net::budget::{Budget, Reservation, WAIT_LIMIT};
use crate::net::outbound::Outbound;
use crate::net::peer::said;

/// How long a connection may take from the first packet until it may be asked something.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one of several addresses of a name may take: not all of them may be reachable.
const ADDRESS: Duration = Duration::from_millis(1500);
/// A session is given up after this part of its life, for another one.
const RENEW_AFTER: f64 = 0.8;
/// The longest answer to a question that was given up. It is passed over.
const LONGEST_FORGOTTEN: usize = 16 << 20;

/// The settings and the credentials of a new connection.
pub(super) struct ConnectionSettings<'a> {
    pub(super) outbound: &'a Outbound,
    /// Memory for the connection.
    pub(super) room: Room,
    pub(super) tls: Option<TlsConnector>,
    pub(super) proof: Option<Proof<'a>>,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    next: AtomicI32,
    renew_at: Option<Instant>,
    /// The version of `DescribeShareGroupOffsets` that the broker knows, if any.
    share_offsets: Option<i16>,
    _room: Room,
}

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    waiting: HashMap<i32, Waiting>,
    /// When the broker was last heard of.
    heard: Instant,
    /// Why the connection has ended.
    ended: Option<String>,
}

#[derive(Debug)]
struct Waiting {
    sender: oneshot::Sender<Body>,
    longest: usize,
    read: usize,
}

/// An answer as it came, and the memory for it and for its parsed values.
type Body = (Vec<u8>, Reservation);

impl Shared {
    /// Ends the connection, for the first reason that there is. All waiting callers get the reason.
    fn end(&self, why: String) {
        let mut state = self.0.lock();
        state.ended.get_or_insert(why);
        state.waiting.clear();
    }

    fn ended(&self) -> Fault {
        let why = self.0.lock().ended.clone();
        Fault::Unreachable(why.unwrap_or_else(|| "the connection was closed".into()))
    }
}

/// Forgets a question when its caller has gone.
struct Asked<'a>(&'a Shared, i32);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.0.lock().waiting.remove(&self.1);
    }
}

impl Connection {
    /// Connects, and authenticates.
    ///
    /// # Errors
    /// Why it could not.
    pub(super) async fn open(address: &Address, settings: ConnectionSettings<'_>) -> Result<Self, Fault> {
        match timeout(CONNECT, Self::opened(address, settings)).await {
            Ok(opened) => opened,
            Err(_) => Err(Fault::Unreachable(format!("no answer within {} s", CONNECT.as_secs()))),
        }
    }

    async fn opened(address: &Address, settings: ConnectionSettings<'_>) -> Result<Self, Fault> {
        let unreachable = |error: io::Error| Fault::unreachable(error);
        let stream = settings.outbound.connect(&address.host, address.port, settings.tls.as_ref(), ADDRESS).await;
        let mut connection = Self::over(stream.map_err(unreachable)?, &settings.outbound.budget, settings.room);
        let versions = connection.ask(&ApiVersions, CONNECT).await?.map_err(Fault::Refused)?;
        check_versions(&versions)?;
        connection.share_offsets = DescribeShareGroupOffsets::version_for(&versions);
        if let Some(proof) = settings.proof {
            let session = sasl::authenticate(&connection, proof, &versions, CONNECT).await?;
            connection.renew_at = session.map(|session| Instant::now() + session.mul_f64(RENEW_AFTER));
        }
        Ok(connection)
    }

    fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static, budget: &Budget, room: Room) -> Self {
        let (frames, queue) = mpsc::unbounded_channel();
        let state = State { waiting: HashMap::new(), heard: Instant::now(), ended: None };
        let shared = Arc::new(Shared(Mutex::new(state)));
        let task = tokio::spawn(drive(stream, queue, Arc::clone(&shared), budget.clone()));
        Self { frames, shared, task, next: AtomicI32::new(1), renew_at: None, _room: room, share_offsets: None }
    }

    /// Whether new questions may come by it.
    pub(super) fn is_open(&self) -> bool {
        let renewed = self.renew_at.is_some_and(|at| at <= Instant::now());
        !renewed && self.shared.0.lock().ended.is_none()
    }

    /// The version of this broker's question about the offsets of share groups; none if it does not know the question.
    pub(super) fn share_offsets(&self) -> Option<i16> {
        self.share_offsets
    }

    /// Asks, and waits so long for the answer.
    ///
    /// # Errors
    /// The connection has ended, or there was no answer in time.
    pub(super) async fn ask<R: Request>(&self, request: &R, limit: Duration) -> Result<R::Answer, Fault> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        {
            let mut state = self.shared.0.lock();
            if let Some(why) = &state.ended {
                return Err(Fault::Unreachable(why.clone()));
            }
            state.waiting.insert(number, Waiting { sender, longest: R::LONGEST, read: R::READ });
        }
        let _asked = Asked(&self.shared, number);
        let begin = Instant::now();
        self.frames.send(request.frame(number)).map_err(|_| self.shared.ended())?;
        match timeout(limit, answer).await {
            Ok(Ok((body, _reserved))) => request.read(&mut Reader::new(&body)).map_err(|malformed| {
                // Later answers on this connection cannot be relied on.
                self.end(format!("{}: {malformed}", R::NAME));
                self.shared.ended()
            }),
            Ok(Err(_)) => Err(self.shared.ended()),
            Err(_) => {
                if self.shared.0.lock().heard < begin {
                    self.end(format!("no answer within {} s", limit.as_secs_f64()));
                }
                Err(Fault::Timeout)
            }
        }
    }

    fn end(&self, why: String) {
        self.shared.end(why);
        self.task.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the broker takes everything that may be asked.
fn check_versions(versions: &Versions) -> Result<(), Fault> {
    let group = "";
    let needed = [
        needed(&Metadata::<&str> { topics: &[] }),
        needed(&ListOffsets { partitions: &[], end: End::LastStable }),
        needed(&FindCoordinator { group }),
        needed(&OffsetFetch { group, partitions: None }),
        needed(&Fetch { topic: "", partition: 0, from: 0 }),
        needed(&SaslHandshake { mechanism: "" }),
        needed(&SaslAuthenticate { bytes: &[], version: 0 }),
    ];
    for (key, name, version) in needed {
        let known = versions.get(&key);
        // A broker without authentication may know no SASL.
        let missing_is_well = matches!(key, SaslHandshake::KEY | SaslAuthenticate::KEY);
        if !known.map_or(missing_is_well, |(oldest, newest)| (*oldest..=*newest).contains(&version)) {
            return Err(Fault::Unreachable(format!(
                "the broker does not know {name} of version {version}, which every Kafka since 1.0 does"
            )));
        }
    }
    Ok(())
}

fn needed<R: Request>(request: &R) -> (i16, &'static str, i16) {
    (R::KEY, R::NAME, request.version())
}

/// Reads and writes until one of both ends.
async fn drive(
    stream: impl AsyncRead + AsyncWrite + Send,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    shared: Arc<Shared>,
    budget: Budget,
) {
    let (answers, mut questions) = split(stream);
    let mut answers = BufReader::new(answers);
    let writing = async {
        while let Some(mut frames) = queue.recv().await {
            // Frames that have come up meanwhile go out together.
            while let Ok(more) = queue.try_recv() {
                frames.extend(more);
            }
            questions.write_all(&frames).await?;
            questions.flush().await?;
        }
        Ok(())
    };
    let ended: io::Result<()> = tokio::select! {
        written = writing => written,
        error = read_answers(&mut answers, &shared, &budget) => Err(error),
    };
    shared.end(ended.err().map_or_else(|| "the connection was closed".into(), |error| why(&error)));
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            "the broker closed the connection".into()
        }
        // A TLS error about a certificate holds the broker's words.
        _ => said(error),
    }
}

/// Hands every answer to its waiting caller, until one is malformed.
async fn read_answers(from: &mut (impl AsyncRead + Unpin), shared: &Shared, budget: &Budget) -> io::Error {
    loop {
        if let Err(error) = read_answer(from, shared, budget).await {
            return error;
        }
    }
}

async fn read_answer(from: &mut (impl AsyncRead + Unpin), shared: &Shared, budget: &Budget) -> io::Result<()> {
    let length = usize::try_from(from.read_i32().await?).ok().and_then(|length| length.checked_sub(4));
    let number = from.read_i32().await?;
    let length = length.ok_or_else(|| io::Error::other("an answer of a negative length: that is no Kafka broker"))?;
    let waiting = {
        let mut state = shared.0.lock();
        state.heard = Instant::now();
        state.waiting.remove(&number)
    };
    let longest = waiting.as_ref().map_or(LONGEST_FORGOTTEN, |waiting| waiting.longest);
    if length > longest {
        return Err(io::Error::other(format!(
            "an answer of {length} bytes, where {longest} are the most: that is no Kafka broker, or one with too much to say"
        )));
    }
    let Some(mut waiting) = waiting else { return skip(from, length).await };
    let read = length.min(waiting.read);
    let reserved = tokio::select! {
        reserved = budget.reserve_soon(codec::memory(read)) => reserved?,
        // The caller has given up meanwhile.
        () = waiting.sender.closed() => return skip(from, length).await,
    };
    let mut body = Vec::with_capacity(read);
    // Nobody holds memory with an answer that begins and does not go on.
    let came = timeout(WAIT_LIMIT, (&mut *from).take(read as u64).read_to_end(&mut body)).await;
    let came = came.map_err(|_| {
        let limit = WAIT_LIMIT.as_secs();
        io::Error::new(io::ErrorKind::TimedOut, format!("an answer of {read} bytes had not come after {limit} s"))
    })?;
    if came? < read {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // Before the rest, which nobody wants and which may never come.
    let _ = waiting.sender.send((body, reserved));
    skip(from, length - read).await
}

async fn skip(from: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<()> {
    let skipped = tokio::io::copy(&mut from.take(length as u64), &mut tokio::io::sink()).await?;
    if skipped == length as u64 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::super::coordinator::FindCoordinator;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    /// A connection, and the end that a broker has of it.
    fn connected() -> (Connection, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        (over(ours, &Budget::default()), theirs)
    }

    fn over(ours: DuplexStream, budget: &Budget) -> Connection {
        Connection::over(ours, budget, Room::for_connection(0, budget).unwrap())
    }

    /// The number of the next question.
    async fn asked(broker: &mut DuplexStream) -> i32 {
        let length = broker.read_i32().await.unwrap();
        let mut question = vec![0; usize::try_from(length).unwrap()];
        broker.read_exact(&mut question).await.unwrap();
        i32::from_be_bytes(question[4..8].try_into().unwrap())
    }

    async fn answer(broker: &mut DuplexStream, number: i32, body: &[u8]) {
        broker.write_i32(4 + i32::try_from(body.len()).unwrap()).await.unwrap();
        broker.write_i32(number).await.unwrap();
        broker.write_all(body).await.unwrap();
    }

    /// The answer to `FindCoordinator`.
    fn coordinator(host: &str) -> Vec<u8> {
        let mut body = b"\0\0\0\0\0\0\xff\xff\0\0\0\x01\0".to_vec();
        body.push(u8::try_from(host.len()).unwrap());
        body.extend(host.as_bytes());
        body.extend(9092_i32.to_be_bytes());
        body
    }

    async fn find(connection: &Connection, group: &str) -> Result<String, Fault> {
        connection.ask(&FindCoordinator { group }, LIMIT).await.map(|found| found.unwrap().to_string())
    }

    fn unreachable(why: &str) -> Result<String, Fault> {
        Err(Fault::Unreachable(why.into()))
    }

    #[tokio::test(start_paused = true)]
    async fn answers_find_their_questions_in_whatever_order_they_come() {
        let (connection, mut broker) = connected();
        let questions = async { tokio::join!(find(&connection, "one"), find(&connection, "two")) };
        let answers = async {
            let (first, second) = (asked(&mut broker).await, asked(&mut broker).await);
            answer(&mut broker, second, &coordinator("second")).await;
            answer(&mut broker, first, &coordinator("first")).await;
        };
        let ((one, two), ()) = tokio::join!(questions, answers);
        assert_eq!((one, two), (Ok("first:9092".into()), Ok("second:9092".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_waits_for_any_more_is_passed_over() {
        let (connection, mut broker) = connected();
        let given_up = timeout(Duration::from_millis(1), find(&connection, "one")).await;
        assert!(given_up.is_err());
        let late = asked(&mut broker).await;
        let answers = async {
            answer(&mut broker, late, &coordinator("late")).await;
            let next = asked(&mut broker).await;
            answer(&mut broker, next, &coordinator("next")).await;
        };
        let (found, ()) = tokio::join!(find(&connection, "two"), answers);
        assert_eq!(found, Ok("next:9092".into()));
        assert!(connection.shared.0.lock().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_nothing_has_come_for_as_long_as_a_question_waited() {
        let (connection, mut broker) = connected();
        let other = async {
            tokio::time::sleep(LIMIT / 2).await;
            let (_first, second) = (asked(&mut broker).await, asked(&mut broker).await);
            answer(&mut broker, second, &coordinator("second")).await;
        };
        let (late, found, ()) = tokio::join!(find(&connection, "one"), find(&connection, "two"), other);
        assert_eq!((late, found), (Err(Fault::Timeout), Ok("second:9092".into())));
        assert!(connection.is_open(), "the broker is slow with one question only");

        assert_eq!(find(&connection, "three").await, Err(Fault::Timeout));
        assert!(!connection.is_open());
        assert_eq!(find(&connection, "four").await, unreachable("no answer within 3 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_answer_ends_it_and_is_named() {
        let too_long = (100_i32 << 20).to_be_bytes();
        for (said, why) in [
            (&b"\0\0\0\x06\0\0\0\x01no"[..], "FindCoordinator: an answer that makes no sense (it ends too early)"),
            (
                &[&too_long[..], b"\0\0\0\x01"].concat(),
                "an answer of 104857596 bytes, where 1397930 are the most: that is no Kafka broker, or one with too much to \
                 say",
            ),
            (b"\0\0\0\0\0\0\0\x01", "an answer of a negative length: that is no Kafka broker"),
            (
                b"HTTP/1.1 400 Bad Request\r\n",
                "an answer of 1213486156 bytes, where 16777216 are the most: that is no Kafka broker, or one with too much \
                 to say",
            ),
        ] {
            let (connection, mut broker) = connected();
            let speak = async {
                asked(&mut broker).await;
                broker.write_all(said).await.unwrap();
            };
            let (found, ()) = tokio::join!(find(&connection, "one"), speak);
            assert_eq!(found, unreachable(why));
            assert!(!connection.is_open());
        }
        let (connection, broker) = connected();
        drop(broker);
        assert_eq!(find(&connection, "one").await, unreachable("the broker closed the connection"));
    }

    /// Begins an answer of this length to the next question, and goes no further.
    async fn begin(broker: &mut DuplexStream, length: usize) {
        let number = asked(broker).await;
        broker.write_i32(4 + i32::try_from(length).unwrap()).await.unwrap();
        broker.write_i32(number).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_has_not_let_the_client_in_has_little_to_say() {
        let (connection, mut broker) = connected();
        let question = connection.ask(&ApiVersions, LIMIT);
        let (versions, ()) = tokio::join!(question, begin(&mut broker, 11 << 10));
        let Err(Fault::Unreachable(why)) = versions else { panic!("that was taken") };
        assert!(why.starts_with("an answer of 11264 bytes, where 10752 are the most"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_for_which_there_is_no_memory_is_waited_for_and_then_named() {
        let budget = Budget::default();
        let (ours, mut broker) = tokio::io::duplex(1 << 20);
        let connection = over(ours, &budget);
        let held = [budget.reserve(usize::MAX).await, budget.reserve(usize::MAX).await];
        let mut large = coordinator("large");
        large.resize(100_000, 0);
        let answers = async {
            let number = asked(&mut broker).await;
            tokio::time::sleep(WAIT_LIMIT / 2).await;
            answer(&mut broker, number, &large).await;
            tokio::time::sleep(WAIT_LIMIT / 4).await;
            drop(held);
        };
        let (found, ()) = tokio::join!(find(&connection, "one"), answers);
        assert_eq!(found, Ok("large:9092".into()), "it waited for its turn");

        let _held = [budget.reserve(usize::MAX).await, budget.reserve(usize::MAX).await];
        let (found, ()) = tokio::join!(find(&connection, "two"), begin(&mut broker, 100_000));
        let Err(Fault::Unreachable(why)) = found else { panic!("{found:?}") };
        assert!(why.contains("other brokers' answers have taken all memory"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_go_on_gives_its_memory_back() {
        let budget = Budget::default();
        let (ours, mut broker) = tokio::io::duplex(1 << 20);
        let connection = over(ours, &budget);
        let (found, ()) = tokio::join!(find(&connection, "one"), begin(&mut broker, 1 << 20));
        let why = "an answer of 1048576 bytes had not come after 2 s";
        assert_eq!(found, unreachable(why));
        assert!(timeout(Duration::from_millis(1), budget.reserve(usize::MAX)).await.is_ok());
    }
}
