//! A decision as the object that users read: `ScalingDecision` of `decisions.ebb.dev/v1alpha1`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::decision::{Decision, WouldBe};
use super::words;

/// The API group of decisions.
pub const GROUP: &str = "decisions.ebb.dev";
/// The served version of [`GROUP`].
pub const VERSION: &str = "v1alpha1";
/// The kind of one decision.
pub const KIND: &str = "ScalingDecision";

/// A decision. Fields that do not apply are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingDecision {
    /// When it was made, with milliseconds.
    pub time: String,
    /// The ScaledObject's name.
    pub scaled_object: String,
    /// The workload that is scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetReference>,
    /// The replicas before. Left out: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i32>,
    /// The replicas after. Equal to `from`: a decision not to scale.
    pub to: i32,
    /// `Ebb`, `HPA`, `Autoscaler` or `Other`.
    pub by: String,
    /// The cause, as a word.
    pub reason: String,
    /// The cause, as a sentence.
    pub message: String,
    /// When the cause ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The triggers, in the spec's order.
    #[serde(default)]
    pub triggers: Vec<TriggerDecision>,
    /// The place in `triggers` of the one that asks for most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<usize>,
    /// The value of the formula, where one takes the triggers' place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula_value: Option<f64>,
    /// The bounds that held the count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<String>,
    /// The replicas that Ebb would have set. Left out: the replicas are Ebb's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowDecision>,
}

/// The replicas that Ebb, which only observes, would have set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowDecision {
    /// The count.
    pub replicas: i32,
    /// Since when it would have been this one, with milliseconds.
    pub since: String,
    /// `Ebb` or `HPA`: which of the two would have set it, or keeps it.
    pub by: String,
    /// The cause, as a word.
    pub reason: String,
    /// The cause, as a sentence.
    pub message: String,
}

/// A workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetReference {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A trigger's part in a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerDecision {
    /// Its place in `spec.triggers`.
    pub index: usize,
    /// Its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its metric's name.
    pub metric: String,
    /// Its value. Left out: it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The value that one replica is meant to bear.
    pub target: f64,
    /// It is active above this value.
    pub activation: f64,
    /// Whether it is active.
    pub active: bool,
    /// The replicas that it asks for by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks_for: Option<i32>,
    /// Why it could not be read, where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The object of a decision about the ScaledObject of this name.
pub fn object(decision: &Decision, scaled_object: &str, target: Option<TargetReference>) -> ScalingDecision {
    let unread = decision.states.iter().position(|state| state.value.is_none());
    let parts = decision.triggers.iter().zip(&decision.states).zip(decision.asked()).enumerate();
    let triggers = parts.map(|(place, ((info, state), asks_for))| TriggerDecision {
        index: info.index,
        name: info.name.as_deref().map(str::to_owned),
        kind: info.kind.to_owned(),
        metric: info.metric.name.clone(),
        value: state.value,
        target: info.metric.target,
        activation: info.metric.activation,
        active: state.active,
        asks_for,
        error: decision.error.as_deref().filter(|_| unread == Some(place)).map(str::to_owned),
    });
    ScalingDecision {
        time: stamp(decision.at),
        scaled_object: scaled_object.to_owned(),
        target,
        from: decision.from,
        to: decision.to,
        by: decision.by.as_str().to_owned(),
        reason: decision.reason.as_str().to_owned(),
        message: words::sentence(decision),
        until: decision.until.map(|until| until.to_rfc3339_opts(SecondsFormat::Secs, true)),
        triggers: triggers.collect(),
        winner: decision.winner(),
        formula_value: decision.formula,
        bounds: decision.bounds.names().map(str::to_owned).collect(),
        shadow: decision.would_be.as_deref().map(shadow),
    }
}

fn shadow(would_be: &WouldBe) -> ShadowDecision {
    let because = &would_be.because;
    ShadowDecision {
        replicas: would_be.replicas,
        since: stamp(would_be.since),
        by: because.by.as_str().to_owned(),
        reason: because.reason.as_str().to_owned(),
        message: words::sentence(because),
    }
}

/// A time as the API shows it, with milliseconds.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
