//! Ebb with settings of its own, given as KEDA's users give them.

mod beside;
mod chart;
mod denied;
mod logs;
mod outbound;
mod scope;
mod secrets;
mod shares;
mod two;

use std::fs;

use anyhow::{Context, Result};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::World;
use serde_json::{Value, json};

/// Runs `test` while Ebb has these arguments and variables. After it, Ebb has those of the other tests again.
async fn with_settings(
    world: &'static World,
    arguments: &[&str],
    variables: &[(&str, &str)],
    test: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let stopped = world.ebb.stop().await;
    let outcome = match world.ebb.restart_with(arguments, variables).await {
        Ok(()) => test().await,
        Err(error) => Err(error),
    };
    world.ebb.kill()?;
    world.ebb.restart().await?;
    stopped?;
    outcome
}

/// A workload with `replicas` replicas, and a ScaledObject of its name that looks every second.
async fn scale(user: &Sandbox, app: &str, replicas: u32, trigger: Value) -> Result<()> {
    user.apply(&deployment(app, replicas, &[])).await?;
    user.apply(&scaled_object(app, json!({"pollingInterval": 1, "triggers": [trigger]}))).await?;
    Ok(())
}

/// The log of the latest Ebb.
fn log(world: &World) -> Result<String> {
    let log = fs::read_to_string(&world.ebb.log)?;
    let start = log.rfind(STARTED).context("it has not started")?;
    let line = log[..start].rfind('\n').map_or(0, |end| end + 1);
    Ok(log[line..].to_owned())
}

/// The first words of Ebb's log.
const STARTED: &str = "starting ebb";
