//! The certificate authorities that everybody trusts: the system's, and those in the folders of `--ca-dir`.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Authorities besides the system's. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Authorities {
    extra: Arc<[CertificateDer<'static>]>,
}

impl Authorities {
    /// Reads every file in `folders`, as KEDA does. Subfolders, names that begin with two dots, and missing folders are
    /// passed over. Gives the files that could not be read, a text each.
    pub fn read<P: AsRef<Path>>(folders: &[P]) -> (Self, Vec<String>) {
        let (mut extra, mut troubles) = (Vec::new(), Vec::new());
        for folder in folders.iter().map(AsRef::as_ref).filter(|folder| folder.exists()) {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries.flatten(),
                Err(error) => {
                    troubles.push(format!("{}: {error}", folder.display()));
                    continue;
                }
            };
            let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".."));
                if hidden || file.is_dir() {
                    continue;
                }
                match certificates(&file) {
                    Ok(found) => extra.extend(found),
                    Err(trouble) => troubles.push(format!("{}: {trouble}", file.display())),
                }
            }
        }
        (Self { extra: extra.into() }, troubles)
    }

    /// How many there are besides the system's.
    pub fn len(&self) -> usize {
        self.extra.len()
    }

    /// Whether there are none but the system's.
    pub fn is_empty(&self) -> bool {
        self.extra.is_empty()
    }

    /// All of them as rustls takes them.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let system = system_roots();
        if self.is_empty() {
            return system;
        }
        let mut roots = RootCertStore::clone(&system);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        Arc::new(roots)
    }
}

/// The authorities that this machine (or image) trusts; none where there are none. Read once.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    }))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| "holds no certificate in PEM form (BEGIN CERTIFICATE)".into())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(vec!["ca".into()]).unwrap().self_signed(&key).unwrap().pem()
    }

    /// A folder of this test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ebb-authorities-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn every_file_of_every_folder_is_read_and_what_is_none_is_named() {
        let (one, two) = (folder("one"), folder("two"));
        fs::write(one.join("a.crt"), certificate()).unwrap();
        fs::write(one.join("both.pem"), certificate() + &certificate()).unwrap();
        fs::write(one.join("..data"), certificate()).unwrap();
        fs::create_dir_all(one.join("folder")).unwrap();
        fs::write(two.join("b"), certificate()).unwrap();
        fs::write(two.join("README"), "nothing").unwrap();
        let missing = PathBuf::from("/there/is/no/such/folder");
        let (authorities, troubles) = Authorities::read(&[&one, &two, &missing]);
        fs::remove_dir_all(one).unwrap();
        fs::remove_dir_all(two).unwrap();
        assert_eq!(authorities.len(), 4);
        assert_eq!(troubles.len(), 1, "{troubles:?}");
        assert!(troubles[0].ends_with("README: holds no certificate in PEM form (BEGIN CERTIFICATE)"), "{troubles:?}");

        let system = Authorities::default().roots().len();
        assert_eq!(authorities.roots().len(), system + 4);
    }
}
