//! Contested fields of an HPA: another writer sets them again and again.
//!
//! Ebb corrects a field at once when it differs from Ebb's last write as the API server completed it. A field that
//! comes back [`TIMES`] times within [`WINDOW`] is contested. From then on Ebb corrects it once an hour, so that two
//! writers do not keep the API server busy without an end.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use super::FIELD_MANAGER;

/// The times that a field may come back within [`WINDOW`].
const TIMES: usize = 3;
/// Within this time.
const WINDOW: TimeDelta = TimeDelta::minutes(10);
/// How long a contested field is left alone.
const LEFT_ALONE_FOR: TimeDelta = TimeDelta::hours(1);
/// How long a contested field has to be as it should be until it is contested no more.
const CONTEST_ENDS_AFTER: TimeDelta = TimeDelta::hours(3);
/// Fields that an event names; the rest are counted.
const NAMED: usize = 3;

/// The way to a field, from the object's top.
pub type Path = Vec<String>;

/// The fields of one HPA that other writers have changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Contest {
    /// Ebb's last write as the API server completed it.
    made: Value,
    fields: BTreeMap<Path, Field>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Field {
    /// The times of the corrections within the window.
    corrected: Vec<DateTime<Utc>>,
    /// The end of the time for which it is left alone.
    left_alone_until: Option<DateTime<Utc>>,
}

impl Contest {
    /// The record of an HPA without a correction. `made` is Ebb's write as the API server completed it.
    pub fn new(made: Value) -> Self {
        Self { made, fields: BTreeMap::new() }
    }

    /// The time until which `present` is left alone, where it differs only in fields that are. `next` is the HPA that
    /// Ebb would write over it, with the labels and annotations of others.
    pub fn is_left_alone(&self, present: &Value, next: &Value, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut expected = self.made.clone();
        expected["metadata"] = next["metadata"].clone();
        let differing = differences(&expected, present);
        let ends = differing.iter().map(|path| self.fields.get(path)?.left_alone_until.filter(|end| *end > now));
        ends.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// Notes a correction of `present`, which the API server completed as `made`. Gives the fields that are contested
    /// from now on.
    pub fn correct(&mut self, present: &Value, made: Value, now: DateTime<Utc>) -> Vec<Path> {
        let mut contested = Vec::new();
        for path in differences(&made, present) {
            let field = self.fields.entry(path.clone()).or_default();
            field.corrected.retain(|at| now - *at < WINDOW);
            field.corrected.push(now);
            if field.left_alone_until.is_some() || field.corrected.len() >= TIMES {
                if field.left_alone_until.is_none() {
                    contested.push(path);
                }
                field.left_alone_until = Some(now + LEFT_ALONE_FOR);
            }
        }
        self.made = made;
        contested
    }

    /// Whether nothing has come back for so long that the contest can be forgotten.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.fields.values().all(|field| match field.left_alone_until {
            Some(end) => now - end > CONTEST_ENDS_AFTER - LEFT_ALONE_FOR,
            None => field.corrected.last().is_none_or(|last| now - *last > WINDOW),
        })
    }
}

/// The fields in which two values differ, each by its way. A list is one field.
pub fn differences(one: &Value, other: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    compare(one, other, &mut Vec::new(), &mut found);
    found
}

fn compare(one: &Value, other: &Value, path: &mut Path, found: &mut Vec<Path>) {
    if one == other {
        return;
    }
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let (is_tree, is_leaf) =
        (one.is_object() || other.is_object(), |value: &Value| !value.is_object() && !value.is_null());
    let mut names = keys(one);
    names.extend(keys(other));
    names.sort();
    names.dedup();
    if !is_tree || is_leaf(one) || is_leaf(other) || names.is_empty() {
        found.push(path.clone());
        return;
    }
    for name in names {
        path.push(name.clone());
        compare(&one[&name], &other[&name], path, found);
        path.pop();
    }
}

/// The last writer of the field at `path`, other than Ebb, according to the API server's record.
pub fn writer<'a>(fields: &'a [ManagedFieldsEntry], path: &[String]) -> Option<&'a str> {
    let others = fields.iter().filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER));
    let has = |entry: &&ManagedFieldsEntry| {
        let tree = entry.fields_v1.as_ref().map(|fields| &fields.0);
        tree.is_some_and(|tree| owns(tree, path))
    };
    others
        .filter(has)
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.as_deref())
}

fn owns(tree: &Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match tree.get(format!("f:{first}")) {
        Some(below) => owns(below, rest),
        None => false,
    }
}

/// The text of the event about contested fields of the HPA `name`. `who` has the writer of each, where it is known.
pub fn note(name: &str, fields: &[(Path, Option<String>)]) -> String {
    let mut named: Vec<_> = fields
        .iter()
        .take(NAMED)
        .map(|(path, writer)| format!("{} by {}", display(path), writer.as_deref().unwrap_or("an unknown writer")))
        .collect();
    if fields.len() > NAMED {
        named.push(format!("{} more", fields.len() - NAMED));
    }
    format!(
        "HPA {name:?}: changed {TIMES} times in {} minutes: {}\nfrom now on Ebb puts it right once an hour: set it in the ScaledObject (advanced.horizontalPodAutoscalerConfig), or stop the other writer",
        WINDOW.num_minutes(),
        named.join(", ")
    )
}

/// `metadata.labels[app.kubernetes.io/instance]`.
fn display(path: &[String]) -> String {
    let shown =
        path.iter().map(|name| if name.contains(['.', '/']) { format!("[{name}]") } else { format!(".{name}") });
    shown.collect::<String>().trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn made() -> Value {
        json!({"spec": {"maxReplicas": 8}})
    }

    fn held() -> Value {
        json!({"spec": {"maxReplicas": 8, "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}})
    }

    fn path(text: &str) -> Path {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn a_field_that_comes_back_three_times_is_left_alone_for_an_hour() {
        let mut contest = Contest::new(made());
        for minute in 0..2 {
            assert_eq!(contest.is_left_alone(&held(), &made(), at(minute)), None);
            assert_eq!(contest.correct(&held(), made(), at(minute)), Vec::<Path>::new());
        }
        assert_eq!(contest.correct(&held(), made(), at(2)), [path("spec.behavior.scaleDown.selectPolicy")]);
        assert_eq!(contest.is_left_alone(&held(), &made(), at(61)), Some(at(62)));
        // Another field is corrected at once.
        let other = json!({"spec": {"maxReplicas": 9, "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}});
        assert_eq!(contest.is_left_alone(&other, &made(), at(10)), None);
        // Neither a label that another program keeps changing nor its absence ends that time.
        let with = |mut value: Value| {
            value["metadata"] = json!({"annotations": {"heartbeat": "7"}});
            value
        };
        assert_eq!(contest.is_left_alone(&with(held()), &with(made()), at(61)), Some(at(62)));
        // An hour later it is corrected once, without another event.
        assert_eq!(contest.is_left_alone(&held(), &made(), at(62)), None);
        assert_eq!(contest.correct(&held(), made(), at(62)), Vec::<Path>::new());
        assert_eq!(contest.is_left_alone(&held(), &made(), at(63)), Some(at(122)));
        assert!(!contest.is_over(at(242)));
        assert!(contest.is_over(at(243)));
    }

    #[test]
    fn three_times_in_more_than_ten_minutes_are_no_contest() {
        let mut contest = Contest::new(made());
        for minute in [0, 6, 12, 18] {
            assert_eq!(contest.correct(&held(), made(), at(minute)), Vec::<Path>::new(), "{minute}");
        }
        let mut in_ten = Contest::new(made());
        for minute in [0, 5, 10] {
            assert_eq!(in_ten.correct(&held(), made(), at(minute)), Vec::<Path>::new(), "{minute}");
        }
        assert!(!contest.is_over(at(28)) && contest.is_over(at(29)));
    }

    #[test]
    fn what_the_api_server_adds_to_every_write_is_no_difference() {
        let mut contest = Contest::new(made());
        for minute in 0..5 {
            assert_eq!(contest.correct(&held(), held(), at(minute)), Vec::<Path>::new());
        }
        assert!(contest.is_over(at(5)));
    }

    #[test]
    fn differences_are_leaves_and_whole_lists() {
        let one = json!({"a": {"b": 1, "c": [1, 2]}, "d": null, "e": {}, "g": 1});
        let other = json!({"a": {"b": 2, "c": [1]}, "d": {"x": {"y": 1}}, "f": 1, "g": {"x": 1}});
        let found: Vec<_> = differences(&one, &other).iter().map(|path| path.join(".")).collect();
        assert_eq!(found, ["a.b", "a.c", "d.x.y", "e", "f", "g"]);
        assert_eq!(differences(&one, &one), Vec::<Path>::new());
    }

    #[test]
    fn the_writer_is_the_last_one_besides_ebb() {
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "time": time, "operation": "Update", "fieldsV1": fields});
        let behavior = json!({"f:spec": {"f:behavior": {"f:scaleDown": {"f:selectPolicy": {}}}}});
        let fields: Vec<ManagedFieldsEntry> = serde_json::from_value(json!([
            entry("keda", "2026-01-01T00:00:00Z", behavior.clone()),
            entry("kubectl-edit", "2026-01-02T00:00:00Z", behavior.clone()),
            entry("ebb", "2026-01-03T00:00:00Z", behavior),
            entry("kube-controller-manager", "2026-01-04T00:00:00Z", json!({"f:status": {}})),
        ]))
        .unwrap();
        assert_eq!(writer(&fields, &path("spec.behavior.scaleDown.selectPolicy")), Some("kubectl-edit"));
        assert_eq!(writer(&fields, &path("spec.maxReplicas")), None);
    }

    #[test]
    fn the_event_names_field_and_writer() {
        let label: Path = ["metadata", "labels", "app.kubernetes.io/instance"].map(str::to_owned).into();
        let fields = [(path("spec.maxReplicas"), Some("kubectl-edit".to_owned())), (label, None)];
        let note = note("keda-hpa-shop", &fields);
        assert!(note.contains("spec.maxReplicas by kubectl-edit"), "{note}");
        assert!(note.contains("metadata.labels[app.kubernetes.io/instance] by an unknown writer"), "{note}");
        assert!(
            note.starts_with("HPA \"keda-hpa-shop\": changed 3 times in 10 minutes: ") && !note.contains("more"),
            "{note}"
        );
        let many = |count| super::note("own", &vec![(path("spec.maxReplicas"), None); count]);
        assert!(!many(3).contains("more") && many(5).contains(", 2 more\n"), "{}", many(5));
    }
}
