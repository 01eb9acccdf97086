//! Reads Kafka triggers in a loop, failures included, and ends. `make leak-check` runs it under valgrind: what librdkafka
//! gives out has to be given back.
//!
//!     kafka-reads BOOTSTRAP_SERVERS TOPIC ROUNDS

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result};
use chrono::Utc;
use ebb_scalers::broker::Brokers;
use ebb_scalers::{Scaler, TriggerConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name: &str| arguments.next().with_context(|| format!("{name} is missing"));
    let (servers, topic, rounds) = (next("BOOTSTRAP_SERVERS")?, next("TOPIC")?, next("ROUNDS")?.parse::<u32>()?);

    let brokers = Brokers::default();
    let good = trigger(&brokers, "kafka", &[("bootstrapServers", &servers), ("topic", &topic)])?;
    let all = trigger(&brokers, "kafka", &[("bootstrapServers", &servers)])?;
    let missing = trigger(&brokers, "apache-kafka", &[("bootstrapServers", &servers), ("topic", "no-such-topic")])?;
    let away = trigger(&brokers, "kafka", &[("bootstrapServers", "127.0.0.1:1"), ("topic", &topic)])?;
    for round in 0..rounds {
        let begun = Instant::now();
        let read = good.read(Utc::now()).await;
        say(&format!("{round}: {read:?} after {:?}", begun.elapsed()));
        say(&format!("{round}: {:?}", all.read(Utc::now()).await));
        say(&format!("{round}: {:?}", missing.read(Utc::now()).await));
        say(&format!("{round}: {:?}", away.read(Utc::now()).await));
        // A client that is opened and closed again.
        let brief = trigger(&Brokers::default(), "kafka", &[("bootstrapServers", &servers), ("topic", &topic)])?;
        say(&format!("{round}: {:?}", brief.read(Utc::now()).await));
        // Long enough for what was read to be read again.
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    }
    Ok(())
}

fn trigger(brokers: &Brokers, kind: &str, metadata: &[(&str, &str)]) -> Result<Box<dyn Scaler>> {
    let metadata = [("consumerGroup", "leak-check"), ("offsetResetPolicy", "earliest")].iter().chain(metadata);
    let metadata: BTreeMap<_, _> = metadata.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let config = TriggerConfig { kind: kind.to_owned(), metadata, ..TriggerConfig::default() };
    Ok(ebb_scalers::build(&config, brokers)?)
}

#[allow(clippy::print_stdout)]
fn say(line: &str) {
    println!("{line}");
}
