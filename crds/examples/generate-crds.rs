//! Writes the custom resource definitions to `crds/yaml`.

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
    fs::create_dir_all(&folder)?;
    for (name, text) in ebb_crds::yaml::files()? {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
