//! The ScaledObject kind: the fields that its user writes, with the documented defaults. Callers decide what follows
//! from them.

mod advanced;
mod status;
mod trigger;

use std::time::Duration;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use advanced::{AdvancedConfig, HorizontalPodAutoscalerConfig, ScalingModifiers};
pub use status::{GroupVersionKindResource, HealthStatus, ScaledObjectStatus, TriggerActivity};
pub use trigger::{AuthenticationRef, ScaleTrigger};

/// The scale target, the bounds of its replicas, and the triggers.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "keda.sh",
    version = "v1alpha1",
    kind = "ScaledObject",
    plural = "scaledobjects",
    shortname = "so",
    namespaced,
    status = "ScaledObjectStatus",
    derive = "PartialEq",
    doc = "ScaledObject scales a workload by the readings of its triggers, from zero up to a maximum.",
    printcolumn(name = "ScaleTargetKind", type_ = "string", json_path = ".status.scaleTargetKind"),
    printcolumn(name = "ScaleTargetName", type_ = "string", json_path = ".spec.scaleTargetRef.name"),
    printcolumn(name = "Min", type_ = "integer", json_path = ".spec.minReplicaCount"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxReplicaCount"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Active", type_ = "string", json_path = r#".status.conditions[?(@.type=="Active")].status"#),
    printcolumn(
        name = "Fallback",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Fallback")].status"#
    ),
    printcolumn(name = "Paused", type_ = "string", json_path = r#".status.conditions[?(@.type=="Paused")].status"#),
    printcolumn(name = "Triggers", type_ = "string", json_path = ".status.triggersTypes"),
    printcolumn(name = "Authentications", type_ = "string", json_path = ".status.authenticationsTypes"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.minReplicaCount) ? self.minReplicaCount : 0) <= (has(self.maxReplicaCount) ? self.maxReplicaCount : 100)",
    "message": "minReplicaCount must be less than or equal to maxReplicaCount",
}]))]
#[serde(rename_all = "camelCase")]
pub struct ScaledObjectSpec {
    /// The workload to scale, in the namespace of the ScaledObject: anything that has the scale subresource.
    pub scale_target_ref: ScaleTarget,

    /// The longest time in seconds between two looks at a trigger. Default: 30.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polling_interval: Option<i32>,

    /// How many seconds after the creation of the ScaledObject its target may first be scaled to zero, as long as no
    /// trigger has been active yet. Default: 0.
    #[schemars(range(min = 0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_cooldown_period: Option<i32>,

    /// How many seconds all triggers must have been inactive before the target is scaled to zero or to
    /// idleReplicaCount. Default: 300.
    #[schemars(range(min = 0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_period: Option<i32>,

    /// The number of replicas while no trigger is active; must be less than minReplicaCount. Without it the target rests
    /// at minReplicaCount.
    #[schemars(range(min = 0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_replica_count: Option<i32>,

    /// The least number of replicas. Default: 0.
    #[schemars(range(min = 0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replica_count: Option<i32>,

    /// The greatest number of replicas. Default: 100.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replica_count: Option<i32>,

    // Most objects have none, and it is larger than the rest.
    /// How the HPA is set up and how the values of the triggers are combined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advanced: Option<Box<AdvancedConfig>>,

    /// The sources of events to scale by. The one that asks for the most replicas wins.
    #[schemars(length(min = 1))]
    pub triggers: Vec<ScaleTrigger>,

    /// The replicas while a trigger cannot be read. Without it the target keeps its replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

/// A reference to the workload that is scaled.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTarget {
    /// The name of the workload.
    #[schemars(length(min = 1))]
    pub name: String,

    /// The API version of the workload. Default: apps/v1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,

    /// The kind of the workload. Default: Deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,

    /// The container whose environment triggers read their FromEnv parameters from. Default: the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_source_container_name: Option<String>,
}

/// The replicas while a trigger cannot be read.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// How many looks in a row may fail; the fallback begins with the next one that fails.
    #[schemars(range(min = 0))]
    pub failure_threshold: i32,

    /// The number of replicas to fall back to.
    #[schemars(range(min = 0))]
    pub replicas: i32,

    /// How replicas is used: static takes it as it is, currentReplicas keeps the present count, currentReplicasIfHigher
    /// and currentReplicasIfLower keep the present count where it is above or below replicas, and scalingModifiers leaves
    /// the failed trigger nil in the formula.
    #[schemars(extend(
        "default" = "static",
        "enum" = ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers"]
    ))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<String>,
}

impl ScaledObjectSpec {
    /// The longest time between two looks at a trigger, 30 s unless set (KEDA docs: *ScaledObject specification*,
    /// `pollingInterval`). An object from before the schema had a minimum may hold less than a second; it counts as one.
    pub fn polling_interval(&self) -> Duration {
        seconds(self.polling_interval.unwrap_or(30).max(1))
    }

    /// How long the triggers must be inactive before the step to zero, 300 s unless set (KEDA docs: *ScaledObject
    /// specification*, `cooldownPeriod`).
    pub fn cooldown_period(&self) -> Duration {
        seconds(self.cooldown_period.unwrap_or(300))
    }

    /// How long a new object that was never active is kept from the step to zero, not at all unless set (KEDA docs:
    /// *ScaledObject specification*, `initialCooldownPeriod`).
    pub fn initial_cooldown_period(&self) -> Duration {
        seconds(self.initial_cooldown_period.unwrap_or(0))
    }

    /// The least number of replicas, 0 unless set (KEDA docs: *ScaledObject specification*, `minReplicaCount`).
    pub fn min_replica_count(&self) -> i32 {
        self.min_replica_count.unwrap_or(0)
    }

    /// The greatest number of replicas, 100 unless set (KEDA docs: *ScaledObject specification*, `maxReplicaCount`).
    pub fn max_replica_count(&self) -> i32 {
        self.max_replica_count.unwrap_or(100)
    }

    /// Whether deleting the object brings back the replicas its target had before, no unless set (KEDA docs:
    /// *ScaledObject specification*, `restoreToOriginalReplicaCount`).
    pub fn restores_original_replica_count(&self) -> bool {
        self.advanced.as_ref().and_then(|advanced| advanced.restore_to_original_replica_count).unwrap_or(false)
    }

    /// The settings of the HPA, when there are any (KEDA docs: *ScaledObject specification*,
    /// `horizontalPodAutoscalerConfig`).
    pub fn hpa_config(&self) -> Option<&HorizontalPodAutoscalerConfig> {
        self.advanced.as_ref()?.horizontal_pod_autoscaler_config.as_ref()
    }

    /// The scaling modifiers, when there are any: a block without a single value is as good as none (KEDA docs: *Scaling
    /// Modifiers*).
    pub fn scaling_modifiers(&self) -> Option<&ScalingModifiers> {
        self.advanced.as_ref()?.scaling_modifiers.as_ref().filter(|modifiers| !modifiers.is_empty())
    }
}

impl ScaleTarget {
    /// The API version of the target, `apps/v1` unless set (KEDA docs: *ScaledObject specification*, `scaleTargetRef`).
    pub fn api_version(&self) -> &str {
        set_or(self.api_version.as_deref(), "apps/v1")
    }

    /// The kind of the target, `Deployment` unless set (KEDA docs: *ScaledObject specification*, `scaleTargetRef`).
    pub fn kind(&self) -> &str {
        set_or(self.kind.as_deref(), "Deployment")
    }
}

impl Fallback {
    /// How `replicas` is used, `static` unless set (KEDA docs: *ScaledObject specification*, `fallback`).
    pub fn behavior(&self) -> &str {
        set_or(self.behavior.as_deref(), "static")
    }
}

/// A time of this many seconds; none for a negative number, which only an object from before the schema's minimum can
/// have.
fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(seconds.try_into().unwrap_or(0))
}

/// The text, or the default when it is absent or, which counts as absent, empty.
fn set_or<'a>(text: Option<&'a str>, default: &'a str) -> &'a str {
    text.filter(|text| !text.is_empty()).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let spec = ScaledObjectSpec::default();
        assert_eq!(spec.polling_interval(), Duration::from_secs(30));
        assert_eq!(spec.cooldown_period(), Duration::from_mins(5));
        assert_eq!(spec.initial_cooldown_period(), Duration::ZERO);
        assert_eq!((spec.min_replica_count(), spec.max_replica_count()), (0, 100));
        assert!(!spec.restores_original_replica_count());
        assert_eq!((spec.scale_target_ref.api_version(), spec.scale_target_ref.kind()), ("apps/v1", "Deployment"));
        assert_eq!(Fallback::default().behavior(), "static");
    }

    #[test]
    fn values_from_before_the_schema_had_minimums_stay_usable() {
        let spec = ScaledObjectSpec {
            polling_interval: Some(0),
            cooldown_period: Some(-1),
            scale_target_ref: ScaleTarget { kind: Some(String::new()), ..ScaleTarget::default() },
            ..ScaledObjectSpec::default()
        };
        assert_eq!(spec.polling_interval(), Duration::from_secs(1));
        assert_eq!(spec.cooldown_period(), Duration::ZERO);
        assert_eq!(spec.scale_target_ref.kind(), "Deployment");
    }

    #[test]
    fn scaling_modifiers_without_a_value_are_none() {
        let mut spec = ScaledObjectSpec {
            advanced: Some(Box::new(AdvancedConfig {
                scaling_modifiers: Some(ScalingModifiers { formula: Some(String::new()), ..Default::default() }),
                ..AdvancedConfig::default()
            })),
            ..ScaledObjectSpec::default()
        };
        assert_eq!(spec.scaling_modifiers(), None);
        let modifiers = ScalingModifiers { target: Some("2".into()), ..ScalingModifiers::default() };
        let advanced = AdvancedConfig { scaling_modifiers: Some(modifiers), ..AdvancedConfig::default() };
        spec.advanced = Some(Box::new(advanced));
        assert!(spec.scaling_modifiers().is_some());
    }
}
