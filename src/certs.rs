//! The certificates that Ebb's own servers show, and the place where the API server learns to trust them.
//!
//! Ebb is its own certificate authority. Authority, certificate and keys are in one Secret, so that every replica shows
//! the same and a restart changes nothing:
//!
//! - [`authority`]: pure: making certificates, and judging whether those at hand will do.
//! - [`store`]: the Secret: read it, make it good, settle who wins when several replicas try at once.
//! - [`serving`]: the certificate a TLS server shows, exchanged while it runs.
//! - [`ca_bundle`]: writes the authority into the `APIService` and the webhook configurations, and keeps it there.
//!
//! Whoever wants a new authority deletes the Secret. It must know nothing of what the servers serve.
//!
//! # RBAC
//!
//! - In Ebb's namespace: `get`, `create` and `update` on Secrets (`create` cannot be bound to a name, the others to
//!   `ebb-certs`).
//! - `get` and `patch` on `apiservices.apiregistration.k8s.io`, bound to `v1beta1.external.metrics.k8s.io`.
//! - `get` and `update` on `validatingwebhookconfigurations.admissionregistration.k8s.io`, bound to Ebb's own, if its
//!   bundle is kept too.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub mod authority;
pub mod ca_bundle;
pub mod serving;
pub mod store;

pub use ca_bundle::CaBundle;
pub use serving::Serving;
pub use store::{CertsError, SecretStore};

/// How often the Secret is looked at: for renewal, and for what another replica has made.
const CHECK: Duration = Duration::from_secs(15);

/// What the certificates are for and where they are kept.
#[derive(Clone, Debug)]
pub struct CertsConfig {
    /// Ebb's namespace.
    pub namespace: String,
    /// The Secret.
    pub secret: String,
    /// The Services through which the servers are reached.
    pub services: Vec<String>,
}

impl CertsConfig {
    /// The names the certificate must be valid for.
    pub fn names(&self) -> Vec<String> {
        let namespace = &self.namespace;
        let of_service = |service: &String| {
            [
                format!("{service}.{namespace}.svc"),
                format!("{service}.{namespace}"),
                format!("{service}.{namespace}.svc.cluster.local"),
            ]
        };
        self.services.iter().flat_map(of_service).chain(["localhost".to_owned()]).collect()
    }
}

/// Certificates that are kept good.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What TLS servers show.
    pub serving: Arc<Serving>,
    /// The authority's certificate as PEM, for those who must trust it.
    pub ca: watch::Receiver<Arc<str>>,
}

/// Makes or fetches the certificates, and keeps them good until `shutdown`.
pub async fn start(
    client: Client,
    config: CertsConfig,
    shutdown: CancellationToken,
) -> Result<Certificates, CertsError> {
    let store = SecretStore::new(client, &config.namespace, &config.secret);
    let names = config.names();
    let pair = store.ensure(&names, Utc::now()).await?;
    let serving = Arc::new(Serving::new(&pair)?);
    let (sender, ca) = watch::channel(Arc::from(pair.ca.as_str()));

    let shown = Arc::clone(&serving);
    tokio::spawn(async move {
        let mut shown_pair = pair;
        loop {
            tokio::select! {
                () = tokio::time::sleep(CHECK) => {}
                () = shutdown.cancelled() => return,
            }
            let pair = match store.ensure(&names, Utc::now()).await {
                Ok(pair) if pair == shown_pair => continue,
                Ok(pair) => pair,
                Err(error) => {
                    warn!(%error, "cannot check the serving certificate; the present one stays");
                    continue;
                }
            };
            // Those who check the certificate hear of its authority first.
            sender.send_replace(Arc::from(pair.ca.as_str()));
            match shown.replace(&pair) {
                Ok(()) => info!("a new serving certificate is in use"),
                Err(error) => error!(%error, "the new serving certificate cannot be used; the present one stays"),
            }
            shown_pair = pair;
        }
    });
    Ok(Certificates { serving, ca })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_services() {
        let config = CertsConfig { namespace: "ebb".into(), secret: "ebb-certs".into(), services: vec!["api".into()] };
        assert_eq!(config.names(), ["api.ebb.svc", "api.ebb", "api.ebb.svc.cluster.local", "localhost"]);
    }
}
