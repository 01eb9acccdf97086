//! `ebb check`: the findings of the API server's schema and of the admission webhook about manifests, without a
//! cluster.

mod authentications;
mod claims;
mod files;
mod manifest;
mod metadata;
mod migration;
mod neighbours;
pub(super) mod schema;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ebb_crds::{AuthenticationRef, ScaleTrigger, ScaledObject};
use ebb_scalers::pool::ClientPools;
use ebb_scalers::{ConfigError, Scaler};

use crate::cli::args::Check;
use crate::cli::yaml;
use crate::review::{self, Environment, Finding, ReviewContext, Severity};
use authentications::Authentications;
use claims::Claims;
use manifest::{Found, Manifest, Object};
use neighbours::Neighbours;
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
    /// There is nothing to say whether a migration would lose something.
    #[error("there is no object in the input: look whether the command that reads the cluster failed")]
    NoInput,
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
    let mut report =
        Report { output: BufWriter::new(output), strict: question.strict, errors: 0, warnings: 0, unserved: None };
    let done = check(question, input, &mut report);
    match done.and_then(|objects| Ok(report.end(objects)?)) {
        Err(CheckError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done?,
    }
    Ok(report.verdict())
}

fn check(question: &Check, input: impl Read, report: &mut Report<impl Write>) -> Result<usize, CheckError> {
    let reviewed = Reviewed::of(&question.files, input)?;
    reviewed.say_unread(report)?;
    if !question.for_migration {
        reviewed.say(report)?;
    } else if reviewed.is_empty {
        return Err(CheckError::NoInput);
    } else {
        migration::report(&reviewed.manifests, &reviewed.authentications, report)?;
    }
    Ok(reviewed.manifests.len())
}

/// The objects of files, with their findings.
pub(super) struct Reviewed {
    manifests: Vec<Manifest>,
    neighbours: Neighbours,
    authentications: Authentications,
    brokers: ClientPools,
    /// Documents that cannot be read: file, line, and why.
    unread: Vec<(Rc<str>, usize, Finding)>,
    /// There is no document.
    is_empty: bool,
}

impl Reviewed {
    /// Reads and reviews files, folders and standard input.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn of(paths: &[PathBuf], input: impl Read) -> Result<Self, CheckError> {
        Ok(Self::of_files(files::read(paths, input)?))
    }

    /// Reviews a text, which findings call `name`.
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self::of_files(vec![files::File { name: name.to_owned(), text: text.to_owned() }])
    }

    fn of_files(files: Vec<files::File>) -> Self {
        let schemas = Schemas::new();
        let (mut manifests, mut neighbours, mut unread) = (Vec::new(), Neighbours::default(), Vec::new());
        let mut is_empty = true;
        for file in files {
            let name: Rc<str> = file.name.into();
            for document in yaml::read(&file.text) {
                is_empty = false;
                match document {
                    Ok(document) => {
                        for found in Found::all_in(&name, &Rc::new(document), &schemas) {
                            match found {
                                Found::Manifest(manifest) => manifests.push(*manifest),
                                Found::Neighbour(neighbour) => neighbours.0.push(*neighbour),
                            }
                        }
                    }
                    Err((line, text)) => unread.push((Rc::clone(&name), line, Finding::refusal("", text))),
                }
            }
        }
        let (authentications, brokers) = (Authentications::of(&manifests), ClientPools::default());
        review_all(&mut manifests, &neighbours, &authentications, &brokers);
        Self { manifests, neighbours, authentications, brokers, unread, is_empty }
    }

    fn say_unread(&self, report: &mut Report<impl Write>) -> io::Result<()> {
        self.unread.iter().try_for_each(|(file, line, finding)| report.say(file, *line, "", finding))
    }

    fn say(&self, report: &mut Report<impl Write>) -> io::Result<()> {
        for manifest in &self.manifests {
            for finding in &manifest.findings {
                report.say(&manifest.file, manifest.line_of(&finding.path), &manifest.title(), finding)?;
            }
        }
        Ok(())
    }

    /// The lines of `ebb check` about all that is refused; empty if nothing is.
    pub(super) fn refusals(&self) -> String {
        self.lines(|finding| finding.refuses(false))
    }

    /// The lines of `ebb check` about all that is a warning; empty if nothing is.
    pub(super) fn warnings(&self) -> String {
        self.lines(|finding| !finding.refuses(false) && finding.severity != Severity::Advice)
    }

    fn lines(&self, wanted: impl Fn(&Finding) -> bool) -> String {
        let mut report =
            Report { output: BufWriter::new(Vec::new()), strict: false, errors: 0, warnings: 0, unserved: None };
        for (file, line, finding) in self.unread.iter().filter(|(_, _, finding)| wanted(finding)) {
            // A vector takes everything.
            let _ = report.say(file, *line, "", finding);
        }
        for manifest in &self.manifests {
            for finding in manifest.findings.iter().filter(|finding| wanted(finding)) {
                let _ = report.say(&manifest.file, manifest.line_of(&finding.path), &manifest.title(), finding);
            }
        }
        String::from_utf8(report.output.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    /// The ScaledObjects among them, with their files and lines.
    pub(super) fn scaled_objects(&self) -> impl Iterator<Item = (String, &ScaledObject)> {
        self.manifests.iter().filter_map(|manifest| match &manifest.object {
            Some(Object::Scaled(object)) => {
                Some((format!("{}:{}", manifest.file, manifest.line_of("metadata.name")), &**object))
            }
            _ => None,
        })
    }

    /// The scaler of a trigger of one of them, which is not to be asked anything.
    ///
    /// # Errors
    /// Its parameters cannot be followed.
    pub(super) fn scaler(
        &self,
        object: &ScaledObject,
        index: usize,
        trigger: &ScaleTrigger,
    ) -> Result<Box<dyn Scaler>, ConfigError> {
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let (environment, _) = self.neighbours.target(object, &namespace);
        let given = |reference: &AuthenticationRef| self.authentications.params(reference, &namespace);
        let (readers, environment) = (|_: &AuthenticationRef, _: &str| review::Readers::Others, &environment);
        let context = ReviewContext { given: &given, readers: &readers, environment, brokers: &self.brokers };
        review::sample_scaler(index, trigger, &context)
    }
}

/// Adds to each manifest the findings of its review, which uses the other manifests.
fn review_all(
    manifests: &mut [Manifest],
    neighbours: &Neighbours,
    authentications: &Authentications,
    brokers: &ClientPools,
) {
    let (mut claims, mut seen) = (Claims::default(), Seen::default());
    for manifest in manifests {
        let mut found: Vec<_> = seen.again(manifest).into_iter().collect();
        let namespace = &manifest.namespace;
        match &manifest.object {
            Some(Object::Scaled(object)) => {
                let (environment, target) = neighbours.target(object, namespace);
                found.extend(scaled_object(manifest, object, &environment, authentications, brokers));
                found.extend(target);
                found.extend(authentications.references(object, namespace, &environment, neighbours));
                found.extend(claims.claim(namespace, object).or_else(|| claims::by_hpa(namespace, object, neighbours)));
            }
            Some(Object::Authentication { spec, cluster }) => {
                found.extend(review::authentication(spec, *cluster));
                found.extend(authentications.unread(manifest, spec, *cluster));
                // Those of the cluster-wide kind are in Ebb's own namespace, which the files do not name.
                if !cluster {
                    found.extend(neighbours.references(spec, namespace));
                }
            }
            Some(Object::Job(_)) | None => {}
        }
        manifest.add(found);
    }
}

/// The webhook's findings about a ScaledObject.
fn scaled_object(
    manifest: &Manifest,
    object: &ScaledObject,
    environment: &Environment,
    authentications: &Authentications,
    brokers: &ClientPools,
) -> Vec<Finding> {
    let namespace = &manifest.namespace;
    let asking = (namespace.clone(), manifest.name.clone());
    let given = |reference: &AuthenticationRef| authentications.params(reference, namespace);
    let readers =
        |reference: &AuthenticationRef, parameter: &str| authentications.readers(&asking, reference, parameter);
    review::scaled_object(object, &ReviewContext { given: &given, readers: &readers, environment, brokers })
}

/// The objects that were read, to find those that are given twice.
#[derive(Default)]
struct Seen(HashMap<Identity, (Rc<str>, usize)>);

/// Folder, kind, namespace and name of an object.
type Identity = (PathBuf, String, String, String);

impl Seen {
    /// A finding if the same object was read before. Files of one folder are applied together; those of others may be
    /// another environment's.
    fn again(&mut self, manifest: &Manifest) -> Option<Finding> {
        if manifest.name.is_empty() {
            return None;
        }
        let folder = Path::new(&*manifest.file).parent().unwrap_or(Path::new("")).to_owned();
        let key = (folder, manifest.kind.clone(), manifest.namespace.clone(), manifest.name.clone());
        let here = (Rc::clone(&manifest.file), manifest.line_of("metadata.name"));
        match self.0.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(here);
                None
            }
            Entry::Occupied(first) => {
                let (file, line) = first.get();
                let text = format!("it is given twice: the one at {file}:{line} is replaced by this one");
                Some(Finding::warning("metadata.name", text))
            }
        }
    }
}

/// The output of findings.
struct Report<W: Write> {
    output: BufWriter<W>,
    strict: bool,
    errors: usize,
    warnings: usize,
    /// The number of objects that Ebb does not serve yet, if a migration is checked.
    unserved: Option<usize>,
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

    /// Counts a finding that is not written.
    fn pass_over(&mut self, finding: &Finding) {
        self.warnings += usize::from(finding.severity == Severity::Warning);
    }

    fn end(&mut self, objects: usize) -> io::Result<()> {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let unserved = self.unserved.map(|unserved| format!("{unserved} not served yet, ")).unwrap_or_default();
        writeln!(
            self.output,
            "{}: {unserved}{}, {}",
            count(objects, "object"),
            count(self.errors, "error"),
            count(self.warnings, "warning")
        )?;
        self.output.flush()
    }

    fn verdict(&self) -> Verdict {
        match (self.errors + self.unserved.unwrap_or_default(), self.warnings) {
            (0, 0) => Verdict::Clean,
            // KEDA has them, too.
            (0, _) if self.unserved.is_some() => Verdict::Clean,
            (0, _) => Verdict::Warnings,
            _ => Verdict::Errors,
        }
    }
}

#[cfg(test)]
mod tests;
