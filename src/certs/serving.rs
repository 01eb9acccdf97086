//! The certificate that TLS servers present. It can be replaced while they run; open connections keep the old one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::authority::Pair;

/// The reason why a certificate cannot be presented.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// It is not PEM.
    #[error("the serving certificate or its key is not PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// Certificate and key do not match, or are of a type that TLS does not support.
    #[error("the serving certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// For [`rustls::ConfigBuilder::with_cert_resolver`].
#[derive(Debug)]
pub struct Serving(RwLock<Arc<CertifiedKey>>);

impl Serving {
    /// A resolver that presents the certificate of `pair`.
    pub fn new(pair: &Pair) -> Result<Self, ServingError> {
        Ok(Self(RwLock::new(load(pair)?)))
    }

    /// Checks that the certificate of `pair` can be presented.
    pub fn check(pair: &Pair) -> Result<(), ServingError> {
        load(pair).map(drop)
    }

    /// Presents the certificate of `pair` from now on.
    pub fn replace(&self, pair: &Pair) -> Result<(), ServingError> {
        let loaded = load(pair)?;
        *self.0.write() = loaded;
        Ok(())
    }
}

impl Serving {
    /// The end of the validity of the certificate that is presented. None if it cannot be read.
    pub fn expires(&self) -> Option<DateTime<Utc>> {
        let presented = Arc::clone(&self.0.read());
        not_after(presented.cert.first()?)
    }
}

/// The end of the validity of a certificate in DER. None if it cannot be read.
pub fn not_after(der: &[u8]) -> Option<DateTime<Utc>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

fn load(pair: &Pair) -> Result<Arc<CertifiedKey>, ServingError> {
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider())?))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_end_is_that_of_the_presented_certificate() {
        let names = ["localhost".to_owned()];
        let (now, later) = (Utc::now(), Utc::now() + TimeDelta::days(100));
        let serving = Serving::new(&Pair::make(&names, now).unwrap()).unwrap();
        let days = |serving: &Serving| (serving.expires().unwrap() - now).num_days();
        assert!((364..=365).contains(&days(&serving)), "{}", days(&serving));
        serving.replace(&Pair::make(&names, later).unwrap()).unwrap();
        assert!((464..=465).contains(&days(&serving)), "{}", days(&serving));
    }

    #[test]
    fn a_bad_certificate_does_not_displace_a_good_one() {
        let names = ["localhost".to_owned()];
        let (mut first, second) = (Pair::make(&names, Utc::now()).unwrap(), Pair::make(&names, Utc::now()).unwrap());
        let serving = Serving::new(&first).unwrap();
        let shown = || serving.0.read().cert[0].clone();
        let before = shown();
        first.key.clone_from(&second.key);
        assert!(serving.replace(&first).is_err());
        assert_eq!(shown(), before);
        serving.replace(&second).unwrap();
        assert_ne!(shown(), before);
    }
}
