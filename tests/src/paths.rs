//! Where things are: the repository's files, and the programs that were built beside this one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder that keeps everything the tests and the demo leave behind: logs, data of the servers, kubeconfigs.
pub fn work(name: &str) -> PathBuf {
    let root = root().canonicalize().unwrap_or_else(|_| root().to_path_buf());
    root.join("target").join(name)
}

/// The folder with the programs of the profile that this program was built with.
pub fn bin_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find the place of this program")?;
    let folder = program.parent().context("this program is in no folder")?;
    // A test program is one level deeper than the others.
    Ok(if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_path_buf())
}

/// The variable that names an `ebb` to test instead of the one built beside this program, such as an image's.
const EBB: &str = "EBB_BINARY";

/// A program of this workspace, built with the same profile as this one; `ebb` may be another.
pub fn bin(name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(EBB).filter(|path| name == "ebb" && !path.is_empty()) {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "{EBB}={}: no such file", path.display());
        return Ok(path);
    }
    let path = bin_dir()?.join(name);
    ensure!(path.exists(), "{} is not built: cargo build --release --workspace --bins", path.display());
    Ok(path)
}

/// The variable that chooses the version of Kubernetes, as for `tests/cluster/build.sh`. Without it, it is the newest.
const KUBERNETES: &str = "K8S";

/// The program that runs the control plane, of the version of Kubernetes that [`KUBERNETES`] chooses.
pub fn bed_program() -> Result<PathBuf> {
    let version = std::env::var(KUBERNETES).unwrap_or_default();
    let name = match version.as_str() {
        "" | "1.37" => "ebb-bed".to_owned(),
        older => format!("ebb-bed-{older}"),
    };
    let path = work("testbed").join("bin").join(name);
    ensure!(path.exists(), "{} is not built: make bed {KUBERNETES}={version}", path.display());
    Ok(path)
}
