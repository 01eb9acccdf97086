//! The recordings of the real HPA controller (`make recordings`) against the simulation.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ebb_crds::ScaledObject;
use ebb_params::{MetricSpec, MetricType};
use serde::Deserialize;
use serde_json::{Value, json};

use super::hpa::ControllerFlags;
use super::*;
use crate::trail::TriggerInfo;
use crate::validate;

/// A recorded number: seconds since the start, and the value from then on.
type Changes<T> = Vec<(f64, T)>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recording {
    name: String,
    spec: Value,
    target: f64,
    metric_types: Vec<String>,
    length: u64,
    values: Vec<Changes<Option<f64>>>,
    replicas: Changes<i32>,
    /// The count that the HPA's status asks for. It changes when the controller looks.
    desired: Changes<i32>,
}

fn recordings() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

impl Recording {
    /// The times of the real controller's possible first looks: the status was read once a second, so that a look was
    /// up to a second before. The times of the looks decide which load they see, and which changes a tolerance hides.
    fn first_looks(&self) -> Vec<Option<Duration>> {
        let Some((seen, _)) = self.desired.get(1) else { return vec![None] };
        let period = ControllerFlags::default().sync_period.as_secs_f64();
        [0.0, 0.5, 1.0].map(|before| Some(Duration::from_secs_f64((seen - before) % period))).into()
    }

    fn scenario(&self, first_look: Option<Duration>) -> Scenario {
        let mut spec = self.spec.clone();
        spec["scaleTargetRef"] = json!({"name": "my-app"});
        let trigger = |metric_type| json!({"type": "rabbitmq", "metricType": metric_type, "metadata": {}});
        spec["triggers"] = self.metric_types.iter().map(trigger).collect();
        let object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "my-app"}, "spec": spec});
        let object: ScaledObject = serde_json::from_value(object).unwrap();
        let triggers = self.values.iter().zip(&self.metric_types).enumerate().map(|(index, (values, metric_type))| {
            let points = values.iter().map(|(at, value)| (Duration::from_secs_f64(*at), *value)).collect();
            let metric_type = if metric_type == "Value" { MetricType::Value } else { MetricType::AverageValue };
            SimulatedTrigger {
                info: TriggerInfo {
                    index,
                    name: None,
                    kind: "rabbitmq",
                    metric: MetricSpec { name: format!("s{index}"), target: self.target, activation: 0.0, metric_type },
                },
                is_cached: false,
                notices_changes: true,
                source: TriggerSource::Values(Series::new(points)),
            }
        });
        Scenario {
            rules: validate::check(&object, crate::catalog::of_tests).unwrap(),
            triggers: triggers.collect(),
            object,
            start: chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            length: Duration::from_secs(self.length),
            step: Duration::from_secs(5),
            replicas: Some(self.replicas[0].1),
            start_up: Duration::ZERO,
            controller: ControllerFlags::default(),
            first_look,
        }
    }
}

/// The counts that there were between two times.
fn between(changes: &Changes<i32>, from: f64, to: f64) -> impl Iterator<Item = i32> {
    let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([f64::INFINITY]);
    let spans = changes.iter().zip(ends).filter(move |((at, _), end)| *at <= to && *end >= from);
    spans.map(|((_, count), _)| *count)
}

/// The first difference between a run and a recording. The real controller's looks drift, and the phase of the polls
/// was not recorded. At each second the test therefore accepts a count that differs by at most one from a count within
/// a period of it. It leaves the last period out: the recording ends there.
fn difference(recording: &Recording, run: &Run) -> Option<String> {
    let period = ControllerFlags::default().sync_period;
    let first = (0.0, recording.replicas[0].1);
    let changes = run.decisions.iter().map(|decision| (decision.t.as_secs_f64(), decision.to));
    let (simulated, real): (Changes<i32>, _) = (std::iter::once(first).chain(changes).collect(), &recording.replicas);
    let off = |one: &Changes<i32>, other: &Changes<i32>, second: u64| {
        #[allow(clippy::cast_precision_loss)]
        let (now, period) = (second as f64, period.as_secs_f64());
        let count = between(one, now, now).last().unwrap();
        let nearest = between(other, now - period, now + period).map(|near| (near - count).abs()).min().unwrap();
        (nearest > 1).then_some((second, count))
    };
    let seen = 0..recording.length - period.as_secs();
    let found = seen.into_iter().find_map(|second| off(&simulated, real, second).or(off(real, &simulated, second)));
    let (second, count) = found?;
    Some(format!("{}: {count} at {second} s: simulated {simulated:?}, real {real:?}", recording.name))
}

#[test]
fn the_simulation_is_within_a_replica_and_a_period_of_the_real_controller() {
    let all = recordings();
    assert!(all.len() >= 10, "{} recordings", all.len());
    let of = |recording: &Recording| {
        let looks = recording.first_looks().into_iter();
        let runs = looks.map(|look| difference(recording, &run(&recording.scenario(look), &recording.name)));
        runs.collect::<Option<Vec<_>>>()?.pop()
    };
    let wrong: Vec<_> = all.iter().filter_map(of).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A model that does something else is found out.
#[test]
fn another_tolerance_or_window_is_not_what_was_recorded() {
    let all = recordings();
    let is_off = |name: &str, change: &dyn Fn(&mut ControllerFlags)| {
        let recording = all.iter().find(|recording| recording.name == name).unwrap();
        recording.first_looks().into_iter().all(|look| {
            let mut scenario = recording.scenario(look);
            change(&mut scenario.controller);
            difference(recording, &run(&scenario, name)).is_some()
        })
    };
    assert!(is_off("tolerance", &|flags| flags.tolerance = 0.01));
    assert!(is_off("down-stabilized", &|flags| flags.downscale_stabilization = Duration::from_mins(2)));
    assert!(is_off("burst-to-max", &|flags| flags.sync_period = Duration::from_mins(1)));
}
