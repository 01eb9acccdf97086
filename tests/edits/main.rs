//! End-to-end tests of many edits while Ebb is killed or its writes are lost: one after the other, on a test cluster of
//! their own.
//!
//! They wait most of the time until nothing changes any more, so this program runs beside `e2e` and `disruption`.

#![allow(clippy::print_stdout)] // The seeds are shown.

mod churn;
mod lost_answers;

use anyhow::Result;
use ebb_tests::bed::Options;
use ebb_tests::world::{Outcome, Shared, World};

static SHARED: Shared = Shared::new(|| Options::new("edits"));

/// Runs one end-to-end test while no other of this program runs.
fn story(story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
    SHARED.story_alone(story)
}
