//! A simulation under what a ScaledObject has read: for the what-if panel of `ebb ui`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Parser as _;
use ebb_plan::simulate::{self, Simulation};
use serde::Serialize;

use super::SimulateError;
use super::input::{self, Load, Subject};
use super::trace::{Column, Trace};
use crate::cli::args::Simulate;
use crate::cli::check::Reviewed;

/// The points of a result, about: more than a chart has room for would be sent in vain.
const POINTS: u64 = 720;

/// What the triggers of a ScaledObject have read, and its replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The time of the first reading.
    pub start: DateTime<Utc>,
    /// From the first reading to the last.
    pub length: Duration,
    /// The replicas at the start, if they are known.
    pub replicas: Option<i32>,
    /// The triggers that have been read.
    pub triggers: Vec<ReadTrigger>,
}

/// A trigger that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadTrigger {
    /// Its own name.
    pub name: Option<String>,
    /// Its metric's name.
    pub metric: String,
    /// The values, since the start. None: it could not be read.
    pub points: Vec<(Duration, Option<f64>)>,
}

/// The answer to a what-if question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhatIf {
    /// The simulation of the edited ScaledObject.
    pub simulation: Simulation,
    /// The warnings of `ebb check`, and what the simulation leaves out or assumes: one or more lines each.
    pub notes: Vec<String>,
}

/// The flags of `ebb simulate`, for their defaults.
#[derive(Debug, clap::Parser)]
struct Flags {
    #[command(flatten)]
    simulate: Simulate,
}

/// Simulates the ScaledObject of a manifest under a history. Errors and notes call the manifest `file`.
///
/// # Errors
/// The manifest is not valid, or it has a trigger that has not been read.
pub fn under(manifest: &str, file: &str, history: &History) -> Result<WhatIf, SimulateError> {
    let flags = Flags::try_parse_from(["simulate", "-", "--width=100"])
        .map_err(|error| SimulateError::Input(error.to_string()))?;
    let question = Simulate { replicas: history.replicas, ..flags.simulate };
    let reviewed = Reviewed::of_text(file, manifest);
    let subject = Subject::of(file.to_owned(), None, &reviewed)?;
    let mut notes: Vec<_> =
        Some(reviewed.warnings().trim_end().to_owned()).filter(|text| !text.is_empty()).into_iter().collect();
    notes.extend(subject.left_out_in_words());
    let mut columns = Vec::new();
    for (metric, names) in subject.read_triggers() {
        let found = history.find(&metric, &names);
        let found = found.ok_or_else(|| SimulateError::Input(unread(file, &metric, &history.triggers)))?;
        if placeless(&found.metric) != placeless(&metric) {
            notes.push(format!(
                "{file}: {metric} takes the readings of {}: their triggers have the same name",
                found.metric
            ));
        }
        columns.push(Column { name: metric, points: found.points.clone() });
    }
    let trace = Trace { start: Some(history.start), length: history.length, columns };
    let load = Load {
        trace: Some(("the readings".to_owned(), trace)),
        start: history.start,
        length: history.length,
        step: Duration::from_secs(history.length.as_secs().div_ceil(POINTS).max(1)),
    };
    let scenarios = input::scenarios(&[subject], &load, &question)?;
    let runs = scenarios.iter().map(|scenario| simulate::run(scenario, "edited")).collect();
    Ok(WhatIf { simulation: Simulation::new(load.start, load.step, load.length, runs), notes })
}

impl History {
    /// The history of a trigger with this metric and these names: by its own name, or by its metric wherever it stands.
    fn find(&self, metric: &str, names: &[String]) -> Option<&ReadTrigger> {
        let of_name = |one: &&ReadTrigger| one.name.as_ref().is_some_and(|name| names.contains(name));
        let same_name = self.triggers.iter().find(of_name).filter(|one| kind_of(&one.metric) == kind_of(metric));
        // An edited target leaves the metric as it is; another queue is another metric, and has no readings.
        same_name.or_else(|| self.triggers.iter().find(|one| placeless(&one.metric) == placeless(metric)))
    }
}

/// A metric's name without the place of its trigger: `rabbitmq-orders` of `s0-rabbitmq-orders`.
fn placeless(metric: &str) -> &str {
    metric.split_once('-').map_or(metric, |(_, rest)| rest)
}

/// The part of a metric's name that says what kind it is of: `rabbitmq` of `s0-rabbitmq-orders`.
fn kind_of(metric: &str) -> &str {
    metric.split('-').nth(1).unwrap_or_default()
}

fn unread(file: &str, metric: &str, all: &[ReadTrigger]) -> String {
    let known: Vec<_> = all.iter().map(|one| one.metric.as_str()).collect();
    let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
    format!("{file}: {metric} has not been read, so that its values are not known: there are readings of {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let steady = |value: f64| vec![(Duration::ZERO, Some(0.0)), (Duration::from_mins(5), Some(value))];
        let trigger = |name: Option<&str>, metric: &str, value| ReadTrigger {
            name: name.map(ToOwned::to_owned),
            metric: metric.to_owned(),
            points: steady(value),
        };
        History {
            start: "2026-11-27T12:00:00Z".parse().unwrap(),
            length: Duration::from_mins(30),
            replicas: Some(0),
            triggers: vec![
                trigger(Some("orders"), "s0-rabbitmq-orders", 60.0),
                trigger(None, "s1-rabbitmq-mails", 5.0),
            ],
        }
    }

    fn manifest(max: i32, triggers: &str) -> String {
        format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: app, namespace: shop}}\nspec:\n  \
             scaleTargetRef: {{name: app}}\n  maxReplicaCount: {max}\n  triggers:\n{triggers}"
        )
    }

    fn queue(name: &str, queue: &str, value: &str) -> String {
        format!(
            "  - type: rabbitmq\n    name: \"{name}\"\n    metadata: {{queueName: {queue}, mode: QueueLength, value: \"{value}\", host: \"amqp://q\"}}\n"
        )
    }

    fn made(manifest: &str) -> Result<WhatIf, String> {
        under(manifest, "app.yaml", &history()).map_err(|error| error.to_string())
    }

    fn peak(manifest: &str) -> i32 {
        made(manifest).unwrap().simulation.runs[0].summary.peak
    }

    #[test]
    fn an_edit_changes_what_would_have_happened() {
        let triggers = queue("orders", "orders", "5");
        assert_eq!(peak(&manifest(20, &triggers)), 12);
        assert_eq!(peak(&manifest(8, &triggers)), 8);
        assert_eq!(peak(&manifest(20, &queue("orders", "orders", "20"))), 3);
    }

    #[test]
    fn a_trigger_is_found_by_its_name_or_its_metric_wherever_it_stands() {
        let swapped = queue("", "mails", "5") + &queue("orders", "orders", "5");
        let answer = made(&manifest(20, &swapped)).unwrap();
        assert_eq!((answer.simulation.runs[0].summary.peak, answer.notes), (12, vec![]));
        let renamed = queue("orders", "others", "5") + &queue("", "mails", "5");
        let answer = made(&manifest(20, &renamed)).unwrap();
        assert_eq!(answer.simulation.runs[0].summary.peak, 12);
        assert_eq!(
            answer.notes,
            [
                "app.yaml: s0-rabbitmq-others takes the readings of s0-rabbitmq-orders: their triggers have the same name"
            ]
        );
    }

    #[test]
    fn a_trigger_without_readings_and_a_wrong_manifest_are_named() {
        let unread = made(&manifest(20, &queue("new", "new", "5"))).unwrap_err();
        assert!(
            unread.contains("s0-rabbitmq-new has not been read") && unread.contains("s1-rabbitmq-mails"),
            "{unread}"
        );
        let wrong = made(&manifest(-1, &queue("orders", "orders", "5"))).unwrap_err();
        assert!(wrong.contains("app.yaml:6: error: ") && wrong.contains("maxReplicaCount"), "{wrong}");
        assert!(made("kind: [").unwrap_err().contains("app.yaml:2: error: no YAML"));
        assert!(made("").unwrap_err().contains("there is no ScaledObject"));
    }

    #[test]
    fn warnings_and_what_is_left_out_are_noted() {
        let cpu = "  - type: cpu\n    metricType: Utilization\n    metadata: {value: \"60\"}\n";
        let answer = made(&manifest(20, &(queue("orders", "orders", "5") + cpu))).unwrap();
        assert!(answer.notes.iter().any(|note| note.contains("trigger 1 (cpu) is left out")), "{:?}", answer.notes);
        let odd = manifest(20, &queue("orders", "orders", "5"))
            .replace("maxReplicaCount", "maxReplicas: 3\n  maxReplicaCount");
        let answer = made(&odd).unwrap();
        assert!(
            answer.notes[0].contains("app.yaml:6: warning: ") && answer.notes[0].contains("maxReplicas"),
            "{:?}",
            answer.notes
        );
    }

    #[test]
    fn windows_are_computed_and_need_no_readings() {
        let cron = "  - type: cron\n    metadata: {timezone: UTC, start: 10 12 * * *, end: 20 12 * * *, desiredReplicas: \"4\"}\n";
        let run = &made(&manifest(20, cron)).unwrap().simulation.runs[0];
        assert_eq!((run.summary.peak, run.windows.len()), (4, 1));
    }
}
