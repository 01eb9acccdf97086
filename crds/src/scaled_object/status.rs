//! The status of a ScaledObject. Every field may be absent: a new object has none, and one last written by another
//! version has that version's.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::{Condition, time_if_readable};

/// The last observations of the ScaledObject and its target.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaledObjectStatus {
    /// The group, version and kind of the target in one word, for instance apps/v1.Deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_target_kind: Option<String>,

    /// The group, version, kind and resource of the target.
    #[serde(rename = "scaleTargetGVKR", skip_serializing_if = "Option::is_none")]
    pub scale_target_gvkr: Option<GroupVersionKindResource>,

    /// The number of replicas the target had when the ScaledObject took it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_replica_count: Option<i32>,

    /// When a trigger was last seen active; cooldownPeriod counts from here.
    #[serde(default, deserialize_with = "time_if_readable", skip_serializing_if = "Option::is_none")]
    pub last_active_time: Option<Time>,

    /// The metrics that the HPA asks the external metrics API for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_metric_names: Option<Vec<String>>,

    /// The resources, cpu or memory, that the HPA asks the resource metrics API for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_metric_names: Option<Vec<String>>,

    /// The metric that replaces those of all triggers when there is a formula.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composite_scaler_name: Option<String>,

    /// The conditions Ready, Active, Fallback, Paused and HPAActive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,

    /// By metric, how well it could be read; only with a fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<BTreeMap<String, HealthStatus>>,

    /// By metric, whether its trigger is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggers_activity: Option<BTreeMap<String, TriggerActivity>>,

    /// The number of replicas that the paused-replicas annotation holds the target at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_replica_count: Option<i32>,

    /// The name of the HPA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hpa_name: Option<String>,

    /// The types of the triggers, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggers_types: Option<String>,

    /// The names of the authentications in use, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentications_types: Option<String>,
}

/// The API server's name for the kind of a workload.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupVersionKindResource {
    /// The API group, empty for the core group.
    pub group: String,

    /// The version in the group.
    pub version: String,

    /// The kind.
    pub kind: String,

    /// The plural name in URLs.
    pub resource: String,
}

/// How well a metric could be read.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthStatus {
    /// How many looks failed in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_failures: Option<i32>,

    /// Happy or Failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl HealthStatus {
    /// The status of a metric that can be read.
    pub const HAPPY: &str = "Happy";
    /// The status of a metric that cannot be read.
    pub const FAILING: &str = "Failing";
}

/// Whether a trigger is active.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerActivity {
    /// Whether the last look found the trigger above its activation value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
}

impl ScaledObjectStatus {
    /// The condition of a type, such as [`Condition::READY`].
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().flatten().find(|condition| condition.type_ == type_)
    }
}
