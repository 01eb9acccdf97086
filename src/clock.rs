//! The only place that asks for the time. Time is an argument everywhere else.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use ebb_plan::tick::Moment;

/// The present.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The present by both clocks.
pub fn moment() -> Moment {
    Moment { at: now(), steady: start().elapsed() }
}

/// The instant at this time since the start of the process.
pub fn instant(steady: Duration) -> Instant {
    start() + steady
}

/// The first question counts as the start.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}
