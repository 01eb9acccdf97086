//! The values for Ebb's chart that the values of KEDA's chart come to.

use std::collections::BTreeMap;

use ebb_plan::similar::similar;
use serde_json::{Map, Value};

use super::known::{KNOWN, Known, Meaning};
use crate::cli::args;
use crate::cli::check::schema;
use crate::review::Severity;

/// The name of KEDA's Deployment, which is also the label of its pods.
const KEDA: &str = "keda-operator";

/// A value that needs a remark.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Note {
    /// Its name, such as `operator.replicaCount`.
    pub(super) name: String,
    pub(super) value: Value,
    /// The remark.
    pub(super) why: String,
}

/// The result of a migration of values.
#[derive(Debug, Default)]
pub(super) struct Migration {
    /// The values for Ebb's chart.
    pub(super) values: Map<String, Value>,
    /// Values that change a behavior of KEDA, and that Ebb cannot honour.
    pub(super) refused: Vec<Note>,
    /// Values that the chart or the program does not accept.
    pub(super) wrong: Vec<Note>,
    /// Names that no chart knows.
    pub(super) unknown: Vec<Note>,
    /// Values that belong to KEDA's release, and that Ebb's must not have.
    pub(super) left: Vec<Note>,
    /// Values without an effect in Ebb.
    pub(super) ignored: Vec<Note>,
    /// Values that are KEDA's defaults, where Ebb has another.
    pub(super) defaults: Vec<Note>,
    /// Values that are taken over and speak of KEDA's pods.
    pub(super) about_keda: Vec<Note>,
}

impl Migration {
    /// Migrates `given`.
    pub(super) fn of(given: &Map<String, Value>) -> Self {
        let mut walk = Walk { known: &KNOWN, migration: Self::default(), found: BTreeMap::new() };
        walk.map("", given, &KNOWN.schema);
        walk.decide();
        walk.migration.check();
        walk.migration
    }

    /// Whether an installation with the values would fail, or would lack something.
    pub(super) fn fails(&self) -> bool {
        !self.refused.is_empty() || !self.wrong.is_empty()
    }

    /// Finds values that the chart or the program refuses as they are.
    fn check(&mut self) {
        let values = Value::Object(self.values.clone());
        let findings = schema::validate(&KNOWN.schema, &values, "").findings;
        for finding in findings.into_iter().filter(|finding| finding.severity == Severity::Refusal) {
            // Names of values have no dots.
            let value = finding.path.split('.').fold(&values, |value, key| &value[key]).clone();
            self.wrong.push(Note { name: finding.path, value, why: finding.text });
        }
        let flags = values["extraArgs"]["keda"].as_object().into_iter().flatten();
        for (flag, value) in flags.filter(|(flag, value)| !value.is_null() && !args::is_flag_of_run(flag)) {
            let why = "ebb run has no such flag, and would end at the start".to_owned();
            self.wrong.push(Note { name: format!("extraArgs.keda.{flag}"), value: value.clone(), why });
        }
        self.about_keda = speaking_of_keda("", &values);
    }
}

/// A walk through a file of values.
struct Walk<'a> {
    known: &'a Known,
    migration: Migration,
    /// The values that KEDA's chart knows, by their names.
    found: BTreeMap<String, Value>,
}

impl Walk<'_> {
    fn map(&mut self, path: &str, fields: &Map<String, Value>, schema: &Value) {
        // A value without content is not set.
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let below = &schema["properties"][key];
            if self.known.get(&name).is_some() {
                self.found.insert(name, value.clone());
            } else if self.known.has_below(&name) {
                match value {
                    Value::Object(fields) => self.map(&name, fields, below),
                    _ => self.wrong(name, value, "it must be a map of values"),
                }
            } else if !below.is_null() || schema["additionalProperties"] != false {
                // Ebb's own, or a part of a value of any form.
                insert(&mut self.migration.values, path, key, value.clone());
            } else {
                let meant =
                    similar(key, schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()));
                let separator = if path.is_empty() { "" } else { "." };
                let why = meant.map(|meant| format!("write {path}{separator}{meant}")).unwrap_or_default();
                self.migration.unknown.push(Note { name, value: value.clone(), why });
            }
        }
    }

    fn wrong(&mut self, name: String, value: &Value, why: &str) {
        self.migration.wrong.push(Note { name, value: value.clone(), why: why.to_owned() });
    }

    /// Sorts the values that KEDA's chart knows.
    fn decide(&mut self) {
        let found = std::mem::take(&mut self.found);
        let known = self.known;
        let is_set = |name: &String, default: &Value| found.get(name).is_some_and(|value| differs(value, default));
        for (name, value) in &found {
            let Some((meaning, group, default)) = known.get(name) else { continue };
            let note = |why: String| Note { name: name.clone(), value: value.clone(), why };
            let why = group.why.clone().unwrap_or_default();
            if !differs(value, default) {
                let own = known.own_default(name);
                let taken = group.together && group.values.iter().any(|(name, default)| is_set(name, default));
                if meaning == Meaning::Honoured && !taken && differs(own, default) {
                    self.migration.defaults.push(note(format!("Ebb: {}", shown(own))));
                }
                continue;
            }
            match meaning {
                Meaning::Refused => {
                    let hint = group.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
                    self.migration.refused.push(note(why + &hint));
                }
                Meaning::Ignored => self.migration.ignored.push(note(why)),
                Meaning::Honoured if group.why.is_some() && !stays(known, &found, &group.unless) => {
                    self.migration.left.push(note(why));
                }
                Meaning::Honoured => set(&mut self.migration.values, name, value.clone()),
            }
        }
        for group in known.together() {
            if group.values.iter().any(|(name, default)| is_set(name, default)) {
                for (name, default) in &group.values {
                    set(&mut self.migration.values, name, found.get(name).unwrap_or(default).clone());
                }
            }
        }
    }
}

/// Whether one of the values `unless` is as it says, so that values with a reason to stay behind are taken over.
fn stays(known: &Known, found: &BTreeMap<String, Value>, unless: &Map<String, Value>) -> bool {
    unless.iter().any(|(name, wanted)| {
        let default = known.get(name).map(|(_, _, default)| default);
        found.get(name).or(default) == Some(wanted)
    })
}

/// Whether a value is set to other than the default, by the rule of the chart's `ebb.set`: values that print the same
/// are the same, and an empty value is not set where the default is empty, too.
fn differs(value: &Value, default: &Value) -> bool {
    let same = value == default || shown(value) == shown(default);
    !(same || value.is_null() || is_empty(value) && is_empty(default))
}

/// Whether Go's templates take a value for empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// A value on one line.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => text.replace(char::is_control, " "),
        other => other.to_string(),
    }
}

/// Sets the value with this name, whose maps are made where they are missing.
fn set(values: &mut Map<String, Value>, name: &str, to: Value) {
    let (path, key) = name.rsplit_once('.').unwrap_or(("", name));
    insert(values, path, key, to);
}

fn insert(values: &mut Map<String, Value>, path: &str, key: &str, to: Value) {
    let mut at = values;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let below = at.entry(part).or_insert_with(|| Value::Object(Map::new()));
        match below {
            Value::Object(fields) => at = fields,
            _ => return,
        }
    }
    at.insert(key.to_owned(), to);
}

/// The values that contain the name of KEDA's pods.
fn speaking_of_keda(path: &str, value: &Value) -> Vec<Note> {
    let fields = value.as_object().filter(|_| path.is_empty() || KNOWN.has_below(path));
    if let Some(fields) = fields {
        let name = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        return fields.iter().flat_map(|(key, value)| speaking_of_keda(&name(key), value)).collect();
    }
    let speaks = value.to_string().contains(&format!("\"{KEDA}"));
    let note = || Note { name: path.to_owned(), value: value.clone(), why: String::new() };
    speaks.then(note).into_iter().collect()
}
