//! `make parity`: Ebb's results for manifests, beside KEDA's.
//!
//! Prints every difference, the deliberate ones apart, and ends with 1 if there is another.

#![allow(clippy::print_stdout)] // The terminal is what this program is for.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use ebb_tests::bed::{Bed, Options};
use ebb_tests::ebb::Ebb;
use ebb_tests::kafka::Kafka;
use ebb_tests::parity::{self, NAMESPACE};
use ebb_tests::paths;
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::secs;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let folder = std::env::args_os().nth(1).filter(|folder| !folder.is_empty());
    let folder = folder.map_or_else(|| paths::root().join("tests/parity"), PathBuf::from);
    let cases = parity::cases(&folder)?;
    println!("{} cases of {}; starting the control plane, RabbitMQ, Kafka and Ebb", cases.len(), folder.display());
    let mut options = Options::new("parity");
    options.with.push("kafka");
    options.hpa_sync_period = Some(secs(2));
    let bed = Bed::start(options).await?;
    let ebb = Ebb::start(&bed, false).await?;
    let (rabbit, kafka) = (Rabbit::connect(bed.rabbitmq()?).await?, Kafka::connect(bed.kafka()?).await?);
    let user = Sandbox::create(&bed, NAMESPACE).await?;
    println!("applying them, and waiting until all have settled (a minute at most)");
    let verdicts = parity::run(&user, &rabbit, &kafka, &cases).await;
    if verdicts.is_err() {
        println!("the end of Ebb's log:\n{}", ebb.log_tail());
    }
    let (mut expected, mut unexpected) = (0, 0);
    for verdict in verdicts? {
        let found = &verdict.differences;
        (expected, unexpected) = (expected + found.expected.len(), unexpected + found.unexpected.len());
        println!("\n{}: {}", verdict.case, if found.unexpected.is_empty() { "as with KEDA" } else { "DIFFERENT" });
        for difference in &found.unexpected {
            println!("  unexpected  {difference}");
        }
        for (difference, reason) in &found.expected {
            println!("  expected    {difference}  ({reason})");
        }
    }
    println!("\n{} cases: {unexpected} unexpected differences, {expected} expected", cases.len());
    Ok(if unexpected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
