//! Authorities, and certificates of theirs for clients and servers, good ones and bad ones.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate and those above it.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// An authority, both PEM.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one that nobody trusts yet, with this name.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        Ok(Self { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
    }

    /// The one in these files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self> {
        Ok(Self { certificate: fs::read_to_string(certificate)?, key: fs::read_to_string(key)? })
    }

    /// A certificate for a client of this name, good from the beginning of one year to that of another.
    pub fn client(&self, name: &str, years: (i32, i32)) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        self.sign(params, years)
    }

    /// A certificate for a server of these names, good from the beginning of one year to that of another.
    pub fn server(&self, names: &[&str], years: (i32, i32)) -> Result<Identity> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        self.sign(CertificateParams::new(names)?, years)
    }

    fn sign(&self, mut params: CertificateParams, years: (i32, i32)) -> Result<Identity> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let key = KeyPair::generate()?;
        Ok(Identity { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
    }
}
