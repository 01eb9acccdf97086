//! The TLS settings of new connections. They authenticate nobody: a client certificate that passes the handshake was
//! signed by one of the trusted authorities, and no more.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::server::ResolvesServerCert;
use tokio::sync::watch;

use super::auth::Trust;
use crate::https::Tls;

/// Builds the settings, and builds them again when the trusted authorities change.
///
/// New settings have a new session store, so that no client resumes a session whose authority is no longer trusted.
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

    /// The settings of a new connection.
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
