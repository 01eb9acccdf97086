//! Certificates in files that another program writes, such as the volume of a Secret. It reads them without validation.

use std::io;
use std::path::{Path, PathBuf};

use super::authority::Pair;

/// The largest file, in bytes. No certificate is that long.
const LONGEST: u64 = 1024 * 1024;

/// The paths of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The serving certificate, with its intermediate certificates.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority that signed it. Without this file, the user writes the `caBundle`.
    pub authority: PathBuf,
}

impl Files {
    /// The files in a folder, with the names of a TLS Secret's entries.
    pub fn of(folder: &Path) -> Self {
        Self { certificate: folder.join("tls.crt"), key: folder.join("tls.key"), authority: folder.join("ca.crt") }
    }

    /// Reads the files.
    pub(super) async fn read(&self) -> Result<Pair, String> {
        let files = self.clone();
        let read = move || {
            Ok(Pair {
                ca: match read(&files.authority) {
                    Err(Unread { source, .. }) if source.kind() == io::ErrorKind::NotFound => String::new(),
                    other => other?,
                },
                ca_key: String::new(),
                certificate: read(&files.certificate)?,
                key: read(&files.key)?,
            })
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(result) => result.map_err(|error: Unread| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
struct Unread {
    path: String,
    source: io::Error,
}

fn read(path: &Path) -> Result<String, Unread> {
    let unread = |source| Unread { path: path.display().to_string(), source };
    let length = std::fs::metadata(path).map_err(unread)?.len();
    if length > LONGEST {
        return Err(unread(io::Error::other(format!("{length} bytes are too many for a certificate or a key"))));
    }
    std::fs::read_to_string(path).map_err(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_authority_may_be_absent_the_others_not() {
        let folder = std::env::temp_dir().join(format!("ebb-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = Files::of(&folder);
        std::fs::write(&files.certificate, "certificate").unwrap();
        let error = files.read().await.unwrap_err();
        assert!(error.contains("tls.key: "), "{error}");
        std::fs::write(&files.key, "key").unwrap();
        let pair = files.read().await.unwrap();
        assert_eq!((pair.ca.as_str(), pair.certificate.as_str(), pair.key.as_str()), ("", "certificate", "key"));
        std::fs::write(&files.authority, "authority").unwrap();
        assert_eq!(files.read().await.unwrap().ca, "authority");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
