//! Something that listens where a broker should be: the one thing that the real brokers cannot be made to be.

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How it treats who connects.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Accepts, and says nothing.
    Silent,
    /// Says this, and then anything without end.
    Rubbish(&'static [u8]),
    /// It is gone, and the broker itself is at its place.
    Honest(String),
}

/// A listener on 127.0.0.1. It ends when this is dropped.
pub(crate) struct Impostor {
    pub(crate) address: String,
    manner: watch::Sender<Manner>,
    task: JoinHandle<()>,
}

impl Impostor {
    pub(crate) async fn start(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (manner, seen) = watch::channel(manner);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut seen = seen.clone();
                tokio::spawn(async move {
                    let manner = seen.borrow_and_update().clone();
                    tokio::select! {
                        _ = treat(stream, manner) => {}
                        _ = seen.changed() => {}
                    }
                });
            }
        });
        Ok(Self { address, manner, task })
    }

    /// From now on it is the broker; whoever is connected is cut off.
    pub(crate) fn give_way_to(&self, broker: String) {
        self.manner.send_replace(Manner::Honest(broker));
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn treat(mut stream: TcpStream, manner: Manner) -> Result<()> {
    match manner {
        Manner::Silent => std::future::pending().await,
        Manner::Rubbish(first) => {
            stream.write_all(first).await?;
            let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
            loop {
                stream.write_all(&noise.bytes()).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Manner::Honest(broker) => {
            let mut broker = TcpStream::connect(broker).await?;
            copy_bidirectional(&mut stream, &mut broker).await?;
            Ok(())
        }
    }
}

/// Bytes without a meaning, the same at each run (George Marsaglia, "Xorshift RNGs").
struct Noise(u64);

impl Noise {
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 << 10);
        while bytes.len() < bytes.capacity() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.extend(self.0.to_be_bytes());
        }
        bytes
    }
}
