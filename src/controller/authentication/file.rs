//! `filePath`: parameters from a file that is mounted into Ebb's pod (keda.sh/docs, "File path").
//!
//! A file counts only inside the folder that the operator allowed, wherever symbolic links lead (mounted Secrets
//! consist of links, so links inside the folder are followed).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::controller::lookup::{LookupError, Values};
use crate::controller::references::Version;

/// The largest file that is read, in bytes: the largest size of a Secret.
const LARGEST: u32 = 1024 * 1024;

/// The parameters in the file at `path` below `root`.
///
/// # Errors
/// No root is set, the path leads out of it, or the file is not what it should be. Never shows what is in it.
pub(crate) async fn read(root: Option<&Path>, path: &str) -> Result<Values, LookupError> {
    let (root, path) = (root.map(Path::to_path_buf), path.to_owned());
    in_background(move || parameters(root.as_deref(), &path))
        .await
        .unwrap_or_else(|| Err(LookupError::Wrong("the file cannot be read: the read was given up".into())))
}

/// The version of the file, for a comparison with an earlier one.
pub(crate) async fn version(root: Option<&Path>, path: &str) -> Version {
    let (root, path) = (root.map(Path::to_path_buf), path.to_owned());
    in_background(move || stamp(root.as_deref(), &path)).await.unwrap_or(Version::Unknown)
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn parameters(root: Option<&Path>, path: &str) -> Result<Values, LookupError> {
    let found = resolve(root, path)?;
    let failed = |error: std::io::Error| LookupError::Missing(format!("cannot read the file {path:?}: {error}"));
    let mut text = Vec::new();
    File::open(&found).map_err(failed)?.take(u64::from(LARGEST) + 1).read_to_end(&mut text).map_err(failed)?;
    if u32::try_from(text.len()).is_ok_and(|len| len > LARGEST) {
        return Err(LookupError::Wrong(format!("the file {path:?} is larger than {LARGEST} bytes")));
    }
    // The parser's own words may repeat a part of the file.
    serde_json::from_slice::<BTreeMap<String, String>>(&text).map_err(|error| {
        LookupError::Wrong(format!(
            "the file {path:?} must hold a JSON object of texts, such as {{\"username\": \"...\"}}; it is wrong in line {} at column {}",
            error.line(),
            error.column()
        ))
    })
}

/// Where the file is, links followed, if it is a file inside `root`.
fn resolve(root: Option<&Path>, path: &str) -> Result<PathBuf, LookupError> {
    let root = root.ok_or_else(|| {
        LookupError::Wrong(
            "filepath-auth-root-path not configured: start ebb with --filepath-auth-root-path=DIR, the folder that such files are mounted in"
                .into(),
        )
    })?;
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if path.is_empty() || !plain || path.contains("..") {
        return Err(LookupError::Wrong(format!("filePath must be relative and not contain '..': {path:?}")));
    }
    let failed = |what: &str, error: &std::io::Error| LookupError::Missing(format!("cannot read {what}: {error}"));
    let root = root.canonicalize().map_err(|error| failed("the folder of --filepath-auth-root-path", &error))?;
    let found = root.join(path).canonicalize().map_err(|error| failed(&format!("the file {path:?}"), &error))?;
    if !found.starts_with(&root) {
        return Err(LookupError::Wrong(format!(
            "the file {path:?} is a link that leads out of the folder of --filepath-auth-root-path"
        )));
    }
    // A pipe or a device would never end.
    if !found.is_file() {
        return Err(LookupError::Wrong(format!("{path:?} is not a file")));
    }
    Ok(found)
}

fn stamp(root: Option<&Path>, path: &str) -> Version {
    let Ok(found) = resolve(root, path) else { return Version::Absent };
    let Ok(about) = fs::metadata(&found) else { return Version::Absent };
    let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Version::of(&(found, changed, about.len(), about.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ebb-file-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("root/inner")).unwrap();
            Self(path)
        }

        fn root(&self) -> PathBuf {
            self.0.join("root")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_a_file_inside_the_folder_is_read_wherever_links_lead() {
        let folder = Folder::new("inside");
        let root = folder.root();
        fs::write(folder.0.join("outside.json"), r#"{"a": "outside"}"#).unwrap();
        fs::write(root.join("plain.json"), r#"{"host": "amqp://h", "password": "p"}"#).unwrap();
        fs::write(root.join("inner/deep.json"), r#"{"a": "deep"}"#).unwrap();
        symlink("inner/deep.json", root.join("link.json")).unwrap();
        symlink("../outside.json", root.join("escape.json")).unwrap();
        symlink(&folder.0, root.join("up")).unwrap();
        let read = |path: &str| parameters(Some(&root), path);
        assert_eq!(read("plain.json").unwrap()["password"], "p");
        assert_eq!(read("inner/deep.json").unwrap()["a"], "deep");
        assert_eq!(read("./link.json").unwrap()["a"], "deep");
        let absolute = root.join("plain.json").to_string_lossy().into_owned();
        for (path, says) in [
            ("../outside.json", "must be relative and not contain '..'"),
            ("inner/../plain.json", "must be relative and not contain '..'"),
            (absolute.as_str(), "must be relative and not contain '..'"),
            ("", "must be relative"),
            ("escape.json", "leads out of the folder"),
            ("up/outside.json", "leads out of the folder"),
            ("inner", "is not a file"),
            ("nothing.json", "cannot read the file \"nothing.json\""),
        ] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.contains(says), "{path}: {error}");
        }
        let error = parameters(None, "plain.json").unwrap_err().to_string();
        assert!(error.contains("filepath-auth-root-path not configured"), "{error}");
    }

    #[test]
    fn what_is_in_a_file_that_is_wrong_is_not_shown() {
        let folder = Folder::new("wrong");
        let root = folder.root();
        for (text, says) in [
            ("\"hunter2\"", "in line 1 at column 9"),
            ("[\"hunter2\"]", "JSON object of texts"),
            ("{\"password\": [\"hunter2\"]}", "JSON object of texts"),
            ("{\"hunter2\": 1}", "JSON object of texts"),
            ("hunter2", "JSON object of texts"),
        ] {
            fs::write(root.join("wrong.json"), text).unwrap();
            let error = parameters(Some(&root), "wrong.json").unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hunter2"), "{text}: {error}");
        }
        let large = format!("{{\"a\": \"{}\"}}", "x".repeat(1024 * 1024));
        fs::write(root.join("wrong.json"), large).unwrap();
        let error = parameters(Some(&root), "wrong.json").unwrap_err().to_string();
        assert!(error.contains("larger than 1048576 bytes"), "{error}");
    }

    #[test]
    fn another_content_is_another_version() {
        let folder = Folder::new("version");
        let root = folder.root();
        assert_eq!(stamp(Some(&root), "a.json"), Version::Absent);
        fs::write(root.join("a.json"), "{}").unwrap();
        let first = stamp(Some(&root), "a.json");
        assert_eq!(stamp(Some(&root), "a.json"), first);
        fs::write(root.join("a.json"), r#"{"a": "b"}"#).unwrap();
        assert_ne!(stamp(Some(&root), "a.json"), first);
        assert_ne!(first, Version::Absent);
    }
}
