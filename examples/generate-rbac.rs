//! Writes the RBAC manifest of the trigger kinds' rights to `deploy/manifests`.

use std::path::Path;
use std::{fs, io};

use ebb::rights;

fn main() -> io::Result<()> {
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(rights::FILE), rights::manifest(ebb_scalers::KINDS))
}
