//! The most frequent operations, without brokers and without the API server: the decision of one tick, the status that
//! follows from it, a formula of scaling modifiers, a cron window, and the answer to one question of the HPA. Besides:
//! ten days of `ebb simulate`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use chrono::{DateTime, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use ebb::admission::{self, Admission};
use ebb::kube_api::scale::Targets;
use ebb::kube_api::scope::Scope;
use ebb::leader::Leadership;
use ebb::metrics_api::{MetricSource as _, Quantity};
use ebb::review::AuthParams;
use ebb::store::registry::Registry;
use ebb::store::watched_object::WatchedObject;
use ebb_crds::{ScaledObject, ScaledObjectStatus};
use ebb_plan::activation::{self, Activity, Observation};
use ebb_plan::formula::Formula;
use ebb_plan::policy::Policy;
use ebb_plan::simulate::hpa::ControllerFlags;
use ebb_plan::simulate::{self, Scenario, Series, SimulatedTrigger, TriggerSource};
use ebb_plan::status::{self, Check, Facts, Served, Tick};
use ebb_plan::trail::{TickView, Trail, TriggerInfo, TriggerState};
use ebb_plan::validate;
use ebb_scalers::cron::window::Window;
use ebb_scalers::pool::ClientPools;
use ebb_scalers::{MetricSpec, MetricType};
use tower::ServiceExt as _;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
}

fn policy() -> Policy {
    Policy {
        min: 0,
        max: 50,
        idle: None,
        polling_interval: Duration::from_secs(30),
        cooldown: Duration::from_mins(5),
        initial_cooldown: Duration::ZERO,
        created: at(0),
        always_active: None,
        scale_in_paused: false,
        scale_out_paused: false,
        activate_to: None,
        scale_up_limit: None,
    }
}

fn decision(c: &mut Criterion) {
    let policy = policy();
    let observation = Observation {
        replicas: 5,
        active: 0,
        failed: 0,
        fallback: None,
        wanted: 0,
        last_active: Some(at(100)),
        now: at(200),
    };
    c.bench_function("one tick's decision", |b| {
        b.iter(|| activation::decide(black_box(&policy), black_box(&observation)));
    });
}

fn status_of_a_tick(c: &mut Criterion) {
    let metric_names: Arc<[String]> = Arc::new(["s0-rabbitmq-jobs".to_owned()]);
    let facts = Facts {
        generation: Some(1),
        check: Check::Served,
        served: Some(Served {
            generation: Some(1),
            target: "apps/v1.Deployment shop/app".into(),
            kinds: Arc::new(["rabbitmq".to_owned()]),
            unknown_parameters: Box::default(),
            hpa_name: "keda-hpa-app".into(),
            metric_names: Arc::clone(&metric_names),
            resource_names: Vec::new(),
            composite: false,
        }),
        tick: Some(Tick {
            activity: Activity::Active,
            forced: false,
            metric_names,
            active: [true].into(),
            errors: Vec::new(),
            formula_error: None,
            composed: false,
            fallback: None,
            target_error: None,
            build: 0,
        }),
        last_active: Some(at(0)),
        paused: Some(false),
        ..Facts::default()
    };
    let written = status::status(&ScaledObjectStatus::default(), &facts, at(0));
    c.bench_function("one tick's status, unchanged", |b| {
        b.iter(|| status::status(black_box(&written), black_box(&facts), at(30)) == written);
    });
}

fn formula(c: &mut Criterion) {
    let text = "count([kafka, queue, office], {# > 1}) > 1 ? max(kafka, queue ?? 0) / 2 : office";
    let names = ["kafka", "queue", "office"];
    let Ok(formula) = Formula::parse(text, &names) else { return };
    c.bench_function("one formula, read and checked", |b| b.iter(|| Formula::parse(black_box(text), &names)));
    c.bench_function("one formula, evaluated", |b| b.iter(|| formula.evaluate(|_| Some(black_box(2.5)))));
}

fn cron_window(c: &mut Criterion) {
    let Ok(window) = Window::parse("Europe/London", "0 8 * * 1-5", "0 18 * * 1-5") else { return };
    c.bench_function("one cron window, read", |b| {
        b.iter(|| Window::parse("Europe/London", black_box("0 8 * * 1-5"), "0 18 * * 1-5").is_ok());
    });
    c.bench_function("one cron window, its next start", |b| b.iter(|| window.next_start(black_box(at(0)))));
    c.bench_function("one cron window, its next edge", |b| b.iter(|| window.next_edge(black_box(at(0)))));
    let Ok(never) = Window::parse("UTC", "0 0 31 2,4,6,9,11 *", "0 18 * * 1-5") else { return };
    c.bench_function("one cron window that never opens", |b| b.iter(|| never.next_edge(black_box(at(0)))));
}

fn metric_answer(c: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return };
    let Ok(metrics) = ebb::telemetry::metrics::Metrics::new(false, Leadership::always()) else { return };
    // Nobody is asked there: only a fallback needs to know how many replicas there are.
    let nowhere = kube::Config::new(http::Uri::from_static("http://127.0.0.1:1"));
    let Ok(client) = runtime.block_on(async { kube::Client::try_from(nowhere) }) else { return };
    let _entered = runtime.enter();
    let events = ebb::store::event_sender::Events::start(client.clone(), tokio_util::sync::CancellationToken::new());
    let registry = Registry::new(Arc::clone(&metrics), Targets::new(client), events, Leadership::always(), 4096);
    bench_support::serve_cron(&registry, &metrics);
    c.bench_function("one metric answer", |b| {
        b.to_async(&runtime).iter(|| async {
            let answer = registry.value("default", "app", bench_support::METRIC).await;
            answer.ok().and_then(|answer| Quantity::try_from(answer.value).ok()).map(|quantity| quantity.to_string())
        });
    });
}

mod bench_support {
    use super::{Arc, Policy, Registry, ScaledObject};
    use ebb::kube_api::key::Key;
    use ebb::kube_api::scale::Kind;
    use ebb::store::record::Serving;
    use ebb::store::trigger::Trigger;
    use ebb::telemetry::metrics::{Metrics, TriggerLabels};
    use ebb_scalers::TriggerConfig;
    use ebb_scalers::pool::ClientPools;

    pub(super) const METRIC: &str = "s0-cron-Europe-London-08xx1-5-018xx1-5";

    /// Puts a ScaledObject with one cron trigger into the registry, as the controller does.
    pub(super) fn serve_cron(registry: &Registry, metrics: &Arc<Metrics>) {
        let object: ScaledObject = serde_json::from_value(serde_json::json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": "app", "namespace": "default", "uid": "u"},
            "spec": {"scaleTargetRef": {"name": "app"}, "triggers": []},
        }))
        .unwrap_or_else(|_| ScaledObject::new("app", ebb_crds::ScaledObjectSpec::default()));
        let config = TriggerConfig {
            kind: "cron".into(),
            metadata: [
                ("timezone", "Europe/London"),
                ("start", "0 8 * * 1-5"),
                ("end", "0 18 * * 1-5"),
                ("desiredReplicas", "5"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            ..TriggerConfig::default()
        };
        let Ok(scaler) = ebb_scalers::build(&config, &ClientPools::default()) else { return };
        let labels = TriggerLabels {
            scaled_object: Key::new("default", "app"),
            metric: METRIC.into(),
            scaler: "cronScaler".into(),
            named: false,
            index: 0,
            kind: "cron",
        };
        let trigger = Trigger::new(scaler, false, metrics.trigger(labels), 0);
        registry.open(&object).0.serve(Some(Serving {
            build: 0,
            observed: false,
            policy: Policy::of(&object),
            target_kind: Kind::deployment(),
            target: object.spec.scale_target_ref.clone(),
            fallback: None,
            modifiers: None,
            names: vec![None],
            digests: vec![0],
            triggers: vec![Arc::new(trigger)],
            metric_names: Arc::new([METRIC.to_owned()]),
            trigger_infos: Arc::new([]),
        }));
    }
}

/// One ScaledObject of a namespace, with a trigger whose host is not known.
fn scaled_object(number: usize) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": format!("app-{number}"), "namespace": "shop"},
        "spec": {"scaleTargetRef": {"name": format!("app-{number}")}, "triggers": [{"type": "rabbitmq", "metadata": {
            "queueName": "jobs", "hostFromEnv": "RABBITMQ_URL", "mode": "QueueLength", "value": "5",
        }}]},
    })
}

fn review(c: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return };
    let Ok(metrics) = ebb::telemetry::metrics::Metrics::new(false, Leadership::always()) else { return };
    // Nobody is asked there: only cpu and memory need to know the target.
    let nowhere = kube::Config::new(http::Uri::from_static("http://127.0.0.1:1"));
    let Ok(client) = runtime.block_on(async { kube::Client::try_from(nowhere) }) else { return };
    let (objects, mut writer) = kube::runtime::reflector::store();
    for object in (0..5_000).map(scaled_object).map(serde_json::from_value::<ScaledObject>) {
        let Ok(Ok(object)) = object.map(|object| WatchedObject::new(&object, None)) else { return };
        writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(object));
    }
    let admission = Admission {
        objects,
        foreign: Arc::default(),
        given: Box::new(|_, _| AuthParams::Anything),
        users: Box::new(|_, _| Vec::new()),
        targets: ebb::kube_api::scale::Targets::new(client.clone()),
        client,
        brokers: ClientPools::default(),
        scope: Scope::default(),
        strict: false,
        metrics,
        counted: parking_lot::Mutex::default(),
    };
    let router = admission::router(Arc::new(admission), Duration::from_secs(10));
    let question = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "1", "operation": "CREATE", "namespace": "shop", "object": scaled_object(5_000)},
    });
    let body = question.to_string();
    c.bench_function("one review at admission among 5,000 ScaledObjects", |b| {
        b.to_async(&runtime).iter(|| async {
            let request = http::Request::post("/validate-keda-sh-v1alpha1-scaledobject").body(Body::from(body.clone()));
            match request {
                Ok(request) => router.clone().oneshot(request).await.is_ok_and(|answer| answer.status().is_success()),
                Err(_) => false,
            }
        });
    });
}

/// A tick of a busy workload: its reading differs from the last one, and the replicas stay.
fn trail(c: &mut Criterion) {
    let metric = MetricSpec {
        name: "s0-rabbitmq-jobs".to_owned(),
        target: 5.0,
        activation: 0.0,
        metric_type: MetricType::AverageValue,
    };
    let triggers: Arc<[_]> = Arc::new([TriggerInfo { index: 0, name: None, kind: "rabbitmq", metric }]);
    let policy = policy();
    let (mut trail, mut second) = (Trail::default(), 0);
    c.bench_function("one tick in the trail of decisions", |b| {
        b.iter(|| {
            second += 5;
            let value = Some(f64::from(u8::try_from(second % 50).unwrap_or_default()));
            let view = TickView {
                at: at(second),
                triggers: &triggers,
                states: Box::new([TriggerState { value, active: true }]),
                error: None,
                formula: None,
                formula_failed: false,
                target_error: None,
                falls_back: false,
                decision: activation::Decision { activity: Activity::Active, scale: None, cooldown_ends: None },
                replicas: Some(3),
                is_read: false,
                policy: &policy,
                leads: true,
                would_be: None,
            };
            trail.on_tick(black_box(&view), 4096);
        });
    });
}

/// Ten days of a queue with another length each minute.
fn simulation(c: &mut Criterion) {
    let object = serde_json::from_value::<ScaledObject>(serde_json::json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "app", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"name": "app"}, "maxReplicaCount": 50, "triggers": [{"type": "rabbitmq", "metadata": {}}]},
    }));
    let Ok(object) = object else { return };
    let Ok(rules) = validate::check(&object, ebb_scalers::declaration) else { return };
    let minutes = (0..14_400_u32).map(|minute| (Duration::from_secs(u64::from(minute) * 60), minute * 7919 % 400));
    let values = minutes.map(|(at, value)| (at, Some(f64::from(value)))).collect();
    let trigger = SimulatedTrigger {
        info: TriggerInfo {
            index: 0,
            name: None,
            kind: "rabbitmq",
            metric: MetricSpec {
                name: "s0".to_owned(),
                target: 10.0,
                activation: 0.0,
                metric_type: MetricType::AverageValue,
            },
        },
        is_cached: false,
        notices_changes: true,
        source: TriggerSource::Values(Series::new(values)),
    };
    let scenario = Scenario {
        object,
        rules,
        triggers: vec![trigger],
        start: at(0),
        length: Duration::from_hours(240),
        step: Duration::from_mins(10),
        replicas: None,
        start_up: Duration::ZERO,
        controller: ControllerFlags::default(),
        first_look: None,
    };
    c.bench_function("ten days of a simulation", |b| b.iter(|| simulate::run(black_box(&scenario), "so.yaml")));
}

criterion_group!(benches, decision, status_of_a_tick, formula, cron_window, metric_answer, review, trail, simulation);
criterion_main!(benches);
