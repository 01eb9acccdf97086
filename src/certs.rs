//! The certificates of Ebb's servers, and the `caBundle`s by which the API server trusts them.
//!
//! By default Ebb is its own certificate authority. The authority, the certificate and their keys are in one Secret, so
//! that every replica presents the same certificate and a restart changes nothing. If cert-manager writes that Secret,
//! or the settings name files, Ebb presents those certificates instead.
//!
//! - [`authority`]: creates and validates certificates; pure.
//! - [`store`]: reads the Secret, repairs it, and resolves races between replicas.
//! - [`files`]: certificates in files.
//! - [`serving`]: the certificate that a TLS server presents, replaced while the server runs.
//! - [`ca_bundle`]: writes the authorities into the `APIService` and the webhook configurations, and keeps them there.
//! - `bundle`: the desired content of those objects; pure. `trusted`: whether they have it. `hints`: when to
//!   check again.
//!
//! **A new authority** is introduced in three steps, so that the API server can verify each replica at each moment. The
//! objects get the new authority beside the old one. Once they have it and the API server has noticed, each replica
//! presents the new certificate. Ten minutes later the old authority is removed. A user who wants a new authority
//! deletes the Secret.
//!
//! The module does not depend on the servers that present the certificates.
//!
//! # RBAC
//!
//! - In Ebb's namespace: `get`, `create` and `update` on Secrets, and `list` and `watch` to see changes at once. A rule
//!   can bind all but `create` to the name of the Secret. If Ebb only reads the Secret: `get`, `list` and `watch`.
//! - `get`, `list`, `watch` and `patch` on `apiservices.apiregistration.k8s.io`, bound to
//!   `v1beta1.external.metrics.k8s.io`.
//! - `get`, `list`, `watch` and `update` on `validatingwebhookconfigurations.admissionregistration.k8s.io`, bound to
//!   Ebb's own, if Ebb writes its bundle too.
//!
//! Without `list` and `watch`, Ebb notices changes some seconds later.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use kube::Client;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub mod authority;
mod bundle;
pub mod ca_bundle;
pub mod files;
mod hints;
pub mod serving;
pub mod store;
mod trusted;

use authority::Pair;
pub use ca_bundle::CaBundle;
pub use files::Files;
pub use serving::{Serving, not_after};
pub use store::{CertsError, SecretStore};
use trusted::Announcer;
pub use trusted::Trusted;

/// The interval of checks of the Secret, besides one at each change: for the renewal, and in case it cannot be watched.
const CHECK: Duration = Duration::from_secs(15);
/// The interval of checks of files.
const CHECK_FILES: Duration = Duration::from_secs(3);
/// The longest wait of a new certificate until the API server knows its authority, while the present
/// certificate is valid.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// The purpose and the source of the certificates.
#[derive(Clone, Debug)]
pub struct CertsConfig {
    /// Ebb's namespace.
    pub namespace: String,
    /// The source of the certificates.
    pub source: Source,
    /// The Services through which the servers are reached.
    pub services: Vec<String>,
}

/// The source of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Ebb creates them and stores them in this Secret, unless cert-manager writes it.
    Own(String),
    /// Another program writes them into this Secret.
    Secret(String),
    /// Another program writes them into these files.
    Files(Files),
}

impl CertsConfig {
    /// Whether clients reach the servers through this Service.
    fn serves(&self, namespace: &str, service: &str) -> bool {
        self.namespace == namespace && self.services.iter().any(|own| own == service)
    }

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

/// Certificates that are kept valid.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The certificate that TLS servers present.
    pub serving: Arc<Serving>,
    /// The authorities, for [`CaBundle::keep`].
    pub trusted: Trusted,
}

/// Creates or reads the certificates, and keeps them valid until `shutdown`. The first client has no time
/// limit: it is for watches.
pub async fn start(
    (watching, client): (Client, Client),
    config: CertsConfig,
    shutdown: CancellationToken,
) -> Result<Certificates, CertsError> {
    let keeper = Keeper::new(client, &config);
    let pair = keeper.load(None).await?;
    let serving = Arc::new(Serving::new(&pair)?);
    let (announcer, trusted) = trusted::announce(&pair.ca);
    let changes = keeper.changes(watching);
    let certificates = Certificates { serving: Arc::clone(&serving), trusted: trusted.clone() };
    tokio::spawn(async move {
        tokio::select! {
            () = keeper.keep(pair, &serving, &announcer, &trusted, changes) => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(certificates)
}

/// Reads the source, and replaces the presented certificate.
struct Keeper {
    place: Place,
    names: Vec<String>,
}

enum Place {
    Own(SecretStore),
    Secret(SecretStore),
    Files(Files),
}

impl Keeper {
    fn new(client: Client, config: &CertsConfig) -> Self {
        let store = |secret: &str| SecretStore::new(client, &config.namespace, secret);
        let place = match &config.source {
            Source::Own(secret) => Place::Own(store(secret)),
            Source::Secret(secret) => Place::Secret(store(secret)),
            Source::Files(files) => Place::Files(files.clone()),
        };
        Self { place, names: config.names() }
    }

    async fn load(&self, known: Option<&Pair>) -> Result<Pair, CertsError> {
        let pair = match &self.place {
            Place::Own(store) => store.ensure(&self.names, known, Utc::now()).await?,
            Place::Secret(store) => store.read().await?,
            Place::Files(files) => files.read().await.map_err(CertsError::NotThere)?,
        };
        // Ebb's own certificates have the authority's key, and are already validated.
        if known != Some(&pair)
            && pair.ca_key.is_empty()
            // The API server uses the first name. Another program need not provide the others.
            && let Err(why) = pair.check_foreign(self.names.get(..1).unwrap_or_default(), Utc::now())
        {
            warn!(why, "the given serving certificate has a mistake; Ebb uses it all the same");
        }
        Ok(pair)
    }

    fn changes(&self, watching: Client) -> BoxStream<'static, ()> {
        match &self.place {
            Place::Own(store) | Place::Secret(store) => store.changes(watching),
            Place::Files(_) => stream::pending().boxed(),
        }
    }

    async fn keep(
        &self,
        mut shown: Pair,
        serving: &Serving,
        announcer: &Announcer,
        trusted: &Trusted,
        mut changes: BoxStream<'static, ()>,
    ) {
        let pause = if matches!(self.place, Place::Files(_)) { CHECK_FILES } else { CHECK };
        let mut trouble = String::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = changes.next() => {}
            }
            let pair = match self.load(Some(&shown)).await {
                Ok(pair) if pair == shown => {
                    trouble.clear();
                    continue;
                }
                Ok(pair) => pair,
                Err(error) => {
                    log_once(&mut trouble, error.to_string());
                    continue;
                }
            };
            if let Err(error) = Serving::check(&pair) {
                log_once(&mut trouble, error.to_string());
                continue;
            }
            trouble.clear();
            // The API server gets the authority before it meets a certificate of it.
            announcer.announce(&bundle::union(&pair.ca, &shown.ca));
            if !bundle::has_all(&shown.ca, &pair.ca) && !trusted.settled(&pair.ca, WAIT_LIMIT).await {
                warn!(
                    "the API server may not know the authority of the new serving certificate; Ebb uses it all the same"
                );
            }
            match serving.replace(&pair) {
                Ok(()) => info!("a new serving certificate is in use"),
                Err(error) => error!(%error, "the new serving certificate cannot be used; the present one stays"),
            }
            announcer.announce(&pair.ca);
            shown = pair;
        }
    }
}

/// Logs the reason why a certificate cannot be renewed, once.
fn log_once(logged: &mut String, trouble: String) {
    if *logged != trouble {
        warn!(error = trouble, "cannot renew the serving certificate; the present one stays");
        *logged = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_services() {
        let source = Source::Own("ebb-certs".into());
        let config = CertsConfig { namespace: "ebb".into(), source, services: vec!["api".into()] };
        assert_eq!(config.names(), ["api.ebb.svc", "api.ebb", "api.ebb.svc.cluster.local", "localhost"]);
    }
}
