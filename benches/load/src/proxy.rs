//! A TCP proxy before a broker, which counts connections and requests. Every autoscaler can be measured by it, without
//! a metric of its own.

mod frames;
mod rewrite;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) use frames::Protocol;
use frames::Requests;
use rewrite::Address;

/// The most of one answer of Kafka that is held at once; a broker of the test cluster sends far less.
const LARGEST_ANSWER: usize = 64 << 20;
/// How much is read at once.
const CHUNK: usize = 16 << 10;

/// A listener on 127.0.0.1. Dropping it ends it, with all its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Its port.
    pub(crate) port: u16,
    counters: Arc<Counters>,
    _tasks: JoinSet<()>,
}

/// The traffic of a proxy so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Connections that are open.
    pub(crate) open: u64,
    /// Connections that were opened.
    pub(crate) opened: u64,
    /// Requests.
    pub(crate) requests: u64,
}

#[derive(Debug, Default)]
struct Counters {
    opened: AtomicU64,
    closed: AtomicU64,
    requests: AtomicU64,
}

impl Proxy {
    /// Listens, and passes connections on to a port of 127.0.0.1.
    pub(crate) async fn start(protocol: Protocol, broker: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for a proxy")?;
        let port = listener.local_addr()?.port();
        let counters = Arc::<Counters>::default();
        let mut tasks = JoinSet::new();
        let route = Route { protocol, broker, port };
        tasks.spawn(accept(listener, route, Arc::clone(&counters)));
        Ok(Self { port, counters, _tasks: tasks })
    }

    /// The traffic so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // In this order: no connection is closed before it was opened.
        let closed = of(&self.counters.closed);
        let opened = of(&self.counters.opened);
        Traffic { open: opened.saturating_sub(closed), opened, requests: of(&self.counters.requests) }
    }
}

#[derive(Clone, Copy)]
struct Route {
    protocol: Protocol,
    broker: u16,
    port: u16,
}

async fn accept(listener: TcpListener, route: Route, counters: Arc<Counters>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let counters = Arc::clone(&counters);
        connections.spawn(async move {
            counters.opened.fetch_add(1, Ordering::Relaxed);
            // Either side may end it as it likes.
            let _ = pass(client, route, &counters.requests).await;
            counters.closed.fetch_add(1, Ordering::Relaxed);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn pass(client: TcpStream, route: Route, requests: &AtomicU64) -> Result<()> {
    let broker = TcpStream::connect(("127.0.0.1", route.broker)).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
    tokio::select! {
        ended = upwards(from_client, to_broker, route.protocol, requests) => ended,
        ended = downwards(from_broker, to_client, route) => ended,
    }
}

async fn upwards(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    protocol: Protocol,
    requests: &AtomicU64,
) -> Result<()> {
    let mut counted = Requests::new(protocol);
    let mut bytes = vec![0; CHUNK];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(to.shutdown().await?);
        }
        requests.fetch_add(counted.feed(&bytes[..read]), Ordering::Relaxed);
        to.write_all(&bytes[..read]).await?;
    }
}

async fn downwards(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, route: Route) -> Result<()> {
    match route.protocol {
        Protocol::Amqp => {
            tokio::io::copy(&mut from, &mut to).await?;
            Ok(())
        }
        Protocol::Kafka => {
            let (broker, here) = (Address::new(route.broker), Address::new(route.port));
            answers(&mut from, &mut to, &broker, &here).await
        }
    }
}

/// Passes on the answers of Kafka. The brokers that they name are behind this proxy.
async fn answers(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    broker: &Address,
    here: &Address,
) -> Result<()> {
    let mut answer = Vec::new();
    loop {
        let length = usize::try_from(from.read_i32().await?)?;
        anyhow::ensure!(length <= LARGEST_ANSWER, "an answer of {length} bytes");
        answer.resize(4 + length, 0);
        answer[..4].copy_from_slice(&u32::try_from(length)?.to_be_bytes());
        from.read_exact(&mut answer[4..]).await?;
        broker.replace(&mut answer[4..], here);
        to.write_all(&answer).await?;
    }
}

#[cfg(test)]
mod tests {
    use ebb_tests::wait::{self, secs};

    use super::*;

    /// A broker that answers every read with the same bytes, and its port.
    async fn broker(answer: Vec<u8>) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut bytes = [0; 1024];
                    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                        stream.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
        port
    }

    #[tokio::test]
    async fn connections_and_requests_are_counted_and_come_through_unchanged() {
        let proxy = Proxy::start(Protocol::Amqp, broker(b"hello".to_vec()).await).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
        client.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
        // A method, and a heartbeat.
        client.write_all(&[1, 0, 1, 0, 0, 0, 1, 7, 0xce, 8, 0, 0, 0, 0, 0, 0, 0xce]).await.unwrap();
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(proxy.traffic(), Traffic { open: 1, opened: 1, requests: 1 });
        drop(client);
        wait::until("the connection to be closed", secs(5), async || {
            anyhow::ensure!(proxy.traffic() == Traffic { open: 0, opened: 1, requests: 1 }, "{:?}", proxy.traffic());
            Ok(())
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn kafka_names_the_proxy() {
        // The answer names the broker's own port, which is known once it listens.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let named = |port: u16| [&[0, 0, 0, 13][..], b"127.0.0.1", &u32::from(port).to_be_bytes()].concat();
        let answer = named(port);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.read(&mut [0; 64]).await;
        });
        let proxy = Proxy::start(Protocol::Kafka, port).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
        client.write_all(&[0, 0, 0, 2, 0, 3]).await.unwrap();
        let mut answer = [0; 17];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer.to_vec(), named(proxy.port));
        assert_eq!(proxy.traffic().requests, 1);
    }
}
