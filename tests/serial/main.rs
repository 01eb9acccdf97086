//! End-to-end tests that measure or count: one after the other, on a test cluster of their own, while nothing
//! else runs.
//!
//! The HPA controller runs with Kubernetes' defaults: it looks every 15 seconds and scales down after five minutes.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.
#![allow(clippy::print_stdout)] // Measurements are shown.

mod activate_to;
mod at_rest;
mod broken_beside;
mod connection_flood;
mod decisions;
mod faults;
mod leadership;
mod many;
mod secrets;
mod wake_up;

use anyhow::Result;
use ebb_tests::bed::Options;
use ebb_tests::world::{Outcome, Shared, World};

static SHARED: Shared = Shared::new(|| {
    let mut options = Options::new("serial");
    options.with.push("kafka2");
    options
});

/// Runs one end-to-end test while no other runs.
fn story(story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
    SHARED.story_alone(story)
}
