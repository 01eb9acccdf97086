//! The result of a simulation, and its form as JSON.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

/// One simulation, or two to compare.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// Always `Simulation`.
    pub kind: &'static str,
    /// The time of day at which it begins.
    pub start: DateTime<Utc>,
    /// Seconds between two points.
    #[serde(serialize_with = "seconds")]
    pub step: Duration,
    /// How long it goes on, in seconds.
    #[serde(serialize_with = "seconds")]
    pub length: Duration,
    /// The runs.
    pub runs: Vec<Run>,
}

impl Simulation {
    /// The simulation with these runs.
    pub fn new(start: DateTime<Utc>, step: Duration, length: Duration, runs: Vec<Run>) -> Self {
        Self { kind: "Simulation", start, step, length, runs }
    }
}

/// The run of one ScaledObject.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its name in the report, such as the name of its file.
    pub name: String,
    /// The least count that it has: zero, `idleReplicaCount` or `minReplicaCount`.
    pub min: i32,
    /// `maxReplicaCount`.
    pub max: i32,
    /// Its triggers.
    pub triggers: Vec<RunTrigger>,
    /// The state at each step.
    pub points: Vec<Point>,
    /// Each change of the count.
    pub decisions: Vec<SimulatedDecision>,
    /// The open windows of schedules.
    pub windows: Vec<OpenWindow>,
    /// The run in figures.
    pub summary: Summary,
}

/// A trigger of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunTrigger {
    /// Its place in the specification.
    pub index: usize,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its metric's name.
    pub metric: String,
    /// The metric's target for one replica.
    #[serde(serialize_with = "number")]
    pub target: f64,
    /// It is active while it reads more.
    #[serde(serialize_with = "number")]
    pub activation: f64,
}

/// The state at one time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Since the start, in seconds.
    #[serde(serialize_with = "seconds")]
    pub t: Duration,
    /// The count.
    pub replicas: i32,
    /// The count that Ebb or the HPA's metrics asked for last.
    pub wanted: i32,
    /// The reading of each trigger. None: it cannot be read.
    #[serde(serialize_with = "numbers")]
    pub values: Vec<Option<f64>>,
    /// The messages that wait, in a closed loop.
    #[serde(serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub backlog: Option<f64>,
}

/// A change of the count.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulatedDecision {
    /// Since the start, in seconds.
    #[serde(serialize_with = "seconds")]
    pub t: Duration,
    /// The count before.
    pub from: i32,
    /// The count after.
    pub to: i32,
    /// The actor that changed it: `Ebb` or `HPA`.
    pub by: &'static str,
    /// The reason, in one word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

/// An open window of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenWindow {
    /// The place of its trigger in [`Run::triggers`].
    pub trigger: usize,
    /// Since the start, in seconds.
    #[serde(serialize_with = "seconds")]
    pub from: Duration,
    /// Since the start, in seconds.
    #[serde(serialize_with = "seconds")]
    pub to: Duration,
}

/// A run in figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Replicas times hours.
    #[serde(serialize_with = "number")]
    pub replica_hours: f64,
    /// The highest count.
    pub peak: i32,
    /// Seconds without any replica.
    #[serde(serialize_with = "number")]
    pub seconds_at_zero: f64,
    /// The most messages that waited, in a closed loop.
    #[serde(serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub longest_backlog: Option<f64>,
    /// The longest time in seconds that a message waited, in a closed loop.
    #[serde(serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub longest_wait_seconds: Option<f64>,
    /// How often the count changed.
    pub scalings: usize,
    /// How often it turned from up to down or from down to up.
    pub reversals: usize,
    /// The price of the replica-hours.
    #[serde(serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
}

/// A number with three decimals at most, and without any where it is whole.
#[allow(clippy::trivially_copy_pass_by_ref, clippy::cast_possible_truncation)]
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let rounded = (value * 1000.0).round() / 1000.0;
    // Every integer below this is a number that JavaScript knows exactly.
    if rounded.fract() == 0.0 && rounded.abs() < 9e15 {
        serializer.serialize_i64(rounded as i64)
    } else {
        serializer.serialize_f64(rounded)
    }
}

struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number(&self.0, serializer)
    }
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)]
fn maybe_number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(Number).serialize(serializer)
}

fn numbers<S: Serializer>(values: &[Option<f64>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| value.map(Number)))
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    number(&time.as_secs_f64(), serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let point = |values, backlog| Point { t: Duration::from_millis(7500), replicas: 3, wanted: 4, values, backlog };
        let text = |point: Point| serde_json::to_string(&point).unwrap();
        assert_eq!(
            text(point(vec![Some(1.0), None, Some(0.333_333)], None)),
            r#"{"t":7.5,"replicas":3,"wanted":4,"values":[1,null,0.333]}"#
        );
        assert!(text(point(Vec::new(), Some(20.0))).ends_with(r#""values":[],"backlog":20}"#));
    }
}
