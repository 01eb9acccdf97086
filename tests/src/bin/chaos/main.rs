//! `make chaos`: three replicas of Ebb, a hundred workloads on RabbitMQ and Kafka, and nothing that stays whole.
//!
//! Messages come at random. Replicas are killed and frozen, brokers and the API server go and come back, certificates
//! are deleted and damaged. A few workloads have real workers; of the others, which would be more processes than a
//! small machine bears, this program does the work, as fast as the pods that there are would. In the end every workload
//! must have the right count and every message must have been worked off; and no write that the API server has on
//! record may have broken a rule ([`verdict`]).
//!
//! `CHAOS_SEED` brings a run back as far as chance goes, `CHAOS_SECONDS` (240) is how long things go wrong.

#![allow(clippy::print_stdout)] // The terminal is what this program is for.

mod app;
mod backlog;
mod deployments;
mod faults;
mod queries;
mod queue;
mod stage;
mod topic;
mod verdict;

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, ensure};
use ebb_tests::random::{self, Random};
use ebb_tests::wait::{self, secs};
use stage::Stage;
use tokio::time::sleep;

use crate::app::TARGET;

/// The memory that a replica may have more than before, once it has lived through everything.
const MEMORY_KB: u64 = 8 << 10;

#[tokio::main]
async fn main() -> Result<()> {
    let seed = random::seed("CHAOS_SEED");
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(240);
    println!("CHAOS_SEED={seed}: {seconds} seconds of faults, about five minutes more for what is before and after");
    let stage = Stage::set().await?;
    let played = play(&stage, &mut Random::new(seed), secs(seconds)).await;
    if played.is_err() {
        println!("\nfailed with CHAOS_SEED={seed}; logs are in {}", stage.world.bed.dir.display());
    }
    played
}

async fn play(stage: &Stage, random: &mut Random, span: Duration) -> Result<()> {
    let messages = tokio::spawn(traffic(stage.apps.clone(), random.below(usize::MAX) as u64));
    stage.say("messages come at random; twenty seconds without a fault");
    sleep(secs(20)).await;
    let before = stage.memory()?;
    let queries = stage.query(random.below(usize::MAX) as u64);

    let spans = faults::rage(&stage.world, &stage.replicas, random, span, |line| stage.say(&line)).await?;
    messages.abort();
    stage.say(&format!("{} faults are over", spans.len()));
    queries.abort();

    all_consumed(stage).await?;
    held(stage, random).await?;
    all_consumed(stage).await?;
    let (after, brought) = (stage.memory()?, stage.brought().await);
    println!("{}", stage.queries.summary(&spans));

    let writes = verdict::accepted(&stage.world.bed)?;
    let scaled = writes.iter().filter(|write| write.replicas().is_some()).count();
    println!(
        "{brought} messages, all worked off; {scaled} counts set by Ebb, {} changes of replicas in all; the lease changed \
         hands {} times; memory of the three replicas {before:?} kB before, {after:?} kB after",
        stage.deployments.changes(),
        verdict::handovers(&writes),
    );
    let broken = verdict::broken(&stage.apps, stage::NAMESPACE, &writes, &spans);
    ensure!(broken.is_empty(), "{} times a rule was broken:\n{}", broken.len(), broken.join("\n"));
    ensure!(scaled > stage.apps.len(), "the audit log tells of {scaled} counts only");
    ensure!(after[2] < before[2] + MEMORY_KB, "the third replica takes {} kB, before {}", after[2], before[2]);
    stage.say("every rule was kept");
    Ok(())
}

/// Messages for random workloads, without an end. Some get none for a while and go to sleep.
async fn traffic(apps: Vec<std::sync::Arc<app::App>>, seed: u64) {
    let mut random = Random::new(seed);
    loop {
        for _ in 0..2 {
            apps[random.below(apps.len())].send(random.within(1..20));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Nothing waits any more, and every workload goes to zero.
async fn all_consumed(stage: &Stage) -> Result<()> {
    wait::until("every message to be worked off and every workload to be at zero", secs(120), async || {
        for app in &stage.apps {
            let (waiting, replicas) = (app.backlog.now(), stage.deployments.now(&app.name));
            ensure!(waiting == 0 && replicas == 0, "{}: {waiting} wait, {replicas} replicas", app.name);
        }
        Ok(())
    })
    .await?;
    for app in &stage.apps {
        app.all_done().await?;
        let peak = stage.deployments.peak(&app.name);
        ensure!(peak <= app.most(), "{} had {peak} replicas", app.name);
    }
    stage.say("all is worked off, and all workloads are at zero");
    Ok(())
}

/// While nobody works, each workload gets the count that its messages ask for.
async fn held(stage: &Stage, random: &mut Random) -> Result<()> {
    stage.rest.store(true, Ordering::Relaxed);
    let wanted: Vec<usize> = stage.apps.iter().map(|_| random.below(9)).collect();
    let of_ours = stage.apps.iter().zip(&wanted).filter(|(app, _)| app.most() == app::MOST);
    let of_ours: Vec<_> = of_ours.collect();
    for (app, replicas) in &of_ours {
        app.send(*replicas * TARGET);
    }
    let held = wait::until("every workload to have the count that its messages ask for", secs(100), async || {
        for (app, wanted) in &of_ours {
            let replicas = stage.deployments.now(&app.name);
            ensure!(usize::try_from(replicas)? == **wanted, "{}: {replicas} replicas, not {wanted}", app.name);
        }
        Ok(())
    })
    .await;
    stage.rest.store(false, Ordering::Relaxed);
    held?;
    stage.say("with work left undone, every workload had the count that it asks for");
    Ok(())
}
