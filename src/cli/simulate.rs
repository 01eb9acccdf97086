//! `ebb simulate`: the replicas that a ScaledObject would have under a load, without a cluster.
//!
//! Reads the load and the ScaledObject here, and shows the result; [`ebb_plan::simulate`] decides everything between.

mod chart;
pub mod duration;
pub mod history;
mod html;
mod input;
pub mod load;
pub mod prometheus;
mod random;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod trace;

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use ebb_plan::simulate::{self, Run, Simulation};

use crate::cli::args::{Form, Simulate};
use crate::cli::check::CheckError;
use input::{Load, Subject};

/// Why there is no simulation.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The manifests cannot be read.
    #[error("{0}")]
    Check(#[from] CheckError),
    /// The manifests are refused: the lines of `ebb check`.
    #[error("the ScaledObject is not valid:\n{0}")]
    Refused(String),
    /// Something in the load or in the ScaledObject cannot be followed.
    #[error("{0}")]
    Input(String),
    /// A file cannot be read or written.
    #[error("{file}: {cause}")]
    File {
        /// Its path.
        file: String,
        /// The system's error.
        cause: io::Error,
    },
    /// Standard output cannot be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Simulates what `question` asks for and writes the result. A load without times of day begins at `now`. A closed `output` is
/// not an error.
///
/// # Errors
/// The ScaledObject is not valid, the load cannot be read, or a file cannot be written.
pub fn run(question: &Simulate, now: DateTime<Utc>, input: impl Read, output: impl Write) -> Result<(), SimulateError> {
    let known =
        |path: &Path| ["html", "svg", "json"].iter().any(|form| path.extension().is_some_and(|ext| ext == *form));
    if let Some(path) = question.out.iter().find(|path| !known(path)) {
        let text = format!("--out {}: end the name in .html, .svg or .json", path.display());
        return Err(SimulateError::Input(text));
    }
    let mut subjects = vec![Subject::read(&question.file, question.name.as_deref(), input)?];
    if let Some(against) = &question.against {
        subjects.push(Subject::read(against, question.name.as_deref(), io::empty())?);
    }
    let load = Load::of(question, &subjects, now)?;
    let scenarios = input::scenarios(&subjects, &load, question)?;
    let names = names(&subjects);
    let runs =
        scenarios.iter().zip(&names).map(|(scenario, name)| priced(simulate::run(scenario, name), question.price));
    let simulation = Simulation::new(load.start, load.step, load.length, runs.collect());
    for path in &question.out {
        let file = path.display().to_string();
        fs::write(path, report(&simulation, path)?).map_err(|cause| SimulateError::File { file, cause })?;
    }
    let mut output = BufWriter::new(output);
    let written = match question.output {
        Form::Json => {
            serde_json::to_writer(&mut output, &simulation).map_err(io::Error::from).and_then(|()| writeln!(output))
        }
        Form::Table => table::write(&mut output, &simulation, &left_out(&subjects), question.width),
    };
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The names of the runs: those of the files without their folders, unless that makes them the same.
fn names(subjects: &[Subject]) -> Vec<String> {
    let short = |subject: &Subject| {
        let name = Path::new(&subject.name).file_name().and_then(|name| name.to_str());
        name.unwrap_or(&subject.name).to_owned()
    };
    let names: Vec<_> = subjects.iter().map(short).collect();
    let is_clear = names.first() != names.get(1);
    if is_clear { names } else { subjects.iter().map(|subject| subject.name.clone()).collect() }
}

fn priced(mut run: Run, price: Option<f64>) -> Run {
    run.summary.price = price.map(|price| price * run.summary.replica_hours);
    run
}

/// What the simulation does not know of the subjects.
fn left_out(subjects: &[Subject]) -> Vec<String> {
    subjects.iter().filter_map(Subject::left_out_in_words).collect()
}

/// The report in the form that the file's name asks for.
fn report(simulation: &Simulation, path: &Path) -> Result<String, SimulateError> {
    let is = |form: &str| path.extension().is_some_and(|extension| extension == form);
    if is("svg") {
        return Ok(svg::chart(simulation));
    }
    let json = serde_json::to_string(simulation).map_err(io::Error::from)?;
    Ok(if is("html") { html::page(&json) } else { json + "\n" })
}
