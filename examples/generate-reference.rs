//! Writes the pages of `docs/reference` that follow from the code.

use std::path::Path;
use std::{fs, io};

use ebb::cli::reference;

fn main() -> io::Result<()> {
    for (path, text) in reference::pages() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text)?;
    }
    Ok(())
}
