//! The logs of this process, on standard error.

mod json;
mod lines;
mod time;

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use json::JsonLines;
use lines::Lines;
use time::Timer;

/// The settings of the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The levels in the syntax of `RUST_LOG`.
    pub levels: String,
    /// The format of a line.
    pub format: Format,
    /// The format of a line's time; RFC 3339 with microseconds if there is none.
    pub time: Option<Time>,
}

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line, with the keys of KEDA's logs: level, ts, logger, msg, and the object that the
    /// line is about.
    Json,
}

/// The format of a time (zap's `TimeEncoder`s).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Seconds since 1970, with fractions.
    Epoch,
    /// Milliseconds since 1970, with fractions.
    Millis,
    /// Nanoseconds since 1970.
    Nano,
    /// `2026-01-02T15:04:05.000Z`.
    Iso8601,
    /// `2026-01-02T15:04:05Z`.
    Rfc3339,
    /// `2026-01-02T15:04:05.000000000Z`, without zeros at the end.
    Rfc3339Nano,
}

/// Starts the logs.
///
/// # Errors
/// The levels are not valid.
pub fn start(config: &Config) -> Result<(), ParseError> {
    // Ebb itself logs reconnects, with the object concerned, so those of the libraries are left out.
    let filter = EnvFilter::try_new(format!("kube_runtime=error,{}", config.levels))?;
    let timer = Timer::new(config.time);
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal()).with_writer(Lines);
    match config.format {
        Format::Text => lines.with_timer(timer).init(),
        Format::Json => lines.event_format(JsonLines { timer }).init(),
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs a panic as a record like any other, with the place.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (payload, location) = (panic.payload(), panic.location().map(ToString::to_string));
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(location, error = text, "panicked");
}
