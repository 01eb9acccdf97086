//! `ebb check`: the findings of the API server's schema and of the admission webhook about manifests, without a cluster.

mod claims;
mod document;
mod files;
mod manifest;
mod scalar;
mod schema;

use std::collections::HashMap;
use std::io::{self, BufWriter, Read, Write};
use std::rc::Rc;

use ebb_scalers::pool::ClientPools;

use crate::cli::args::Check;
use crate::review::{self, AuthParams, Finding, Severity};
use claims::Claims;
use manifest::{Manifest, Object};
use schema::Schemas;

/// The reason why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The path.
        path: String,
        /// The system's error.
        cause: io::Error,
    },
    /// The findings cannot be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// The result of all checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// There are no errors and no warnings.
    Clean,
    /// There are warnings only.
    Warnings,
    /// There is at least one error.
    Errors,
}

impl Verdict {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Errors => 1,
            Self::Warnings => 3,
        }
    }
}

/// Checks the files that `question` names and writes one line per finding. A closed `output` is not an error.
///
/// # Errors
/// A file cannot be read. A mistake in a manifest is a finding, not an error.
pub fn run(question: &Check, input: impl Read, output: impl Write) -> Result<Verdict, CheckError> {
    let mut report = Report { output: BufWriter::new(output), strict: question.strict, errors: 0, warnings: 0 };
    let done = check(question, input, &mut report);
    match done.and_then(|objects| Ok(report.end(objects)?)) {
        Err(CheckError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done?,
    }
    Ok(report.verdict())
}

fn check(question: &Check, input: impl Read, report: &mut Report<impl Write>) -> Result<usize, CheckError> {
    let schemas = Schemas::new();
    let mut manifests = Vec::new();
    for file in files::read(&question.files, input)? {
        match document::read(&file.text) {
            Ok(documents) => {
                let found =
                    documents.into_iter().map(Rc::new).flat_map(|document| Manifest::all_in(&document, &schemas));
                manifests.extend(found.map(|manifest| (file.name.clone(), manifest)));
            }
            Err((line, text)) => report.say(&file.name, line, "", &Finding::refusal("", text))?,
        }
    }
    let given = given(&manifests);
    let brokers = ClientPools::default();
    let mut claims = Claims::default();
    for (file, manifest) in &mut manifests {
        let namespace = manifest.namespace.clone();
        let more = match &manifest.object {
            Some(Object::ScaledObject(object)) => {
                let by = |reference: &ebb_crds::AuthenticationRef| {
                    let cluster = reference.kind() == "ClusterTriggerAuthentication";
                    let namespace = if cluster { String::new() } else { namespace.clone() };
                    given.get(&(cluster, namespace, reference.name.clone())).cloned().unwrap_or(AuthParams::Anything)
                };
                let mut found = review::scaled_object(object, by, &brokers);
                found.extend(claims.claim(&namespace, object));
                found
            }
            Some(Object::Authentication { spec, cluster }) => review::authentication(spec, *cluster),
            None => Vec::new(),
        };
        manifest.findings.extend(more);
        for finding in &manifest.findings {
            report.say(file, manifest.line_of(&finding.path), &manifest.title, finding)?;
        }
    }
    Ok(manifests.len())
}

/// The parameters that the authentications among `manifests` give, by whether they are cluster-wide, namespace and name.
fn given(manifests: &[(String, Manifest)]) -> HashMap<(bool, String, String), AuthParams> {
    let authentications = manifests.iter().filter_map(|(_, manifest)| match &manifest.object {
        Some(Object::Authentication { spec, cluster }) => {
            let namespace = if *cluster { String::new() } else { manifest.namespace.clone() };
            Some(((*cluster, namespace, manifest.name.clone()), AuthParams::by(spec)))
        }
        _ => None,
    });
    authentications.collect()
}

/// The output of findings.
struct Report<W: Write> {
    output: BufWriter<W>,
    strict: bool,
    errors: usize,
    warnings: usize,
}

impl<W: Write> Report<W> {
    fn say(&mut self, file: &str, line: usize, title: &str, finding: &Finding) -> io::Result<()> {
        let word = match finding.severity {
            Severity::Advice => "note",
            _ if finding.refuses(self.strict) => {
                self.errors += 1;
                "error"
            }
            _ => {
                self.warnings += 1;
                "warning"
            }
        };
        let separator = if title.is_empty() { "" } else { ": " };
        writeln!(self.output, "{file}:{line}: {word}: {}{separator}{finding}", title.replace(char::is_control, " "))?;
        for hint in &finding.hints {
            writeln!(self.output, "    {}", hint.replace(char::is_control, " "))?;
        }
        Ok(())
    }

    fn end(&mut self, objects: usize) -> io::Result<()> {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        writeln!(
            self.output,
            "{}: {}, {}",
            count(objects, "object"),
            count(self.errors, "error"),
            count(self.warnings, "warning")
        )?;
        self.output.flush()
    }

    fn verdict(&self) -> Verdict {
        match (self.errors, self.warnings) {
            (0, 0) => Verdict::Clean,
            (0, _) => Verdict::Warnings,
            _ => Verdict::Errors,
        }
    }
}

#[cfg(test)]
mod tests;
