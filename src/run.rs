//! `ebb run`: puts the parts together, and takes them apart in order when the process is asked to end.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_crds::ScaledObject;
use ebb_scalers::net::Outbound;
use ebb_scalers::net::tls::Range;
use ebb_scalers::pool::{ClientPools, NamespaceQuota};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admission::{self, Admission, UnmanagedHpas};
use crate::api_client;
use crate::args::{Listen, Run};
use crate::certs::{self, CaBundle, CertsConfig};
use crate::cluster_reader::KubeReader;
use crate::controller::{self, Context, ReferenceSettings};
use crate::events::Events;
use crate::lease::{Keeper, Term};
use crate::metrics::Metrics;
use crate::metrics_api::auth::{KubeReviewer, watch_trust};
use crate::metrics_api::{self, Limits, ServerConfig};
use crate::poll::poller::Poller;
use crate::probes::{self, Health};
use crate::scope::Scope;
use crate::store::registry::Registry;
use crate::target::Targets;

/// How long the API server may take for anything but a watch.
const ANSWER: Duration = Duration::from_secs(15);
/// How often the API server is asked again while Ebb cannot start without it.
const KNOCK: Duration = Duration::from_secs(2);
/// How long checks that are under way may take once the process is asked to end: less than the kubelet's patience.
const LAST_PASSES: Duration = Duration::from_secs(10);
/// How long a replica that ends goes on answering, where there are others.
const DRAIN: Duration = Duration::from_secs(3);
/// How long the API server may take at the start to learn of the certificate authority, before Ebb is ready without.
const TRUST: Duration = Duration::from_secs(5);

/// Why Ebb could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No way to the API server.
    #[error("cannot find the API server: {0}; give --kubeconfig, set KUBECONFIG, or run in a pod")]
    Config(String),
    /// The client cannot be made.
    #[error("cannot make a client for the API server: {0}")]
    Client(#[from] kube::Error),
    /// An address is taken.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Two series have one name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Signals cannot be received.
    #[error("signals: {0}")]
    Signals(#[source] std::io::Error),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps Ebb from starting. Once it runs, nothing ends it but a signal.
pub async fn run(settings: Run) -> Result<(), RunError> {
    // Fails only if a provider is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shutdown = CancellationToken::new();
    end_on_signals(&shutdown)?;

    tell_settings(&settings);
    let (outbound, unread) = settings.outbound.read();
    for trouble in unread {
        warn!("--ca-dir: {trouble}");
    }
    let elect = settings.election.elect;
    let term = if elect { Term::elected() } else { Term::always() };
    let metrics = Metrics::new(settings.serving.enable_high_cardinality_metrics_labels, Arc::clone(&term))?;
    let for_watches = config(&settings).await?;
    let watching = api_client::connect(&for_watches, None)?;
    let client = api_client::connect(&for_watches, Some(ANSWER))?;
    let fenced = api_client::fenced(&client, Arc::clone(&term));
    let pools = shared_clients(outbound.clone(), settings.outbound.shares(), &client);

    let serving = &settings.serving;
    let health_listener = listen(&serving.health_probe_bind_address).await?;
    let metrics_listener = listen(&serving.metrics()).await?;
    let api_address = Listen::At { host: serving.bind_address.to_string(), port: serving.secure_port };
    let api_listener = listen(&api_address).await?.ok_or_else(|| RunError::Config("no address to listen on".into()))?;

    let webhook_address = Listen::At { host: serving.bind_address.to_string(), port: settings.webhook.port };
    let webhook_listener = if settings.webhook.port > 0 { listen(&webhook_address).await? } else { None };

    let targets = Targets::new(fenced.clone());
    let events = Events::start(fenced.clone(), Arc::clone(&term), shutdown.clone());
    let registry = Registry::new(Arc::clone(&metrics), targets.clone(), events.clone(), Arc::clone(&term));
    let (ready, warm) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let health = Health { registry: Arc::clone(&registry), ready: Arc::clone(&ready), warm: Arc::clone(&warm) };
    let served = drained(&shutdown, Arc::clone(&ready), if elect { DRAIN } else { Duration::ZERO });
    if let Some(listener) = health_listener {
        tokio::spawn(probes::serve_health(listener, health, served.clone()));
    }
    if let Some(listener) = metrics_listener {
        tokio::spawn(probes::serve_metrics(listener, metrics, served.clone()));
    }

    let keeping = elect.then(|| {
        let clients = (watching.clone(), client.clone());
        let keeper = Keeper::new(clients, &settings.namespace, &settings.election, identity(), Arc::clone(&term));
        tokio::spawn(keeper.keep(shutdown.clone()))
    });
    let (recheck, rechecks) = mpsc::unbounded_channel();
    let poller = Poller { client: fenced.clone(), targets, term, recheck };

    let scope = settings.scope();
    let context =
        Context::new(for_watches, fenced, Arc::clone(&registry), events, poller, pools, controlled(&settings));
    let admission = webhook_listener.map(|listener| {
        let foreign = Arc::new(UnmanagedHpas::default());
        let (following, watching, served) = (Arc::clone(&foreign), watching.clone(), scope.clone());
        tokio::spawn(async move { following.follow(&watching, &served).await });
        let admission = Admission {
            objects: context.objects(),
            foreign,
            given: Box::new(context.given()),
            client: client.clone(),
            targets: Targets::new(client.clone()),
            // Triggers that are only tried share nothing with those that run.
            brokers: ClientPools::new(outbound, NamespaceQuota::default()),
            scope: scope.clone(),
            strict: settings.webhook.strict,
            metrics: Arc::clone(registry.metrics()),
            counted: parking_lot::Mutex::default(),
        };
        (Arc::new(admission), listener)
    });
    let api = tokio::spawn(serve_api(
        ServerSettings {
            certificates: CertsConfig {
                namespace: settings.namespace.clone(),
                source: serving.certificates.source(),
                services: serving.services(),
            },
            bundles: settings.bundles(),
            tls: serving.tls(&settings.outbound),
        },
        (watching.clone(), client.clone()),
        (api_listener, admission),
        Arc::clone(&registry),
        Arc::clone(&ready),
        (shutdown.clone(), served),
    ));
    if wait_for_kinds(&client, &scope, &warm, &shutdown).await {
        info!(version = env!("CARGO_PKG_VERSION"), "ebb is running");
        let ending = async {
            shutdown.cancelled().await;
            tokio::time::sleep(LAST_PASSES).await;
        };
        tokio::select! {
            () = controller::run(context, watching, rechecks, warm, shutdown.clone()) => {}
            // Asked to end before its first list was complete, the controller waits for it for ever.
            () = ending => warn!("some checks are not done; they are left to the next start"),
        }
    }
    shutdown.cancel();
    if let Some(keeping) = keeping {
        // It gives the lease back as soon as the end is asked for, not after all the rest.
        let _ = keeping.await;
    }
    if let Err(error) = api.await {
        warn!(%error, "the external metrics API ended badly");
    }
    Ok(())
}

/// The clients of all triggers; kinds whose source is the cluster read it by `client`.
fn shared_clients(outbound: Outbound, quota: NamespaceQuota, client: &Client) -> ClientPools {
    ClientPools::new(outbound, quota).with_cluster(Arc::new(KubeReader::new(client.clone())))
}

fn controlled(settings: &Run) -> controller::Settings {
    let file_root = Some(&settings.references.filepath_auth_root_path).filter(|path| !path.is_empty());
    controller::Settings {
        scope: settings.scope(),
        at_once: settings.watch.at_once,
        references: ReferenceSettings {
            cluster_namespace: settings.cluster_namespace(),
            file_root: file_root.map(PathBuf::from),
            token_life: settings.references.bound_service_account_token_expiry,
            restrict_secrets: settings.references.restrict_secret_access,
        },
        unexpected_parameters: settings.watch.unexpected_parameters,
    }
}

/// Says once what was given and has no effect, and why.
fn tell_settings(settings: &Run) {
    info!(version = env!("CARGO_PKG_VERSION"), "ebb begins");
    if !settings.without_effect.is_empty() {
        warn!("accepted, and without effect: {}", settings.without_effect.join("; "));
    }
}

/// How the external metrics API is served.
struct ServerSettings {
    certificates: CertsConfig,
    /// The objects that are given the authority.
    bundles: Vec<CaBundle>,
    tls: Range,
}

/// The external metrics API, from the first certificate to the last request.
async fn serve_api(
    settings: ServerSettings,
    (watching, client): (Client, Client),
    (listener, admission): (TcpListener, Option<(Arc<Admission>, TcpListener)>),
    registry: Arc<Registry>,
    ready: Arc<AtomicBool>,
    (shutdown, served): (CancellationToken, CancellationToken),
) {
    let clients = (watching.clone(), client.clone());
    let certificates = loop {
        match certs::start(clients.clone(), settings.certificates.clone(), shutdown.clone()).await {
            Ok(certificates) => break certificates,
            Err(error) => warn!(%error, "cannot get a serving certificate; it will be tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(KNOCK) => {}
            () = shutdown.cancelled() => return,
        }
    };
    let mut trusted = certificates.trusted;
    for bundle in settings.bundles {
        let own = settings.certificates.clone();
        tokio::spawn(bundle.keep(watching.clone(), own, trusted.clone(), shutdown.clone()));
    }
    // Who is not trusted yet gets no questions.
    let authorities = trusted.authorities();
    trusted.settled(&authorities, TRUST).await;
    let tls = || (settings.tls.provider(), settings.tls.versions());
    if let Some((admission, listener)) = admission {
        let (certificate, tls, served) = (certificates.serving.clone(), tls(), served.clone());
        tokio::spawn(async move {
            if let Err(error) = admission::serve(admission, listener, certificate, tls, served).await {
                tracing::error!(%error, "the admission webhook has ended");
            }
        });
    }
    ready.store(!shutdown.is_cancelled(), Ordering::Relaxed);
    let config = ServerConfig {
        listener,
        certificate: certificates.serving,
        tls: tls(),
        trust: watch_trust(watching, shutdown.clone()),
        reviewer: Arc::new(KubeReviewer::new(client)),
        source: registry,
        ready: Arc::new(|| true),
        limits: Limits::default(),
    };
    if let Err(error) = metrics_api::serve(config, served).await {
        tracing::error!(%error, "the external metrics API has ended");
    }
}

/// Waits until the API server knows ScaledObjects. False when the process is to end first.
async fn wait_for_kinds(client: &Client, scope: &Scope, warm: &AtomicBool, shutdown: &CancellationToken) -> bool {
    let apis = scope.apis::<ScaledObject>(client);
    let Some(objects) = apis.first() else { return true };
    loop {
        match objects.list_metadata(&ListParams::default().limit(1)).await {
            Ok(_) => return true,
            Err(kube::Error::Api(status)) if status.code == 403 => return true,
            Err(kube::Error::Api(status)) if status.code == 404 => {
                warn!("the cluster does not know ScaledObjects yet: apply the files of crds/yaml");
                // There is nothing to wait for.
                warm.store(true, Ordering::Relaxed);
            }
            Err(error) => warn!(%error, "the API server does not answer; it will be asked again"),
        }
        tokio::select! {
            () = tokio::time::sleep(KNOCK) => {}
            () = shutdown.cancelled() => return false,
        }
    }
}

async fn config(settings: &Run) -> Result<Config, RunError> {
    let mut config = match &settings.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| RunError::Config(error.to_string()))?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(|error| RunError::Config(error.to_string()))?
        }
        None => Config::infer().await.map_err(|error| RunError::Config(error.to_string()))?,
    };
    // The proxy of the environment is the triggers'; the library takes it for the way to the API server too.
    if ["HTTPS_PROXY", "https_proxy"].iter().any(|name| std::env::var_os(name).is_some()) {
        config.proxy_url = None;
    }
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(config)
}

/// Listens there. All addresses means those of IPv6 too, where the machine has any.
async fn listen(listen: &Listen) -> Result<Option<TcpListener>, RunError> {
    let Listen::At { host, port } = listen else { return Ok(None) };
    let failed = |cause| RunError::Listen { address: listen.to_string(), cause };
    let listener = if host.is_empty() {
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).await,
        }
    } else {
        TcpListener::bind((host.as_str(), *port)).await
    };
    listener.map(Some).map_err(failed)
}

/// Becomes not ready when the end is asked for. The result is cancelled `grace` later: until every balancer has heard of it
/// questions still come, and are answered.
fn drained(shutdown: &CancellationToken, ready: Arc<AtomicBool>, grace: Duration) -> CancellationToken {
    let (shutdown, served) = (shutdown.clone(), CancellationToken::new());
    let end = served.clone();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        ready.store(false, Ordering::Relaxed);
        tokio::time::sleep(grace).await;
        end.cancel();
    });
    served
}

/// What this replica is called in the lease: its host's name, which in a pod is the pod's, and a part that no other process has.
fn identity() -> String {
    let host = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_default();
    let host = if host.is_empty() { "ebb".to_owned() } else { host };
    format!("{host}_{:016x}", RandomState::new().hash_one(std::process::id()))
}

fn end_on_signals(shutdown: &CancellationToken) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("asked to end");
        shutdown.cancel();
    });
    Ok(())
}
