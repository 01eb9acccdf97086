//! End-to-end tests that stop, kill or reconfigure Ebb or a part of the control plane: one after the other, on a test
//! cluster of their own.
//!
//! They wait most of the time, so this program runs beside `e2e`. Tests that measure or count are in `tests/serial`.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.
#![allow(clippy::print_stdout)] // Measurements are shown.

mod closed_loop;
mod groups;
mod outages;
mod restarts;
mod rights;
mod settings;

use anyhow::Result;
use ebb_tests::bed::Options;
use ebb_tests::wait::secs;
use ebb_tests::world::{Outcome, Shared, World};

/// The HPA controller looks more often than Kubernetes' default: these tests wait for it and are not about its rhythm.
/// It forgets a higher recommendation after Kubernetes' five minutes.
static SHARED: Shared = Shared::new(|| {
    let mut options = Options::new("disruption");
    options.with.push("kafka2");
    options.hpa_sync_period = Some(secs(2));
    options
});

/// Runs one end-to-end test while no other of this program runs.
fn story(story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
    SHARED.story_alone(story)
}
