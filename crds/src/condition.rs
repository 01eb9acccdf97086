//! A status condition, and reading a time that may be odd. The controller decides which conditions there are and when
//! they change.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// One observation about an object, such as whether it is ready to scale.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The type of the condition: Ready, Active, Fallback, Paused or HPAActive.
    #[serde(rename = "type")]
    pub type_: String,

    /// True, False or Unknown.
    pub status: String,

    /// The reason for the status, one word in CamelCase for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// The reason for the status, a sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// When the status last changed. Objects last written by KEDA do not have it.
    #[serde(default, deserialize_with = "time_if_readable", skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,

    /// The generation of the object that the observation is about. Objects last written by KEDA do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// The type that says whether the object is well defined and its triggers can be read.
    pub const READY: &str = "Ready";
    /// The type that says whether some trigger asks for replicas.
    pub const ACTIVE: &str = "Active";
    /// The type that says whether a replacement value is served for a trigger that cannot be read.
    pub const FALLBACK: &str = "Fallback";
    /// The type that says whether an annotation holds the object.
    pub const PAUSED: &str = "Paused";
    /// The type that mirrors whether the HPA can scale.
    pub const HPA_ACTIVE: &str = "HPAActive";

    /// The status of a condition that holds.
    pub const TRUE: &str = "True";
    /// The status of a condition that does not hold.
    pub const FALSE: &str = "False";
    /// The status of a condition without a known state.
    pub const UNKNOWN: &str = "Unknown";

    /// Whether the condition holds.
    pub fn is_true(&self) -> bool {
        self.status == Self::TRUE
    }
}

/// Reads a time, or none when the type cannot hold it. The API server stores some that it cannot, such as the last
/// second of the year 9999, and a whole list of objects must not fail over one of them.
pub(crate) fn time_if_readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()).map(Time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(time: &str) -> Option<Time> {
        let condition = format!(r#"{{"type":"Ready","status":"True","lastTransitionTime":{time}}}"#);
        serde_json::from_str::<Condition>(&condition).unwrap().last_transition_time
    }

    #[test]
    fn an_unreadable_time_counts_as_absent() {
        assert!(read(r#""2026-11-23T05:37:00Z""#).is_some());
        assert!(read(r#""2026-11-23T05:37:00+01:00""#).is_some());
        assert_eq!(read(r#""9999-12-31T23:59:59Z""#), None);
        assert_eq!(read(r#""2026-11-23T05:37:00.123456789123Z""#), None);
        assert_eq!(read("null"), None);
    }
}
