//! The parts that a pass works with.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::{AuthenticationRef, ScaledObject};
use ebb_scalers::pool::ClientPools;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::Client;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Store};

use super::authentications::{AuthKey, Authentications};
use super::hpas::Hpas;
use super::lookup::Sources;
use super::references::References;
use super::requeue_queue::RequeueQueue;
use crate::kube_api::client::ApiServer;
use crate::kube_api::key::Key;
use crate::kube_api::scale::Targets;
use crate::kube_api::scope::Scope;
use crate::leader::Leadership;
use crate::review::AuthParams;
use crate::scaling::poller::Poller;
use crate::store::event_sender::Events;
use crate::store::registry::Registry;
use crate::store::watched_object::WatchedObject;
use ebb_plan::activate_to::ActivateTo;
use ebb_plan::reconcile::Options;
use ebb_plan::simulate::hpa::ControllerFlags;

/// The settings for reads of objects that ScaledObjects refer to.
#[derive(Debug, Clone)]
pub struct ReferenceSettings {
    /// The namespace of the Secrets, ConfigMaps and service accounts of ClusterTriggerAuthentications.
    pub cluster_namespace: String,
    /// The folder of the files of `filePath`. None: such files are refused.
    pub file_root: Option<PathBuf>,
    /// How long tokens of service accounts live.
    pub token_life: Duration,
    /// Whether Secrets are read in `cluster_namespace` only.
    pub restrict_secrets: bool,
}

/// The controller's configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The ScaledObjects that are served.
    pub scope: Scope,
    /// How many of them are checked at the same time.
    pub at_once: u16,
    /// The settings for reads of objects that they refer to.
    pub references: ReferenceSettings,
    /// Whether parameters that a trigger does not know are reported.
    pub unexpected_parameters: bool,
    /// The count that a ScaledObject without the annotation `ebb.dev/activate-to` wakes to.
    pub activate_to: ActivateTo,
    /// Whether all ScaledObjects are only observed.
    pub observes: bool,
    /// The HPA controller, as far as the shadows of observed ones depend on it.
    pub hpa_controller: ControllerFlags,
}

/// The parts that a pass works with.
pub struct Context {
    /// For everything but watches: it has short timeouts.
    pub client: Client,
    /// The workloads.
    pub targets: Targets,
    /// The ScaledObjects that are known.
    pub registry: Arc<Registry>,
    /// Runs the poll loops.
    pub poller: Arc<Poller>,
    /// The shared connections.
    pub brokers: ClientPools,
    /// When anything may be written.
    pub(super) leadership: Arc<Leadership>,
    pub(super) settings: Settings,
    pub(super) sources: Sources,
    pub(super) references: Arc<References>,
    pub(super) authentications: Arc<Authentications>,
    pub(super) changed: RequeueQueue,
    /// Yields the ScaledObjects that `changed` names, once.
    pub(super) rechecks: parking_lot::Mutex<Option<BoxStream<'static, Key>>>,
    /// Digests of triggers' parameters. The seed is this process's own: secrets are among them.
    pub(super) digests: RandomState,
    pub(super) hpas: Arc<Hpas>,
    /// The ScaledObjects as the watch has them, and the writer of that store.
    pub(super) objects: (Store<WatchedObject>, parking_lot::Mutex<Option<Writer<WatchedObject>>>),
}

impl Context {
    /// A context without any ScaledObject yet. `server` is for watches of their own; through `client` nothing is
    /// written but while this replica leads.
    pub fn new(
        server: ApiServer,
        client: Client,
        registry: Arc<Registry>,
        events: Events,
        poller: Poller,
        brokers: ClientPools,
        settings: Settings,
    ) -> Self {
        let (changed, rechecks) = RequeueQueue::new();
        let (reader, writer) = reflector::store();
        Self {
            objects: (reader, parking_lot::Mutex::new(Some(writer))),
            targets: poller.targets.clone(),
            brokers,
            sources: Sources::new(client.clone(), &settings.references),
            references: References::new(server, client.clone(), settings.references.file_root.clone(), changed.clone()),
            authentications: Authentications::new(
                client.clone(),
                events,
                Arc::clone(registry.metrics()),
                changed.clone(),
                settings.scope.clone(),
                Arc::clone(&poller.leadership),
            ),
            leadership: Arc::clone(&poller.leadership),
            rechecks: parking_lot::Mutex::new(Some(rechecks.boxed())),
            digests: RandomState::new(),
            hpas: Arc::default(),
            changed,
            client,
            registry,
            poller: Arc::new(poller),
            settings,
        }
    }

    /// The ScaledObjects that are served, as the API server has them.
    pub fn objects(&self) -> Store<WatchedObject> {
        self.objects.0.clone()
    }

    /// The names of the parameters that authentications give to the triggers of a namespace, as far as they are known.
    pub fn given(&self) -> impl Fn(&AuthenticationRef, &str) -> AuthParams + Send + Sync + 'static {
        let known = Arc::clone(&self.authentications);
        move |reference, namespace| {
            let spec = AuthKey::of(reference, namespace).and_then(|key| known.spec(&key));
            spec.map_or(AuthParams::Anything, |spec| AuthParams::by(&spec))
        }
    }

    /// The ScaledObjects that refer to an authentication of a namespace.
    pub fn users(&self) -> impl Fn(&AuthenticationRef, &str) -> Vec<Key> + Send + Sync + 'static {
        let known = Arc::clone(&self.authentications);
        move |reference, namespace| {
            AuthKey::of(reference, namespace).map(|key| known.users_of(&key)).unwrap_or_default()
        }
    }

    /// The settings that a plan depends on.
    pub(super) fn options(&self) -> Options {
        let catalog: ebb_scalers::params::Catalog = ebb_scalers::declaration;
        Options { unknown_parameters: self.settings.unexpected_parameters.then_some(catalog) }
    }
    /// A digest that holds in this process only.
    pub(super) fn digest(&self, value: &impl Hash) -> u64 {
        self.digests.hash_one(value)
    }

    /// A digest of the reference to the target.
    pub(super) fn target_digest(&self, object: &ScaledObject) -> u64 {
        let target = &object.spec.scale_target_ref;
        self.digest(&(target.api_version(), target.kind(), &target.name))
    }
}
