//! `ebb ui` in headless Chromium, against a real Ebb on a test cluster. `make test-ui` installs Chromium and runs these
//! tests; `make test` leaves them out.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod access;
mod live;
mod simulations;

use anyhow::Result;
use ebb_tests::bed::Options;
use ebb_tests::wait::secs;
use ebb_tests::world::{Outcome, Shared, World};

static SHARED: Shared = Shared::new(|| {
    let mut options = Options::new("ui");
    options.hpa_sync_period = Some(secs(2));
    options.hpa_downscale_stabilization = Some(secs(4));
    options
});

/// Runs one test. One of them stops Ebb, and a browser takes a core, so that they run one after the other.
fn story(story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
    SHARED.story_alone(story)
}
