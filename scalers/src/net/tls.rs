//! TLS towards brokers and token endpoints: the trusted authorities, and the certificate to show.
//!
//! Owns the reading of PEM texts (keys under a password too) and the one rustls configuration that the AMQP and HTTP
//! clients share. Must not hold or print a key in any text: errors name the parameter, never its value.

mod authorities;
mod range;

use std::fmt;
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::net::outbound::Outbound;
pub use authorities::Authorities;
pub use range::{Ciphers, MinVersion, Range};

/// A key file with more rounds is refused: a Secret must not be able to keep a thread busy for minutes.
const MOST_KEY_ROUNDS: u32 = 2_000_000;

/// The trusted authorities and the client's certificate. The default trusts the system's certificate authorities and
/// shows no certificate. Clients with equal settings are shared.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Authorities besides the system's, PEM.
    ca: Option<String>,
    identity: Option<Identity>,
    accept_anything: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity {
    /// The chain, PEM.
    certificates: String,
    /// PKCS#8, SEC1 or PKCS#1, DER.
    key: Vec<u8>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .field("accept_anything", &self.accept_anything)
            .finish()
    }
}

/// A certificate and its key as parameters give them.
#[derive(Clone, Copy)]
pub struct GivenIdentity<'a> {
    /// The certificate and those that lead from it to its authority, PEM.
    pub cert: &'a str,
    /// The key, PEM.
    pub key: &'a str,
    /// The password of an encrypted key (PKCS#8, `BEGIN ENCRYPTED PRIVATE KEY`).
    pub key_password: Option<&'a str>,
}

impl Tls {
    /// Reads the texts and checks that they fit together. `accept_anything` turns the verification of servers off.
    ///
    /// # Errors
    /// Names the parameter (`ca`, `cert`, `key`, `keyPassword`) and its mistake.
    pub fn new(ca: Option<&str>, identity: Option<GivenIdentity<'_>>, accept_anything: bool) -> Result<Self, String> {
        let identity = identity
            .map(|given| Ok::<_, String>(Identity { certificates: given.cert.to_owned(), key: private_key(given)? }))
            .transpose()?;
        let tls = Self { ca: ca.map(ToOwned::to_owned), identity, accept_anything };
        if tls.ca.is_some() || tls.identity.is_some() {
            tls.client_config(&Outbound::default())?;
        }
        Ok(tls)
    }

    /// The same settings with servers verified in any case.
    #[must_use]
    pub fn verifying(&self) -> Self {
        Self { accept_anything: false, ..self.clone() }
    }

    /// The same trust, with nothing to show.
    #[must_use]
    pub fn without_identity(&self) -> Self {
        Self { identity: None, ..self.clone() }
    }

    /// The settings as rustls takes them, within the settings of all clients. Does no I/O but to read the system's
    /// authorities once.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub fn client_config(&self, outbound: &Outbound) -> Result<ClientConfig, String> {
        let provider = outbound.tls.provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(outbound.tls.versions())
            .map_err(|error| error.to_string())?;
        let builder = if self.accept_anything {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnything(provider)))
        } else {
            builder.with_root_certificates(self.roots(outbound)?)
        };
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some(identity) => {
                let chain = certificates("cert", &identity.certificates)?;
                let key = PrivateKeyDer::try_from(identity.key.clone()).map_err(ToOwned::to_owned)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("cert and key do not fit together: {error}"))
            }
        }
    }

    fn roots(&self, outbound: &Outbound) -> Result<Arc<RootCertStore>, String> {
        let trusted = outbound.authorities.roots();
        let Some(ca) = &self.ca else { return Ok(trusted) };
        let mut roots = RootCertStore::clone(&trusted);
        for certificate in certificates("ca", ca)? {
            roots.add(certificate).map_err(|error| format!("ca holds a certificate that cannot be used: {error}"))?;
        }
        Ok(Arc::new(roots))
    }
}

/// The certificates of a PEM text. The reader's own errors may repeat a line of the text, so they are not passed on.
fn certificates(parameter: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| format!("{parameter} holds no certificate in PEM form (BEGIN CERTIFICATE)"))
}

fn private_key(given: GivenIdentity<'_>) -> Result<Vec<u8>, String> {
    if given.key.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        let Some(password) = given.key_password else {
            return Err("key is encrypted, and keyPassword is not given".into());
        };
        return decrypt(given.key, password);
    }
    if given.key.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("key is encrypted in OpenSSL's old form, which is not supported; convert it with `openssl pkcs8 \
                    -topk8`"
            .into());
    }
    PrivateKeyDer::from_pem_slice(given.key.as_bytes())
        .map(|key| key.secret_der().to_vec())
        .map_err(|_| "key holds no private key in PEM form (BEGIN PRIVATE KEY)".into())
}

fn decrypt(pem: &str, password: &str) -> Result<Vec<u8>, String> {
    let unreadable = "key cannot be read: it must be an encrypted PKCS#8 key in PEM form";
    let (_, document) = pkcs8::SecretDocument::from_pem(pem.trim()).map_err(|_| unreadable)?;
    let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| unreadable)?;
    if let EncryptionScheme::Pbes2(scheme) = &info.encryption_algorithm
        && let Kdf::Pbkdf2(kdf) = &scheme.kdf
        && kdf.iteration_count > MOST_KEY_ROUNDS
    {
        return Err(format!("key is encrypted with more than {MOST_KEY_ROUNDS} rounds"));
    }
    let key = info.decrypt(password).map_err(
        |_| "key cannot be decrypted: keyPassword is wrong, or the encryption is not PBES2 with AES or triple DES",
    )?;
    Ok(key.as_bytes().to_vec())
}

/// Accepts every server, as `unsafeSsl` asks for; signatures are checked all the same.
#[derive(Debug)]
struct AcceptAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use pkcs8::PrivateKeyInfo;
    use pkcs8::der::EncodePem as _;
    use pkcs8::der::pem::LineEnding;
    use pkcs8::pkcs5::pbes2::Parameters;

    use super::*;

    const PASSWORD: &str = "hunter2";

    fn identity() -> (String, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        (rcgen::CertificateParams::new(vec!["h".into()]).unwrap().self_signed(&key).unwrap().pem(), key)
    }

    fn encrypted(key: &rcgen::KeyPair, rounds: u32) -> String {
        let parameters = Parameters::pbkdf2_sha256_aes256cbc(rounds, b"saltsalt", &[7; 16]).unwrap();
        let der = key.serialize_der();
        let document = PrivateKeyInfo::try_from(&der[..]).unwrap().encrypt_with_params(parameters, PASSWORD).unwrap();
        document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap().to_string()
    }

    fn read(ca: Option<&str>, cert: &str, key: &str, key_password: Option<&str>) -> Result<Tls, String> {
        Tls::new(ca, Some(GivenIdentity { cert, key, key_password }), false)
    }

    #[test]
    fn a_key_is_read_with_and_without_a_password() {
        let (cert, key) = identity();
        let plain = read(Some(&cert), &cert, &key.serialize_pem(), None).unwrap();
        let with_password = read(Some(&cert), &cert, &encrypted(&key, 2048), Some(PASSWORD)).unwrap();
        assert_eq!(plain, with_password);
        // KEDA's users may leave a password in place when the key is not encrypted any more.
        assert_eq!(read(Some(&cert), &cert, &key.serialize_pem(), Some("x")).unwrap(), plain);
        assert_ne!(Tls::default(), plain);
    }

    #[test]
    fn what_is_wrong_is_named_and_never_shown() {
        let (cert, key) = identity();
        let (_, other) = identity();
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nSECRET\n-----END RSA PRIVATE KEY-----\n";
        for (ca, cert, key, password, text) in [
            (Some("SECRET"), &*cert, key.serialize_pem(), None, "ca holds no certificate"),
            (None, "SECRET", key.serialize_pem(), None, "cert holds no certificate"),
            (None, &cert, "SECRET".into(), None, "key holds no private key"),
            (None, &cert, other.serialize_pem(), None, "cert and key do not fit together"),
            (None, &cert, encrypted(&key, 2048), None, "keyPassword is not given"),
            (None, &cert, encrypted(&key, 2048), Some("SECRET"), "keyPassword is wrong"),
            (None, &cert, old.into(), Some(PASSWORD), "OpenSSL's old form"),
            (
                None,
                &cert,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nSECRET\n-----END ENCRYPTED PRIVATE KEY-----\n".into(),
                Some(PASSWORD),
                "key cannot be read",
            ),
        ] {
            let error = read(ca, cert, &key, password).unwrap_err();
            assert!(error.contains(text) && !error.contains("SECRET"), "{text}: {error}");
        }
        let tls = read(Some(&cert), &cert, &key.serialize_pem(), None).unwrap();
        assert_eq!(format!("{tls:?}"), "Tls { ca: true, identity: true, accept_anything: false }");
    }

    #[test]
    fn a_key_that_would_take_minutes_to_decrypt_is_refused() {
        let (cert, key) = identity();
        let pem = encrypted(&key, 1);
        let patched = patch_rounds(&pem, 90_000_000);
        let error = read(None, &cert, &patched, Some(PASSWORD)).unwrap_err();
        assert!(error.contains("more than 2000000 rounds"), "{error}");
    }

    /// The same document that claims another number of rounds.
    fn patch_rounds(pem: &str, rounds: u32) -> String {
        let (_, document) = pkcs8::SecretDocument::from_pem(pem).unwrap();
        let mut info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).unwrap();
        let EncryptionScheme::Pbes2(scheme) = &mut info.encryption_algorithm else { unreachable!("PBES2") };
        let Kdf::Pbkdf2(kdf) = &mut scheme.kdf else { unreachable!("PBKDF2") };
        kdf.iteration_count = rounds;
        info.to_pem(LineEnding::LF).unwrap()
    }
}
