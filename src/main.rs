//! The `ebb` program.

use std::process::ExitCode;

use clap::Parser as _;
use ebb::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Run(settings) = Args::parse().command;
    if let Err(error) = ebb::telemetry::start(settings.log_format, &settings.log_level) {
        eprintln_and_fail(&format!("--log-level: {error}"))
    } else {
        match ebb::run::run(settings).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => eprintln_and_fail(&error.to_string()),
        }
    }
}

#[allow(clippy::print_stderr)]
fn eprintln_and_fail(error: &str) -> ExitCode {
    eprintln!("ebb: {error}");
    ExitCode::FAILURE
}
