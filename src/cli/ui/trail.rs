//! The trail of decisions as its API serves it: what a page needs of a decision, and what an error of the API means.

use chrono::{DateTime, Utc};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde_json::Value;

use super::detail::time_of;
use crate::kube_api::key::Key;

const GROUP: &str = "decisions.ebb.dev";
const VERSION: &str = "v1alpha1";
const PLURAL: &str = "scalingdecisions";

/// Whether the trail can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Trail {
    pub(super) state: &'static str,
    pub(super) message: String,
}

/// What the overview needs of a decision.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Brief {
    pub(super) key: Key,
    pub(super) time: DateTime<Utc>,
    pub(super) from: Option<i32>,
    pub(super) to: i32,
}

impl Trail {
    pub(super) fn ok() -> Self {
        Self { state: "ok", message: String::new() }
    }

    /// Nothing has answered yet.
    pub(super) fn waiting() -> Self {
        Self { state: "unreachable", message: "The trail of decisions has not answered yet.".to_owned() }
    }

    /// The state that an error of the API shows.
    pub(super) fn of(error: &watcher::Error) -> Self {
        let (code, text) = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => match error {
                kube::Error::Api(status) => (status.code, status.message.clone()),
                other => (0, other.to_string()),
            },
            watcher::Error::WatchError(status) => (status.code, status.message.clone()),
            watcher::Error::NoResourceVersion => (0, error.to_string()),
        };
        match code {
            404 => Self {
                state: "absent",
                message: format!(
                    "This cluster serves no {PLURAL}.{GROUP}: its Ebb is older than this one, or its APIService is missing."
                ),
            },
            401 | 403 => Self {
                state: "forbidden",
                message: format!("You may not list {PLURAL}.{GROUP}: the role view of a namespace allows it."),
            },
            _ => Self {
                state: "unreachable",
                message: format!("The trail of decisions does not answer: {}.", text.trim_end_matches('.')),
            },
        }
    }
}

impl Brief {
    /// What the overview needs of a decision. None: it lacks a part, as that of another version may.
    pub(super) fn of(decision: &DynamicObject) -> Option<Self> {
        let data = &decision.data;
        let number = |key: &str| data[key].as_i64().and_then(|number| i32::try_from(number).ok());
        Some(Self {
            key: Key::new(decision.namespace()?, data["scaledObject"].as_str()?),
            time: time_of(data)?,
            from: number("from"),
            to: number("to")?,
        })
    }
}

fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "ScalingDecision"), PLURAL)
}

/// The decisions of a namespace, or of all.
pub(super) fn api(client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource()),
        None => Api::all_with(client.clone(), &resource()),
    }
}

/// Selects the decisions of one ScaledObject.
pub(super) fn selector(name: &str) -> String {
    // A name may be too long for a label's value; what then comes is looked through by name.
    if name.len() <= 63 { format!("{}={name}", ebb_crds::names::SCALED_OBJECT_NAME_LABEL) } else { String::new() }
}

/// The readings of one ScaledObject. None: they cannot be had now.
pub(super) async fn readings(client: &Client, key: &Key) -> Option<Value> {
    let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{}/{PLURAL}/{}/readings", key.namespace, key.name);
    client.request(http::Request::get(path).body(Vec::new()).ok()?).await.ok()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::json;

    use super::*;

    fn decision(data: &Value) -> DynamicObject {
        let mut all = json!({"metadata": {"name": "app-1f", "namespace": "shop"}});
        all.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_decision_gives_its_change() {
        let brief = Brief::of(&decision(
            &json!({"time": "2026-11-27T21:03:04.567Z", "scaledObject": "app", "from": 0, "to": 1}),
        ));
        let time = "2026-11-27T21:03:04.567Z".parse().unwrap();
        assert_eq!(brief, Some(Brief { key: Key::new("shop", "app"), time, from: Some(0), to: 1 }));
        let unknown = Brief::of(&decision(&json!({"time": "2026-11-27T21:03:04Z", "scaledObject": "app", "to": 1})));
        assert_eq!(unknown.unwrap().from, None);
        for missing in
            [json!({"scaledObject": "app", "to": 1}), json!({"time": "2026-11-27T21:03:04Z", "scaledObject": "app"})]
        {
            assert_eq!(Brief::of(&decision(&missing)), None, "{missing}");
        }
    }

    #[test]
    fn an_error_says_what_is_missing() {
        let status = |code: u16, message: &str| Status { code, message: message.to_owned(), ..Status::default() };
        let failed = |code| watcher::Error::InitialListFailed(kube::Error::Api(status(code, "later.").boxed()));
        assert_eq!(Trail::of(&failed(404)).state, "absent");
        assert_eq!(Trail::of(&failed(403)).state, "forbidden");
        let unavailable = Trail::of(&failed(503));
        assert_eq!(
            (unavailable.state, unavailable.message.as_str()),
            ("unreachable", "The trail of decisions does not answer: later.")
        );
        assert_eq!(Trail::of(&watcher::Error::WatchError(status(410, "expired").boxed())).state, "unreachable");
    }
}
