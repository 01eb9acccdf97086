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
    /// Print the values for Ebb's Helm chart that a file of values for KEDA's chart comes to.
    Values(MigrateValues),
}

/// The input of `ebb migrate values`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebb migrate values keda-values.yaml > ebb-values.yaml
  helm get values keda --namespace keda --output yaml | ebb migrate values - > ebb-values.yaml

Standard output has the values that are set to other than KEDA's default and that Ebb honours. Standard error says what is
not taken over, and why. Exit code 0: the values install Ebb; 1: a value changes what KEDA does and Ebb cannot do that, or is
of the wrong type, or the file cannot be read; 2: the command line is wrong.")]
pub struct MigrateValues {
    /// The file of values, or - for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
