//! What is on record after the stories: they have used every right that Ebb has, and nothing shows what they kept secret.
//!
//! This starts nothing. It reads what `e2e` and `serial` left in `target/beds`, and so is run after them, whole.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod credentials;
mod rights;

use std::path::PathBuf;

use ebb_tests::paths;

/// The folders of the control planes on which the stories were played.
fn beds() -> [PathBuf; 2] {
    ["e2e", "serial"].map(|name| paths::work("beds").join(name))
}
