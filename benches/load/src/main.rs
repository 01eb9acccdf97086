//! `make load`: the cost of many ScaledObjects for Ebb, in one table, with another autoscaler of KEDA's API beside it.
//!
//! Each contender has a new control plane and new brokers on 127.0.0.1, the same Deployments and the same
//! ScaledObjects. `docs/load.md` describes each figure, and the duties of `PEER`.

#![allow(clippy::print_stdout, clippy::print_stderr)] // The terminal is what this program is for.

mod contender;
mod figures;
mod lister;
mod measure;
mod percentile;
mod proxy;
mod queries;
mod requests;
mod settings;
mod stage;
mod table;
mod usage;
mod wake;
mod workloads;

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};
use chrono::Utc;
use ebb_tests::paths;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::contender::Role;
use crate::measure::{Outcome, measure};
use crate::settings::Settings;

/// How Ebb is started.
const EBB: &str = "benches/load/ebb.sh";

#[tokio::main]
async fn main() -> Result<()> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    if cfg!(debug_assertions) {
        eprintln!("this is no release build: its figures say little");
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Dropping the future ends the contender, then the servers.
    let measured = tokio::select! {
        measured = both(&settings) => measured,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("interrupted"),
    };
    let (ebb, peer) = measured?;
    let rows = table::rows(&ebb.figures, peer.as_ref().map(|peer| &peer.figures));
    let failures: Vec<_> = ebb.failures.iter().chain(peer.iter().flat_map(|peer| &peer.failures)).collect();
    let mut about = about(&settings);
    about["failures"] = json!(failures);
    println!("{}", headline(&about));
    print!("{}", table::text(&rows, peer.is_some()));
    let file = paths::work("load").join(format!("{}-{}.json", settings.kind.name(), settings.count));
    fs::create_dir_all(paths::work("load"))?;
    fs::write(&file, serde_json::to_vec_pretty(&table::document(&rows, about))?)?;
    eprintln!("the same for programs: {}", file.display());
    if !failures.is_empty() {
        let failures: Vec<&str> = failures.iter().map(|failure| failure.as_str()).collect();
        bail!("not all could be measured:\n  {}", failures.join("\n  "));
    }
    Ok(())
}

async fn both(settings: &Settings) -> Result<(Outcome, Option<Outcome>)> {
    let ebb = measure(settings, Role::Ebb, EBB).await?;
    let Some(command) = &settings.peer else { return Ok((ebb, None)) };
    // Ebb's figures are there already, and are shown even where the peer fails.
    let failed = |error| Outcome { failures: vec![format!("peer: {error:#}")], ..Outcome::default() };
    Ok((ebb, Some(measure(settings, Role::Peer, command).await.unwrap_or_else(failed))))
}

/// The subject, place and time of the measurement.
fn about(settings: &Settings) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    json!({
        "count": settings.count, "kind": settings.kind.name(), "peerCommand": settings.peer,
        "commit": commit().unwrap_or_else(|| "unknown".to_owned()),
        "date": Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
        "machine": {"cores": cores, "memoryMb": memory.map(|kilobytes: u64| kilobytes >> 10)},
    })
}

fn headline(about: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (machine, peer) = (&about["machine"], &about["peerCommand"]);
    let peer = peer.as_str().map_or_else(String::new, |command| format!("; peer: {command}"));
    format!(
        "{} ScaledObjects, {}; commit {}, {} build, {}; {} cores, {} MB of memory{peer}",
        about["count"],
        text(&about["kind"]),
        text(&about["commit"]),
        text(&about["profile"]),
        text(&about["date"]),
        machine["cores"],
        machine["memoryMb"],
    )
}

/// The commit of the sources, with a mark if they were changed since.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"])
        .current_dir(paths::root())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
