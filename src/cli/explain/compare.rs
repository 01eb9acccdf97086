//! `ebb explain --compare`: the replicas of an observed target beside those that Ebb would have set. Pure.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use ebb_plan::trail::object::{ScalingDecision, ShadowDecision};
use kube::ResourceExt as _;
use serde::Serialize;

use super::cluster::Facts;
use crate::metrics_api::decisions::ReadPoint;

/// The columns of the chart.
const COLUMNS: u16 = 60;
/// The heights of a column.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How long a difference may last before the trail records it.
const RECORDED_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// Both lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// `namespace/name` of the ScaledObject.
    pub scaled_object: String,
    /// The kind and the name of its target.
    pub target: String,
    /// The target's replicas.
    pub replicas: Option<i32>,
    /// What Ebb would have, by the last decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowDecision>,
    /// The times in which neither count changed, the oldest first. They have no gaps.
    pub intervals: Vec<Interval>,
    /// How long both were the same, in seconds.
    pub same_seconds: i64,
    /// How long they differed, in seconds.
    pub different_seconds: i64,
    /// The sum of the target's replicas, in hours.
    pub replica_hours: f64,
    /// The same of Ebb.
    pub shadow_replica_hours: f64,
    /// What could not be read, and why.
    pub unknown: Vec<String>,
}

/// A time in which neither count changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
    /// The target's replicas.
    pub replicas: i32,
    /// Those that Ebb would have had.
    pub shadow: i32,
    /// Why they differ, where the trail has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Interval {
    fn seconds(&self) -> i64 {
        (self.to - self.from).num_seconds()
    }
}

/// Compares what was read.
pub fn compare(facts: &Facts) -> Comparison {
    let decisions: &[ScalingDecision] = facts.decisions.as_ref().map_or(&[], |(decisions, _)| decisions);
    let points: &[ReadPoint] = facts.readings.as_ref().map_or(&[], |readings| &readings.points);
    let mut intervals = intervals(points);
    for interval in intervals.iter_mut().filter(|interval| interval.replicas != interval.shadow) {
        interval.why = why(interval, decisions);
    }
    let total = |is_same: bool| {
        let of_kind = intervals.iter().filter(|interval| (interval.replicas == interval.shadow) == is_same);
        of_kind.map(Interval::seconds).sum()
    };
    #[expect(clippy::cast_precision_loss)] // An hour has few seconds.
    let hours = |count: fn(&Interval) -> i32| {
        let seconds: i64 = intervals.iter().map(|interval| i64::from(count(interval)) * interval.seconds()).sum();
        seconds as f64 / 3_600.0
    };
    let unreadable =
        [("the decisions", facts.decisions.as_ref().err()), ("the readings", facts.readings.as_ref().err())];
    let unknown = unreadable.into_iter().filter_map(|(what, error)| Some(format!("{what} cannot be read: {}", error?)));
    let (object, target) = (&facts.object, &facts.object.spec.scale_target_ref);
    Comparison {
        scaled_object: format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()),
        target: format!("{} {}", target.kind(), target.name),
        replicas: facts.replicas.as_ref().ok().copied(),
        shadow: decisions.last().and_then(|decision| decision.shadow.clone()),
        same_seconds: total(true),
        different_seconds: total(false),
        replica_hours: hours(|interval| interval.replicas),
        shadow_replica_hours: hours(|interval| interval.shadow),
        unknown: unknown.collect(),
        intervals,
    }
}

/// Joins points with the same counts. A point holds until the next one.
fn intervals(points: &[ReadPoint]) -> Vec<Interval> {
    let begin = |point: &ReadPoint| point.time.parse::<DateTime<Utc>>().ok();
    let mut intervals: Vec<Interval> = Vec::new();
    for (place, point) in points.iter().enumerate() {
        let (Some(from), Some(replicas), Some(shadow)) = (begin(point), point.replicas, point.shadow) else { continue };
        let own_end = from + TimeDelta::seconds(i64::from(point.seconds));
        let to = points.get(place + 1).and_then(begin).unwrap_or(own_end);
        match intervals.last_mut() {
            Some(last) if (last.replicas, last.shadow, last.to) == (replicas, shadow, from) => last.to = to,
            _ => intervals.push(Interval { from, to, replicas, shadow, why: None }),
        }
    }
    intervals
}

/// The trail's words for a difference. They are recorded a moment after its begin.
fn why(interval: &Interval, decisions: &[ScalingDecision]) -> Option<String> {
    let is_of = |decision: &&ScalingDecision| {
        let time = decision.time.parse::<DateTime<Utc>>();
        let is_then = time.is_ok_and(|time| time >= interval.from - RECORDED_WITHIN && time <= interval.to);
        let counts = decision.shadow.as_ref().map(|shadow| (decision.to, shadow.replicas));
        is_then && decision.reason == "Differs" && counts == Some((interval.replicas, interval.shadow))
    };
    decisions.iter().rev().find(is_of).map(|decision| decision.message.clone())
}

/// The comparison as text for people.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, comparison);
    text
}

fn write(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let Comparison { intervals, .. } = comparison;
    let replicas = comparison.replicas.map_or_else(|| "?".to_owned(), |replicas| replicas.to_string());
    writeln!(text, "{}  scales {}", comparison.scaled_object, comparison.target)?;
    writeln!(text, "  replicas   {replicas}")?;
    if let Some(shadow) = &comparison.shadow {
        writeln!(text, "  Ebb        would have {}: {}", shadow.replicas, shadow.message)?;
    }
    let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
        writeln!(
            text,
            "\nThere is nothing to compare: Ebb observes with --observe, or where a ScaledObject has the annotation \
             ebb.dev/mode: observe"
        )?;
        return write_unknown(text, &comparison.unknown);
    };
    let (same, different) = (duration(comparison.same_seconds), duration(comparison.different_seconds));
    writeln!(text, "\nFrom {} to {}: {same} the same, {different} different", clock(first.from), clock(last.to))?;
    let (hours, shadow_hours) = (comparison.replica_hours, comparison.shadow_replica_hours);
    writeln!(text, "Replica hours: {hours:.2}, with Ebb {shadow_hours:.2}\n")?;
    let most = intervals.iter().map(|interval| interval.replicas.max(interval.shadow)).max().unwrap_or(0);
    writeln!(text, "  replicas  {}  0 to {most}", line(intervals, most, |interval| interval.replicas))?;
    writeln!(text, "  Ebb       {}", line(intervals, most, |interval| interval.shadow))?;
    writeln!(text, "\n  {:<20}  {:>8}  {:>8}  {:>8}", "FROM", "FOR", "REPLICAS", "EBB")?;
    for interval in intervals {
        let (from, length) = (clock(interval.from), duration(interval.seconds()));
        let why = interval.why.as_deref().map(|why| format!("  {why}")).unwrap_or_default();
        writeln!(text, "  {from:<20}  {length:>8}  {:>8}  {:>8}{why}", interval.replicas, interval.shadow)?;
    }
    write_unknown(text, &comparison.unknown)
}

fn write_unknown(text: &mut String, unknown: &[String]) -> std::fmt::Result {
    unknown.iter().try_for_each(|unknown| writeln!(text, "\n{unknown}"))
}

/// One count over time, as blocks.
fn line(intervals: &[Interval], most: i32, count: fn(&Interval) -> i32) -> String {
    let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else { return String::new() };
    let length = (last.to - first.from).num_milliseconds();
    let column = |column: u16| {
        let at = first.from + TimeDelta::milliseconds(length * i64::from(column) / i64::from(COLUMNS));
        let count = intervals.iter().rfind(|interval| interval.from <= at).map_or(0, count);
        let height = i64::from(count.max(0)) * 7 / i64::from(most.max(1));
        HEIGHTS[usize::try_from(height).unwrap_or_default().min(7)]
    };
    (0..COLUMNS).map(column).collect()
}

fn clock(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `58m 12s`.
fn duration(seconds: i64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn point(second: i64, replicas: i32, shadow: Option<i32>) -> ReadPoint {
        ReadPoint { time: clock(at(second)), seconds: 10, values: Vec::new(), replicas: Some(replicas), shadow }
    }

    fn differs(second: i64, replicas: i32, shadow: i32) -> ScalingDecision {
        let shadow = json(serde_json::json!({
            "replicas": shadow, "since": clock(at(second)), "by": "Ebb", "reason": "Activated", "message": "it is active",
        }));
        ScalingDecision {
            shadow: Some(shadow),
            ..json(serde_json::json!({
                "time": clock(at(second)), "scaledObject": "app", "from": replicas, "to": replicas, "by": "Autoscaler",
                "reason": "Differs", "message": "would have differed",
            }))
        }
    }

    fn json<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn points_become_intervals_with_the_reasons_of_differences() {
        let points = [
            point(0, 0, Some(0)),
            point(10, 0, Some(0)),
            point(20, 0, Some(1)),
            point(48, 1, Some(1)),
            point(60, 2, None),
        ];
        let mut found = intervals(&points);
        let shown: Vec<_> = found.iter().map(|one| (one.seconds(), one.replicas, one.shadow)).collect();
        assert_eq!(shown, [(20, 0, 0), (28, 0, 1), (12, 1, 1)]);
        let decisions = [differs(21, 0, 1), differs(30, 3, 5), differs(900, 0, 1)];
        assert_eq!(why(&found[1], &decisions).as_deref(), Some("would have differed"));
        assert_eq!(why(&found[0], &decisions), None);
        found[1].why = why(&found[1], &decisions);
        let comparison = Comparison {
            scaled_object: "shop/app".into(),
            target: "Deployment app".into(),
            replicas: Some(1),
            shadow: decisions[0].shadow.clone(),
            same_seconds: 32,
            different_seconds: 28,
            replica_hours: 0.5,
            shadow_replica_hours: 0.75,
            intervals: found,
            unknown: vec!["the moon cannot be read: 404".into()],
        };
        let text = text(&comparison);
        for part in [
            "shop/app  scales Deployment app",
            "Ebb        would have 1: it is active",
            "From 2027-01-15T08:00:00Z to 2027-01-15T08:01:00Z: 32s the same, 28s different",
            "Replica hours: 0.50, with Ebb 0.75",
            "2027-01-15T08:00:20Z       28s         0         1  would have differed",
            "the moon cannot be read",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn without_a_shadow_there_is_nothing_to_compare() {
        assert!(intervals(&[point(0, 3, None)]).is_empty());
    }

    #[test]
    fn durations_and_lines_are_short() {
        assert_eq!([5, 65, 7_325].map(duration), ["5s", "1m 5s", "2h 2m"]);
        let intervals = [(0, 30, 0), (30, 60, 8)].map(|(from, to, replicas)| Interval {
            from: at(from),
            to: at(to),
            replicas,
            shadow: 0,
            why: None,
        });
        let line = line(&intervals, 8, |interval| interval.replicas);
        assert!(line.starts_with("▁▁") && line.ends_with("██") && line.chars().count() == 60, "{line}");
    }
}
