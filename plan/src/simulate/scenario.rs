//! The input of a simulation: a ScaledObject, and the readings of its triggers over time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::ScaledObject;

use super::hpa::ControllerFlags;
use super::series::Series;
use crate::rules::Rules;
use crate::trail::TriggerInfo;

/// One run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The ScaledObject. Without a creation time it was created at the start.
    pub object: ScaledObject,
    /// Its rules, from [`crate::validate::check`].
    pub rules: Rules,
    /// Its triggers but `cpu` and `memory`, in the specification's order.
    pub triggers: Vec<SimulatedTrigger>,
    /// The time of day at which it begins.
    pub start: DateTime<Utc>,
    /// How long it goes on.
    pub length: Duration,
    /// The time between two points of the result. Above zero.
    pub step: Duration,
    /// The count at the start. None: the least that the ScaledObject allows.
    pub replicas: Option<i32>,
    /// The time that a new pod needs until it is ready.
    pub start_up: Duration,
    /// The settings of the HPA controller.
    pub controller: ControllerFlags,
    /// When the HPA controller looks first. None: in the middle of its period, which has nothing to do with
    /// that of the polls.
    pub first_look: Option<Duration>,
}

/// A trigger without its broker.
#[derive(Debug, Clone)]
pub struct SimulatedTrigger {
    /// The trigger as its specification describes it.
    pub info: TriggerInfo,
    /// `useCachedMetrics`: the HPA gets the reading of the last poll.
    pub is_cached: bool,
    /// Whether an idle workload is woken between two polls, because the source says that it has something new.
    pub notices_changes: bool,
    /// The source of its readings.
    pub source: TriggerSource,
}

/// The source of a trigger's readings over time.
#[derive(Debug, Clone)]
pub enum TriggerSource {
    /// These values, independent of the workload.
    Values(Series),
    /// A schedule. The poll loop knows its next edge.
    Schedule(Series),
    /// The length of a queue that the workload works off.
    Queue {
        /// Messages a second that arrive.
        arrivals: Series,
        /// Messages a second that each ready replica works off. Above zero.
        rate: f64,
    },
}
