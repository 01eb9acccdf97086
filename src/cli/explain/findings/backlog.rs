//! A backlog that no replica works off: the value of a trigger only rises, although there are replicas.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Finding, finding};
use crate::metrics_api::decisions::{ReadPoint, Readings};

/// The time without a fall of the value after which a backlog is reported.
const LONG: TimeDelta = TimeDelta::minutes(10);

/// The triggers whose value is above zero and has not fallen for ten minutes, while replicas ran all the time.
pub(super) fn findings(readings: &Readings, now: DateTime<Utc>) -> Vec<Finding> {
    let triggers = readings.triggers.iter().enumerate().filter(|(_, trigger)| trigger.kind != "cron");
    let stuck = triggers.filter(|(place, _)| is_stuck(&readings.points, *place, now));
    stuck
        .map(|(_, trigger)| {
            let name = trigger.name.clone().unwrap_or_else(|| trigger.index.to_string());
            finding(
                format!(
                    "the value of trigger {name} ({}) has not fallen for {} minutes, although replicas run",
                    trigger.kind,
                    LONG.num_minutes()
                ),
                "does the workload consume this source? See the logs of its pods, and compare names and addresses",
            )
        })
        .collect()
}

fn is_stuck(points: &[ReadPoint], place: usize, now: DateTime<Utc>) -> bool {
    let time = |point: &ReadPoint| DateTime::parse_from_rfc3339(&point.time).ok().map(|at| at.to_utc());
    let begin = now - LONG;
    // The last point that begins before the span is a part of it.
    let first = points.iter().rposition(|point| time(point).is_some_and(|at| at <= begin));
    let Some(first) = first else { return false };
    let mut highest = 0.0_f32;
    points[first..].iter().all(|point| {
        let range = point.values.get(place).and_then(Option::as_ref);
        let rises = range.is_some_and(|range| range.min > 0.0 && range.min >= highest && range.last >= range.max);
        highest = range.map_or(highest, |range| range.max.max(highest));
        rises && point.replicas.is_some_and(|replicas| replicas > 0)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Readings, one a minute, up to the present: values and replicas.
    fn readings(values: &[(f32, i32)]) -> (Readings, DateTime<Utc>) {
        let begin: DateTime<Utc> = "2026-11-27T21:00:00Z".parse().unwrap();
        let points = values.iter().enumerate().map(|(minute, (value, replicas))| {
            let time = begin + TimeDelta::minutes(i64::try_from(minute).unwrap());
            json!({
                "time": time.to_rfc3339(), "seconds": 0, "replicas": replicas,
                "values": [{"last": value, "min": value, "max": value}],
            })
        });
        let readings = json!({
            "since": begin.to_rfc3339(), "thinned": false, "points": points.collect::<Vec<_>>(),
            "triggers": [{"index": 0, "type": "rabbitmq", "name": "orders", "metric": "s0", "target": 5.0, "activation": 0.0}],
        });
        (
            serde_json::from_value(readings).unwrap(),
            begin + TimeDelta::minutes(i64::try_from(values.len() - 1).unwrap()),
        )
    }

    #[test]
    fn a_value_that_never_falls_while_replicas_run_is_reported() {
        let rising: Vec<_> = (0..12_u8).map(|minute| (f32::from(minute) + 5.0, 3)).collect();
        let changed = |minute: usize, to: (f32, i32)| {
            let mut values = rising.clone();
            values[minute] = to;
            values
        };
        for (name, values, reported) in [
            ("it rises", rising.clone(), true),
            ("it stays", vec![(40.0, 1); 12], true),
            ("it is empty", vec![(0.0, 1); 12], false),
            ("it fell once", changed(8, (2.0, 3)), false),
            ("it fell long ago", changed(0, (90.0, 3)), true),
            ("there was no replica", changed(8, (13.0, 0)), false),
            ("it is not known for long enough", rising[..9].to_vec(), false),
        ] {
            let (readings, now) = readings(&values);
            let found = findings(&readings, now);
            assert_eq!(!found.is_empty(), reported, "{name}: {found:?}");
            if reported {
                let text =
                    "the value of trigger orders (rabbitmq) has not fallen for 10 minutes, although replicas run";
                assert_eq!(found[0].what, text);
            }
        }
    }
}
