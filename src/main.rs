//! The `ebb` program.

use std::io;
use std::process::ExitCode;

use ebb::cli::args::doctor::Doctor;
use ebb::cli::args::explain::Explain;
use ebb::cli::args::{self, Command, Run, Ui, Uninstall};
use ebb::cli::{check, completions, cron, doctor, explain, migrate, schema, simulate, ui, uninstall};
use ebb::clock;

fn main() -> ExitCode {
    match args::parse().command {
        Command::Run(settings) => run(*settings),
        Command::Cron(question) => {
            let done = cron::run(&question, clock::now(), io::stdin().lock(), io::stdout().lock());
            done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |()| ExitCode::SUCCESS)
        }
        Command::Check(question) => {
            let done = check::run(&question, io::stdin().lock(), io::stdout().lock());
            done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |verdict| verdict.exit_code().into())
        }
        Command::Explain(question) => explain(&question),
        Command::Doctor(question) => doctor(&question),
        Command::Migrate(question) => {
            let done = migrate::run(&question, io::stdin().lock(), io::stdout().lock(), io::stderr().lock());
            done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |verdict| verdict.exit_code().into())
        }
        Command::Ui(question) => ui(&question),
        Command::Simulate(question) => {
            let done = simulate::run(&question, clock::now(), io::stdin().lock(), io::stdout().lock());
            done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |()| ExitCode::SUCCESS)
        }
        Command::Uninstall(question) => uninstall(&question),
        Command::Schema(question) => printed(schema::run(&question, io::stdout().lock())),
        Command::Completions(question) => printed(completions::run(&question, io::stdout().lock())),
    }
}

fn printed(done: io::Result<()>) -> ExitCode {
    done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn doctor(question: &Doctor) -> ExitCode {
    match doctor::run(question, io::stdout().lock()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => eprintln_and_fail(&error.to_string()),
    }
}

#[tokio::main]
async fn explain(question: &Explain) -> ExitCode {
    let done = explain::run(question, io::stdout().lock()).await;
    done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn ui(question: &Ui) -> ExitCode {
    let done = ui::run(question, io::stdout()).await;
    done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn uninstall(question: &Uninstall) -> ExitCode {
    let done = uninstall::run(question, io::stdout().lock()).await;
    done.map_or_else(|error| eprintln_and_fail(&error.to_string()), |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn run(settings: Run) -> ExitCode {
    if let Err(error) = ebb::telemetry::logs::start(&settings.logs.config()) {
        eprintln_and_fail(&format!("--log-level: {error}"))
    } else {
        match Box::pin(ebb::run::run(settings)).await {
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
