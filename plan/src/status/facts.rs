//! The facts about a ScaledObject that Ebb knows. Its status and its events follow from them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::{Condition, GroupVersionKindResource, ScaledObjectStatus};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerCondition;

use crate::activation::{Activity, ScaleReason};
use crate::events::Reason;

/// How often `status.lastActiveTime` is written while a workload stays active.
const ACTIVE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(5);

/// The facts about one ScaledObject.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `metadata.generation` of the spec that was checked.
    pub generation: Option<i64>,
    /// The state that the status reported before this replica wrote it.
    pub found: Found,
    /// The target and the triggers, as far as they are known before the check ends. None before the first check.
    pub target: Option<TargetInfo>,
    /// The result of the check.
    pub check: Check,
    /// The specification in force: the last that could be served. None while paused, and before the first.
    pub served: Option<Served>,
    /// The ScaledObject's HPA that is there although nothing is in force: an earlier process left it.
    pub left_hpa: Option<String>,
    /// The result of the last tick; none before the first.
    pub tick: Option<Tick>,
    /// The last change of the target's replicas by this process.
    pub scaling: Option<Box<Scaling>>,
    /// When a trigger was last active, as far as it is to be written down.
    pub last_active: Option<DateTime<Utc>>,
    /// Whether scaling is paused, in both directions or in one. None before the first check.
    pub paused: Option<bool>,
    /// The count that the annotation `paused-replicas` asks for.
    pub paused_replicas: Option<i32>,
    /// The HPA's condition `ScalingActive`.
    pub hpa: Option<Arc<HorizontalPodAutoscalerCondition>>,
    /// The fields of the HPA that another writer sets again and again, as text.
    pub contested_hpa: Option<Box<str>>,
    /// The conflicts with VerticalPodAutoscalers, a text each.
    pub vpa_conflicts: Vec<String>,
    /// Ebb has removed its finalizer from the deleted ScaledObject.
    pub released: bool,
    /// Ebb only observes the ScaledObject: the status and the events are another autoscaler's.
    pub observed: bool,
    /// An event has said that the ScaledObject is ready, and no check has failed since.
    pub ready_told: bool,
}

impl Facts {
    /// Notes when the workload was last active, where that is to be written down: when activity begins and ends, every
    /// five minutes in between, and when the HPA's questions have found some that no tick saw. To be called before
    /// [`Facts::tick`] is replaced.
    pub fn note_activity(&mut self, activity: Activity, last_active: Option<DateTime<Utc>>) {
        let changed = self.tick.as_ref().is_none_or(|before| before.activity != activity);
        let is_fresh = match (self.last_active, last_active) {
            (Some(noted), Some(last)) => activity == Activity::Active && last - noted < ACTIVE_NOTED_EVERY,
            _ => false,
        };
        if changed {
            self.last_active = last_active;
        } else if !is_fresh {
            self.last_active = self.last_active.max(last_active);
        }
    }

    /// Whether the check has come to an end and, where one follows, a tick too. Facts before that cause no write of
    /// their own.
    pub fn are_whole(&self) -> bool {
        match self.check {
            Check::Pending => false,
            Check::Served => self.tick.is_some(),
            Check::Failed(_) | Check::Paused => true,
        }
    }

    /// Puts a specification in force.
    pub fn serve(&mut self, served: Served) {
        self.check = Check::Served;
        self.served = Some(served);
        self.left_hpa = None;
    }

    /// Ebb only observes the ScaledObject from now on, or no longer. What it did before as the other is not what was reported.
    pub fn observe(&mut self, observed: bool) {
        if self.observed && !observed {
            let (found, paused) = (self.found, self.paused);
            *self = Self { found, paused, ..Self::default() };
        }
        self.observed = observed;
    }

    /// Ends what was in force, for a pause.
    pub fn pause(&mut self) {
        self.check = Check::Paused;
        self.stop();
    }

    /// Ends the specification in force, a fallback included.
    pub fn stop(&mut self) {
        (self.served, self.left_hpa, self.tick, self.hpa) = (None, None, None, None);
        self.found.falling_back = false;
    }

    /// The facts that another replica's events have reported, if it left a status with `found`. Its later events are
    /// unknown, so that everything else counts as new. The exceptions are this replica's own: scalers that it has
    /// started, and replicas that it has set.
    #[must_use]
    pub fn reported_by_another(&self, found: Found) -> Self {
        let (served, scaling) = (self.served.clone(), self.scaling.clone());
        Self { found, served, scaling, ready_told: found.ready, ..Self::default() }
    }

    /// Notes whether an event says that the ScaledObject is ready. A served ScaledObject is ready once its triggers
    /// could be read. Call this after each change.
    pub fn settle(&mut self) {
        self.ready_told = match &self.check {
            Check::Pending => self.found.ready,
            Check::Failed(_) => false,
            Check::Paused => true,
            Check::Served => self.ready_told || self.tick.is_some() && super::is_ready(self),
        };
    }

    /// Whether the last tick found the target gone.
    pub fn target_is_missing(&self) -> bool {
        self.tick.as_ref().is_some_and(|tick| tick.target_error.as_ref().is_some_and(|error| error.is_missing))
    }

    /// Whether a fallback is in effect.
    pub fn falls_back(&self) -> bool {
        let by_tick = |tick: &Tick| tick.fallback.as_ref().is_some_and(|fallback| fallback.in_effect);
        self.tick.as_ref().map_or(self.found.falling_back, by_tick)
    }

    /// Whether scaling is paused, in both directions or in one.
    pub fn is_paused(&self) -> bool {
        self.paused.unwrap_or(self.found.paused)
    }

    /// The name of the ScaledObject's HPA, where it has one.
    pub fn hpa_name(&self) -> Option<&str> {
        self.served.as_ref().map(|served| served.hpa_name.as_str()).or(self.left_hpa.as_deref())
    }
}

/// The conditions of a status that events depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// `Ready` was True.
    pub ready: bool,
    /// `Paused` was True.
    pub paused: bool,
    /// `Fallback` was True.
    pub falling_back: bool,
}

impl Found {
    /// The conditions of `status`. A condition that is missing counts as False.
    pub fn of(status: &ScaledObjectStatus) -> Self {
        let is_true = |type_| status.condition(type_).is_some_and(Condition::is_true);
        Self {
            ready: is_true(Condition::READY),
            paused: is_true(Condition::PAUSED),
            falling_back: is_true(Condition::FALLBACK),
        }
    }
}

/// The result of checking a ScaledObject.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Check {
    /// It has not been checked yet.
    #[default]
    Pending,
    /// It cannot be served, or not any longer.
    Failed(Box<CheckFailure>),
    /// It is paused.
    Paused,
    /// It is served.
    Served,
}

/// Why a ScaledObject cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFailure {
    /// The Ready condition's message: the cause and a hint.
    pub message: String,
    /// The event's reason.
    pub reason: Reason,
    /// The event's text: for a trigger KEDA's error alone, else the message.
    pub note: String,
    /// KEDA's text for an event of its own about the target.
    pub about_target: Option<&'static str>,
}

/// A specification that is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// `metadata.generation` of the specification.
    pub generation: Option<i64>,
    /// The target, as events name it: `apps/v1.Deployment shop/app`.
    pub target: Box<str>,
    /// The triggers' types, each once and sorted.
    pub kinds: Arc<[String]>,
    /// Parameters that a trigger does not know, where Ebb is to report them.
    pub unknown_parameters: Box<[UnknownParameter]>,
    /// The HPA's name.
    pub hpa_name: String,
    /// The external metrics, in the triggers' order.
    pub metric_names: Arc<[String]>,
    /// The resources that the HPA reads by itself, in the triggers' order.
    pub resource_names: Vec<String>,
    /// Whether a formula makes one metric of the external ones.
    pub composite: bool,
}

/// A parameter that a trigger does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownParameter {
    /// The trigger's place in `spec.triggers`.
    pub trigger: usize,
    /// The trigger's type.
    pub kind: String,
    /// The key in its metadata.
    pub key: String,
}

/// A target's kind.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetKind {
    /// `apps/v1.Deployment`: `status.scaleTargetKind`.
    pub display: String,
    /// The resource behind it: `status.scaleTargetGVKR`.
    pub gvkr: GroupVersionKindResource,
}

/// The finding about a target's kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum KindFound {
    /// The API server has not answered about it.
    #[default]
    Unknown,
    /// The cluster has no such kind, or none that can be scaled.
    Absent,
    /// It is this one.
    Is(Arc<TargetKind>),
}

/// The target and the triggers of a ScaledObject, as far as they are known however its check ends.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TargetInfo {
    /// The target's kind.
    pub target: KindFound,
    /// The target's replicas when it was found.
    pub replicas: Option<i32>,
    /// Whether the target is another one than before.
    pub moved: bool,
    /// The triggers' types, each once, joined by commas.
    pub triggers_types: String,
    /// The names of the triggers' authentications, each once, joined by commas.
    pub authentications_types: String,
}

/// The result of a tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The number of the build of the triggers that were read. It grows with every change of the specification.
    pub build: u64,
    /// The activity of all triggers together.
    pub activity: Activity,
    /// Whether an annotation makes it active.
    pub forced: bool,
    /// The external metrics, in the triggers' order.
    pub metric_names: Arc<[String]>,
    /// Whether each metric's trigger is active; a trigger that could not be read counts as inactive. With a formula
    /// none is active by itself.
    pub active: Box<[bool]>,
    /// The triggers that could not be read: place and error, in the triggers' order.
    pub errors: Vec<(usize, String)>,
    /// Why the formula has no value although its triggers have.
    pub formula_error: Option<String>,
    /// Whether a formula takes the place of the triggers.
    pub composed: bool,
    /// The state of the fallback, if there is one.
    pub fallback: Option<FallbackTick>,
    /// Why the target cannot be read or scaled.
    pub target_error: Option<Box<TargetFailure>>,
}

impl Tick {
    /// The errors of the triggers and of the formula, a line each.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().map(|(_, error)| error).chain(&self.formula_error).map(String::as_str)
    }

    /// The error of the trigger at `place`.
    pub fn error(&self, place: usize) -> Option<&str> {
        self.errors.iter().find(|(index, _)| *index == place).map(|(_, error)| error.as_str())
    }
}

/// A change of a target's replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// The count before.
    pub from: i32,
    /// The count from now on.
    pub to: i32,
    /// Why.
    pub reason: ScaleReason,
    /// The cause, as events name it: `triggered by rabbitMQScaler`.
    pub cause: String,
    /// When the API server's answer came.
    pub at: DateTime<Utc>,
}

/// Why a target cannot be read or scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFailure {
    /// The Ready condition's reason.
    pub reason: &'static str,
    /// The Ready condition's message.
    pub message: String,
    /// The change that could not be made. None: the count could not be read.
    pub attempt: Option<Attempt>,
    /// Whether the target is not there.
    pub is_missing: bool,
}

/// A change of a target's replicas that could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The count that was there.
    pub from: i32,
    /// The count that should be there.
    pub to: i32,
    /// Why it should.
    pub reason: ScaleReason,
    /// The API server's error.
    pub cause: String,
}

/// The state of a fallback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallbackTick {
    /// Whether it is in effect for a trigger.
    pub in_effect: bool,
    /// How many polls of each metric's trigger have failed in a row, up to one more than may.
    pub failures: Box<[u32]>,
}
