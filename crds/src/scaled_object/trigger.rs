//! One entry of a ScaledObject's `triggers`. Only the scaler of a type knows the meaning of its metadata.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A source of events and how to scale by it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTrigger {
    /// The kind of source, for instance rabbitmq, kafka or cron.
    #[schemars(length(min = 1))]
    #[serde(rename = "type")]
    pub type_: String,

    /// A name for the trigger, to use in a formula and to see in metrics and events; no two triggers may share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Whether the HPA is answered with the reading of the last poll instead of a new one. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_cached_metrics: Option<bool>,

    /// The parameters of the source; which ones there are depends on the type. Every value is a string.
    pub metadata: BTreeMap<String, String>,

    /// Where parameters that are secret come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_ref: Option<AuthenticationRef>,

    /// Whether the value to aim for is meant for each replica (AverageValue) or for all of them together (Value), or,
    /// with cpu and memory, a percentage of the containers' requests (Utilization). Default: AverageValue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<String>,
}

/// A reference to a TriggerAuthentication or ClusterTriggerAuthentication.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationRef {
    /// The name of the object.
    pub name: String,

    /// The kind of the object. Default: TriggerAuthentication, which is looked up in the namespace of the ScaledObject.
    #[schemars(extend("enum" = ["TriggerAuthentication", "ClusterTriggerAuthentication"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl ScaleTrigger {
    /// Whether the HPA is answered from the last poll, no unless set (KEDA docs: *ScaledObject specification*,
    /// `useCachedMetrics`).
    pub fn uses_cached_metrics(&self) -> bool {
        self.use_cached_metrics.unwrap_or(false)
    }

    /// The authentication that the trigger refers to. An empty name refers to none, as in KEDA: charts write one where nothing is
    /// set.
    pub fn authentication(&self) -> Option<&AuthenticationRef> {
        self.authentication_ref.as_ref().filter(|reference| !reference.name.is_empty())
    }
}

impl AuthenticationRef {
    /// The kind of the object, `TriggerAuthentication` unless set (KEDA docs: *Authentication*).
    pub fn kind(&self) -> &str {
        super::set_or(self.kind.as_deref(), "TriggerAuthentication")
    }
}
