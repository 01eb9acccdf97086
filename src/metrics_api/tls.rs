//! Which TLS settings a new connection gets. It owns no sockets and no certificates, and judges no identity: that a
//! client's certificate passed here means only that one of the trusted authorities signed it.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::server::ResolvesServerCert;
use tokio::sync::watch;

use super::auth::Trust;

/// The cryptography and the versions that are used.
pub type Tls = (Arc<CryptoProvider>, &'static [&'static SupportedProtocolVersion]);

/// Builds the settings, and builds them anew when the trusted authorities have changed.
///
/// With new settings comes a new session store, so that nobody resumes a session whose authority is gone.
pub(super) struct Settings {
    certificate: Arc<dyn ResolvesServerCert>,
    tls: Tls,
    trust: watch::Receiver<Arc<Trust>>,
    built: Mutex<Option<(Arc<Trust>, Arc<rustls::ServerConfig>)>>,
}

impl Settings {
    pub(super) fn new(certificate: Arc<dyn ResolvesServerCert>, tls: Tls, trust: watch::Receiver<Arc<Trust>>) -> Self {
        Self { certificate, tls, trust, built: Mutex::new(None) }
    }

    /// The settings for a connection that begins now.
    pub(super) fn current(&self) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
        let trust = Arc::clone(&self.trust.borrow());
        let mut built = self.built.lock();
        if let Some((from, config)) = built.as_ref()
            && Arc::ptr_eq(from, &trust)
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.build(&trust)?);
        *built = Some((trust, Arc::clone(&config)));
        Ok(config)
    }

    fn build(&self, trust: &Trust) -> Result<rustls::ServerConfig, rustls::Error> {
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&self.tls.0))
            .with_protocol_versions(self.tls.1)?
            .with_client_cert_verifier(trust.handshake_verifier())
            .with_cert_resolver(Arc::clone(&self.certificate));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
