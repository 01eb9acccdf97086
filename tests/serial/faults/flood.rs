//! Brokers that keep to the protocol and answer as much as they may, or more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The topic that triggers ask these brokers about.
pub(super) const TOPIC: &str = "faults-floods";

/// The requests that Ebb sends, by `api_key`.
const KEYS: [i16; 8] = [1, 2, 3, 9, 10, 17, 18, 36];

/// The part of an answer that a broker has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flood {
    /// Kafka: partitions that hold records, each with a commit, and batches that say they are compressed.
    Partitions(i32),
    /// Kafka: topics without a name, which nobody asked about.
    Topics,
    /// Kafka: versions, before the login.
    Versions,
    /// Kafka: a long error text about a wrong password.
    Words,
    /// Kafka: an answer that begins and comes byte by byte.
    Drops,
    /// AMQP: tables in tables.
    Tables,
    /// AMQP: one frame without an end.
    Frame,
    /// AMQP: a refusal of the login whose reason rings and moves the cursor.
    Reason,
    /// HTTP: a body without an end.
    Body,
    /// HTTP: fields without an end.
    Fields,
    /// HTTP: lists in lists, queues without names.
    Lists,
    /// HTTP: a long error text in a refusal.
    Refusal,
}

impl Flood {
    pub(super) fn is_kafka(self) -> bool {
        matches!(self, Self::Partitions(_) | Self::Topics | Self::Versions | Self::Words | Self::Drops)
    }

    pub(super) fn is_amqp(self) -> bool {
        matches!(self, Self::Tables | Self::Frame | Self::Reason)
    }
}

/// A broker at an address of this machine. It ends when this is dropped.
pub(super) struct Flooder {
    pub(super) address: String,
    task: JoinHandle<()>,
}

impl Flooder {
    pub(super) async fn start(flood: Flood) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        // Made once: a flooding broker must cost the machine little.
        let keys = KEYS.into_iter().filter(|_| flood.is_kafka());
        let answers = keys.map(|key| (key, kafka_answer(key, flood, address.port()).0));
        let answers: Arc<HashMap<i16, Vec<u8>>> = Arc::new(answers.collect());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    if flood.is_kafka() {
                        kafka(stream, flood, &answers).await
                    } else if flood.is_amqp() {
                        amqp(stream, flood).await
                    } else {
                        http(stream, flood).await
                    }
                });
            }
        });
        Ok(Self { address: address.to_string(), task })
    }
}

impl Drop for Flooder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Bytes of an answer.
#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn put(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(bytes.as_ref());
        self
    }

    fn i32(self, value: i32) -> Self {
        self.put(value.to_be_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.put(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()).put(text)
    }

    fn each(self, count: i32, write: impl Fn(Self, i32) -> Self) -> Self {
        let begun = self.i32(count);
        (0..count).fold(begun, write)
    }
}

async fn kafka(mut stream: TcpStream, flood: Flood, answers: &HashMap<i16, Vec<u8>>) -> Result<()> {
    loop {
        let length = usize::try_from(stream.read_i32().await?)?;
        let mut question = vec![0; length];
        stream.read_exact(&mut question).await?;
        let key = i16::from_be_bytes(question[..2].try_into()?);
        let number = &question[4..8];
        let body = answers.get(&key).context("a request that Ebb does not send")?;
        stream.write_i32(i32::try_from(4 + body.len())?).await?;
        stream.write_all(number).await?;
        if flood == Flood::Drops && key == 3 {
            for byte in body {
                stream.write_u8(*byte).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } else {
            stream.write_all(body).await?;
        }
    }
}

/// The answer to a request with this `api_key`.
fn kafka_answer(key: i16, flood: Flood, port: u16) -> Answer {
    let partitions = if let Flood::Partitions(count) = flood { count } else { 1 };
    let answer = Answer::default();
    let broker = |answer: Answer| answer.text("127.0.0.1").i32(port.into());
    match (key, flood) {
        (18, Flood::Versions) => answer.put([0; 2]).each(2_500_000, |answer, _| answer.put([0, 3, 0, 0, 0, 20])),
        (18, _) => answer.put([0; 2]).each(60, |answer, key| {
            answer.put(i16::try_from(key).unwrap_or_default().to_be_bytes()).put([0, 0, 0, 20])
        }),
        (17, _) => answer.put([0; 2]).each(1, |answer, _| answer.text("PLAIN")),
        // SASL authentication failed, and why.
        (36, _) => answer.put([0, 58]).text(&"\u{1b}[2Jno\n".repeat(4_000)).i32(0).put([0; 8]),
        (3, _) => {
            let head = broker(answer.i32(0).i32(1).i32(1)).put([0xff; 4]).i32(1);
            if flood == Flood::Topics {
                return head.each(150_000, |answer, _| answer.put([0; 2]).text("").put([0]).i32(0));
            }
            let count = if flood == Flood::Drops { 50_000 } else { partitions };
            let topic = head.i32(1).put([0; 2]).text(TOPIC).put([0]);
            topic.each(count, |answer, number| answer.put([0; 2]).i32(number).i32(1).i32(0).i32(0))
        }
        (2, _) => answer
            .i32(0)
            .i32(1)
            .text(TOPIC)
            .each(partitions, |answer, number| answer.i32(number).put([0; 10]).put(1_000_000_i64.to_be_bytes())),
        (10, _) => broker(answer.i32(0).put([0; 2]).text(&"x".repeat(30_000)).i32(1)),
        (9, _) => {
            let metadata = "m".repeat(100);
            let offset =
                |answer: Answer, number| answer.i32(number).put(7_i64.to_be_bytes()).text(&metadata).put([0; 2]);
            answer.i32(1).text(TOPIC).each(partitions, offset).put([0; 2])
        }
        // A batch that says it is compressed and of a gigabyte.
        _ => {
            let head = answer.i32(0).i32(1).text(TOPIC).i32(1).i32(0).put([0; 2]);
            let offsets = head.put(1_000_000_i64.to_be_bytes().repeat(2));
            let aborted = offsets.each(2_000, |answer, _| answer.put([0; 16]));
            aborted.i32(4_000_000).put(vec![0x01; 4_000_000])
        }
    }
}

async fn amqp(mut stream: TcpStream, flood: Flood) -> Result<()> {
    let mut heard = [0; 4096];
    let _ = stream.read(&mut heard).await?;
    let long = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()[..], bytes].concat();
    let frame = |payload: &[u8]| [&[1, 0, 0][..], &long(payload), &[0xce]].concat();
    let start = |table: &[u8]| {
        frame(&[&[0, 10, 0, 10, 0, 9][..], &long(table), &long(b"PLAIN AMQPLAIN"), &long(b"en_US")].concat())
    };
    match flood {
        Flood::Tables => {
            let nested = (0..1_300).fold(Vec::new(), |inner, _| [&b"\x00F"[..], &long(&inner)].concat());
            stream.write_all(&start(&nested)).await?;
        }
        Flood::Frame => {
            stream.write_all(&[1, 0, 0, 0x7f, 0xff, 0xff, 0xff]).await?;
            endless(&mut stream, b"aV").await?;
        }
        _ => {
            stream.write_all(&start(&b"\x01aV".repeat(200))).await?;
            let _ = stream.read(&mut heard).await?;
            let text = "\u{7}\u{1b}[2J\n".repeat(40);
            let text = [&[u8::try_from(text.len()).context("too long")?][..], text.as_bytes()].concat();
            stream.write_all(&frame(&[&[0, 10, 0, 50, 1, 0x93][..], &text, &[0; 4]].concat())).await?;
        }
    }
    while stream.read(&mut heard).await? > 0 {}
    Ok(())
}

async fn http(mut stream: TcpStream, flood: Flood) -> Result<()> {
    let mut heard = [0; 4096];
    while stream.read(&mut heard).await? > 0 {
        let body = match flood {
            Flood::Body => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"name\": \"").await?;
                return endless(&mut stream, b"x").await;
            }
            Flood::Fields => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await?;
                return endless(&mut stream, b"x").await;
            }
            Flood::Lists => format!(r#"{{"messages": [{}]}}"#, vec!["[]"; 650_000].join(",")),
            _ => format!(r#"{{"error": [{}], "reason": "{}"}}"#, vec!["0"; 4_000].join(","), "no\\n".repeat(5_000)),
        };
        let status = if flood == Flood::Lists { "200 OK" } else { "500 Internal Server Error" };
        let fields = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[fields.as_bytes(), body.as_bytes()].concat()).await?;
    }
    Ok(())
}

async fn endless(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    let piece = bytes.repeat(32 << 10);
    loop {
        stream.write_all(&piece).await?;
    }
}
