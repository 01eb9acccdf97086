//! The external metrics API and the webhook, from the first certificate to the last request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_scalers::net::tls::Range;
use tokio::net::TcpListener;
use tracing::warn;

use super::KNOCK;
use super::clients::ApiClients;
use super::shutdown::Shutdown;
use crate::admission::{self, Admission};
use crate::certs::{self, CaBundle, Certificates, CertsConfig, Trusted};
use crate::cli::args::Run;
use crate::https::{Limits, ServeError};
use crate::leader::leader_client::LeaderClient;
use crate::metrics_api::auth::{KubeReviewer, watch_trust};
use crate::metrics_api::{self, ServerConfig};
use crate::scaling::decisions::Decisions;
use crate::store::registry::Registry;

/// How long Ebb waits at the start for the API server to trust the certificate authority, before Ebb is ready without.
const TRUST: Duration = Duration::from_secs(5);

/// How the two are served.
pub(super) struct Serving {
    certificates: CertsConfig,
    /// The objects that get the authority.
    bundles: Vec<CaBundle>,
    tls: Range,
}

impl Serving {
    /// As the settings say.
    pub(super) fn new(settings: &Run) -> Self {
        let serving = &settings.serving;
        Self {
            certificates: CertsConfig {
                namespace: settings.namespace.clone(),
                source: serving.certificates.source(),
                services: serving.services(),
            },
            bundles: settings.bundles(),
            tls: serving.tls(&settings.outbound),
        }
    }

    /// Serves until the end of the process. `ready` is true from the moment at which requests can be answered.
    pub(super) async fn run(
        self,
        clients: ApiClients,
        (listener, admission): (TcpListener, Option<(Arc<Admission>, TcpListener)>),
        registry: Arc<Registry>,
        ready: Arc<AtomicBool>,
        shutdown: Shutdown,
    ) -> Result<(), ServeError> {
        let Some(certificates) = self.first_certificate(&clients, &shutdown).await else { return Ok(()) };
        let presented = Arc::clone(&certificates.serving);
        registry.metrics().own().expires_by(move || presented.expires());
        let mut trusted = certificates.trusted;
        for bundle in &self.bundles {
            let (bundle, own) = (bundle.clone(), self.certificates.clone());
            tokio::spawn(bundle.keep(clients.watch.clone(), own, trusted.clone(), shutdown.stop.clone()));
        }
        // A client that does not trust Ebb yet gets an error for each question.
        let authorities = trusted.authorities();
        trusted.settled(&authorities, TRUST).await;
        let tls = || (self.tls.provider(), self.tls.versions());
        let leader = self.leader_client(&clients, &registry, trusted);
        let (certificate, webhook_tls, drained) = (certificates.serving.clone(), tls(), shutdown.drained.clone());
        let webhook = async move {
            match admission {
                Some((admission, listener)) => {
                    admission::serve(admission, listener, certificate, webhook_tls, drained).await
                }
                None => Ok(()),
            }
        };
        ready.store(!shutdown.stop.is_cancelled(), Ordering::Relaxed);
        let metrics = Arc::clone(registry.metrics());
        let config = ServerConfig {
            listener,
            certificate: certificates.serving,
            tls: tls(),
            trust: watch_trust(clients.watch, shutdown.stop),
            reviewer: Arc::new(KubeReviewer::new(clients.direct)),
            decisions: Arc::new(Decisions::new(Arc::clone(&registry), leader)),
            source: registry,
            ready: Arc::new(|| true),
            answered: Arc::new(move |status, took| metrics.own().answered(status.as_u16(), took)),
            limits: Limits::default(),
        };
        tokio::try_join!(metrics_api::serve(config, shutdown.drained), webhook).map(drop)
    }

    /// The way to the replica that leads. All replicas show a certificate for the same Services.
    fn leader_client(&self, clients: &ApiClients, registry: &Registry, trusted: Trusted) -> LeaderClient {
        let server =
            self.certificates.services.first().map(|name| format!("{name}.{}.svc", self.certificates.namespace));
        let leadership = Arc::clone(registry.leadership());
        LeaderClient::new(leadership, clients.server.config().clone(), server.unwrap_or_default(), move || {
            trusted.present()
        })
    }

    /// None: the process is to end first.
    async fn first_certificate(&self, clients: &ApiClients, shutdown: &Shutdown) -> Option<Certificates> {
        loop {
            let clients = (clients.watch.clone(), clients.request.clone());
            match certs::start(clients, self.certificates.clone(), shutdown.stop.clone()).await {
                Ok(certificates) => return Some(certificates),
                Err(error) => warn!(%error, "cannot get a serving certificate; Ebb tries again"),
            }
            tokio::select! {
                () = tokio::time::sleep(KNOCK) => {}
                () = shutdown.stop.cancelled() => return None,
            }
        }
    }
}
