//! `ebb run`: starts the parts of the process, and ends them in order at its end.

mod clients;
mod listeners;
mod serving;
mod shutdown;
mod tasks;

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebb_crds::ScaledObject;
use ebb_scalers::net::Outbound;
use ebb_scalers::pool::{ClientPools, NamespaceQuota};
use kube::Client;
use kube::api::ListParams;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admission::{Admission, UnmanagedHpas};
use crate::build_info;
use crate::cli::args::Run;
use crate::controller::{self, Context, ReferenceSettings};
use crate::kube_api::cluster_reader::KubeReader;
use crate::kube_api::key::Key;
use crate::kube_api::scale::Targets;
use crate::kube_api::scope::Scope;
use crate::leader::{LeaderElector, Leadership};
use crate::scaling::poller::Poller;
use crate::store::event_sender::Events;
use crate::store::registry::Registry;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::probes::{self, Health};
use clients::ApiClients;
use listeners::Listeners;
use serving::Serving;
use shutdown::Shutdown;
use tasks::Tasks;

/// How often the API server is asked again while Ebb cannot start without it.
const KNOCK: Duration = Duration::from_secs(2);
/// How long checks that are under way may take once the process is asked to end: less than the kubelet's patience.
const LAST_PASSES: Duration = Duration::from_secs(10);

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
        /// The operating system's error.
        cause: std::io::Error,
    },
    /// Two series have one name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Signals cannot be received.
    #[error("signals: {0}")]
    Signals(#[source] std::io::Error),
    /// A part has ended without being asked to.
    #[error("{part} has ended: {cause}")]
    Part {
        /// The part.
        part: &'static str,
        /// Its error.
        cause: String,
    },
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// The reason why Ebb cannot start, or the part that has ended while Ebb ran.
pub async fn run(settings: Run) -> Result<(), RunError> {
    // Fails only if a provider is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let elect = settings.election.elect;
    let ready = Arc::new(AtomicBool::new(false));
    let shutdown = Shutdown::on_signals(Arc::clone(&ready), elect)?;
    report_settings(&settings);
    let leadership = if settings.observe.only {
        Leadership::never()
    } else if elect {
        Leadership::elected()
    } else {
        Leadership::always()
    };
    let metrics = Metrics::new(settings.serving.enable_high_cardinality_metrics_labels, Arc::clone(&leadership))?;
    let clients = ApiClients::new(&settings, &leadership, &metrics).await?;
    let listeners = Listeners::bind(&settings).await?;

    let parts = Parts::new(&settings, &clients, &metrics, &leadership, &shutdown);
    let warm = Arc::new(AtomicBool::new(false));
    let mut tasks = Tasks::default();
    if let Some(listener) = listeners.health {
        let health = Health { overdue: overdue(&parts.registry), ready: Arc::clone(&ready), warm: Arc::clone(&warm) };
        tasks.spawn("the health server", probes::serve_health(listener, health, shutdown.drained.clone()));
    }
    if let Some(listener) = listeners.metrics {
        tasks.spawn("the metrics server", probes::serve_metrics(listener, metrics, shutdown.drained.clone()));
    }
    if elect {
        // It gives the Lease back as soon as the end is asked for, not after all the rest.
        tasks.spawn("the leader election", elector(&settings, &clients, &leadership).keep(shutdown.stop.clone()));
    }
    let admission = listeners.webhook.map(|listener| (parts.admission(&settings, &clients), listener));
    let serving = Serving::new(&settings).run(
        clients.clone(),
        (listeners.metrics_api, admission),
        Arc::clone(&parts.registry),
        ready,
        shutdown.clone(),
    );
    tasks.spawn("the metrics API and the webhook", serving);
    let controlling = async {
        if wait_for_kinds(&clients.request, &settings.scope(), &warm, &shutdown.stop).await {
            info!(version = build_info::VERSION, "ebb is running");
            control(parts, clients.watch.clone(), warm, shutdown.stop.clone()).await;
        }
    };
    let early = first_of(controlling, &mut tasks, &shutdown).await;
    shutdown.stop.cancel();
    let ended = tasks.ended().await;
    early.and(ended)
}

/// Runs the controller until its end. A part that ends before that ends the process, whose pod begins anew.
async fn first_of(
    controlling: impl Future<Output = ()>,
    tasks: &mut Tasks,
    shutdown: &Shutdown,
) -> Result<(), RunError> {
    tokio::pin!(controlling);
    tokio::select! {
        // First: parts that end because they are asked to are no error.
        biased;
        () = shutdown.stop.cancelled() => {}
        () = &mut controlling => return Ok(()),
        error = tasks.first_end() => {
            tracing::error!(%error, "a part of the process has ended, and so does the process");
            return Err(error);
        }
    }
    controlling.await;
    Ok(())
}

/// Runs the controller until the end, and a moment longer for the checks that have begun.
async fn control(parts: Parts, watch: Client, warm: Arc<AtomicBool>, stop: CancellationToken) {
    let ending = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_PASSES).await;
    };
    tokio::select! {
        () = controller::run(parts.context, watch, parts.rechecks, warm, stop.clone()) => {}
        // A controller that is asked to end before its first list is complete would wait for the list.
        () = ending => warn!("some checks are not done; they are left to the next start"),
    }
}

fn elector(settings: &Run, clients: &ApiClients, leadership: &Arc<Leadership>) -> LeaderElector {
    let pair = (clients.watch.clone(), clients.direct.clone());
    LeaderElector::new(
        pair,
        &settings.namespace,
        settings.election.config(),
        (identity(), address(settings)),
        Arc::clone(leadership),
    )
}

fn overdue(registry: &Arc<Registry>) -> Arc<dyn Fn() -> Vec<String> + Send + Sync> {
    let registry = Arc::clone(registry);
    Arc::new(move || registry.overdue(Instant::now()))
}

/// The controller, the poll loops, and the records that they share with the metrics API.
struct Parts {
    registry: Arc<Registry>,
    context: Context,
    rechecks: mpsc::UnboundedReceiver<Key>,
    outbound: Outbound,
}

impl Parts {
    fn new(
        settings: &Run,
        clients: &ApiClients,
        metrics: &Arc<Metrics>,
        leadership: &Arc<Leadership>,
        shutdown: &Shutdown,
    ) -> Self {
        let (outbound, unread) = settings.outbound.read();
        for trouble in unread {
            warn!("--ca-dir: {trouble}");
        }
        let write = &clients.write;
        let trail = settings.decision_trail_bytes;
        let (targets, leader) = (Targets::new(write.clone()), || Arc::clone(leadership));
        let events = Events::start(clients.request.clone(), shutdown.stop.clone());
        let registry = Registry::new(Arc::clone(metrics), targets.clone(), events.clone(), leader(), trail);
        let (recheck, rechecks) = mpsc::unbounded_channel();
        let poller = Poller { client: write.clone(), targets, leadership: leader(), recheck };
        // Kinds whose source is the cluster read it without the right to write.
        let pools = ClientPools::new(outbound.clone(), settings.outbound.shares());
        let pools = pools.with_cluster(Arc::new(KubeReader::new(clients.request.clone())));
        let counted = pools.clone();
        metrics.own().clients_from(move || counted.broker_clients());
        let (server, records) = (clients.server.clone(), Arc::clone(&registry));
        let context = Context::new(server, write.clone(), records, events, poller, pools, controlled(settings));
        Self { registry, context, rechecks, outbound }
    }

    /// The webhook, which follows the HPAs that are not Ebb's from now on.
    fn admission(&self, settings: &Run, clients: &ApiClients) -> Arc<Admission> {
        let (scope, unmanaged) = (settings.scope(), Arc::new(UnmanagedHpas::default()));
        let (following, watch, served) = (Arc::clone(&unmanaged), clients.watch.clone(), scope.clone());
        tokio::spawn(async move { following.follow(&watch, &served).await });
        Arc::new(Admission {
            objects: self.context.objects(),
            foreign: unmanaged,
            given: Box::new(self.context.given()),
            users: Box::new(self.context.users()),
            client: clients.direct.clone(),
            targets: Targets::new(clients.direct.clone()),
            // Triggers that are only tried share nothing with those that run.
            brokers: ClientPools::new(self.outbound.clone(), NamespaceQuota::default()),
            scope,
            strict: settings.webhook.strict,
            metrics: Arc::clone(self.registry.metrics()),
            counted: parking_lot::Mutex::default(),
        })
    }
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
        activate_to: settings.activate_to,
        observes: settings.observe.only,
        hpa_controller: settings.observe.controller(),
    }
}

/// Logs the settings that have no effect, each with the reason.
fn report_settings(settings: &Run) {
    info!(version = build_info::VERSION, "starting ebb");
    if !settings.without_effect.is_empty() {
        warn!("accepted, and without effect: {}", settings.without_effect.join("; "));
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
                warn!("the cluster does not know ScaledObjects yet: apply crds/yaml or deploy/ebb.yaml");
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

/// The address of this replica's API for other replicas. In a pod, the manifest sets the variable POD_IP.
fn address(settings: &Run) -> Option<String> {
    let bound = settings.serving.bind_address;
    let own = std::env::var("POD_IP").ok().and_then(|ip| ip.parse().ok());
    let ip = own.or_else(|| (!bound.is_unspecified()).then_some(bound))?;
    Some(SocketAddr::new(ip, settings.serving.secure_port).to_string())
}

/// The name of this replica in the Lease: its host's name, which in a pod is the pod's, and a part that no other
/// process has.
fn identity() -> String {
    let host = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_default();
    let host = if host.is_empty() { "ebb".to_owned() } else { host };
    format!("{host}_{:016x}", RandomState::new().hash_one(std::process::id()))
}
