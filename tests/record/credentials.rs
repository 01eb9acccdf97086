//! Secrets of the tests are nowhere on record: not in a log of any Ebb, and not in an event or a status that it wrote.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ebb_tests::audit;
use ebb_tests::bed::Facts;

use crate::beds;

/// The beginning of every token that the API server or the token server gives, and of every key that a test makes.
const MARKS: &[&str] = &["eyJhbGciOi", "PRIVATE KEY", "S3CR3T"];

/// The logs of all Ebbs beside this folder.
fn logs(bed: &Path) -> Result<Vec<PathBuf>> {
    let name = bed.file_name().and_then(|name| name.to_str()).context("a folder without a name")?;
    let beside = fs::read_dir(bed.parent().context("a folder without a parent")?)?;
    let paths = beside.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    // `e2e.ebb.log`; `e2e.log` is the control plane's.
    let of_an_ebb = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.starts_with(&format!("{name}.")) && path.extension().is_some_and(|extension| extension == "log")
    };
    Ok(paths.into_iter().filter(of_an_ebb).collect())
}

#[test]
fn nothing_shows_what_was_kept_secret() -> Result<()> {
    let mut found = Vec::new();
    for bed in beds() {
        let facts = Facts::of(&bed)?;
        let secrets: Vec<&str> = facts.secrets().into_iter().chain(MARKS.iter().copied()).collect();
        let mut files = logs(&bed)?;
        ensure!(!files.is_empty(), "{} has no log of Ebb", bed.display());
        files.push(audit::log(&bed));
        for file in files {
            let text = fs::read(&file)?;
            for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
                if let Some(secret) = secrets.iter().find(|secret| line.contains(**secret)) {
                    found.push(format!("{}:{}: {secret}: {line}", file.display(), number + 1));
                }
            }
        }
    }
    ensure!(found.is_empty(), "{} lines show a secret:\n{}", found.len(), found.join("\n"));
    Ok(())
}
