//! Everything about one ScaledObject, for its page. Pure.

use chrono::{DateTime, Utc};
use ebb_crds::ScaledObject;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Event;
use serde::Serialize;
use serde_json::Value;

use super::problems::since;
use super::row::Row;
use super::windows::{OpenWindow, open_windows};

/// The most events of a page.
const MOST_EVENTS: usize = 100;

/// What the page of one ScaledObject shows.
#[derive(Debug, Serialize)]
pub(super) struct Detail {
    pub(super) row: Row,
    pub(super) object: ScaledObject,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hpa: Option<HorizontalPodAutoscaler>,
    pub(super) events: Vec<ObjectEvent>,
    /// As the decisions API gives them, oldest first.
    pub(super) decisions: Vec<Value>,
    /// As the decisions API gives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) readings: Option<Value>,
    pub(super) windows: Vec<OpenWindow>,
    pub(super) now: DateTime<Utc>,
}

/// What comes from other requests than the watches on ScaledObjects and HPAs.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) events: Vec<Event>,
    pub(super) decisions: Vec<Value>,
    pub(super) readings: Option<Value>,
}

/// An event as the page shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ObjectEvent {
    pub(super) time: DateTime<Utc>,
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) count: i32,
    /// Kind and name of the object that it is about.
    pub(super) object: String,
}

impl Detail {
    /// Puts together what is known at `now`.
    pub(super) fn new(
        row: Row,
        object: ScaledObject,
        hpa: Option<HorizontalPodAutoscaler>,
        beside: Beside,
        now: DateTime<Utc>,
    ) -> Self {
        let windows = open_windows(&object.spec.triggers, now);
        let mut decisions = beside.decisions;
        decisions.sort_by_key(time_of);
        Self { row, object, hpa, events: events(&beside.events), decisions, readings: beside.readings, windows, now }
    }
}

/// The moment of a decision.
pub(super) fn time_of(decision: &Value) -> Option<DateTime<Utc>> {
    decision["time"].as_str()?.parse().ok()
}

/// The events, newest first.
fn events(all: &[Event]) -> Vec<ObjectEvent> {
    let mut events: Vec<_> = all.iter().map(event).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.time));
    events.truncate(MOST_EVENTS);
    events
}

fn event(event: &Event) -> ObjectEvent {
    let series = event.series.as_ref();
    let last = series.and_then(|series| series.last_observed_time.as_ref()).map(|time| &time.0);
    let last = last.or(event.last_timestamp.as_ref().map(|time| &time.0));
    let last = last.or(event.event_time.as_ref().map(|time| &time.0));
    let last = last.or(event.metadata.creation_timestamp.as_ref().map(|time| &time.0));
    let about = &event.involved_object;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    ObjectEvent {
        time: last.map(since).unwrap_or_default(),
        type_: text(&event.type_),
        reason: text(&event.reason),
        message: text(&event.message),
        count: series.and_then(|series| series.count).or(event.count).unwrap_or(1),
        object: format!("{} {}", text(&about.kind), text(&about.name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_both_apis_are_ordered_by_their_last_time() {
        let about = json!({"kind": "ScaledObject", "name": "app"});
        let all: Vec<Event> = serde_json::from_value(json!([
            {"metadata": {"creationTimestamp": "2026-11-24T12:00:00Z"}, "involvedObject": about, "reason": "Old", "type": "Normal"},
            {"metadata": {}, "involvedObject": about, "reason": "Counted", "type": "Warning", "count": 7, "message": "no\nqueue",
             "firstTimestamp": "2026-11-24T11:00:00Z", "lastTimestamp": "2026-11-24T12:05:00Z"},
            {"metadata": {}, "involvedObject": about, "reason": "Series", "eventTime": "2026-11-24T11:00:00.000000Z",
             "series": {"count": 3, "lastObservedTime": "2026-11-24T12:10:00.500000Z"}},
        ]))
        .unwrap();
        let shown = events(&all);
        let order: Vec<_> = shown.iter().map(|event| (event.reason.as_str(), event.count)).collect();
        assert_eq!(order, [("Series", 3), ("Counted", 7), ("Old", 1)]);
        assert_eq!(shown[1].message, "no\nqueue");
        assert_eq!(shown[1].object, "ScaledObject app");
        assert_eq!(shown[0].time.to_rfc3339(), "2026-11-24T12:10:00.500+00:00");
    }
}
