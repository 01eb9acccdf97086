//! `make churn` and `make losses`: the tests of these names at full size, with many seeds.
//!
//! `churn kills` edits CHURN_AT_ONCE namespaces side by side while Ebb is killed; `churn losses` edits one after the
//! other while its writes are lost. CHURN_SEEDS says how many seeds there are in all, or names them, separated by
//! commas.

#![allow(clippy::print_stdout)] // It is a program for the terminal.

use anyhow::{Context, Result, bail};
use ebb_tests::bed::Options;
use ebb_tests::churn::{self, Run, Size};
use ebb_tests::random;
use ebb_tests::world::World;

#[tokio::main]
async fn main() -> Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let seeds = seeds()?;
    let world = World::start(Options::new("churn")).await?;
    match mode.as_str() {
        "kills" => kills(&world, &seeds).await?,
        "losses" => {
            for (number, seed) in seeds.iter().enumerate() {
                let lost = churn::edit_and_lose(&world, &format!("losses-{number}"), *seed, Size::FULL).await;
                lost.with_context(|| format!("seed {seed}"))?;
            }
        }
        other => bail!("{other:?} is neither kills nor losses"),
    }
    println!("{} seeds are green: {seeds:?}", seeds.len());
    Ok(())
}

async fn kills(world: &World, seeds: &[u64]) -> Result<()> {
    let at_once = number("CHURN_AT_ONCE", 5)?.max(1);
    for (group, seeds) in seeds.chunks(at_once).enumerate() {
        let mut runs = Vec::new();
        for (place, seed) in seeds.iter().enumerate() {
            runs.push(Run::begin(world, &format!("churn-{group}-{place}"), *seed, Size::FULL).await?);
        }
        churn::edit_and_kill(world, &mut runs, Size::FULL, seeds[0]).await?;
        churn::compare(world, &runs).await?;
    }
    Ok(())
}

fn seeds() -> Result<Vec<u64>> {
    let text = std::env::var("CHURN_SEEDS").unwrap_or_default();
    if text.contains(',') {
        let seeds = text.split(',').filter(|seed| !seed.trim().is_empty());
        return seeds.map(|seed| seed.trim().parse().with_context(|| format!("{seed:?} is no seed"))).collect();
    }
    let count = number("CHURN_SEEDS", 30)?;
    Ok((0..count).map(|_| random::seed("EBB_CHURN_SEED")).collect())
}

fn number(variable: &str, default: usize) -> Result<usize> {
    match std::env::var(variable).ok().filter(|text| !text.is_empty()) {
        Some(text) => text.parse().with_context(|| format!("{variable}: {text:?} is no number")),
        None => Ok(default),
    }
}
