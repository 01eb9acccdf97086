//! The connection under the AMQP library: to an address that is not denied, over TLS with Ebb's own settings, and through
//! the [`gate`](super::gate).
//!
//! The library goes on by itself with an attempt that nobody waits for any more, in a thread of its own. So the stream ends
//! at a deadline, if the broker has not let the client in by then.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant as StdInstant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures::{AsyncRead, AsyncWrite, Stream};
use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPAuthority, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use tokio::io::{AsyncRead as TokioRead, AsyncWrite as TokioWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_rustls::TlsConnector;

use super::gate::{Gate, HEAD, LARGEST_FRAME, frame_size};
use crate::net::peer::said;
use crate::net::tls::Tls;
use crate::net::{Outbound, Transport};

/// How long after the end of a stream the library may take to say what it makes of it.
const GRACE: Duration = Duration::from_millis(100);

/// Connects. After `limit` nothing is left of an attempt.
///
/// # Errors
/// Why it could not.
pub(super) async fn connect(
    uri: AMQPUri,
    tls: Option<&Tls>,
    outbound: &Arc<Outbound>,
    properties: ConnectionProperties,
    limit: Duration,
) -> Result<Connection, String> {
    let tls = tls.map(|tls| tls.client_config(outbound)).transpose()?;
    let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
    let outbound = Arc::clone(outbound);
    let deadline = Instant::now() + limit;
    let (ended, mut ends) = mpsc::unbounded_channel();
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Guarded(Tokio::current())));
    let connected = Connection::connector(
        uri,
        runtime,
        async move |uri: AMQPUri, _| {
            let AMQPAuthority { host, port, .. } = uri.authority;
            let stream = tokio::time::timeout_at(deadline, outbound.connect(&host, port, tls.as_ref(), limit));
            let stream = stream.await.map_err(|_| late())??;
            Ok(AsyncTcpStream::Plain(GatedStream::new(stream, deadline, ended.clone())))
        },
        properties,
    );
    // The library may forget who waits when a broker says something at the wrong moment.
    let end = async {
        let why: Option<String> = ends.recv().await;
        sleep(GRACE).await;
        why.unwrap_or_else(|| "the broker closed the connection".into())
    };
    tokio::select! {
        biased;
        connected = connected => connected.map_err(said),
        why = end => Err(why),
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the broker has not opened the connection in time")
}

/// A stream that gives only frames that have passed the gate.
pub(super) struct GatedStream {
    stream: Box<dyn Transport>,
    gate: Gate,
    /// The frame that is on its way, and how much of it has come.
    frame: Box<[u8; LARGEST_FRAME as usize]>,
    come: usize,
    /// How much of a frame that has passed has been given on; none while none has passed.
    given: Option<usize>,
    /// None once the connection is open.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Whether the client has said something: an answer before the question would be lost on the library.
    has_spoken: bool,
    /// The waiter for that.
    waiting: Option<Waker>,
    /// What the gate has said.
    fault: Option<String>,
    /// The listener for the stream's end.
    ended: mpsc::UnboundedSender<String>,
}

impl GatedStream {
    fn new(stream: Box<dyn Transport>, deadline: Instant, ended: mpsc::UnboundedSender<String>) -> Self {
        Self {
            stream,
            gate: Gate::default(),
            frame: Box::new([0; LARGEST_FRAME as usize]),
            come: 0,
            given: None,
            deadline: Some(Box::pin(sleep_until(deadline))),
            has_spoken: false,
            waiting: None,
            fault: None,
            ended,
        }
    }

    fn refuse(&mut self, why: String) -> io::Error {
        self.fault = Some(why.clone());
        io::Error::other(why)
    }

    fn spoke(&mut self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) && !std::mem::replace(&mut self.has_spoken, true) {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Reads until a whole frame has passed, or the broker has closed the connection. Returns whether one has passed.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(late()));
        }
        if !self.has_spoken {
            self.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        loop {
            let wanted = match self.frame.first_chunk::<HEAD>().filter(|_| self.come >= HEAD) {
                Some(head) => frame_size(*head).map_err(|why| self.refuse(why))?,
                None => HEAD,
            };
            if self.come == wanted && wanted > HEAD {
                self.gate.check(&self.frame[..wanted]).map_err(|why| self.refuse(why))?;
                if self.gate.is_open() {
                    self.deadline = None;
                }
                self.given = Some(0);
                return Poll::Ready(Ok(true));
            }
            let mut rest = ReadBuf::new(&mut self.frame[self.come..wanted]);
            ready!(TokioRead::poll_read(Pin::new(&mut self.stream), context, &mut rest))?;
            match rest.filled().len() {
                0 => return Poll::Ready(Ok(false)),
                more => self.come += more,
            }
        }
    }
}

impl Drop for GatedStream {
    fn drop(&mut self) {
        let why = self.fault.take().unwrap_or_else(|| "the broker closed the connection".into());
        // Nobody listens any more once the connection is open.
        let _ = self.ended.send(why);
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.given.is_none() && !ready!(self.poll_frame(context))? {
            return Poll::Ready(Ok(0));
        }
        let given = self.given.unwrap_or(0);
        let count = to.len().min(self.come - given);
        to[..count].copy_from_slice(&self.frame[given..given + count]);
        self.given = Some(given + count);
        if given + count == self.come {
            (self.given, self.come) = (None, 0);
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = TokioWrite::poll_write(Pin::new(&mut self.stream), context, bytes);
        self.spoke(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = TokioWrite::poll_write_vectored(Pin::new(&mut self.stream), context, bytes);
        self.spoke(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        TokioWrite::poll_flush(Pin::new(&mut self.stream), context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        TokioWrite::poll_shutdown(Pin::new(&mut self.stream), context)
    }
}

impl fmt::Debug for GatedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedStream").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// Tokio, for which a connection is a [`GatedStream`]. The library opens none by itself.
#[derive(Debug, Clone)]
struct Guarded(Tokio);

impl Reactor for Guarded {
    type TcpStream = GatedStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<GatedStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, pause: Duration) -> Self::Sleep {
        self.0.sleep(pause)
    }

    fn interval(&self, pause: Duration) -> impl Stream<Item = StdInstant> + Send + 'static {
        self.0.interval(pause)
    }

    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<GatedStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::gate::tests::{method, nested, start};
    use super::*;

    /// Connects to a broker that says each of these when it has heard something, and gives the error and how long the broker was connected to.
    async fn connect_to(says: Vec<Vec<u8>>, limit: Duration) -> (String, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("amqp://guest:guest@{}/?frame_max=8192", listener.local_addr().unwrap());
        let broker = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let begun = Instant::now();
            let mut heard = [0; 4096];
            for says in says {
                let _ = stream.read(&mut heard).await.unwrap();
                stream.write_all(&says).await.unwrap();
            }
            while let Ok(1..) = stream.read(&mut heard).await {}
            begun.elapsed()
        });
        let (properties, outbound) = (ConnectionProperties::default(), Arc::new(Outbound::default()));
        let connected = connect(uri.parse().unwrap(), None, &outbound, properties, limit);
        let error = connected.await.err().unwrap();
        (error, broker.await.unwrap())
    }

    #[tokio::test]
    async fn tables_in_tables_do_not_reach_the_library() {
        for letter in [b'A', b'F'] {
            let (error, _) = connect_to(vec![start(&nested(letter, 1_100))], Duration::from_secs(10)).await;
            assert!(error.contains("a connection.start with too much in it"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_said_instead_of_letting_in_is_named_and_short() {
        let close = |text: &[u8]| {
            let length = u8::try_from(text.len()).unwrap();
            method(0, 10, 50, &[&[1, 0x93, length][..], text, &[0; 4]].concat())
        };
        for (says, error) in [
            (vec![b"AMQP\0\x01\x01\x08".to_vec()], "does not speak AMQP 0-9-1"),
            (vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()], "what begins with \"HTTP/1.\" is no AMQP"),
            (vec![vec![1, 0, 0, 0x7f, 0xff, 0xff, 0xff]], "frame of 2147483647 bytes"),
            (vec![start(&[]), close(&[b'x'; 255])], "xxx"),
            (vec![[start(&[]), close(b"too early")].concat()], ""),
        ] {
            let (found, _) = connect_to(says, Duration::from_secs(10)).await;
            assert!(found.contains(error) && found.chars().count() <= 200, "{found}");
        }
    }

    #[tokio::test]
    async fn nothing_is_left_of_an_attempt_that_took_too_long() {
        let (error, connected) = connect_to(vec![start(&[])], Duration::from_millis(300)).await;
        assert!(error.contains("has not opened the connection in time"), "{error}");
        assert!(connected < Duration::from_secs(3), "{connected:?}");
    }
}
