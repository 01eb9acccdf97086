use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::ScaledObject;
use ebb_params::{MetricSpec, MetricType};
use serde_json::{Value, json};

use super::hpa::ControllerFlags;
use super::*;
use crate::trail::TriggerInfo;
use crate::validate;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn values(points: &[(u64, Option<f64>)]) -> TriggerSource {
    TriggerSource::Values(series(points))
}

fn series(points: &[(u64, Option<f64>)]) -> Series {
    Series::new(points.iter().map(|(seconds, value)| (at(*seconds), *value)).collect())
}

/// An hour of a ScaledObject with `spec`, whose triggers `a`, `b` and so on have a target of 10.
fn scenario(mut spec: Value, annotations: &Value, sources: Vec<TriggerSource>) -> Scenario {
    let names = ["a", "b", "c"];
    let triggers = |index: usize| json!({"type": "rabbitmq", "name": names[index], "metadata": {}});
    spec["scaleTargetRef"] = json!({"name": "app"});
    spec["triggers"] = (0..sources.len()).map(triggers).collect();
    let object: ScaledObject = serde_json::from_value(json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": spec,
        "metadata": {"name": "app", "namespace": "default", "annotations": annotations},
    }))
    .unwrap();
    let triggers = sources.into_iter().enumerate().map(|(index, source)| SimulatedTrigger {
        info: TriggerInfo {
            index,
            name: Some(names[index].into()),
            kind: "rabbitmq",
            metric: MetricSpec {
                name: format!("s{index}"),
                target: 10.0,
                activation: 0.0,
                metric_type: MetricType::AverageValue,
            },
        },
        is_cached: false,
        notices_changes: false,
        source,
    });
    Scenario {
        rules: validate::check(&object, crate::catalog::of_tests).unwrap(),
        triggers: triggers.collect(),
        object,
        start: start(),
        length: at(3600),
        step: at(60),
        replicas: None,
        start_up: Duration::ZERO,
        controller: ControllerFlags::default(),
        first_look: None,
    }
}

/// The times and counts of all changes, with their actors.
fn changes(run: &Run) -> Vec<(u64, i32, &'static str)> {
    run.decisions.iter().map(|decision| (decision.t.as_secs(), decision.to, decision.reason)).collect()
}

#[test]
fn from_zero_up_and_back_after_the_cooldown() {
    let load = values(&[(0, Some(0.0)), (600, Some(40.0)), (900, Some(0.0))]);
    let run = run(&scenario(json!({"cooldownPeriod": 60}), &json!({}), vec![load]), "so.yaml");
    // A poll at 600 s finds the messages, the HPA's look at 607 s asks for four. At 900 s a poll finds nothing, after
    // the HPA has seen activity last at 892 s.
    assert_eq!(changes(&run), [(600, 1, "Activated"), (607, 4, "MetricsAboveTarget"), (952, 0, "Deactivated")]);
    let Summary { replica_hours, peak, seconds_at_zero, scalings, reversals, .. } = run.summary;
    assert_eq!((peak, scalings, reversals), (4, 3, 1));
    assert!((replica_hours - (7.5 + 4.0 * 345.0) / 3600.0).abs() < 1e-6, "{replica_hours}");
    assert!((seconds_at_zero - (3600.0 - 352.5)).abs() < 1e-6, "{seconds_at_zero}");
    assert_eq!((run.points.len(), run.points[11].replicas, run.points[11].values[0]), (61, 4, Some(40.0)));
    assert!(
        run.decisions[1].message.contains("trigger a (rabbitmq) asks for 4 replicas: its value is 40, its target 10"),
        "{run:#?}"
    );
}

#[test]
fn a_source_that_notices_changes_wakes_an_idle_workload() {
    let load = values(&[(0, Some(0.0)), (610, Some(5.0))]);
    let mut scenario = scenario(json!({}), &json!({}), vec![load]);
    assert_eq!(changes(&run(&scenario, ""))[0], (630, 1, "Activated"));
    scenario.triggers[0].notices_changes = true;
    assert_eq!(changes(&run(&scenario, ""))[0], (610, 1, "Activated"));
}

#[test]
fn an_unreadable_trigger_keeps_replicas_and_falls_back() {
    let gap = || values(&[(0, Some(30.0)), (600, None), (3000, Some(0.0))]);
    let plain = run(&scenario(json!({"cooldownPeriod": 30}), &json!({}), vec![gap()]), "");
    assert_eq!(changes(&plain), [(0, 1, "Activated"), (7, 3, "MetricsAboveTarget"), (3000, 0, "Deactivated")]);
    assert_eq!(plain.points[20].values, [None]);
    let fallback = json!({"cooldownPeriod": 30, "fallback": {"failureThreshold": 2, "replicas": 8}});
    let run = run(&scenario(fallback, &json!({}), vec![gap()]), "");
    // The third failed poll is that of 660 s. The HPA goes up at once, twice as far at most.
    assert_eq!(changes(&run)[2..4], [(667, 6, "MetricsAboveTarget"), (682, 8, "MetricsAboveTarget")]);
}

#[test]
fn a_formula_decides_for_all_triggers() {
    let modifiers = json!({"scalingModifiers": {"formula": "a + b", "target": "10", "activationTarget": "25"}});
    let (a, b) = (values(&[(0, Some(20.0))]), values(&[(0, Some(0.0)), (600, Some(10.0))]));
    let run = run(&scenario(json!({"advanced": modifiers}), &json!({}), vec![a, b]), "");
    assert_eq!(changes(&run), [(600, 1, "Activated"), (607, 3, "MetricsAboveTarget")]);
    assert!(run.decisions[1].message.starts_with("the formula's value is 30"), "{}", run.decisions[1].message);
}

#[test]
fn a_schedule_acts_at_its_edges() {
    let window = TriggerSource::Schedule(series(&[(0, Some(0.0)), (617, Some(50.0)), (1217, Some(0.0))]));
    let run = run(&scenario(json!({"cooldownPeriod": 100}), &json!({}), vec![window]), "");
    assert_eq!(changes(&run)[0], (617, 1, "Activated"));
    // The last activity was seen by the HPA's look at 1207 s; the edge itself ends it.
    assert_eq!(changes(&run).last(), Some(&(1307, 0, "Deactivated")));
    let open: Vec<_> = run.windows.iter().map(|window| (window.trigger, window.from, window.to)).collect();
    assert_eq!(open, [(0, at(617), at(1217))]);
}

#[test]
fn annotations_pause_all_or_a_direction() {
    let load = || vec![values(&[(0, Some(0.0)), (600, Some(40.0)), (900, Some(0.0))])];
    let spec = || json!({"cooldownPeriod": 60});
    let of = |name: &str, value: &str| {
        let annotations = json!({format!("autoscaling.keda.sh/{name}"): value});
        run(&Scenario { replicas: Some(2), ..scenario(spec(), &annotations, load()) }, "")
    };
    assert_eq!(changes(&of("paused", "true")), []);
    assert_eq!(changes(&of("paused-replicas", "7")), [(0, 7, "Paused")]);
    assert!(of("paused-scale-in", "true").decisions.iter().all(|change| change.to > change.from));
    assert!(of("paused-scale-out", "true").decisions.iter().all(|change| change.to < change.from));
    assert_eq!(
        changes(&of("force-activation", "true")),
        [(307, 1, "MetricsBelowTarget"), (607, 4, "MetricsAboveTarget"), (1192, 1, "MetricsBelowTarget")]
    );
}

#[test]
fn idle_and_initial_cooldown_are_honoured() {
    let load = || vec![values(&[(0, Some(0.0)), (600, Some(90.0)), (700, Some(0.0))])];
    let spec = json!({"minReplicaCount": 3, "idleReplicaCount": 0, "cooldownPeriod": 60, "initialCooldownPeriod": 200});
    let run = run(&Scenario { replicas: Some(3), ..scenario(spec, &json!({}), load()) }, "");
    assert_eq!(changes(&run)[..3], [(200, 0, "Deactivated"), (600, 3, "Activated"), (607, 6, "MetricsAboveTarget")]);
    assert_eq!((run.min, run.decisions.last().unwrap().to), (0, 0));
}

#[test]
fn in_a_closed_loop_the_backlog_follows_from_the_replicas() {
    // Ten messages a second for ten minutes. A replica works off one a second and needs a minute to start.
    let arrivals = series(&[(0, Some(0.0)), (600, Some(10.0)), (1200, Some(0.0))]);
    let mut scenario =
        scenario(json!({"maxReplicaCount": 40}), &json!({}), vec![TriggerSource::Queue { arrivals, rate: 1.0 }]);
    scenario.start_up = at(60);
    let slow = run(&scenario, "");
    let (backlog, wait) = (slow.summary.longest_backlog.unwrap(), slow.summary.longest_wait_seconds.unwrap());
    assert_eq!(slow.summary.peak, 40, "the backlog asks for more than what arrives");
    assert!(backlog > 600.0 && wait > 60.0, "{backlog} {wait}");
    assert_eq!(slow.points.last().unwrap().replicas, 0, "all is worked off: {slow:#?}");
    scenario.start_up = Duration::ZERO;
    let quick = run(&scenario, "").summary;
    assert!(quick.longest_backlog.unwrap() < backlog && quick.longest_wait_seconds.unwrap() < wait);
}

#[test]
fn a_cached_metric_is_the_last_polls() {
    let load = values(&[(0, Some(10.0)), (31, Some(80.0))]);
    let mut scenario = scenario(json!({"pollingInterval": 300}), &json!({}), vec![load]);
    assert_eq!(changes(&run(&scenario, ""))[1], (37, 4, "MetricsAboveTarget"));
    scenario.triggers[0].is_cached = true;
    assert_eq!(changes(&run(&scenario, ""))[1], (307, 4, "MetricsAboveTarget"));
}

#[test]
fn the_json_is_what_reports_read() {
    let load = values(&[(0, Some(0.0)), (600, Some(40.0))]);
    let scenario = scenario(json!({}), &json!({}), vec![load]);
    let simulation = Simulation::new(start(), scenario.step, scenario.length, vec![run(&scenario, "so.yaml")]);
    let value = serde_json::to_value(&simulation).unwrap();
    assert_eq!(
        (&value["kind"], &value["step"], &value["start"]),
        (&json!("Simulation"), &json!(60), &json!("2027-01-15T08:00:00Z"))
    );
    let run = &value["runs"][0];
    assert_eq!(
        run["triggers"][0],
        json!({"index": 0, "type": "rabbitmq", "name": "a", "metric": "s0", "target": 10, "activation": 0})
    );
    assert_eq!(run["points"][20], json!({"t": 1200, "replicas": 4, "wanted": 4, "values": [40]}));
    assert_eq!((&run["decisions"][1]["by"], &run["decisions"][1]["t"]), (&json!("HPA"), &json!(607.5)));
    assert!(run["summary"]["price"].is_null() && run["summary"]["replicaHours"].as_f64() > Some(3.0), "{run}");
}
