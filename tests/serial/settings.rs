//! An Ebb with other settings than the other stories', given as KEDA's users give them.

mod scope;

use anyhow::Result;
use ebb_tests::world::World;

/// Plays `story` while Ebb runs with these arguments and variables; then it runs as for the other stories again.
async fn with_settings(
    world: &'static World,
    arguments: &[&str],
    variables: &[(&str, &str)],
    story: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    world.ebb.stop().await?;
    let told = match world.ebb.restart_with(arguments, variables).await {
        Ok(()) => story().await,
        Err(error) => Err(error),
    };
    world.ebb.kill()?;
    world.ebb.restart().await?;
    told
}
