//! Logs of this process, to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::args::LogFormat;

/// Begins to log.
///
/// # Errors
/// Levels that cannot be understood.
pub fn start(format: LogFormat, levels: &str) -> Result<(), ParseError> {
    // The libraries' own words about reconnecting are Ebb's to say, with the object they concern.
    let filter = EnvFilter::try_new(format!("lapin=off,kube_runtime=error,{levels}"))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
}
