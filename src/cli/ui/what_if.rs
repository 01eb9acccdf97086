//! The what-if panel: an edited ScaledObject under the readings that there were. It writes nothing to the cluster.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::StatusCode;
use kube::Client;
use serde::Deserialize;

use super::trail;
use crate::cli::simulate::history::{self, History, ReadTrigger, WhatIf};
use crate::kube_api::key::Key;
use crate::metrics_api::decisions::{ReadPoint, Readings};

/// The most bytes of a manifest. Those of the API server's own store are larger, and no ScaledObject is.
const LONGEST: usize = 256 << 10;

/// The question of the panel.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    namespace: String,
    name: String,
    yaml: String,
}

/// Why there is no simulation, for the page.
pub(super) type Refusal = (StatusCode, String);

/// Simulates the edited ScaledObject under the readings of the last hour.
///
/// # Errors
/// There are no readings, or the manifest is not valid.
pub(super) async fn simulate(client: &Client, question: Question) -> Result<WhatIf, Refusal> {
    let refused = |text: String| (StatusCode::UNPROCESSABLE_ENTITY, text);
    if question.yaml.len() > LONGEST {
        return Err(refused(format!("the manifest is longer than {} KB", LONGEST >> 10)));
    }
    let file = format!("{}.yaml", question.name);
    let key = Key::new(question.namespace, question.name);
    let readings = trail::readings(client, &key).await;
    let readings = readings.and_then(|readings| serde_json::from_value::<Readings>(readings).ok());
    let history = readings.as_ref().and_then(history_of);
    let history =
        history.ok_or_else(|| refused("there are too few readings yet: a simulation needs two".to_owned()))?;
    // An hour is simulated in milliseconds; a strange manifest may take longer, and holds up no page.
    let made = tokio::task::spawn_blocking(move || history::under(&question.yaml, &file, &history)).await;
    made.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
        .map_err(|error| refused(error.to_string()))
}

/// The readings as the simulation takes them. None: there are too few.
fn history_of(readings: &Readings) -> Option<History> {
    let (first, last) = (readings.points.first()?, readings.points.last()?);
    let start: DateTime<Utc> = first.time.parse().ok()?;
    let since = |time: &str| (time.parse::<DateTime<Utc>>().ok()? - start).to_std().ok();
    let length = since(&last.time)? + Duration::from_secs(u64::from(last.seconds));
    let triggers = readings.triggers.iter().enumerate().map(|(place, trigger)| {
        let value = |point: &ReadPoint| point.values.get(place).copied().flatten();
        let points = readings.points.iter().flat_map(|point| {
            let begin = since(&point.time);
            let end = begin.map(|begin| begin + Duration::from_secs(u64::from(point.seconds)));
            let read = value(point);
            // Of a minute the greatest value is known, and the last: what a replica had to bear, and what came after.
            let parts = [(begin, read.map(|read| f64::from(read.max))), (end, read.map(|read| f64::from(read.last)))];
            parts.into_iter().filter_map(|(at, value)| Some((at?, value)))
        });
        ReadTrigger { name: trigger.name.clone(), metric: trigger.metric.clone(), points: points.collect() }
    });
    let triggers = triggers.collect();
    (!length.is_zero()).then_some(History { start, length, replicas: first.replicas, triggers })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn points_of_minutes_give_their_greatest_and_their_last_value() {
        let readings: Readings = serde_json::from_value(json!({
            "since": "2026-11-27T12:00:00Z", "thinned": false,
            "triggers": [{"index": 1, "type": "rabbitmq", "name": "orders", "metric": "s1-rabbitmq-orders", "target": 5.0, "activation": 0.0}],
            "points": [
                {"time": "2026-11-27T12:00:00Z", "seconds": 50, "values": [{"last": 3.0, "min": 1.0, "max": 9.0}], "replicas": 2},
                {"time": "2026-11-27T12:01:00Z", "seconds": 0, "values": [null]},
            ],
        }))
        .unwrap();
        let history = history_of(&readings).unwrap();
        let at = Duration::from_secs;
        assert_eq!(
            history.triggers[0].points,
            [(at(0), Some(9.0)), (at(50), Some(3.0)), (at(60), None), (at(60), None)]
        );
        assert_eq!((history.length, history.replicas), (at(60), Some(2)));
    }

    #[test]
    fn one_reading_is_no_history_unless_it_lasts() {
        let lasting = |seconds: u32| {
            let readings: Readings = serde_json::from_value(json!({
                "since": "2026-11-27T12:00:00Z", "thinned": false, "triggers": [],
                "points": [{"time": "2026-11-27T12:00:00Z", "seconds": seconds, "values": []}],
            }))
            .unwrap();
            history_of(&readings).map(|history| history.length)
        };
        assert_eq!((lasting(0), lasting(60)), (None, Some(Duration::from_mins(1))));
    }
}
