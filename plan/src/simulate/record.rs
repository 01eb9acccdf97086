//! The record of a run: points, decisions and figures.

use std::time::Duration;

use super::result::{OpenWindow, Point, RunTrigger, SimulatedDecision, Summary};
use super::scenario::{SimulatedTrigger, TriggerSource};
use super::trigger::TriggerState;
use crate::trail::Decision;

/// The record of a run so far.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) points: Vec<Point>,
    pub(super) decisions: Vec<SimulatedDecision>,
    replica_seconds: f64,
    zero: Duration,
    peak: i32,
    reversals: usize,
    /// The direction of the last change.
    upwards: Option<bool>,
}

impl Recorder {
    /// Adds a `time` with this many replicas.
    pub(super) fn passed(&mut self, replicas: i32, time: Duration) {
        self.replica_seconds += f64::from(replicas) * time.as_secs_f64();
        self.peak = self.peak.max(replicas);
        if replicas == 0 {
            self.zero += time;
        }
    }

    /// The count changed at `t`.
    pub(super) fn changed(&mut self, t: Duration, from: i32, decision: &Decision) {
        let to = decision.to;
        self.peak = self.peak.max(to);
        let upwards = to > from;
        self.reversals += usize::from(self.upwards.replace(upwards).is_some_and(|before| before != upwards));
        let (by, reason, message) = (decision.by.as_str(), decision.reason.as_str(), decision.sentence());
        self.decisions.push(SimulatedDecision { t, from, to, by, reason, message });
    }

    pub(super) fn summary(&self, triggers: &[TriggerState<'_>]) -> Summary {
        let longest = triggers.iter().filter_map(|trigger| Some(trigger.queue()?.longest()));
        let longest = longest.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
        Summary {
            replica_hours: self.replica_seconds / 3600.0,
            peak: self.peak,
            seconds_at_zero: self.zero.as_secs_f64(),
            longest_backlog: longest.map(|(backlog, _)| backlog),
            longest_wait_seconds: longest.map(|(_, wait)| wait),
            scalings: self.decisions.len(),
            reversals: self.reversals,
            price: None,
        }
    }
}

/// The description of a trigger in a report.
pub(super) fn info(SimulatedTrigger { info, .. }: &SimulatedTrigger) -> RunTrigger {
    RunTrigger {
        index: info.index,
        kind: info.kind,
        name: info.name.as_deref().map(str::to_owned),
        metric: info.metric.name.clone(),
        target: info.metric.target,
        activation: info.metric.activation,
    }
}

/// The open windows of all schedules until `end`.
pub(super) fn windows(triggers: &[SimulatedTrigger], end: Duration) -> Vec<OpenWindow> {
    let mut windows = Vec::new();
    for (trigger, spec) in triggers.iter().enumerate() {
        let TriggerSource::Schedule(series) = &spec.source else { continue };
        let points = series.points();
        for (place, (from, value)) in points.iter().enumerate().filter(|(_, (from, _))| *from < end) {
            let to = points.get(place + 1).map_or(end, |(to, _)| (*to).min(end));
            if value.is_some_and(|value| value > spec.info.metric.activation) {
                windows.push(OpenWindow { trigger, from: *from, to });
            }
        }
    }
    windows
}
