//! `ebb migrate`: helps to move a cluster from KEDA to Ebb. `docs/migrate/from-keda.md` describes the whole way.

mod known;
mod report;
mod values;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::args::{Migrate, MigratePart};
use crate::cli::yaml;
use values::Migration;

/// Why nothing can be said of a file of values.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The path.
        path: String,
        /// The system's error.
        cause: io::Error,
    },
    /// It is no file of values.
    #[error("{path}:{line}: {text}")]
    NoValues {
        /// The path.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The mistake.
        text: String,
    },
    /// The values cannot be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Whether Ebb's chart can be installed with the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It can.
    Installs,
    /// It would fail, or run without something that KEDA did.
    Fails,
}

impl Verdict {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        u8::from(self == Self::Fails)
    }
}

/// Reads the values of KEDA's chart, writes those of Ebb's to `output`, and the fate of all others to `notes`.
///
/// # Errors
/// The file cannot be read, or has no values.
pub fn run(
    question: &Migrate,
    input: impl Read,
    mut output: impl Write,
    mut notes: impl Write,
) -> Result<Verdict, MigrateError> {
    let MigratePart::Values(question) = &question.part;
    let given = read(&question.file, input)?;
    let migration = Migration::of(&given);
    let name = question.file.display().to_string();
    let name = if name == "-" { "standard input" } else { &name };
    let head =
        format!("# The values of {} for Ebb's chart, by `ebb migrate values`.\n", name.replace(char::is_control, " "));
    let written = output.write_all((head + &yaml::text(&migration.values)).as_bytes()).and_then(|()| output.flush());
    let written = written.and_then(|()| notes.write_all(report::text(&migration).as_bytes()));
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(if migration.fails() { Verdict::Fails } else { Verdict::Installs })
}

/// The values of a file. An empty one has none.
fn read(path: &Path, mut input: impl Read) -> Result<Map<String, Value>, MigrateError> {
    let shown = || path.display().to_string();
    let mut text = String::new();
    let done = if path == Path::new("-") {
        input.read_to_string(&mut text)
    } else {
        File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    done.map_err(|cause| MigrateError::Read { path: shown(), cause })?;
    let refused = |line, text| MigrateError::NoValues { path: shown(), line, text };
    let mut documents = yaml::read(text.trim_start_matches('\u{feff}')).into_iter();
    let Some(document) = documents.next() else { return Ok(Map::new()) };
    let document = document.map_err(|(line, text)| refused(line, text))?;
    if let Some(second) = documents.next() {
        let line = second.map_or_else(|(line, _)| line, |second| second.line_of(""));
        return Err(refused(line, "a file of values is one document, and here a second one begins".to_owned()));
    }
    let line = document.line_of("");
    match document.value {
        Value::Object(values) => Ok(values),
        _ => Err(refused(line, "a file of values is a map, such as `operator: {replicaCount: 2}`".to_owned())),
    }
}

#[cfg(test)]
mod tests;
