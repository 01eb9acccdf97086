//! What a ScaledObject asks for, with KEDA's defaults filled in.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::{ScaledObject, names};

use super::{pause, resource};

/// The rules that one ScaledObject sets for its target's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `minReplicaCount`, 0 or more.
    pub min: i32,
    /// `maxReplicaCount`, 1 or more and never below `min`.
    pub max: i32,
    /// `idleReplicaCount`, below `min`; 0 where both are 0.
    pub idle: Option<i32>,
    /// `pollingInterval`.
    pub polling_interval: Duration,
    /// `cooldownPeriod`: from the last activity to the way back to zero or idle.
    pub cooldown: Duration,
    /// `initialCooldownPeriod`: the same from creation, while there has been no activity yet.
    pub initial_cooldown: Duration,
    /// When the ScaledObject was created.
    pub created: DateTime<Utc>,
    /// Why it is as if a trigger were active, always.
    pub always_active: Option<Always>,
    /// Annotation `autoscaling.keda.sh/paused-scale-in`: no replicas are taken away, but for those above `max`.
    pub scale_in_paused: bool,
    /// Annotation `autoscaling.keda.sh/paused-scale-out`: no replicas are added, but for those missing to `min`.
    pub scale_out_paused: bool,
}

/// Why a workload is active whatever its triggers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Always {
    /// Annotation `autoscaling.keda.sh/force-activation`.
    Forced,
    /// There are no triggers but cpu and memory, which cannot wake a workload.
    OnlyResources,
}

impl Policy {
    /// The policy of `object`, which [`super::validate::check`] has accepted.
    pub fn of(object: &ScaledObject) -> Self {
        let spec = &object.spec;
        let annotation = |name| pause::is_set(object.metadata.annotations.as_ref(), name);
        Self {
            min: spec.min_replica_count(),
            max: spec.max_replica_count(),
            idle: spec.idle_replica_count,
            polling_interval: spec.polling_interval(),
            cooldown: spec.cooldown_period(),
            initial_cooldown: spec.initial_cooldown_period(),
            created: object.metadata.creation_timestamp.as_ref().map_or(DateTime::UNIX_EPOCH, super::status::instant),
            always_active: if annotation(names::FORCE_ACTIVATION_ANNOTATION) {
                Some(Always::Forced)
            } else {
                resource::only_resources(spec).then_some(Always::OnlyResources)
            },
            scale_in_paused: annotation(names::PAUSED_SCALE_IN_ANNOTATION),
            scale_out_paused: annotation(names::PAUSED_SCALE_OUT_ANNOTATION),
        }
    }

    /// Whether the annotation makes it active.
    pub fn is_forced(&self) -> bool {
        self.always_active == Some(Always::Forced)
    }

    /// Whether one direction is paused, or each by itself.
    pub fn is_held(&self) -> bool {
        self.scale_in_paused || self.scale_out_paused
    }

    /// The count to which an inactive workload returns.
    pub fn floor(&self) -> i32 {
        self.idle.unwrap_or(self.min)
    }

    /// The count that an active workload has at least.
    pub fn active_floor(&self) -> i32 {
        self.min.max(1).min(self.max)
    }
}
