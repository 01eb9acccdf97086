//! The settings for the source of the serving certificates, under KEDA's names.

use std::path::{Path, PathBuf};

use super::values::{Optional, flag, optional, or_default, text};
use crate::certs::{Files, Source};

/// The source of the serving certificates.
#[derive(Debug, Clone, clap::Args)]
pub struct Certificates {
    /// The Secret with the certificates.
    #[arg(long, default_value = "ebb-certs", value_name = "NAME", value_parser = or_default("ebb-certs", text))]
    pub cert_secret_name: String,
    /// Make the certificates and renew them. Default: true, unless files are named.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "",
        hide_default_value = true, value_name = "BOOL", value_parser = optional(flag))]
    pub enable_cert_rotation: Optional<bool>,
    /// A folder with tls.crt, tls.key and ca.crt, to use instead of Ebb's own certificates.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "DIR")]
    pub cert_dir: String,
    /// A file with the serving certificate, to use instead of Ebb's own certificate.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "FILE")]
    pub tls_cert_file: String,
    /// The file with its key.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "FILE")]
    pub tls_private_key_file: String,
    /// Write the certificate authority into the APIService.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
        value_name = "BOOL", value_parser = flag)]
    pub enable_apiservice_patching: bool,
}

impl Certificates {
    /// Checks that both the certificate and its key are named, or neither.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.tls_cert_file.is_empty(), self.tls_private_key_file.is_empty()) {
            (true, false) => Err("--tls-private-key-file needs --tls-cert-file beside it".to_owned()),
            (false, true) => Err("--tls-cert-file needs --tls-private-key-file beside it".to_owned()),
            _ => Ok(()),
        }
    }

    /// The source that the settings name. KEDA's chart names a folder and enables rotation; Ebb then creates its own
    /// certificates, as KEDA does, and uses files only without rotation.
    pub fn source(&self) -> Source {
        let secret = self.cert_secret_name.clone();
        let folder = (!self.cert_dir.is_empty()).then(|| PathBuf::from(&self.cert_dir));
        match (self.enable_cert_rotation.0, folder) {
            (Some(true), _) => Source::Own(secret),
            (_, folder) if !self.tls_cert_file.is_empty() => {
                let certificate = PathBuf::from(&self.tls_cert_file);
                let folder = folder.unwrap_or_else(|| certificate.parent().unwrap_or(Path::new("")).to_owned());
                let authority = Files::of(&folder).authority;
                Source::Files(Files { certificate, key: PathBuf::from(&self.tls_private_key_file), authority })
            }
            (_, Some(folder)) => Source::Files(Files::of(&folder)),
            (Some(false), None) => Source::Secret(secret),
            (None, None) => Source::Own(secret),
        }
    }
}
