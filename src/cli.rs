//! The command line: the settings of `ebb run`, and the other commands.
//!
//! Only the program and [`crate::run`] use this module. Each part of the process has settings of its own, which
//! [`crate::run`] fills from these.

pub mod args;
pub mod check;
pub mod completions;
pub mod cron;
pub mod doctor;
pub mod explain;
pub mod migrate;
pub mod reference;
pub mod schema;
pub mod simulate;
pub mod ui;
pub mod uninstall;
mod yaml;
