//! `ebb explain`: why a ScaledObject has its present replicas, and the next change.
//!
//! `cluster` reads, `report` puts together (pure), `findings` says what looks wrong (pure), `text` writes for people. `compare` puts
//! the replicas beside those that Ebb would have set (pure).

mod cluster;
mod compare;
mod credentials;
mod findings;
mod report;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Serialize;

use crate::cli::args::explain::{Explain, Format};
use crate::clock;
use crate::kube_api::client;
use crate::kube_api::key::Key;
pub use cluster::{Facts, Known};
pub use compare::{Comparison, Interval, compare};
pub use report::{Report, report};

/// How long the API server may take for an answer.
const ANSWER: Duration = Duration::from_secs(15);
/// How often `--watch` looks.
const LOOK: Duration = Duration::from_secs(2);
/// Clears a terminal, and puts the cursor into its corner.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// There is no way to the API server.
    #[error("cannot find the API server: {0}; give --kubeconfig, or set KUBECONFIG")]
    Config(String),
    /// A client cannot be made.
    #[error("cannot reach the API server: {0}")]
    Client(#[from] kube::Error),
    /// The ScaledObject cannot be read.
    #[error("cannot read ScaledObject {key}: {cause}")]
    Object {
        /// The ScaledObject.
        key: Key,
        /// The API server's error.
        cause: String,
    },
    /// Standard output cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Explains on `output`.
///
/// # Errors
/// The ScaledObject cannot be read. The explanation itself lists other reads that failed.
pub async fn run(question: &Explain, mut output: impl Write) -> Result<(), ExplainError> {
    let config = config(question).await?;
    let namespace = question.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = client::connect(&config, Some(ANSWER))?;
    let key = Key::new(namespace, &question.name);
    let mut before = String::new();
    loop {
        let shown = show(&client, &key, question).await?;
        if shown != before {
            if question.watch && question.output == Format::Text {
                write!(output, "{CLEAR}")?;
            }
            write!(output, "{shown}")?;
            output.flush()?;
            before = shown;
        }
        if !question.watch {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn show(client: &Client, key: &Key, question: &Explain) -> Result<String, ExplainError> {
    let facts = cluster::read(client, key).await?;
    if question.compare {
        let comparison = compare::compare(&facts);
        return Ok(format(question.output, &comparison, compare::text));
    }
    Ok(format(question.output, &report(&facts, clock::now()), text::text))
}

fn format<T: Serialize>(format: Format, shown: &T, text: impl Fn(&T) -> String) -> String {
    match format {
        Format::Text => text(shown),
        // What consists of strings and numbers always serializes.
        Format::Json => serde_json::to_string_pretty(shown).unwrap_or_default() + "\n",
    }
}

async fn config(question: &Explain) -> Result<Config, ExplainError> {
    let Some(context) = &question.context else {
        return client::config(question.kubeconfig.as_deref())
            .await
            .map_err(|error| ExplainError::Config(error.to_string()));
    };
    let kubeconfig = match &question.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = kubeconfig.map_err(|error| ExplainError::Config(error.to_string()))?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| ExplainError::Config(error.to_string()))
}
