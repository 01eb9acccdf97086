//! Writes the custom resource definitions to `crds/yaml` and into the Helm chart.

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    for folder in ebb_crds::yaml::FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        fs::create_dir_all(&folder)?;
        for (name, text) in ebb_crds::yaml::files()? {
            fs::write(folder.join(name), text)?;
        }
    }
    Ok(())
}
