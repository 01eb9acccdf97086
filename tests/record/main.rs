//! The records after the end-to-end tests: the tests have used every right that Ebb has, and no record shows their
//! secrets.
//!
//! This starts nothing. It reads the files that the other programs left in `target/beds`, and so runs after them.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod credentials;
mod rights;

use std::path::PathBuf;

use ebb_tests::paths;

/// The folders of the test clusters on which the end-to-end tests ran.
fn beds() -> [PathBuf; 4] {
    ["e2e", "disruption", "edits", "serial"].map(|name| paths::work("beds").join(name))
}
