//! The files and folders of the command line.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::CheckError;

/// The text of a file and its name.
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
}

/// Reads files, folders in the order of the names in them, and standard input for `-`.
pub(super) fn read(paths: &[PathBuf], mut input: impl Read) -> Result<Vec<File>, CheckError> {
    let mut files = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            input.read_to_end(&mut bytes).map_err(|cause| failed(path, cause))?;
            files.push(file("standard input".into(), bytes).map_err(|cause| failed(path, cause))?);
        } else if path.is_dir() {
            below(path, &mut files)?;
        } else {
            files.push(one(path)?);
        }
    }
    Ok(files)
}

/// Every manifest below a folder, without hidden folders and linked folders.
fn below(folder: &Path, files: &mut Vec<File>) -> Result<(), CheckError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|cause| failed(folder, cause))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(|cause| failed(&path, cause))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden {
            below(&path, files)?;
        } else if !kind.is_dir() && !path.is_dir() && is_manifest(&path) {
            files.push(one(&path)?);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

fn one(path: &Path) -> Result<File, CheckError> {
    let file = fs::read(path).and_then(|bytes| file(path.display().to_string(), bytes));
    file.map_err(|cause| failed(path, cause))
}

fn file(name: String, bytes: Vec<u8>) -> io::Result<File> {
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))?;
    Ok(File { name, text: text.trim_start_matches('\u{feff}').to_owned() })
}

fn failed(path: &Path, cause: io::Error) -> CheckError {
    CheckError::Read { path: path.display().to_string(), cause }
}
