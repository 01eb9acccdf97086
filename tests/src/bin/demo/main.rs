//! `make demo`: the examples of `deploy/` on a real control plane and a real RabbitMQ, live in the terminal.
//!
//! Two hundred messages arrive in each of two queues. `jobs-worker` goes from no replica to many and back to none,
//! `my-app` to many and back to what its cron half says for this hour. The exit code is 0 only if all of that happened.
//! With `KEEP=1` everything stays up afterwards; `demo down` ends it.

#![allow(clippy::print_stdout)] // The terminal is what this program is for.

mod display;
mod stage;
mod timeline;
mod workload;

use std::time::Instant;

use anyhow::{Result, bail};
use chrono::Utc;
use display::Display;
use ebb_tests::wait::{self, secs};
use stage::Stage;
use timeline::Timeline;
use workload::{MESSAGES, Workload};

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => play().await,
        Some("down") => stage::strike().await,
        Some(other) => bail!("unknown argument {other:?}: there is only `down`"),
    }
}

async fn play() -> Result<()> {
    let keep = std::env::var("KEEP").is_ok_and(|value| !value.is_empty() && value != "0");
    let stage = Stage::set(keep).await?;
    let played = perform(&stage).await;
    if keep {
        println!("\nEverything is still up (make down ends it):\n  export KUBECONFIG={}", stage.kubeconfig());
        println!("  kubectl get so,hpa,deploy        (if you have no kubectl: {})", stage.kubectl());
    }
    if let Err(error) = &played {
        println!("\nThe demo failed: {error:#}\n\nThe end of Ebb's log:\n{}", stage.ebb.log_tail());
    }
    played
}

async fn perform(stage: &Stage) -> Result<()> {
    let workloads = Workload::both(stage).await?;
    println!("\nAt rest: waiting until both workloads have what they should have without messages.");
    for workload in &workloads {
        let what = format!("{} at its floor", workload.deployment);
        wait::until(&what, secs(150), async || workload.at_floor().await).await?;
    }
    Display::new().draw(Instant::now(), &workload::sample(&workloads).await);

    println!("\n{MESSAGES} messages into each queue, five to a replica, two seconds of work each:");
    let mut display = Display::new();
    let mut timeline = Timeline::begin(&workloads);
    for workload in &workloads {
        workload.publish().await?;
    }
    let mut tick = tokio::time::interval(secs(1));
    while !timeline.complete() {
        tick.tick().await;
        let samples = workload::sample(&workloads).await;
        display.draw(timeline.begin, &samples);
        timeline.note(&workloads, &samples, Utc::now())?;
    }
    println!("\n{}", timeline.table(&workloads));
    for workload in &workloads {
        workload.all_consumed().await?;
    }
    println!("All {} messages were consumed by the workers.", 2 * MESSAGES);
    for scaled_object in ["jobs-worker", "my-app-scaler"] {
        println!("\n$ ebb explain so/{scaled_object}\n{}", stage.explain(scaled_object)?);
    }
    println!("To see it on a page while it runs: make demo KEEP=1, and then KUBECONFIG={} ebb ui", stage.kubeconfig());
    timeline.verdict(&workloads)
}
