//! What Ebb knows about a ScaledObject, of which its status is made.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::GroupVersionKindResource;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerCondition;

use crate::plan::activation::Activity;

/// How often `status.lastActiveTime` is written while a workload stays active.
const ACTIVE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(5);

/// What Ebb knows about one ScaledObject.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `metadata.generation` of the spec that was checked.
    pub generation: Option<i64>,
    /// What came of the check.
    pub check: Check,
    /// What is in force: the last specification that could be served. None while paused, and before the first.
    pub served: Option<Served>,
    /// The ScaledObject's HPA that is there although nothing is in force: a process before this one left it.
    pub left_hpa: Option<String>,
    /// What the last tick saw; none before the first.
    pub tick: Option<Tick>,
    /// When a trigger was last active, as far as it is to be written down.
    pub last_active: Option<DateTime<Utc>>,
    /// Whether scaling is paused, in both directions or in one; not known before the first look.
    pub paused: Option<bool>,
    /// The count that the annotation `paused-replicas` asks for.
    pub paused_replicas: Option<i32>,
    /// What the HPA says of itself: its condition `ScalingActive`.
    pub hpa: Option<Arc<HorizontalPodAutoscalerCondition>>,
}

impl Facts {
    /// Notes when the workload was last active, where that is to be written down: when activity begins and ends, every
    /// five minutes in between, and when the HPA's questions have found some that no tick saw. To be called before
    /// [`Facts::tick`] is replaced.
    pub fn note_activity(&mut self, activity: Activity, last_active: Option<DateTime<Utc>>) {
        let changed = self.tick.as_ref().is_none_or(|before| before.activity != activity);
        let old = match (self.last_active, last_active) {
            (Some(noted), Some(last)) if activity == Activity::Active => last - noted >= ACTIVE_NOTED_EVERY,
            (noted, last) => last > noted,
        };
        if changed || old {
            self.last_active = last_active;
        }
    }

    /// Whether the check has come to an end and, where one follows, a tick too: what is known before that is not worth a
    /// write of its own.
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

    /// Ends what was in force, for a pause.
    pub fn pause(&mut self) {
        self.check = Check::Paused;
        (self.served, self.left_hpa, self.tick, self.hpa) = (None, None, None, None);
    }

    /// The name of the ScaledObject's HPA, where it has one.
    pub fn hpa_name(&self) -> Option<&str> {
        self.served.as_ref().map(|served| served.hpa_name.as_str()).or(self.left_hpa.as_deref())
    }
}

/// What came of checking a ScaledObject.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Check {
    /// It has not been checked yet.
    #[default]
    Pending,
    /// It cannot be served, or not any longer: why, and how to put it right.
    Failed(String),
    /// It is paused.
    Paused,
    /// It is served.
    Served,
}

/// What is known of a ScaledObject that is served.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// The HPA's name.
    pub hpa_name: String,
    /// The external metrics, in the triggers' order.
    pub metric_names: Arc<[String]>,
    /// The resources that the HPA reads by itself, in the triggers' order.
    pub resource_names: Vec<String>,
    /// Whether a formula makes one metric of the external ones.
    pub composite: bool,
}

/// A target's kind.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetKind {
    /// `apps/v1.Deployment`: `status.scaleTargetKind`.
    pub display: String,
    /// The resource behind it: `status.scaleTargetGVKR`.
    pub gvkr: GroupVersionKindResource,
}

/// What is known of a target's kind.
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

/// What of a ScaledObject is known however its check ends.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outline {
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

/// What a tick saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// What the triggers add up to.
    pub activity: Activity,
    /// Whether an annotation makes it active.
    pub forced: bool,
    /// The external metrics, in the triggers' order.
    pub metric_names: Arc<[String]>,
    /// Whether each metric's trigger is active; a trigger that could not be read counts as inactive. With a formula none
    /// is active by itself.
    pub active: Box<[bool]>,
    /// The triggers that could not be read, a line each.
    pub failures: Vec<String>,
    /// How the fallback stands, if there is one.
    pub fallback: Option<FallbackTick>,
    /// Why the target cannot be read or scaled: the Ready condition's reason and message.
    pub trouble: Option<(&'static str, String)>,
}

/// How a fallback stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallbackTick {
    /// Whether it is in effect for a trigger.
    pub in_effect: bool,
    /// How many polls of each metric's trigger have failed in a row, up to one more than may.
    pub failures: Box<[u32]>,
}
