//! The way from a standby to the replica that leads, for answers that only that one knows.
//!
//! The leader writes its address into the Lease. A standby authenticates with its own service account, as every client of the
//! aggregated API may: no certificates need to be handed out for this, and the leader asks the API server for the right.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response, header};
use kube::client::Body;
use kube::{Client, Config};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Leadership;
use crate::kube_api::client;

/// The annotation of the Lease with the address of its holder's API.
pub const ADDRESS_ANNOTATION: &str = "ebb.dev/address";
/// Marks a request that another replica has passed on. It is not passed on again.
pub const PASSED_ON: HeaderName = HeaderName::from_static("ebb-passed-on");
/// How long the leader may take to begin its answer. The API server's client waits longer.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks the replica that leads.
pub struct LeaderClient {
    leadership: Arc<Leadership>,
    /// The way to the API server, for the service account's token.
    config: Config,
    /// The name in the leader's certificate.
    server: String,
    /// The authorities of that certificate, as PEM.
    authorities: Box<dyn Fn() -> Arc<str> + Send + Sync>,
    /// The last client, with the address and the authorities that it is for.
    last: Mutex<Option<(String, Arc<str>, Client)>>,
}

impl LeaderClient {
    /// A client that has asked nothing yet. `server` is a name of the certificate that all replicas share, and `authorities`
    /// gives those that have signed it.
    pub fn new(
        leadership: Arc<Leadership>,
        config: Config,
        server: String,
        authorities: impl Fn() -> Arc<str> + Send + Sync + 'static,
    ) -> Self {
        Self { leadership, config, server, authorities: Box::new(authorities), last: Mutex::default() }
    }

    /// Sends a request for `path_and_query` to the leader.
    ///
    /// # Errors
    /// Why the leader cannot be asked.
    pub async fn get(&self, path_and_query: &str, accept: Option<HeaderValue>) -> Result<Response<Body>, String> {
        let address = self.leadership.leader_address().ok_or(
            "another replica leads, and its address is not known: set POD_IP in its pod, as the Helm chart does",
        )?;
        let client = self.client(&address).map_err(|error| format!("no way to the replica that leads: {error}"))?;
        let mut request = Request::get(path_and_query).body(Body::empty()).map_err(|error| error.to_string())?;
        request.headers_mut().insert(PASSED_ON, HeaderValue::from_static("1"));
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT, accept);
        }
        let answer = client.send(request).await;
        answer.map_err(|error| format!("the replica that leads, at {address}, does not answer: {error}"))
    }

    fn client(&self, address: &str) -> Result<Client, String> {
        let authorities = (self.authorities)();
        let mut last = self.last.lock();
        if let Some((known, trusted, client)) = &*last
            && known == address
            && *trusted == authorities
        {
            return Ok(client.clone());
        }
        let url = format!("https://{address}").parse().map_err(|error| format!("{address}: {error}"))?;
        let roots = CertificateDer::pem_slice_iter(authorities.as_bytes()).flatten().map(|root| root.to_vec());
        let mut config = self.config.clone();
        config.cluster_url = url;
        config.root_cert = Some(roots.collect());
        config.tls_server_name = Some(self.server.clone());
        (config.proxy_url, config.accept_invalid_certs) = (None, false);
        let client = client::connect(&config, Some(ANSWER)).map_err(|error| error.to_string())?;
        *last = Some((address.to_owned(), authorities, client.clone()));
        Ok(client)
    }
}
