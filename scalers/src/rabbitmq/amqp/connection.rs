//! An open AMQP connection: a task that sends what the session wants to be sent, and gives it what the broker says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use super::frame::write_heartbeat;
use super::frame_reader::FrameReader;
use super::handshake;
use super::session::{Lane, Question, Session};
use crate::net::outbound::Outbound;
use crate::net::{Transport, peer::said};

/// How long the broker may take to accept bytes, and to answer while questions are open.
const SILENCE: Duration = Duration::from_secs(4);
/// How long the broker may take to answer to a close.
const FAREWELL: Duration = Duration::from_secs(1);
/// The room for bytes to be sent that is kept.
const KEPT_ROOM: usize = 16 << 10;

/// An open connection. It is closed when it is dropped.
#[derive(Debug)]
pub(super) struct Connection(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    session: Mutex<Session>,
    /// Something is to be sent, or the connection is to be closed.
    wake: Notify,
    is_dropped: AtomicBool,
}

impl Connection {
    /// Connects, and opens the virtual host. Cancelling it leaves nothing of the attempt.
    ///
    /// # Errors
    /// Why it is not open.
    pub(super) async fn open(endpoint: &Endpoint, outbound: &Arc<Outbound>, limit: Duration) -> Result<Self, String> {
        let tls = endpoint.tls().map(|tls| tls.client_config(outbound)).transpose()?;
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        let (host, port) = endpoint.address();
        let mut stream = outbound.connect(host, port, tls.as_ref(), limit).await.map_err(said)?;
        let mut reader = FrameReader::default();
        let heartbeat = handshake::open(&mut stream, &mut reader, endpoint).await?;
        let shared = Arc::<Shared>::default();
        let talk = Talk { stream, reader, shared: Arc::clone(&shared), heartbeat };
        tokio::spawn(talk.run());
        Ok(Self(shared))
    }

    /// Asks these questions, in few packets.
    pub(super) fn ask(&self, lane: Lane, questions: impl IntoIterator<Item = Question>) {
        let mut session = self.0.session.lock();
        questions.into_iter().for_each(|question| session.ask(lane, question));
        drop(session);
        self.0.wake.notify_one();
    }

    /// How many questions have no answer yet.
    pub(super) fn unanswered(&self) -> usize {
        self.0.session.lock().unanswered()
    }

    /// Whether questions are answered.
    pub(super) fn is_open(&self) -> bool {
        self.0.session.lock().ended().is_none()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.is_dropped.store(true, Ordering::Release);
        self.0.wake.notify_one();
    }
}

/// The task's part of a connection.
struct Talk {
    stream: Box<dyn Transport>,
    reader: FrameReader,
    shared: Arc<Shared>,
    heartbeat: Duration,
}

impl Talk {
    async fn run(mut self) {
        let why = if let Err(why) = self.talk().await {
            why
        } else {
            self.shared.session.lock().close();
            // The broker may have gone; nobody waits for its answer.
            let _ = timeout(FAREWELL, self.bid_farewell()).await;
            "the connection is closed".to_owned()
        };
        // What the session had to say last: its answer to a close.
        let _ = timeout(FAREWELL, self.send(&mut Vec::new())).await;
        self.shared.session.lock().end(why);
    }

    /// Talks until the connection is dropped.
    ///
    /// # Errors
    /// Why the connection ended before that.
    async fn talk(&mut self) -> Result<(), String> {
        let mut out = Vec::new();
        let (mut heard, mut beaten) = (Instant::now(), Instant::now());
        let mut asked = None;
        while !self.shared.is_dropped.load(Ordering::Acquire) {
            self.send(&mut out).await?;
            asked = self.is_waiting().then(|| asked.unwrap_or_else(Instant::now));
            let beat = beaten + self.heartbeat / 2;
            let limit = asked.map(|asked: Instant| asked.max(heard) + SILENCE);
            tokio::select! {
                read = self.reader.fill(&mut self.stream) => {
                    if read.map_err(said)? == 0 {
                        return Err("the broker closed the connection".into());
                    }
                    heard = Instant::now();
                    self.take_frames()?;
                }
                () = self.shared.wake.notified() => {}
                () = sleep_until(limit.map_or(beat, |limit| limit.min(beat))) => {
                    let now = Instant::now();
                    if limit.is_some_and(|limit| limit <= now) || heard + 2 * self.heartbeat <= now {
                        return Err(format!("no answer within {} s", (now - heard).as_secs().max(SILENCE.as_secs())));
                    }
                    if beat <= now {
                        write_heartbeat(&mut out);
                        beaten = now;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        self.shared.session.lock().unanswered() > 0
    }

    fn take_frames(&mut self) -> Result<(), String> {
        let mut session = self.shared.session.lock();
        while let Some(frame) = self.reader.frame()? {
            session.on_frame(frame)?;
        }
        Ok(())
    }

    /// Sends `out`, and what the session wants to be sent.
    async fn send(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        loop {
            if out.is_empty() {
                self.shared.session.lock().take_output(out);
            }
            if out.is_empty() {
                return Ok(());
            }
            let written = async {
                self.stream.write_all(out).await?;
                self.stream.flush().await
            };
            let written = timeout(SILENCE, written).await;
            written.map_err(|_| format!("nothing was accepted within {} s", SILENCE.as_secs()))?.map_err(said)?;
            out.clear();
            out.shrink_to(KEPT_ROOM);
        }
    }

    async fn bid_farewell(&mut self) -> Result<(), String> {
        self.send(&mut Vec::new()).await?;
        while self.reader.fill(&mut self.stream).await.map_err(said)? > 0 {
            self.take_frames()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::oneshot;

    use super::super::endpoint::{EndpointParts, Login, Mechanism};
    use super::super::frame::tests::{declared, method, start};
    use super::super::session::Refusal;
    use super::super::single_asker::asker;
    use super::*;

    /// A broker that lets one client in, and then does what `then` says.
    async fn connected<F: Future<Output = ()> + Send + 'static>(
        then: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> Result<Connection, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 4_096];
            for says in [start(b""), method(0, 10, 30, &[0, 0, 0, 0, 0, 0, 0, 2]), method(0, 10, 41, &[0])] {
                let _ = stream.read(&mut heard).await.unwrap();
                stream.write_all(&says).await.unwrap();
            }
            then(stream).await;
        });
        let login = Login::Password { user: "u".into(), password: "p".into(), mechanism: Mechanism::Plain };
        let endpoint =
            Endpoint::new(EndpointParts { tls: None, host: "127.0.0.1".into(), port, login, vhost: String::new() });
        Connection::open(&endpoint, &Arc::new(Outbound::default()), Duration::from_secs(5)).await
    }

    fn ask(connection: &Connection, queue: &str) -> oneshot::Receiver<Result<u32, Refusal>> {
        let (asker, answer) = asker();
        connection.ask(Lane::Shared, [Question { queue: queue.into(), asker }]);
        answer
    }

    #[tokio::test]
    async fn questions_get_their_answers_and_a_dropped_connection_says_so() {
        let (closed, heard_close) = oneshot::channel();
        let connection = connected(async move |mut stream: TcpStream| {
            let mut heard = [0; 4_096];
            let _ = stream.read(&mut heard).await.unwrap();
            stream.write_all(&method(1, 20, 11, &[0; 4])).await.unwrap();
            let _ = stream.read(&mut heard).await.unwrap();
            stream.write_all(&declared(1, "jobs", 7)).await.unwrap();
            let count = stream.read(&mut heard).await.unwrap();
            stream.write_all(&method(0, 10, 51, &[])).await.unwrap();
            closed.send(heard[..count].to_vec()).unwrap();
        });
        let connection = connection.await.unwrap();
        assert_eq!(ask(&connection, "jobs").await.unwrap(), Ok(7));
        assert!(connection.is_open());
        drop(connection);
        assert_eq!(heard_close.await.unwrap(), method(0, 10, 50, &[0, 200, 0, 0, 0, 0, 0]));
    }

    #[tokio::test]
    async fn a_broker_that_goes_ends_the_connection_and_its_questions() {
        let connection = connected(async |stream: TcpStream| drop(stream)).await.unwrap();
        let refusal = ask(&connection, "jobs").await.unwrap().unwrap_err();
        assert!(matches!(refusal, Refusal::Connection(_)), "{refusal:?}");
        assert!(!connection.is_open());
    }

    #[tokio::test]
    async fn a_broker_that_falls_silent_is_given_up_after_a_time() {
        let connection = connected(async |stream: TcpStream| {
            tokio::time::sleep(Duration::from_mins(1)).await;
            drop(stream);
        });
        let connection = connection.await.unwrap();
        let begun = Instant::now();
        let refusal = ask(&connection, "jobs").await.unwrap().unwrap_err();
        assert_eq!(refusal, Refusal::Connection("no answer within 4 s".into()));
        assert!(begun.elapsed() >= Duration::from_millis(3_900));
    }
}
