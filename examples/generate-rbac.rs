//! Writes the rules of the trigger kinds' rights into the Helm chart.

use std::path::Path;
use std::{fs, io};

use ebb::rights;

fn main() -> io::Result<()> {
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(rights::FILE), rights::rules(ebb_scalers::KINDS))
}
