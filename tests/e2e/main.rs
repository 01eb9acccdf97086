//! End-to-end tests that share one test cluster and one Ebb, side by side, each in a namespace of its own.
//!
//! Those that stop or reconfigure parts of it are in `tests/disruption`, those that measure it in `tests/serial`.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod activation;
mod admission;
mod alerts;
mod authentication;
mod bad_input;
mod brokers;
mod certificates;
mod cron;
mod dashboard;
mod decisions;
mod edits;
mod environment;
mod events;
mod external_metrics;
mod fallback;
mod hpa;
mod hpa_drift;
mod kafka;
mod kubectl;
mod manifests;
mod metrics;
mod metrics_api;
mod modifiers;
mod observe;
mod parity;
mod pause;
mod prometheus;
mod rabbitmq;
mod reference;
mod resources;
mod restore;
mod scaling;
mod seed;
mod targets;
mod triggers;

use anyhow::Result;
use ebb_tests::bed::Options;
use ebb_tests::wait::secs;
use ebb_tests::world::{Outcome, Shared, World};

/// The HPA controller looks more often than Kubernetes' default and forgets sooner: nothing in these tests is about
/// its rhythm, and they would only take longer.
static SHARED: Shared = Shared::new(|| {
    let mut options = Options::new("e2e");
    options.with.extend(["kafka2"]);
    options.hpa_sync_period = Some(secs(2));
    options.hpa_downscale_stabilization = Some(secs(4));
    // Tokens of Kafka's users end and are renewed while a test runs.
    options.token_lifetime = Some(secs(10));
    options
});

/// Runs one end-to-end test.
fn story(story: impl AsyncFnOnce(&'static World) -> Result<()>) -> Outcome {
    SHARED.story(story)
}
