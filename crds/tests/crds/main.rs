//! The definitions against KEDA's, against the files in `crds/yaml`, and against the types that read the objects.

#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail a test by a panic")]

mod fields;
mod files;
mod round_trip;
mod schema;
