//! The logs of this process, on standard error.

mod json;
mod time;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::args::{Format, Logs};
use json::JsonLines;
use time::Timer;

/// Starts the logs.
///
/// # Errors
/// The levels are not valid.
pub fn start(logs: &Logs) -> Result<(), ParseError> {
    // Ebb itself logs reconnects, with the object concerned, so those of the libraries are left out.
    let filter = EnvFilter::try_new(format!("lapin=off,kube_runtime=error,{}", logs.levels()))?;
    let timer = Timer::new(logs.zap_time_encoding.0);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match logs.format() {
        Format::Text => lines.with_timer(timer).init(),
        Format::Json => lines.event_format(JsonLines { timer }).init(),
    }
    Ok(())
}
