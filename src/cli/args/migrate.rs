//! The input of `ebb migrate`.

use std::path::PathBuf;

use clap::Subcommand;

/// The input of `ebb migrate`.
#[derive(Debug, clap::Args)]
pub struct Migrate {
    /// The part of the migration.
    #[command(subcommand)]
    pub part: MigratePart,
}

/// The parts of a migration that `ebb` helps with.
#[derive(Debug, Subcommand)]
pub enum MigratePart {
    /// Convert a values file of KEDA's Helm chart to values of Ebb's.
    Values(MigrateValues),
}

/// The input of `ebb migrate values`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebb migrate values keda-values.yaml > ebb-values.yaml
  helm get values keda --namespace keda --output yaml | ebb migrate values - > ebb-values.yaml

Standard output has the values that are set to other than KEDA's default and that Ebb honours. Standard error lists the
other values, each with the reason. Exit code 0: the values install Ebb; 1: a value changes a behavior of KEDA that Ebb does
not have, or is of the wrong type, or the file cannot be read; 2: the command line is wrong.")]
pub struct MigrateValues {
    /// The file of values, or - for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
