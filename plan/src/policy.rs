//! The scaling policy of a ScaledObject: bounds and times, with KEDA's defaults filled in.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::{ScaledObject, names};

use super::activate_to::{self, ActivateTo};
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
    /// Annotation `ebb.dev/activate-to`. None: the process has a default.
    pub activate_to: Option<ActivateTo>,
    /// The highest count that an activation may set, by `behavior.scaleUp` of the specification.
    pub scale_up_limit: Option<i32>,
}

/// The reason for which a workload is always active, even while no trigger is.
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
        let annotations = object.metadata.annotations.as_ref();
        let annotation = |name| pause::is_set(annotations, name);
        let mut policy = Self {
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
            activate_to: ActivateTo::of(annotations).ok().flatten(),
            scale_up_limit: None,
        };
        policy.scale_up_limit = activate_to::scale_up_limit(spec, policy.active_floor());
        policy
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

    /// The count that the workload wakes to while its readings ask for `wanted` replicas.
    pub fn activation_count(&self, wanted: i32) -> i32 {
        let floor = self.active_floor();
        match self.activate_to.unwrap_or_default() {
            ActivateTo::Minimum => floor,
            ActivateTo::Target => wanted.min(self.scale_up_limit.unwrap_or(i32::MAX)).min(self.max).max(floor),
        }
    }
}

#[cfg(test)]
impl Policy {
    /// A policy with KEDA's defaults, created at `created`.
    pub(crate) fn example(created: DateTime<Utc>) -> Self {
        Self {
            min: 0,
            max: 10,
            idle: None,
            polling_interval: Duration::from_secs(30),
            cooldown: Duration::from_mins(5),
            initial_cooldown: Duration::ZERO,
            created,
            always_active: None,
            scale_in_paused: false,
            scale_out_paused: false,
            activate_to: None,
            scale_up_limit: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_and_triggers_set_the_policy() {
        for (triggers, annotation, always_active, held) in [
            (["cron", "cpu"], None, None, [false, false]),
            (["memory", "cpu"], None, Some(Always::OnlyResources), [false, false]),
            (["cron", "cpu"], Some(names::FORCE_ACTIVATION_ANNOTATION), Some(Always::Forced), [false, false]),
            (["cron", "cpu"], Some(names::PAUSED_SCALE_IN_ANNOTATION), None, [true, false]),
            (["cron", "cpu"], Some(names::PAUSED_SCALE_OUT_ANNOTATION), None, [false, true]),
        ] {
            let triggers = triggers.map(|kind| json!({"type": kind, "metadata": {}}));
            let spec = json!({"scaleTargetRef": {"name": "app"}, "triggers": triggers});
            let mut object = ScaledObject::new("app", serde_json::from_value(spec).unwrap());
            object.metadata.annotations = annotation.map(|name| [(name.to_owned(), "true".to_owned())].into());
            let policy = Policy::of(&object);
            assert_eq!(policy.always_active, always_active, "{annotation:?}");
            assert_eq!(policy.is_forced(), always_active == Some(Always::Forced), "{annotation:?}");
            assert_eq!([policy.scale_in_paused, policy.scale_out_paused], held, "{annotation:?}");
            assert_eq!(policy.is_held(), held.contains(&true), "{annotation:?}");
        }
    }

    #[test]
    fn each_count_has_its_floor() {
        for (spec, floor, active_floor) in [
            (json!({}), 0, 1),
            (json!({"minReplicaCount": 3}), 3, 3),
            (json!({"minReplicaCount": 3, "idleReplicaCount": 1}), 1, 3),
        ] {
            let mut whole = json!({"scaleTargetRef": {"name": "app"}, "triggers": []});
            whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            let policy = Policy::of(&ScaledObject::new("app", serde_json::from_value(whole).unwrap()));
            assert_eq!((policy.floor(), policy.active_floor()), (floor, active_floor), "{spec}");
        }
    }
}
