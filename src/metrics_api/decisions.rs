//! The virtual kind `ScalingDecision` of `decisions.ebb.dev/v1alpha1`: read-only, from the memory of the
//! replica that leads.
//!
//! [`DecisionSource`] gives the decisions. `routes` answers, as lists, as tables for kubectl and as watches. Nothing is
//! stored, so that a `resourceVersion` holds for one term of leadership only (`version`).

mod filter;
pub(super) mod openapi;
pub(super) mod routes;
mod table;
mod version;
mod watch;

use async_trait::async_trait;
use axum::response::Response;
use ebb_plan::trail::object::{self, ScalingDecision};
use futures::stream::BoxStream;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use version::Version;

/// The resource.
pub const RESOURCE: &str = "scalingdecisions";
/// The subresource with the readings behind a ScaledObject's decisions.
pub const READINGS: &str = "readings";
/// The name of the `APIService` that routes requests for decisions to this server.
pub const DECISIONS_API_SERVICE: &str = "v1alpha1.decisions.ebb.dev";

/// A decision with the place of its ScaledObject.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its number. Later decisions have greater numbers.
    pub number: u64,
    /// The namespace of its ScaledObject.
    pub namespace: String,
    /// The decision.
    pub decision: ScalingDecision,
}

/// The decisions at a moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The number of the last decision.
    pub number: u64,
    /// Decisions before this time are not known, in RFC 3339.
    pub since: String,
    /// The decisions up to this number, by number.
    pub items: Vec<Item>,
}

/// The readings behind the decisions about a ScaledObject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// Readings before this time are not known, in RFC 3339.
    pub since: String,
    /// Points are coarser than the rules ask for, because of the bound on memory.
    pub thinned: bool,
    /// The triggers, in the order of `values` of each point.
    pub triggers: Vec<ReadTrigger>,
    /// The readings, the oldest first.
    pub points: Vec<ReadPoint>,
}

/// A trigger of [`Readings`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadTrigger {
    /// Its place in `spec.triggers`.
    pub index: usize,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its metric's name.
    pub metric: String,
    /// The value for each replica.
    pub target: f64,
    /// It is active above this value.
    pub activation: f64,
}

/// A point of [`Readings`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadPoint {
    /// The first reading of the point, in RFC 3339.
    pub time: String,
    /// From the first reading of the point to its last.
    pub seconds: u32,
    /// The values of each trigger. Null: it could not be read.
    pub values: Vec<Option<ReadRange>>,
    /// The replicas at the last reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The replicas that Ebb, which only observes, would have had then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<i32>,
}

/// The values of a trigger within a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReadRange {
    /// The last one.
    pub last: f32,
    /// The least.
    pub min: f32,
    /// The greatest.
    pub max: f32,
}

/// The source of the decisions that the API serves.
#[async_trait]
pub trait DecisionSource: Send + Sync + 'static {
    /// The present term of leadership: a number that grows with each term of the cluster. None: another replica leads.
    fn epoch(&self) -> Option<u32>;

    /// The decisions about the ScaledObjects of a namespace, or of all.
    fn snapshot(&self, namespace: Option<&str>) -> Snapshot;

    /// The decisions from now on. None: the reader was too slow, and has missed some.
    fn follow(&self) -> BoxStream<'static, Option<Item>>;

    /// The readings of a ScaledObject. None: there is no such ScaledObject, or it is not served.
    fn readings(&self, namespace: &str, scaled_object: &str) -> Option<Readings>;

    /// Has the leader answer a request whose user has the right.
    ///
    /// # Errors
    /// The reason why the leader cannot be asked.
    async fn ask_leader(&self, path_and_query: &str, accept: Option<HeaderValue>) -> Result<Response, String>;
}

/// A decision as the API shows it.
fn document(item: &Item, epoch: u32) -> Value {
    // A decision of strings and numbers always serializes.
    let mut document = serde_json::to_value(&item.decision).unwrap_or_default();
    document["apiVersion"] = format!("{}/{}", object::GROUP, object::VERSION).into();
    document["kind"] = object::KIND.into();
    document["metadata"] = metadata(item, epoch);
    document
}

fn metadata(item: &Item, epoch: u32) -> Value {
    let scaled_object = &item.decision.scaled_object;
    json!({
        "name": name(item),
        "namespace": item.namespace,
        "uid": format!("{epoch:08x}-0000-4000-8000-{:012x}", item.number),
        "resourceVersion": Version { epoch, number: item.number }.to_string(),
        "creationTimestamp": seconds(&item.decision.time),
        "labels": {super::SCALED_OBJECT_LABEL: scaled_object},
    })
}

/// The name of a decision.
fn name(item: &Item) -> String {
    format!("{}-{:x}", item.decision.scaled_object, item.number)
}

/// A time without the part of a second, as `metav1.Time` has it.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

/// The object of a bookmark.
fn bookmark(metadata: &Value) -> Value {
    json!({"apiVersion": format!("{}/{}", object::GROUP, object::VERSION), "kind": object::KIND, "metadata": metadata})
}
