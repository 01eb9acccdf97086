//! Watches ScaledObjects and keeps what they stand for: the HPA, the live triggers, the status.
//!
//! One pass over a ScaledObject: check the spec, [`gather`] what it refers to, build its triggers, [`apply`] its HPA,
//! hand it to the poll loop. Every pass may be repeated at any time. Reads and writes only; decisions are in
//! [`crate::plan`].

mod apply;
mod authentication;
mod authentications;
mod changed;
mod ensure_hpa;
mod environment;
mod failure;
mod gather;
mod hpas;
mod lists;
mod lookup;
mod news;
mod referents;
mod succession;
mod vpa;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ebb_crds::{AuthenticationRef, Condition, ScaledObject, names};
use ebb_scalers::broker::Brokers;
use ebb_scalers::{ConfigError, Scaler, TriggerConfig};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Client, Resource as _, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::events::{Events, Reason};
use crate::kept::Kept;
use crate::key::Key;
use crate::lease::Term;
use crate::metrics::TriggerLabels;
use crate::plan::names::is_object_name;
use crate::plan::pause::{self, Pause};
use crate::plan::policy::Policy;
use crate::plan::review::Given;
use crate::plan::rules::Rules;
use crate::plan::status::{Check, Facts, KindFound, Outline, Served};
use crate::plan::{hpa, resource, unexpected, validate};
use crate::poll::registry::{Live, Object, Registry};
use crate::poll::ticker::Ticker;
use crate::poll::trigger::Trigger;
use crate::scope::Scope;
use crate::target::Targets;
use crate::watching;
use authentications::{AuthKey, Authentications};
use changed::Changed;
use ensure_hpa::Wanted;
use failure::Failure;
use gather::{Gatherer, Target};
use hpas::Hpas;
use lists::Lists;
use lookup::Sources;
use news::News;
use referents::Referents;

pub use authentication::token::token_life;

/// A ScaledObject that is well is checked again this often: its target's pod template may have changed.
const RECHECK: Duration = Duration::from_mins(5);
/// After this long nothing is under way any more that began before a pause, be it Ebb's or the HPA's.
const SETTLED: Duration = Duration::from_secs(15);
/// The shortest time to a check that renews a token.
const RENEWAL: Duration = Duration::from_secs(1);
/// How long one pass may take.
const PASS: Duration = Duration::from_mins(1);

/// Where what ScaledObjects refer to is found.
#[derive(Debug, Clone)]
pub struct References {
    /// The namespace of the Secrets, ConfigMaps and service accounts of ClusterTriggerAuthentications.
    pub cluster_namespace: String,
    /// The folder of the files of `filePath`. None: such files are refused.
    pub file_root: Option<PathBuf>,
    /// How long tokens of service accounts live.
    pub token_life: Duration,
    /// Whether Secrets are read in `cluster_namespace` only.
    pub restrict_secrets: bool,
}

/// What whoever runs Ebb has set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which ScaledObjects are served.
    pub scope: Scope,
    /// How many of them are checked at the same time.
    pub at_once: u16,
    /// Where what they refer to is found.
    pub references: References,
    /// Whether keys that a trigger does not know are told.
    pub unexpected_parameters: bool,
}

/// What a pass needs.
pub struct Context {
    /// For everything but watches: it has short timeouts.
    pub client: Client,
    /// The workloads.
    pub targets: Targets,
    /// The ScaledObjects that are known.
    pub registry: Arc<Registry>,
    /// Runs the poll loops.
    pub ticker: Arc<Ticker>,
    /// The shared connections.
    pub brokers: Brokers,
    /// For the events.
    pub events: Events,
    /// When anything may be written.
    term: Arc<Term>,
    settings: Settings,
    sources: Sources,
    referents: Arc<Referents>,
    authentications: Arc<Authentications>,
    changed: Changed,
    /// Yields what `changed` was told, once.
    rechecks: parking_lot::Mutex<Option<BoxStream<'static, Key>>>,
    /// Of what triggers were built from. The seed is this process's own: secrets are among it.
    digests: RandomState,
    hpas: Arc<Hpas>,
    /// The ScaledObjects as the watch has them, and the end that it writes to.
    objects: (Store<Kept>, parking_lot::Mutex<Option<Writer<Kept>>>),
}

impl Context {
    /// A context without any ScaledObject yet. `config` leads to the API server, as `client` does, through which nothing is
    /// written but during the ticker's term.
    pub fn new(
        config: kube::Config,
        client: Client,
        registry: Arc<Registry>,
        ticker: Ticker,
        brokers: Brokers,
        settings: Settings,
    ) -> Self {
        let (changed, rechecks) = Changed::new();
        let events = ticker.events.clone();
        let (reader, writer) = reflector::store();
        Self {
            objects: (reader, parking_lot::Mutex::new(Some(writer))),
            targets: ticker.targets.clone(),
            brokers,
            sources: Sources::new(client.clone(), &settings.references),
            referents: Referents::new(config, client.clone(), settings.references.file_root.clone(), changed.clone()),
            authentications: Authentications::new(
                client.clone(),
                events.clone(),
                Arc::clone(registry.metrics()),
                changed.clone(),
                settings.scope.clone(),
                Arc::clone(&ticker.term),
            ),
            term: Arc::clone(&ticker.term),
            rechecks: parking_lot::Mutex::new(Some(rechecks.boxed())),
            digests: RandomState::new(),
            hpas: Arc::default(),
            changed,
            client,
            registry,
            ticker: Arc::new(ticker),
            events,
            settings,
        }
    }
}

impl Context {
    /// The ScaledObjects that are served, as the API server has them.
    pub fn objects(&self) -> Store<Kept> {
        self.objects.0.clone()
    }

    /// What is known of the parameters that authentications give to the triggers of a namespace.
    pub fn given(&self) -> impl Fn(&AuthenticationRef, &str) -> Given + Send + Sync + 'static {
        let known = Arc::clone(&self.authentications);
        move |reference, namespace| {
            let spec = AuthKey::of(reference, namespace).and_then(|key| known.spec(&key));
            spec.map_or(Given::Anything, |spec| Given::by(&spec))
        }
    }
}

/// Runs the controller until `shutdown`. `client` is one without a time limit for answers; `recheck` names ScaledObjects
/// whose triggers cannot be read, so that what they refer to is read again. `warm` is set when every ScaledObject that was
/// there at the start has been checked once.
pub async fn run(
    context: Context,
    client: Client,
    recheck: mpsc::UnboundedReceiver<Key>,
    warm: Arc<AtomicBool>,
    shutdown: CancellationToken,
) {
    let Settings { scope, at_once, .. } = context.settings.clone();
    let (reader, Some(writer)) = (context.objects.0.clone(), context.objects.1.lock().take()) else { return };
    context.authentications.start(&client).await;
    let authentications = Arc::clone(&context.authentications);
    let records = Arc::clone(&context.registry);
    let mut news = News::default();
    let mut lists = Lists::new(Arc::clone(&context.registry), Arc::clone(&context.referents), warm);
    let stream = watching::watch(scope.apis::<ScaledObject>(&client), scope.objects.watch())
        .map_ok(move |event| {
            let listed = matches!(event, Event::InitApply(_));
            event.modify(|object| {
                // Neither is ever looked at, and both are larger than the rest.
                object.metadata.managed_fields = None;
                if let Some(annotations) = &mut object.metadata.annotations {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
                records.trim(object, listed);
            })
        })
        .inspect_ok(move |event| {
            lists.note(event);
            authentications.note_user(event);
        })
        // One that could not be packed would be a bug, and no reason to end the watch on all others.
        .filter_map(async |event| Kept::event(event.ok()?).inspect_err(|error| tracing::error!(%error)).ok().map(Ok))
        .reflect(writer)
        .try_filter(move |event| std::future::ready(news.is_in(event)))
        .touched_objects();
    let strayed = hpas::watch(
        Arc::clone(&context.hpas),
        Arc::clone(&context.registry),
        context.client.clone(),
        scope.apis(&client),
    );
    let recheck = futures::stream::unfold(recheck, |mut recheck| async {
        recheck.recv().await.map(|key| (ObjectRef::new(&key.name).within(&key.namespace), recheck))
    });
    let changed = context.rechecks.lock().take().unwrap_or_else(|| futures::stream::pending().boxed());
    let changed = changed.map(|key| ObjectRef::new(&key.name).within(&key.namespace));

    let context = Arc::new(context);
    let succession = tokio::spawn(succession::follow(Arc::clone(&context)));
    let statuses = tokio::spawn(Arc::clone(&context.registry).look_at_statuses(context.client.clone()));
    Controller::for_stream(stream, reader)
        .with_config(Config::default().concurrency(at_once))
        .reconcile_on(strayed)
        .reconcile_on(recheck)
        .reconcile_on(changed)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile, error_policy, context)
        // Failed passes have been told by then.
        .for_each(|_| std::future::ready(()))
        .await;
    succession.abort();
    statuses.abort();
}

async fn reconcile(kept: Arc<Kept>, context: Arc<Context>) -> Result<Action, Failure> {
    let scaled_object = kept.open()?;
    if scaled_object.metadata.deletion_timestamp.is_some() {
        context.release(&scaled_object).await?;
        return Ok(Action::await_change());
    }
    let (object, new) = context.registry.open(&scaled_object);
    object.metrics.set_triggers(scaled_object.spec.triggers.iter().map(|trigger| trigger.type_.as_str()));
    if new {
        context.ticker.start(&object);
    }
    // A panic in one pass must not end them all.
    let pass = AssertUnwindSafe(context.pass(&scaled_object, &object)).catch_unwind();
    let pass = tokio::time::timeout(PASS, pass).await.unwrap_or(Ok(Err(Failure::Slow)));
    object.set_checked();
    let failure = match pass.unwrap_or(Err(Failure::Panicked)) {
        Ok(next) => {
            object.memory.lock().failed_checks = 0;
            return Ok(Action::requeue(next));
        }
        Err(failure) => failure,
    };
    object.metrics.errors.inc();
    if failure.is_final() {
        context.tell_failure(&scaled_object, &object, &failure).await;
    }
    Err(failure)
}

/// The pause before the next pass after one that failed: longer each time, up to half a minute, or until something
/// changes where only that can help.
#[allow(clippy::needless_pass_by_value)]
fn error_policy(kept: Arc<Kept>, failure: &Failure, context: Arc<Context>) -> Action {
    let key = Key::of(&*kept);
    tracing::warn!(scaled_object = %key, error = %failure, "cannot serve the ScaledObject");
    let failed = context.registry.get(&key).map_or(0, |object| {
        let mut memory = object.memory.lock();
        memory.failed_checks = memory.failed_checks.saturating_add(1);
        memory.failed_checks
    });
    let pause = Duration::from_millis(500) * 2_u32.saturating_pow(failed.min(6));
    Action::requeue(pause.min(failure.longest_pause()))
}

impl Context {
    /// One check. Tells when the next is due if nothing changes.
    async fn pass(&self, scaled_object: &ScaledObject, object: &Arc<Object>) -> Result<Duration, Failure> {
        match pause::pause(scaled_object.metadata.annotations.as_ref()).map_err(Failure::annotation)? {
            Pause::At(replicas) => self.pause(scaled_object, object, replicas).await,
            Pause::No => self.serve(scaled_object, object).await,
        }
    }

    async fn serve(&self, scaled_object: &ScaledObject, object: &Arc<Object>) -> Result<Duration, Failure> {
        validate::name(scaled_object)?;
        if self.term.leads() {
            apply::mark(&self.client, scaled_object, true).await?;
        }
        self.note_pause(scaled_object, object, Policy::of(scaled_object).is_held(), None).await;
        let mut outline = self.outline(scaled_object).await;
        object.ledger.outline(outline.clone()).await;
        let rules = validate::check(scaled_object)?;

        let target = match self.known_target(scaled_object, object) {
            Some(target) => target,
            None => gather::target(scaled_object, &self.targets).await?,
        };
        outline.target = KindFound::Is(Arc::clone(target.kind.told()));
        outline.replicas = Some(target.replicas);
        self.note_target(scaled_object, object, outline).await;

        let (configs, next) = self.gather(scaled_object, object, &target).await;
        let configs = configs?;
        let scalers = build(&configs, &self.brokers.of(&object.key.namespace))?;
        let metrics: Vec<_> = scalers.iter().map(|scaler| scaler.metric()).collect();
        let asked_for = rules.modifiers.as_ref().map_or(metrics.clone(), |modifiers| vec![&modifiers.metric]);
        vpa::warn(&self.client, &self.events, scaled_object, object, &rules.resources).await;
        let wanted = hpa::build(scaled_object, &asked_for, &rules.resources);
        let applied = object.memory.lock().applied_hpa.as_ref().map(|applied| applied.name.clone());
        let mut next = next;
        if self.term.leads() {
            let wanted_hpa = Wanted { scaled_object, object, hpa: &wanted };
            let left = ensure_hpa::ensure(&self.client, (&self.hpas, &self.events), &wanted_hpa).await?;
            next = left.and_then(|left| left.to_std().ok()).map_or(next, |left| next.min(left));
            // Under another name it would scale the workload, too.
            self.delete_hpas(scaled_object, applied, Some(&wanted.name_any())).await?;
        }

        let served = Served {
            hpa_name: wanted.name_any(),
            metric_names: metrics.iter().map(|metric| metric.name.clone()).collect(),
            resource_names: resource::status_names(&rules.resources),
            composite: rules.modifiers.is_some(),
        };
        if self.settings.unexpected_parameters {
            self.tell_unexpected(scaled_object, object);
        }
        self.hand_over(scaled_object, object, target, rules, (&configs, scalers), served).await;
        Ok(next)
    }

    /// Names the keys that triggers do not know, once for each specification.
    fn tell_unexpected(&self, scaled_object: &ScaledObject, object: &Object) {
        if object.memory.lock().served.is_some_and(|served| Some(served) == scaled_object.metadata.generation) {
            return;
        }
        for (index, trigger) in scaled_object.spec.triggers.iter().enumerate() {
            let Some(kind) = ebb_scalers::kind(&trigger.type_) else { continue };
            for key in unexpected::keys(kind, &trigger.metadata) {
                // KEDA's words, and then where it is.
                let note = format!("Unmatched input property {key} in scaler ScaledObject");
                tracing::warn!(scaled_object = %object.key, trigger = index, r#type = trigger.type_, "{note}");
                let note = format!("{note}\ntrigger {index} ({}) does not read it", trigger.type_);
                self.events.emit(&object.reference(), Reason::ScalerInfo, note);
            }
        }
    }

    /// The target as the last check left it, where this one is only about what the triggers refer to.
    fn known_target(&self, scaled_object: &ScaledObject, object: &Object) -> Option<Target> {
        let told = self.changed.take(&object.key);
        let live = object.live()?;
        let memory = object.memory.lock();
        let (replicas, seen) = memory.replicas?;
        let served = memory.served.is_some() && memory.served == scaled_object.metadata.generation;
        let well = memory.failed_checks == 0 && memory.told_check.is_none();
        (told && served && well).then(|| Target { kind: live.target_kind.clone(), replicas, seen })
    }

    /// What the triggers are built from, and when that is due to be gathered again.
    async fn gather(
        &self,
        scaled_object: &ScaledObject,
        object: &Arc<Object>,
        target: &Target,
    ) -> (Result<Vec<TriggerConfig>, Failure>, Duration) {
        let gatherer = Gatherer {
            sources: &self.sources,
            authentications: &self.authentications,
            targets: &self.targets,
            cluster_namespace: &self.settings.references.cluster_namespace,
        };
        let doubted = !object.memory.lock().told.is_empty();
        let (configs, noted) = gatherer.triggers(scaled_object, target, doubted).await;
        self.referents.set(&object.key, &noted.read);
        if self.registry.get(&object.key).is_none_or(|present| !Arc::ptr_eq(&present, object)) {
            // It was deleted meanwhile.
            self.referents.forget(&object.key);
        }
        let renewal = noted.renew_in(Instant::now()).map_or(RECHECK, |renewal| renewal.max(RENEWAL));
        (configs.map_err(Failure::from), renewal.min(RECHECK))
    }

    /// Gives the checked ScaledObject to its poll loop, whose first tick writes the status.
    async fn hand_over(
        &self,
        scaled_object: &ScaledObject,
        object: &Arc<Object>,
        target: Target,
        rules: Rules,
        (configs, scalers): (&[TriggerConfig], Vec<Box<dyn Scaler>>),
        served: Served,
    ) {
        let before = object.live();
        let Rules { policy, fallback, modifiers, .. } = rules;
        let target_ref = scaled_object.spec.scale_target_ref.clone();
        let names = trigger_names(scaled_object);
        let digests: Vec<_> = configs.iter().zip(&names).map(|built_from| self.digests.hash_one(built_from)).collect();
        let modifiers = modifiers.map(Box::new);
        let same = before.as_ref().is_some_and(|before| {
            before.digests == digests
                && before.policy == policy
                && before.target == target_ref
                && before.fallback == fallback
                && before.modifiers == modifiers
        });
        let generation = scaled_object.metadata.generation;
        let was_failed = {
            let mut memory = object.memory.lock();
            memory.replicas = Some((target.replicas, target.seen));
            memory.served = generation;
            memory.told_check.take().is_some()
        };
        let metric_names = Arc::clone(&served.metric_names);
        let tell = |facts: &mut Facts| {
            facts.serve(served);
            facts.generation = generation;
            self.hpas.fill(&object.key, facts);
        };
        if same {
            object.ledger.report(&self.client, tell).await;
        } else {
            let triggers = self.triggers(scaled_object, object, (configs, &digests), scalers, before.as_deref());
            object.ledger.note(tell).await;
            object.memory.lock().told.clear();
            let kept = triggers.iter().filter(|trigger| was_there(before.as_deref(), trigger)).count();
            tracing::info!(scaled_object = %object.key, triggers = triggers.len(), kept, "built the triggers");
            object.set_live(Some(Live {
                policy,
                target_kind: target.kind,
                target: target_ref,
                fallback,
                modifiers,
                names,
                digests,
                triggers,
                metric_names,
            }));
        }
        self.announce(scaled_object, object, before.is_none(), was_failed);
    }

    fn triggers(
        &self,
        scaled_object: &ScaledObject,
        object: &Object,
        (configs, digests): (&[TriggerConfig], &[u64]),
        scalers: Vec<Box<dyn Scaler>>,
        before: Option<&Live>,
    ) -> Vec<Arc<Trigger>> {
        let mut failures_found = std::mem::take(&mut object.memory.lock().failures_found);
        let triggers = configs.iter().zip(digests).zip(scalers).map(|((config, digest), scaler)| {
            let spec = &scaled_object.spec.triggers[config.index];
            // One that is what it was keeps its connection and what it has read.
            let same = before.and_then(|before| {
                let place = before.digests.iter().position(|before| before == digest)?;
                before.triggers.get(place)
            });
            if let Some(same) = same {
                return Arc::clone(same);
            }
            let (kind, scaler_label) =
                ebb_scalers::kind(&config.kind).map_or(("", ""), |kind| (kind.name, kind.scaler_label));
            let name = spec.name.clone().filter(|name| !name.is_empty());
            let labels = TriggerLabels {
                scaled_object: object.key.clone(),
                metric: scaler.metric().name.clone(),
                named: name.is_some(),
                scaler: name.map_or(Cow::Borrowed(scaler_label), Cow::Owned),
                index: config.index,
                kind,
            };
            // Series that go on under the same labels keep their handle: a second one would end them when the first
            // is dropped.
            let kept = before
                .and_then(|before| before.triggers.iter().find(|trigger| *trigger.metrics().labels() == labels))
                .map(|trigger| Arc::clone(trigger.metrics()));
            let metrics = kept.unwrap_or_else(|| self.registry.metrics().trigger(labels));
            let failures = failures_found.remove(&scaler.metric().name).unwrap_or(0);
            Arc::new(Trigger::new(scaler, config.use_cached_metrics, metrics, failures))
        });
        triggers.collect()
    }

    fn announce(&self, scaled_object: &ScaledObject, object: &Object, started: bool, was_failed: bool) {
        let about = &object.reference();
        if started {
            let kinds: BTreeSet<_> = scaled_object.spec.triggers.iter().map(|trigger| trigger.type_.as_str()).collect();
            for kind in kinds {
                self.events.emit(about, Reason::ScalersStarted, format!("Scaler {kind} is built"));
            }
            self.events.emit(about, Reason::ScalersStarted, "Started scalers watch");
        }
        self.announce_ready(object, about, was_failed);
    }

    fn announce_ready(&self, object: &Object, about: &Arc<ObjectReference>, was_failed: bool) {
        let announced = std::mem::replace(&mut object.memory.lock().announced, true);
        if !announced || was_failed {
            self.events.emit(about, Reason::ScaledObjectReady, "ScaledObject is ready for scaling");
        }
    }

    /// Takes the HPA away, and sets the replicas if a count is given. The target is left alone otherwise.
    async fn pause(
        &self,
        scaled_object: &ScaledObject,
        object: &Arc<Object>,
        replicas: Option<i32>,
    ) -> Result<Duration, Failure> {
        if self.term.leads() {
            apply::mark(&self.client, scaled_object, false).await?;
        }
        let was_served = object.live().is_some();
        if was_served {
            object.set_live(None);
            self.events.emit(&object.reference(), Reason::ScalersStopped, "Stopped scalers watch");
        }
        self.changed.take(&object.key);
        self.referents.forget(&object.key);
        if self.term.leads() {
            self.delete_hpas(scaled_object, Some(hpa::name(scaled_object)), None).await?;
        }
        object.memory.lock().applied_hpa = None;
        self.note_pause(scaled_object, object, true, replicas).await;
        let mut outline = self.outline(scaled_object).await;
        object.ledger.outline(outline.clone()).await;
        if let Some(replicas) = replicas {
            let reference = &scaled_object.spec.scale_target_ref;
            let kind = self.targets.kind(reference).await?;
            let present = self.targets.scale(&kind, &object.key.namespace, &reference.name).await?;
            outline.replicas = Some(present.replicas);
            self.note_target(scaled_object, object, outline).await;
            if present.replicas != replicas && self.term.leads() {
                self.targets.set(&kind, &object.key.namespace, &reference.name, &present, replicas).await?;
            }
        }
        let was_failed = object.memory.lock().told_check.take().is_some();
        self.announce_ready(object, &object.reference(), was_failed);
        let generation = scaled_object.metadata.generation;
        object
            .ledger
            .report(&self.client, |facts| {
                facts.pause();
                facts.generation = generation;
            })
            .await;
        Ok(if was_served { SETTLED } else { RECHECK })
    }

    /// Notes whether scaling is paused, in both directions or in one, and at which count if the annotation says so. An event
    /// follows if that is new.
    async fn note_pause(&self, scaled_object: &ScaledObject, object: &Object, paused: bool, replicas: Option<i32>) {
        object.metrics.paused.set(f64::from(u8::from(paused)));
        let before = object.memory.lock().paused.replace(paused).unwrap_or_else(|| is_paused(scaled_object));
        match (before, paused) {
            (false, true) => {
                self.events.emit(&object.reference(), Reason::ScaledObjectPaused, "ScaledObject is paused");
            }
            (true, false) => {
                self.events.emit(&object.reference(), Reason::ScaledObjectUnpaused, "ScaledObject is unpaused");
            }
            _ => {}
        }
        object.ledger.note(|facts| (facts.paused, facts.paused_replicas) = (Some(paused), replicas)).await;
    }

    /// What is known of a ScaledObject before its target is read.
    async fn outline(&self, scaled_object: &ScaledObject) -> Outline {
        let target = match self.targets.kind(&scaled_object.spec.scale_target_ref).await {
            Ok(kind) => KindFound::Is(Arc::clone(kind.told())),
            Err(error) if error.is_about_kind() => KindFound::Absent,
            Err(_) => KindFound::Unknown,
        };
        let triggers = &scaled_object.spec.triggers;
        Outline {
            target,
            replicas: None,
            moved: false,
            triggers_types: each_once(triggers.iter().map(|trigger| trigger.type_.as_str())),
            authentications_types: each_once(
                triggers
                    .iter()
                    .filter_map(|trigger| trigger.authentication_ref.as_ref())
                    .map(|reference| reference.name.as_str()),
            ),
        }
    }

    /// Notes what was found of the target. Its count is written down before it is changed for the first time, where it
    /// is to be restored.
    async fn note_target(&self, scaled_object: &ScaledObject, object: &Object, mut outline: Outline) {
        let target = &scaled_object.spec.scale_target_ref;
        let which = self.digests.hash_one((target.api_version(), target.kind(), &target.name));
        let before = object.memory.lock().target.replace(which);
        let moved = before.is_some_and(|before| before != which);
        outline.moved = moved;
        object.ledger.outline(outline).await;
        let saved = scaled_object.status.as_ref().is_some_and(|status| status.original_replica_count.is_some());
        if moved || (!saved && scaled_object.spec.restores_original_replica_count()) {
            object.ledger.report(&self.client, |_| {}).await;
        }
    }

    /// What is left to do for a ScaledObject that is being deleted.
    async fn release(&self, scaled_object: &ScaledObject) -> Result<(), Failure> {
        let known = self.registry.close(&Key::of(scaled_object));
        let about = Arc::new(scaled_object.object_ref(&()));
        if known.is_some_and(|object| object.live().is_some()) {
            self.events.emit(&about, Reason::ScalersStopped, "Stopped scalers watch");
        }
        self.changed.take(&Key::of(scaled_object));
        self.referents.forget(&Key::of(scaled_object));
        let marked = scaled_object.finalizers().iter().any(|finalizer| finalizer == names::FINALIZER);
        if !marked || !self.term.leads() {
            return Ok(());
        }
        self.delete_hpas(scaled_object, Some(hpa::name(scaled_object)), None).await?;
        if scaled_object.spec.restores_original_replica_count() {
            self.restore(scaled_object).await?;
        }
        if apply::release(&self.client, scaled_object).await? {
            self.events.emit(&about, Reason::ScaledObjectDeleted, "ScaledObject was deleted");
        }
        Ok(())
    }

    /// `restoreToOriginalReplicaCount`. A target that has gone needs none.
    async fn restore(&self, scaled_object: &ScaledObject) -> Result<(), Failure> {
        let original = scaled_object.status.as_ref().and_then(|status| status.original_replica_count);
        let Some(original) = original else { return Ok(()) };
        let (reference, namespace) =
            (&scaled_object.spec.scale_target_ref, scaled_object.namespace().unwrap_or_default());
        let restored = async {
            let kind = self.targets.kind(reference).await?;
            let present = self.targets.scale(&kind, &namespace, &reference.name).await?;
            self.targets.set(&kind, &namespace, &reference.name, &present, original).await
        };
        match restored.await.map_err(Failure::from) {
            Err(failure) if failure.is_final() => {
                let key = Key::of(scaled_object);
                tracing::warn!(scaled_object = %key, error = %failure, original, "the replicas are not restored");
                Ok(())
            }
            other => other,
        }
    }

    /// Deletes the ScaledObject's HPAs but for `kept`: the one that its status tells of, those that are seen to belong to it,
    /// and the one of the name `also`.
    async fn delete_hpas(
        &self,
        scaled_object: &ScaledObject,
        also: Option<String>,
        kept: Option<&str>,
    ) -> Result<(), Failure> {
        let noted = scaled_object.status.as_ref().and_then(|status| status.hpa_name.clone());
        // Anybody may have written the status.
        let noted = noted.filter(|name| is_object_name(name));
        let seen = self.hpas.of(&Key::of(scaled_object));
        let names: BTreeSet<_> = noted.into_iter().chain(seen).chain(also).collect();
        for name in names.iter().filter(|name| Some(name.as_str()) != kept) {
            apply::delete_hpa(&self.client, scaled_object, name).await?;
        }
        Ok(())
    }

    /// Writes a failure into the status, and tells it in an event, once.
    async fn tell_failure(&self, scaled_object: &ScaledObject, object: &Object, failure: &Failure) {
        let message = failure.to_string();
        let told = object.memory.lock().told_check.replace(message.clone());
        if told.as_ref() != Some(&message) {
            if let Some(note) = failure.about_target() {
                self.events.emit(&object.reference(), failure.reason(), note);
            }
            self.events.emit(&object.reference(), failure.reason(), failure.note());
        }
        let generation = scaled_object.metadata.generation;
        object
            .ledger
            .report(&self.client, |facts| {
                facts.check = Check::Failed(message);
                facts.generation = generation;
                self.hpas.fill(&object.key, facts);
            })
            .await;
    }
}

/// Builds the scaler of every trigger; every trigger's errors together.
fn build(configs: &[TriggerConfig], brokers: &Brokers) -> Result<Vec<Box<dyn Scaler>>, Failure> {
    let (mut scalers, mut errors) = (Vec::with_capacity(configs.len()), Vec::<ConfigError>::new());
    for config in configs {
        match ebb_scalers::build(config, brokers) {
            Ok(scaler) => scalers.push(scaler),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(scalers) } else { Err(Failure::Triggers(errors)) }
}

fn was_there(before: Option<&Live>, trigger: &Arc<Trigger>) -> bool {
    before.is_some_and(|before| before.triggers.iter().any(|before| Arc::ptr_eq(before, trigger)))
}

/// Whether the status says so.
fn is_paused(scaled_object: &ScaledObject) -> bool {
    let condition = scaled_object.status.as_ref().and_then(|status| status.condition(Condition::PAUSED));
    condition.is_some_and(Condition::is_true)
}

fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once.join(",")
}

/// The names of the triggers that scalers are built for.
fn trigger_names(scaled_object: &ScaledObject) -> Vec<Option<String>> {
    let triggers = scaled_object.spec.triggers.iter().filter(|trigger| !resource::is_resource(trigger));
    triggers.map(|trigger| trigger.name.clone()).collect()
}
