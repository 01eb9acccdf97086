//! Stories that stop a part of the control plane, measure it, or need Kubernetes' own rhythm: one after the other.
//!
//! The HPA controller runs with Kubernetes' defaults: it looks every 15 seconds and scales down after five minutes.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.
#![allow(clippy::print_stdout)] // What was measured is told.

mod at_rest;
mod broken_beside;
mod churn;
mod closed_loop;
mod crowd;
mod faults;
mod leadership;
mod lost_answers;
mod many;
mod outages;
mod restarts;
mod rights;
mod secrets;
mod settings;
mod wake_up;

use anyhow::Result;
use ebb_tests::bed::Options;
use ebb_tests::world::{Outcome, Shared, World};

static SHARED: Shared = Shared::new(|| {
    let mut options = Options::new("serial");
    options.with.push("kafka2");
    options
});

/// Runs one story while no other runs.
fn story(story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
    SHARED.story_alone(story)
}
