//! Reads Kafka triggers in a loop, failures included, and ends. `make leak-check` runs it under valgrind: what librdkafka
//! gives out has to be given back.
//!
//!     kafka-reads BED_JSON TOPIC ROUNDS
//!
//! `BED_JSON` tells where the Kafka of a test bed is and who may use it (`tests/cluster/README.md`). A consumer group of
//! the topic's name has read some of its records.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use chrono::Utc;
use ebb_scalers::broker::Brokers;
use ebb_scalers::{Scaler, TriggerConfig};
use serde_json::Value;

/// How often a reading is tried that is not what is wanted.
const ATTEMPTS: u32 = 10;

/// A trigger, and what its readings must be like: a lag, or an error that says this.
struct Case {
    name: &'static str,
    scaler: Box<dyn Scaler>,
    wanted: Result<f64, &'static str>,
}

impl Case {
    /// Reads until it is what is wanted: under valgrind everything takes so much longer that a first answer may be late.
    async fn read(&self, round: u32) -> Result<()> {
        let Self { name, scaler, wanted } = self;
        for _ in 0..ATTEMPTS {
            let begun = Instant::now();
            let read = scaler.poll(Utc::now()).await;
            say(&format!("{round}: {name}: {read:?} after {:.2?}", begun.elapsed()));
            let fits = match (&read, wanted) {
                (Ok(reading), Ok(lag)) => reading.value.total_cmp(lag).is_eq(),
                (Err(error), Err(says)) => error.to_string().contains(says),
                _ => false,
            };
            if fits {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("{name}: {wanted:?} was to be expected")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name: &str| arguments.next().with_context(|| format!("{name} is missing"));
    let (file, topic, rounds) = (next("BED_JSON")?, next("TOPIC")?, next("ROUNDS")?.parse::<u32>()?);
    let bed: Value = serde_json::from_reader(File::open(&file).with_context(|| file.clone())?)?;

    let brokers = Brokers::default();
    let cases = cases(&brokers, &bed, &topic)?;
    for round in 0..rounds {
        for case in &cases {
            case.read(round).await?;
        }
        // Clients that are opened and closed again, one of them with its question on the way.
        let opened = self::cases(&Brokers::default(), &bed, &topic)?;
        opened[0].read(round).await?;
        let _ = tokio::time::timeout(Duration::from_millis(30), opened[1].scaler.read(Utc::now())).await;
        drop(opened);
        // Long enough for what was read to be read again.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    drop((cases, brokers));
    // librdkafka's threads end on threads of their own.
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(())
}

fn cases(brokers: &Brokers, bed: &Value, topic: &str) -> Result<Vec<Case>> {
    let text = |path: &str| bed.pointer(path).and_then(Value::as_str).with_context(|| format!("no {path} in BED_JSON"));
    let (plaintext, sasl, tls) = (text("/kafka/plaintext")?, text("/kafka/saslPlaintext")?, text("/kafka/saslSsl")?);
    let ca = std::fs::read_to_string(text("/kafka/ca")?)?;
    let (viewer, password) = (text("/kafka/viewer/name")?, text("/kafka/viewer/password")?);
    let (stranger, strange) = (text("/kafka/stranger/name")?, text("/kafka/stranger/password")?);
    let (client, secret, tokens) =
        (text("/tokens/clientId")?, text("/tokens/clientSecret")?, text("/tokens/tokenUrl")?);
    let scram = [("sasl", "scram_sha512"), ("username", viewer), ("password", password)];
    let bearer =
        [("sasl", "oauthbearer"), ("username", client), ("password", secret), ("oauthTokenEndpointUri", tokens)];
    let case = |name, servers, topic, auth: &[(&str, &str)], wanted| {
        let kind = if auth.is_empty() { "apache-kafka" } else { "kafka" };
        trigger(brokers, kind, servers, topic, auth).map(|scaler| Case { name, scaler, wanted })
    };
    Ok(vec![
        // Nine of partition 0, none of partition 1, ten of partition 2, which has no commit.
        case("a topic", plaintext, topic, &[], Ok(19.0))?,
        case("what the group has committed to", plaintext, "", &[], Ok(19.0))?,
        case("a topic that is not there", plaintext, "no-such-topic", &[], Err("no-such-topic"))?,
        case("nobody listens", "127.0.0.1:1", topic, &[], Err("127.0.0.1:1"))?,
        case("a password", sasl, topic, &scram, Ok(19.0))?,
        case("a password over TLS", tls, topic, &[&scram[..], &[("tls", "enable"), ("ca", &ca)]].concat(), Ok(19.0))?,
        case("a wrong password", sasl, topic, &[scram[0], scram[1], ("password", "wrong")], Err("uthentication"))?,
        case(
            "no right to a topic",
            sasl,
            topic,
            &[scram[0], ("username", stranger), ("password", strange)],
            Err("uthorization"),
        )?,
        case(
            "no right to a group",
            sasl,
            "",
            &[scram[0], ("username", stranger), ("password", strange)],
            Err("uthorization"),
        )?,
        case("a token", sasl, topic, &bearer, Ok(19.0))?,
        case(
            "an extension that is none",
            sasl,
            topic,
            &[&bearer[..], &[("oauthExtensions", "1=2")]].concat(),
            Err("xtension"),
        )?,
    ])
}

fn trigger(
    brokers: &Brokers,
    kind: &str,
    servers: &str,
    topic: &str,
    auth: &[(&str, &str)],
) -> Result<Box<dyn Scaler>> {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let metadata = [
        ("bootstrapServers", servers),
        ("consumerGroup", "leak-check"),
        ("topic", topic),
        ("offsetResetPolicy", "earliest"),
    ];
    let config =
        TriggerConfig { kind: kind.to_owned(), metadata: map(&metadata), auth: map(auth), ..TriggerConfig::default() };
    Ok(ebb_scalers::build(&config, brokers)?)
}

#[allow(clippy::print_stdout)]
fn say(line: &str) {
    println!("{line}");
}
