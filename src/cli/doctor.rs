//! `ebb doctor`: the problems of an installation of Ebb.
//!
//! `cluster` reads, `diagnosis` judges (pure).

mod cluster;
mod diagnosis;

use std::io::{self, Write};
use std::time::Duration;

use crate::cli::args::doctor::Doctor;
use crate::cli::args::explain::Format;
use crate::clock;
use crate::kube_api::client::{self, ConfigError};
pub use diagnosis::{Examination, State};

/// How long the API server may take for an answer.
const ANSWER: Duration = Duration::from_secs(15);

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no way to the API server.
    #[error("cannot find the API server: {0}; give --kubeconfig, or set KUBECONFIG")]
    Config(#[from] ConfigError),
    /// A client cannot be made.
    #[error("cannot reach the API server: {0}")]
    Client(#[from] kube::Error),
    /// Standard output cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Examines an installation, and writes the findings to `output`. True if nothing is wrong.
///
/// # Errors
/// There is no way to the API server. The findings themselves list other reads that failed.
pub async fn run(question: &Doctor, mut output: impl Write) -> Result<bool, DoctorError> {
    let config = client::config(question.kubeconfig.as_deref()).await?;
    let client = client::connect(&config, Some(ANSWER))?;
    let found = cluster::read(&client, question).await;
    let examinations = diagnosis::examine(&found, question, clock::now());
    match question.output {
        Format::Text => {
            for Examination { what, state, text, hint } in &examinations {
                writeln!(output, "{:<7} {what}: {text}", state.as_str())?;
                if let Some(hint) = hint {
                    writeln!(output, "        hint: {hint}")?;
                }
            }
        }
        Format::Json => {
            // Examinations of strings always serialize.
            writeln!(output, "{}", serde_json::to_string_pretty(&examinations).unwrap_or_default())?;
        }
    }
    Ok(examinations.iter().all(|one| one.state != State::Wrong))
}
