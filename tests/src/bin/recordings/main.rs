//! `make recordings`: records how the real HPA controller and Ebb react to a load, for the model of `ebb simulate`.
//!
//! Plays all scenarios side by side, each in a namespace of its own, on a test cluster with Kubernetes' own periods.
//! Writes a file for each into `plan/recordings`, which the unit tests of ebb-plan replay. Arguments are words: the
//! scenarios whose names hold one of them are played.

#![allow(clippy::print_stdout)] // It is a program for the terminal.

mod play;
mod scenarios;

use std::fs;

use anyhow::{Result, ensure};
use ebb_tests::bed::Options;
use ebb_tests::paths;
use ebb_tests::world::World;
use futures::future::join_all;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let mut scenarios = scenarios::all();
    scenarios.retain(|scenario| words.is_empty() || words.iter().any(|word| scenario.name.contains(word)));
    ensure!(!scenarios.is_empty(), "no scenario has a name with one of {words:?}");
    let longest = scenarios.iter().map(|scenario| scenario.length).max().unwrap_or_default();
    println!("{} scenarios, {} minutes", scenarios.len(), longest.div_ceil(60) + 1);
    let world = World::start(Options::new("recordings")).await?;
    let folder = paths::root().join("plan/recordings");
    fs::create_dir_all(&folder)?;
    let playing = scenarios.iter().map(|scenario| async { (scenario.name, play::play(&world, scenario).await) });
    let mut failed = 0;
    for (name, recording) in join_all(playing).await {
        match recording {
            Ok(recording) => {
                fs::write(folder.join(format!("{name}.json")), format!("{recording}\n"))?;
                println!("{name}: recorded");
            }
            Err(error) => {
                failed += 1;
                println!("{name}: {error:#}");
            }
        }
    }
    ensure!(failed == 0, "{failed} scenarios failed");
    Ok(())
}
