//! Puts the git commit into the program, for `ebb --version` and the series `keda_build_info`.
//!
//! The variable `EBB_GIT_COMMIT` takes precedence over git. Without both, as in a build from an archive, the
//! program has no commit. Nothing else of the machine or the time of the build enters the program: the same
//! commit gives the same bits.
// Cargo reads what a build script prints.
#![allow(clippy::print_stdout)]

use std::env;
use std::path::Path;
use std::process::Command;

/// The variable that names the commit, for this script and for the code.
const COMMIT: &str = "EBB_GIT_COMMIT";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={COMMIT}");
    let given = env::var(COMMIT).ok();
    let commit = given.map_or_else(|| head().unwrap_or_default(), |given| word(&given));
    let release = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = if commit.is_empty() { release } else { format!("{release} (commit {commit})") };
    println!("cargo:rustc-env={COMMIT}={commit}");
    println!("cargo:rustc-env=EBB_VERSION={version}");
}

/// The commit of the working tree, if this package is its root. Cargo runs this script again after the next commit.
fn head() -> Option<String> {
    // In a folder of another project's working tree, the commit would be that project's.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        // Cargo takes a file that is not there for one that has changed.
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"]).map(|commit| word(&commit))
}

/// The first line of git's answer, which may be empty. None if it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next().unwrap_or_default().to_owned())
}

/// The text without what a label of a series or a line for Cargo cannot hold.
fn word(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect()
}
