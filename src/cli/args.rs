//! The command line and the environment variables of `ebb`: Ebb's own settings and KEDA's settings.

mod accepted;
mod certificates;
pub mod doctor;
mod election;
pub mod explain;
mod logs;
mod migrate;
mod observe;
mod print;
mod run;
mod simulate;
mod ui;
mod uninstall;
mod values;
mod webhook;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::build_info;
use crate::cli::cron;
pub use certificates::Certificates;
pub use election::Election;
pub use logs::{Level, Logs};
pub use migrate::{Migrate, MigratePart, MigrateValues};
pub use observe::Observe;
pub use print::{CompletionShell, Completions, Schema, SchemaKind};
pub use run::{OutboundArgs, References, Run, Serving, Watch};
pub use simulate::{Form, Simulate};
pub use ui::Ui;
pub use uninstall::Uninstall;
pub use values::{Listen, Optional, TlsVersion};

/// An event-driven autoscaler for Kubernetes that takes KEDA's place.
#[derive(Debug, Parser)]
#[command(name = "ebb", version = build_info::VERSION, about)]
pub struct Args {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `ebb`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the autoscaler: controller, poll loops and external metrics API in one process.
    Run(Box<Run>),
    /// Show when a cron trigger's window is open: now, or at any instant, and when that changes next.
    Cron(Cron),
    /// Explain the replicas of a ScaledObject: the reason, the next change, and problems.
    Explain(explain::Explain),
    /// Check manifests without a cluster, as the admission webhook would.
    Check(Check),
    /// Examine an installation of Ebb: APIServices, webhook, Lease, certificate, rights, leftovers of KEDA.
    Doctor(doctor::Doctor),
    /// Prepare the migration from KEDA.
    Migrate(Migrate),
    /// Serve a live page about every ScaledObject on 127.0.0.1, with the rights of your kubeconfig.
    Ui(Ui),
    /// Show the replicas that a ScaledObject would have under a load, without a cluster.
    Simulate(Box<Simulate>),
    /// Remove Ebb's finalizers, APIService and webhook from a cluster, also when Ebb does not run.
    Uninstall(Uninstall),
    /// Print the JSON Schema of a kind, for editors and checks of files.
    Schema(Schema),
    /// Print the completions for a shell.
    Completions(Completions),
}

/// The input of `ebb check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebb check deploy/
  helm template my-app | ebb check -
  kubectl get so,sj,ta,cta -A -o yaml | ebb check --for-migration -

Each finding is a line: file:line: error or warning: kind namespace/name: place: mistake. An error is what the
API server or the admission webhook refuses; a warning is a mistake that they take. Exit code 0: nothing was found; 1: there
are errors, or something cannot be read; 3: there are warnings only; 2: the command line is wrong.")]
pub struct Check {
    /// Files, folders (all .yaml, .yml and .json files below them), or - for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Make every warning an error.
    #[arg(long)]
    pub strict: bool,
    /// Count the objects of a cluster that KEDA serves and Ebb does not serve yet, and name them. Exit code 1 if there are any,
    /// or errors. Warnings are counted only.
    #[arg(long, conflicts_with = "strict")]
    pub for_migration: bool,
}

/// The input of `ebb cron`: the `metadata` of a cron trigger, and an instant.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ebb cron --timezone Europe/London --start \"0 8 * * 1-5\" --end \"0 18 * * 1-5\"

With --batch each line of standard input is a question of its own: timezone, start, end and an instant, separated by
tabs. Each is answered with one line: the next start and the next end (or \"never\"), and whether the window is open
(true or false), separated by tabs; or \"error: \" and the mistake in the line.")]
pub struct Cron {
    /// The time zone, by its name in the IANA database, such as Europe/London.
    #[arg(long, value_name = "NAME", required_unless_present = "batch")]
    pub timezone: Option<String>,
    /// The cron expression that opens the window.
    #[arg(long, value_name = "CRON", required_unless_present = "batch")]
    pub start: Option<String>,
    /// The cron expression that closes it.
    #[arg(long, value_name = "CRON", required_unless_present = "batch")]
    pub end: Option<String>,
    /// How much earlier than its start the window opens, such as 5m: the trigger's leadTime.
    #[arg(long, value_name = "DURATION")]
    pub lead_time: Option<String>,
    /// The instant to answer for, such as 2026-03-29T00:30:00Z. Default: now.
    #[arg(long, value_name = "RFC3339", value_parser = cron::instant)]
    pub at: Option<DateTime<Utc>>,
    /// The number of following openings and closings to print.
    #[arg(short = 'n', value_name = "COUNT", default_value_t = 5)]
    pub count: usize,
    /// Answer each line of standard input instead.
    #[arg(long, conflicts_with_all = ["timezone", "start", "end", "lead_time", "at", "count"])]
    pub batch: bool,
}

/// Reads the command line and the environment. After an error or `--help`, it prints the text and ends the process.
pub fn parse() -> Args {
    try_parse(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Reads a command line and the environment.
///
/// # Errors
/// An unknown flag or a wrong value. The text names the flag or the variable, the value, and a correct value.
pub fn try_parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let arguments = as_ebb(accepted::normalized(arguments));
    let mut command = command();
    let matches = command.try_get_matches_from_mut(&arguments).map_err(|error| named(&command, &arguments, error))?;
    let mut args = Args::from_arg_matches(&matches)?;
    if let (Command::Run(run), Some(matches)) = (&mut args.command, matches.subcommand_matches("run")) {
        let finished = accepted::given(matches).and_then(|given| run.finish(given));
        finished.map_err(|problem| command.error(ErrorKind::ValueValidation, problem))?;
    }
    Ok(args)
}

/// The whole command line: Ebb's flags and those of KEDA.
pub fn command() -> clap::Command {
    Args::command().mut_subcommand("run", |run| accepted::add_to(run).args_override_self(true))
}

/// Whether `ebb run` has a flag with this name, without the dashes.
pub fn is_flag_of_run(name: &str) -> bool {
    let name = name.replace('_', "-");
    flags_of_run(&command()).any(|flag| flag == name)
}

fn flags_of_run(command: &clap::Command) -> impl Iterator<Item = &str> {
    let run = command.find_subcommand("run").into_iter();
    run.flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_long)
}

/// KEDA's chart starts its operator as `/keda`, with flags and without a command. Under that name, the command is `run`.
fn as_ebb(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let program = arguments.first().map(PathBuf::from);
    if program.as_deref().and_then(Path::file_name).is_some_and(|name| name == "keda") {
        arguments.insert(1, "run".into());
    }
    arguments
}

/// The error about a value, with the name that the user gave. clap names the flag even if the value comes from a variable.
fn named(command: &clap::Command, arguments: &[OsString], error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (ErrorKind::ValueValidation, Some(argument)) = (error.kind(), text(ContextKind::InvalidArg)) else {
        return error;
    };
    let flag = argument.split([' ', '=', '[']).next().unwrap_or_default().to_owned();
    let typed = arguments.iter().filter_map(|argument| argument.to_str());
    let typed = typed.map(|argument| argument.split('=').next().unwrap_or_default()).any(|argument| argument == flag);
    let known = command.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments);
    let known = known.filter(|known| known.get_long().is_some_and(|long| flag == format!("--{long}")));
    let variable = known.filter_map(clap::Arg::get_env).find_map(|name| name.to_str().map(ToOwned::to_owned));
    let name = variable.filter(|_| !typed).unwrap_or(flag);
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    clap::Error::raw(ErrorKind::ValueValidation, format!("{name}={value}: {reason}\n")).with_cmd(command)
}

#[cfg(test)]
mod tests;
