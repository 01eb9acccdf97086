//! A listener in the place of a broker: it behaves as real brokers cannot be made to behave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::random::Random;

/// Its behavior towards clients.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Accepts, and says nothing.
    Silent,
    /// Says this, and then anything without end.
    Rubbish(&'static [u8]),
    /// It is gone, and the broker itself is at its place.
    Honest(String),
    /// It passes on the broker's answers, changed here and there.
    Tampering(Tampering),
}

/// How answers are changed.
#[derive(Clone, Debug)]
pub struct Tampering {
    /// Where the broker is.
    pub broker: String,
    /// Ports by which a broker is known, and those that are to be known instead.
    pub ports: Arc<[PortPair]>,
    /// One in this many pieces of an answer is changed; 0 for none.
    pub chance: usize,
    /// The seed of the changes.
    pub seed: u64,
}

/// A broker's port, and an impostor's that stands before it.
#[derive(Clone, Copy, Debug)]
pub struct PortPair {
    /// The broker's port.
    pub broker: u16,
    /// The impostor's port.
    pub impostor: u16,
}

/// A listener on an address of this machine's own. It ends when this is dropped.
#[derive(Debug)]
pub struct Impostor {
    /// Its host and port.
    pub address: String,
    came: Arc<AtomicUsize>,
    manner: watch::Sender<Manner>,
    task: JoinHandle<()>,
}

impl Impostor {
    /// One on 127.0.0.1.
    pub async fn start(manner: Manner) -> Result<Self> {
        Self::start_at("127.0.0.1", manner).await
    }

    /// One on another address of this machine.
    pub async fn start_at(host: &str, manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (manner, seen) = watch::channel(manner);
        let came = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&came);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let mut seen = seen.clone();
                tokio::spawn(async move {
                    let manner = seen.borrow_and_update().clone();
                    tokio::select! {
                        _ = treat(stream, manner, number) => {}
                        _ = seen.changed() => {}
                    }
                });
            }
        });
        Ok(Self { address, came, manner, task })
    }

    /// How many have connected.
    pub fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }

    /// From now on it forwards to the broker; open connections are cut.
    pub fn give_way_to(&self, broker: String) {
        self.behave(Manner::Honest(broker));
    }

    /// From now on it behaves like this; open connections are cut.
    pub fn behave(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn treat(mut stream: TcpStream, manner: Manner, number: usize) -> Result<()> {
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
        Manner::Tampering(tampering) => tampering.pass_on(stream, number).await,
    }
}

impl Tampering {
    /// Passes everything on for the connection of this number.
    async fn pass_on(self, stream: TcpStream, number: usize) -> Result<()> {
        let broker = TcpStream::connect(&self.broker).await?;
        let (mut from_client, mut to_client) = stream.into_split();
        let (mut from_broker, mut to_broker) = broker.into_split();
        let mut random = Random::new(self.seed.wrapping_add((number as u64) << 32));
        let answers = async {
            let mut piece = vec![0; 32 << 10];
            loop {
                let length = from_broker.read(&mut piece).await?;
                if length == 0 {
                    return anyhow::Ok(());
                }
                let piece = &mut piece[..length];
                self.rename(piece);
                let kept =
                    if self.chance > 0 && random.below(self.chance) == 0 { spoil(piece, &mut random) } else { length };
                to_client.write_all(&piece[..kept]).await?;
                if kept < length {
                    // The end of an answer is missing, and nothing comes after it.
                    return Ok(());
                }
            }
        };
        tokio::select! {
            answered = answers => answered,
            asked = tokio::io::copy(&mut from_client, &mut to_broker) => Ok(asked.map(drop)?),
        }
    }

    /// Puts the impostors' ports where Kafka's brokers name their own: after their address, as a number of four bytes.
    fn rename(&self, piece: &mut [u8]) {
        const HOST: &[u8] = b"127.0.0.1";
        for place in 0..piece.len().saturating_sub(HOST.len() + 3) {
            let port = place + HOST.len();
            if &piece[place..port] != HOST {
                continue;
            }
            for PortPair { broker, impostor } in self.ports.iter() {
                if piece[port..port + 4] == u32::from(*broker).to_be_bytes() {
                    piece[port..port + 4].copy_from_slice(&u32::from(*impostor).to_be_bytes());
                    break;
                }
            }
        }
    }
}

/// Changes a piece of an answer, and returns the length that is left.
fn spoil(piece: &mut [u8], random: &mut Random) -> usize {
    let place = random.below(piece.len());
    match random.below(6) {
        // A bit, a byte, a few bytes.
        0 => piece[place] ^= 1 << random.below(8),
        1 | 2 => piece[place] = u8::try_from(random.below(256)).unwrap_or(0),
        3 => (0..8).for_each(|_| piece[random.below(piece.len())] = u8::try_from(random.below(256)).unwrap_or(0)),
        // A number that is a length in some answers.
        4 => {
            let value: [u8; 4] = [[0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0; 4], [0, 0x7f, 0xff, 0xff]][random.below(4)];
            let end = piece.len().min(place + 4);
            piece[place..end].copy_from_slice(&value[..end - place]);
        }
        _ => return place,
    }
    piece.len()
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
