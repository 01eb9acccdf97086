//! How long each end-to-end test took, in a file beside the test cluster's folder: `tests/run.sh` sorts and shows it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// The file for the test cluster whose data are in this folder: one line for each test, with its seconds, its
/// program and its name.
pub fn file(dir: &Path) -> PathBuf {
    dir.with_extension("durations")
}

/// Begins with an empty file.
pub fn begin(dir: &Path) -> Result<()> {
    let file = file(dir);
    fs::create_dir_all(file.parent().context("a folder without a parent")?)?;
    File::create(&file).with_context(|| file.display().to_string()).map(drop)
}

/// Adds the test that this thread runs: the test harness names the thread after it.
pub fn add(dir: &Path, took: Duration) -> Result<()> {
    let name = thread::current().name().unwrap_or("a test without a name").to_owned();
    let program = dir.file_name().unwrap_or_default().to_string_lossy();
    let mut file = File::options().append(true).open(file(dir))?;
    // One write for a line, so that tests side by side do not mix theirs.
    file.write_all(format!("{:7.1}  {program}  {name}\n", took.as_secs_f64()).as_bytes())?;
    Ok(())
}
