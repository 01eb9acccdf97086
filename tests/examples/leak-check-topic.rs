//! Makes what `make leak-check` reads, in the Kafka of a test bed: a topic with records, and a group that has read some.
//!
//!     leak-check-topic BED_JSON TOPIC

use std::fs::File;

use anyhow::{Context, Result};
use ebb_tests::bed::Facts;
use ebb_tests::kafka::Kafka;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (file, topic) = arguments.next().zip(arguments.next()).context("usage: leak-check-topic BED_JSON TOPIC")?;
    let facts: Facts = serde_json::from_reader(File::open(&file).with_context(|| file.clone())?)?;
    let kafka = Kafka::connect(&facts.kafka.context("this test bed has no Kafka")?).await?;
    kafka.create_topic(&topic, 3).await?;
    kafka.produce(&topic, 30).await?;
    // The last partition is left without a commit.
    kafka.commit(&topic, &topic, &[(0, 1), (1, 10)]).await
}
