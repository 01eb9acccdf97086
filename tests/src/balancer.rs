//! A Service as in a real cluster: connections to one address go to the replicas that are ready, in turn.
//!
//! As with kube-proxy, a replica that is not ready any more gets no new connection, and keeps those that it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How often a replica's readiness is looked at, and how long the answer may take.
const PROBE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));

/// A replica: where it is served, and where it says that it is ready.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The port of 127.0.0.1 that connections go to.
    pub port: u16,
    /// The URL that is asked whether it is ready.
    pub readiness: String,
}

/// A listener on 127.0.0.1. Dropping it ends it, with all its connections.
#[derive(Debug)]
pub struct Balancer {
    /// Its port.
    pub port: u16,
    _tasks: JoinSet<()>,
}

impl Balancer {
    /// Listens, and passes connections on.
    pub async fn start(backends: Vec<Backend>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let mut tasks = JoinSet::new();
        let ready: Arc<Vec<AtomicBool>> = Arc::new(backends.iter().map(|_| AtomicBool::new(false)).collect());
        for (number, backend) in backends.iter().enumerate() {
            tasks.spawn(probe(backend.readiness.clone(), Arc::clone(&ready), number));
        }
        let ports = backends.iter().map(|backend| backend.port).collect();
        tasks.spawn(accept(listener, ports, ready));
        Ok(Self { port, _tasks: tasks })
    }
}

async fn probe(url: String, ready: Arc<Vec<AtomicBool>>, number: usize) {
    let client = reqwest::Client::new();
    loop {
        let answer = client.get(&url).timeout(PROBE.1).send().await;
        ready[number].store(answer.is_ok_and(|answer| answer.status().is_success()), Ordering::Relaxed);
        tokio::time::sleep(PROBE.0).await;
    }
}

async fn accept(listener: TcpListener, ports: Vec<u16>, ready: Arc<Vec<AtomicBool>>) {
    let turn = AtomicUsize::new(0);
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut from, _)) = listener.accept().await else { continue };
        let candidates: Vec<u16> = (0..ports.len())
            .filter(|number| ready[*number].load(Ordering::Relaxed))
            .map(|number| ports[number])
            .collect();
        // Without any it is closed at once, as a Service without endpoints refuses it.
        if candidates.is_empty() {
            continue;
        }
        let port = candidates[turn.fetch_add(1, Ordering::Relaxed) % candidates.len()];
        connections.spawn(async move {
            let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let _ = from.set_nodelay(true).and_then(|()| to.set_nodelay(true));
            // Either side may end it as it likes.
            let _ = copy_bidirectional(&mut from, &mut to).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
