//! The `advanced` block of a ScaledObject: the HPA's settings and the formula over the triggers' values.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Settings that most objects do without.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvancedConfig {
    /// Settings of the HPA that scales the target between one and maxReplicaCount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizontal_pod_autoscaler_config: Option<HorizontalPodAutoscalerConfig>,

    /// Whether the target gets back the number of replicas it had before, once the ScaledObject is deleted. Default:
    /// false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_to_original_replica_count: Option<bool>,

    /// A formula that makes one value of the values of all triggers; the target is then scaled by that value alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_modifiers: Option<ScalingModifiers>,
}

/// Settings of the HPA.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HorizontalPodAutoscalerConfig {
    /// How fast the HPA adds and removes replicas, as in an HPA's own spec.behavior.
    #[schemars(schema_with = "behavior_schema")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,

    /// The name of the HPA. Default: keda-hpa- and the name of the ScaledObject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl HorizontalPodAutoscalerConfig {
    /// The name that is asked for; an empty one counts as none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !name.is_empty())
    }
}

/// A formula over the values of the triggers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingModifiers {
    /// An expression over the names of the triggers, for instance (orders + returns) / 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,

    /// The value of the formula to aim for, a number greater than zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,

    /// The value of the formula above which the target leaves zero replicas. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation_target: Option<String>,

    /// Whether the target is meant for each replica (AverageValue) or for all of them together (Value). Default:
    /// AverageValue.
    #[schemars(extend("enum" = ["AverageValue", "Value"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<String>,
}

impl ScalingModifiers {
    /// Whether not a single value is set. KEDA writes such a block by itself.
    pub(super) fn is_empty(&self) -> bool {
        [&self.formula, &self.target, &self.activation_target, &self.metric_type]
            .into_iter()
            .all(|field| field.as_deref().unwrap_or_default().is_empty())
    }
}

/// The schema of an HPA's behavior, with the limits that KEDA's definition has besides the types: they refuse at once
/// what the API server would refuse in the HPA.
fn behavior_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = HorizontalPodAutoscalerBehavior::json_schema(generator);
    for direction in ["scaleUp", "scaleDown"] {
        for (field, limits) in [
            ("policies", json!({"x-kubernetes-list-type": "atomic"})),
            ("stabilizationWindowSeconds", json!({"minimum": 0, "maximum": 3600})),
            ("tolerance", json!({"pattern": QUANTITY_PATTERN})),
        ] {
            let field = schema.pointer_mut(&format!("/properties/{direction}/properties/{field}"));
            if let (Some(field), Value::Object(limits)) = (field.and_then(Value::as_object_mut), limits) {
                field.extend::<Map<String, Value>>(limits);
            }
        }
    }
    schema
}

/// The quantities that Kubernetes accepts: a decimal number with a binary suffix, a decimal suffix or an exponent.
const QUANTITY_PATTERN: &str =
    r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))?$";
