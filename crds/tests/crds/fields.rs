//! No field, type, limit or column that KEDA's definitions have is missing or different. `keda_fields.txt` lists them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::schema::{Definition, definitions, entries, text};

/// The fields that Ebb adds to KEDA's definitions.
const ADDED: [&str; 2] = [
    "status.conditions[].lastTransitionTime string format=date-time",
    "status.conditions[].observedGeneration integer format=int64",
];

const LIMITS: [&str; 7] = ["default", "enum", "format", "maximum", "minItems", "minLength", "minimum"];

#[test]
fn definitions_hold_what_kedas_hold() {
    let mut keda = keda();
    for definition in definitions() {
        let name = definition.name();
        let keda = keda.remove(name).unwrap_or_else(|| panic!("{name} is not in keda_fields.txt"));
        let mut ours: BTreeSet<String> = lines(&definition).into_iter().collect();
        ours.retain(|line| !ADDED.contains(&line.as_str()));
        let lost: Vec<_> = keda.difference(&ours).collect();
        let more: Vec<_> = ours.difference(&keda).collect();
        assert!(lost.is_empty() && more.is_empty(), "{name}\nonly KEDA has: {lost:#?}\nonly Ebb has: {more:#?}");
    }
    assert!(keda.is_empty(), "no definition for {:?}", keda.keys());
}

#[test]
fn the_only_rule_is_the_one_on_replica_bounds() {
    let rules: Vec<_> =
        definitions().iter().flat_map(|definition| rules(definition.schema())).map(ToString::to_string).collect();
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert!(rules[0].contains("minReplicaCount must be less than or equal to maxReplicaCount"), "{rules:?}");
}

#[test]
fn nothing_is_nullable() {
    for definition in definitions() {
        assert!(!definition.json.to_string().contains("nullable"), "{}", definition.name());
    }
}

/// The lines of `keda_fields.txt` by definition.
fn keda() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut sections = BTreeMap::<_, BTreeSet<String>>::new();
    let mut section = "";
    for line in include_str!("keda_fields.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else {
            sections.entry(section).or_default().insert(line.to_owned());
        }
    }
    sections
}

/// A definition in the form of `keda_fields.txt`.
fn lines(definition: &Definition) -> Vec<String> {
    let spec = &definition.json["spec"];
    let names = &spec["names"];
    let words: Vec<_> = ["kind", "plural", "singular"].iter().map(|name| text(&names[name])).collect();
    let mut lines =
        vec![format!("@names {} {} {}", words.join(" "), joined(&names["shortNames"]), text(&spec["scope"]))];
    for column in entries(&spec["versions"][0]["additionalPrinterColumns"]) {
        let priority = column["priority"].as_i64().unwrap_or(0);
        let [name, type_, path] = ["name", "type", "jsonPath"].map(|key| text(&column[key]));
        lines.push(format!("@column {name} {type_} {priority} {path}"));
    }
    fields(definition.schema(), "", &mut lines);
    lines
}

/// Adds a line for each field below `path`.
fn fields(schema: &Value, path: &str, lines: &mut Vec<String>) {
    let required = entries(&schema["required"]);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        lines.push(line(field, &path, required.iter().any(|required| required == name)));
        fields(field, &path, lines);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            let path = format!("{path}{mark}");
            lines.push(line(&schema[key], &path, false));
            fields(&schema[key], &path, lines);
        }
    }
}

fn line(field: &Value, path: &str, required: bool) -> String {
    let type_ = if field["x-kubernetes-int-or-string"] == true { "int-or-string" } else { text(&field["type"]) };
    let mut words = vec![path.to_owned(), type_.to_owned()];
    words.extend(required.then(|| "required".to_owned()));
    let limits = LIMITS.iter().filter(|limit| !field[limit].is_null());
    words.extend(limits.map(|limit| format!("{limit}={}", joined(&field[limit]))));
    words.join(" ")
}

/// A value as one word, the entries of a list with `|` between them.
fn joined(value: &Value) -> String {
    match value {
        Value::Array(entries) => entries.iter().map(joined).collect::<Vec<_>>().join("|"),
        Value::String(text) if text.is_empty() => "\"\"".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        other => other.to_string(),
    }
}

/// All validation rules in a schema.
fn rules(schema: &Value) -> Vec<&Value> {
    match schema {
        Value::Object(fields) => {
            fields
                .iter()
                .flat_map(|(name, field)| {
                    if name == "x-kubernetes-validations" { entries(field).iter().collect() } else { rules(field) }
                })
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(rules).collect(),
        _ => Vec::new(),
    }
}
