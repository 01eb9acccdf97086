//! Validates an object against the schema of its CustomResourceDefinition, as the API server does before any webhook sees the
//! object (Kubernetes docs, "CustomResourceDefinition", structural schemas).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::review::Finding;

/// The schemas of the kinds that Ebb serves, by kind.
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    pub(super) fn new() -> Self {
        let schemas = ebb_crds::yaml::definitions().into_iter().filter_map(|definition| {
            let schema = definition.spec.versions.into_iter().next()?.schema?.open_api_v3_schema?;
            Some((definition.spec.names.kind, serde_json::to_value(schema).ok()?))
        });
        Self(schemas.collect())
    }

    /// Whether there is a schema for this kind.
    pub(super) fn know(&self, kind: &str) -> bool {
        self.0.contains_key(kind)
    }

    /// The kinds, as a list in a sentence.
    pub(super) fn kinds(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The mistakes in `value`, an object of this kind.
    pub(super) fn check(&self, kind: &str, value: &Value) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(schema) = self.0.get(kind) {
            for part in ["spec", "status"] {
                match value.get(part) {
                    Some(part_value) => check(&schema["properties"][part], part_value, part, &mut findings),
                    None if part == "spec" => findings.push(Finding::refusal("", "spec is missing")),
                    None => {}
                }
            }
        }
        findings
    }
}

fn check(schema: &Value, value: &Value, path: &str, findings: &mut Vec<Finding>) {
    let mut refuse = |text: String| findings.push(Finding::refusal(path, text));
    let expected = schema["type"].as_str().unwrap_or_default();
    // The API server drops a null value, unless the schema allows null.
    if value.is_null() || schema["x-kubernetes-int-or-string"] == true && (value.is_i64() || value.is_string()) {
        return;
    }
    if !fits(expected, value) {
        let cure =
            if expected == "string" && !value.is_object() && !value.is_array() { ": put it in quotes" } else { "" };
        return refuse(format!("must be {}, and is {}{cure}", article(expected), described(value)));
    }
    match value {
        Value::Object(fields) => check_fields(schema, fields, path, findings),
        Value::Array(items) => {
            let least = schema["minItems"].as_u64().unwrap_or(0);
            if u64::try_from(items.len()).is_ok_and(|count| count < least) {
                refuse(format!("must have at least {least} items"));
            }
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), findings);
            }
        }
        Value::String(text) => {
            let words: Vec<_> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if !words.is_empty() && !words.contains(&text.as_str()) {
                refuse(format!("{text:?} must be one of {}", words.join(", ")));
            }
            if schema["minLength"].as_u64().is_some_and(|least| least > 0) && text.is_empty() {
                refuse("must not be empty".into());
            }
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
                refuse(format!("{number} must be {least} or more"));
            } else if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
                refuse(format!("{number} must be {most} or less"));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a value has the type that the schema expects.
fn fits(expected: &str, value: &Value) -> bool {
    match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        _ => true,
    }
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, path: &str, findings: &mut Vec<Finding>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if fields.get(name).is_none_or(Value::is_null) {
            findings.push(Finding::refusal(path, format!("{name} is missing")));
        }
    }
    for (name, value) in fields {
        let place = format!("{path}.{name}");
        if let Some(schema) = schema["properties"].get(name) {
            check(schema, value, &place, findings);
        } else if schema["additionalProperties"].is_object() {
            check(&schema["additionalProperties"], value, &place, findings);
        } else if schema["x-kubernetes-preserve-unknown-fields"] != true && !schema["properties"].is_null() {
            findings.push(Finding::warning(place, format!("unknown field {name:?}: the API server drops it")));
        }
    }
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn described(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "an array".into(),
        other => format!("{other}"),
    }
}
