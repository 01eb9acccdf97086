//! Validates an object against the schema of its CustomResourceDefinition, as the API server does before any webhook
//! sees the object (Kubernetes docs, "CustomResourceDefinition", structural schemas).
//!
//! A value of the wrong type does not end the check. It is put right where its meaning is clear, such as a number that
//! lacks its quotes, or replaced by an empty one, so that the other mistakes of the object are found in the same round.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::review::Finding;
use ebb_plan::hpa::behavior::is_quantity;
use ebb_plan::similar::similar;

/// The schemas of the kinds that Ebb serves, by kind.
pub(super) struct Schemas(BTreeMap<String, Value>);

/// An object after its validation.
#[derive(Debug, Default)]
pub(in crate::cli) struct Validated {
    /// The mistakes.
    pub(in crate::cli) findings: Vec<Finding>,
    /// The same object with a value of the right type in each place.
    pub(super) value: Value,
    /// The places whose values are not the user's, or are refused as they are. Nothing more is to be said of them.
    pub(super) holes: Vec<String>,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let schemas = ebb_crds::yaml::definitions().into_iter().filter_map(|definition| {
            let schema = definition.spec.versions.into_iter().next()?.schema?.open_api_v3_schema?;
            Some((definition.spec.names.kind, serde_json::to_value(schema).ok()?))
        });
        Self(schemas.collect())
    }

    /// The kind of this name, in any case of its letters.
    pub(super) fn kind(&self, kind: &str) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|known| known.eq_ignore_ascii_case(kind))
    }

    /// The kind of which `kind` is a misspelling.
    pub(super) fn similar(&self, kind: &str) -> Option<&str> {
        similar(kind, self.0.keys().map(String::as_str))
    }

    /// The kinds, as a list in a sentence.
    pub(super) fn kinds(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Validates the `spec` of an object of this kind. Clients drop a `status` before they send the object.
    pub(super) fn spec(&self, kind: &str, spec: Option<&Value>) -> Validated {
        let schema = self.0.get(kind).map_or(&Value::Null, |schema| &schema["properties"]["spec"]);
        let mut validator = Validator::of(schema, "spec");
        let value = if let Some(spec) = spec.filter(|spec| !spec.is_null()) {
            validator.check(schema, spec, "spec")
        } else {
            validator.refuse("", "spec is missing");
            Some(validator.empty(schema, "spec"))
        };
        validator.end(value)
    }
}

/// Validates a part of an object against a schema.
pub(in crate::cli) fn validate(schema: &Value, value: &Value, path: &str) -> Validated {
    let mut validator = Validator::of(schema, path);
    let value = validator.check(schema, value, path);
    validator.end(value)
}

struct Validator<'a> {
    /// The schema of the whole, and its path.
    whole: (&'a Value, &'a str),
    findings: Vec<Finding>,
    holes: Vec<String>,
}

impl<'a> Validator<'a> {
    fn of(schema: &'a Value, path: &'a str) -> Self {
        Self { whole: (schema, path), findings: Vec::new(), holes: Vec::new() }
    }

    fn end(self, value: Option<Value>) -> Validated {
        Validated { findings: self.findings, value: value.unwrap_or_default(), holes: self.holes }
    }

    fn refuse(&mut self, path: &str, text: impl Into<String>) {
        self.findings.push(Finding::refusal(path, text));
    }

    /// Refuses a value that is kept as it is.
    fn refuse_value(&mut self, path: &str, text: impl Into<String>) {
        self.refuse(path, text);
        self.holes.push(path.to_owned());
    }

    /// The value with the right type. None where clients drop it, or there is none that is likely meant.
    fn check(&mut self, schema: &Value, value: &Value, path: &str) -> Option<Value> {
        if value.is_null() {
            self.note_empty(path);
            return None;
        }
        if schema["x-kubernetes-int-or-string"] == true && !value.is_array() && !value.is_object() {
            return Some(self.check_quantity(value, path).into());
        }
        let expected = schema["type"].as_str().unwrap_or_default();
        if !fits(expected, value) {
            return self.put_right(schema, expected, value, path);
        }
        Some(match value {
            Value::Object(fields) => self.check_fields(schema, fields, path),
            Value::Array(items) => self.check_items(schema, items, path),
            Value::String(text) => {
                self.check_text(schema, text, path);
                value.clone()
            }
            Value::Number(number) => self.check_number(schema, number, path),
            Value::Null | Value::Bool(_) => value.clone(),
        })
    }

    /// A field without a value: `kubectl create` drops it, and a server-side apply (`kubectl apply --server-side`, Helm 4)
    /// refuses it. In `metadata` both take it.
    fn note_empty(&mut self, path: &str) {
        if self.whole.1 == "spec" {
            self.findings.push(Finding::advice(
                path,
                "is empty, which a server-side apply refuses and other clients drop: give it a value, or remove the line",
            ));
        }
    }

    /// What a value of the wrong type was meant to be.
    fn put_right(&mut self, schema: &Value, expected: &str, value: &Value, path: &str) -> Option<Value> {
        let (meant, hint) = match (expected, value) {
            ("string", Value::Bool(_) | Value::Number(_)) => (Some(value.to_string().into()), ": put it in quotes"),
            ("boolean" | "integer" | "number", Value::String(text)) => {
                let meant = serde_json::from_str::<Value>(text).ok().filter(|meant| fits(expected, meant));
                let hint = if meant.is_some() { ": write it without quotes" } else { "" };
                (meant, hint)
            }
            ("array", item) if fits(schema["items"]["type"].as_str().unwrap_or_default(), item) => {
                (Some(Value::Array(vec![item.clone()])), ": begin each item with \"- \"")
            }
            _ => (None, ""),
        };
        self.refuse(path, format!("must be {}, and is {}{hint}", article(expected), described(value)));
        let Some(meant) = meant else {
            self.holes.push(path.to_owned());
            return None;
        };
        self.check(schema, &meant, path)
    }

    fn check_items(&mut self, schema: &Value, items: &[Value], path: &str) -> Value {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        if u64::try_from(items.len()).is_ok_and(|count| count < least) {
            let items = if least == 1 { "item" } else { "items" };
            self.refuse_value(path, format!("must have at least {least} {items}"));
        }
        let checked = items.iter().enumerate().map(|(index, item)| {
            let (schema, place) = (&schema["items"], format!("{path}[{index}]"));
            if item.is_null() {
                self.refuse(
                    &place,
                    format!("must be {}, and is empty", article(schema["type"].as_str().unwrap_or_default())),
                );
            }
            let checked = if item.is_null() { None } else { self.check(schema, item, &place) };
            checked.unwrap_or_else(|| self.empty(schema, &place))
        });
        checked.collect()
    }

    fn check_text(&mut self, schema: &Value, text: &str, path: &str) {
        let words: Vec<_> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !words.is_empty() && !words.contains(&text) {
            self.refuse_value(path, format!("{text:?} must be one of {}", words.join(", ")));
        }
        if schema["minLength"].as_u64().is_some_and(|least| least > 0) && text.is_empty() {
            self.refuse_value(path, "must not be empty");
        }
    }

    /// A quantity, which is a whole number or a text.
    fn check_quantity(&mut self, value: &Value, path: &str) -> String {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if value.is_f64() && is_quantity(&text) {
            self.refuse(path, format!("must be a whole number or a string, and is {text}: put it in quotes"));
        } else if !is_quantity(&text) {
            self.refuse_value(path, format!("{text:?} must be a quantity, such as \"0.05\" or \"50m\""));
        }
        text
    }

    fn check_number(&mut self, schema: &Value, number: &serde_json::Number, path: &str) -> Value {
        let given = number.as_f64().unwrap_or_default();
        let whole = schema["type"] == "integer";
        let (lowest, highest) = if whole { (f64::from(i32::MIN), f64::from(i32::MAX)) } else { (f64::MIN, f64::MAX) };
        if let Some(least) = schema["minimum"].as_f64().filter(|least| given < *least) {
            self.refuse_value(path, format!("{number} must be {least} or more"));
        } else if let Some(most) = schema["maximum"].as_f64().filter(|most| given > *most) {
            self.refuse_value(path, format!("{number} must be {most} or less"));
        } else if schema["format"] == "int32" && !(lowest..=highest).contains(&given) {
            self.refuse_value(path, format!("{number} must be {lowest} to {highest}"));
        }
        // One like 1.0 is a whole number to the API server.
        #[expect(clippy::cast_possible_truncation, reason = "it is within the bounds")]
        let value = given.clamp(lowest, highest) as i64;
        if whole { value.into() } else { Value::Number(number.clone()) }
    }

    fn check_fields(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) -> Value {
        let known: Vec<_> =
            schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let missing = |name: &str| fields.get(name).is_none_or(Value::is_null);
        let mut missed: Vec<_> = required(schema).filter(|name| missing(name)).collect();
        let mut checked = Map::new();
        for (name, value) in fields {
            let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if value.is_null() && missed.contains(&name.as_str()) {
                continue;
            }
            if let Some(schema) = schema["properties"].get(name) {
                if let Some(value) = self.check(schema, value, &place) {
                    checked.insert(name.clone(), value);
                }
            } else if schema["additionalProperties"].is_object() {
                if let Some(value) = self.check(&schema["additionalProperties"], value, &place) {
                    checked.insert(name.clone(), value);
                }
            } else if schema["x-kubernetes-preserve-unknown-fields"] != true && !known.is_empty() {
                let absent = known.iter().copied().filter(|known| missing(known));
                let meant = former_name(path, name).or_else(|| similar(name, absent));
                // The field that was meant is not missing as well.
                missed.retain(|missed| Some(*missed) != meant);
                let text = match home(self.whole.0, self.whole.1, name).filter(|_| meant.is_none()) {
                    Some(home) => format!("{}: move it into {home}", unknown_field(name, None)),
                    None => unknown_field(name, meant),
                };
                self.findings.push(Finding::warning(place, text));
            }
        }
        for name in missed {
            self.refuse(path, format!("{name} is missing"));
        }
        for name in required(schema).filter(|name| !checked.contains_key(*name)).map(str::to_owned).collect::<Vec<_>>()
        {
            let value = self.empty(&schema["properties"][&name], &format!("{path}.{name}"));
            checked.insert(name, value);
        }
        Value::Object(checked)
    }

    /// A value that stands in the place of one that is missing.
    fn empty(&mut self, schema: &Value, path: &str) -> Value {
        self.holes.push(path.to_owned());
        match schema["type"].as_str() {
            Some("object") => {
                let names: Vec<_> = required(schema).map(str::to_owned).collect();
                let fields = names.into_iter().map(|name| {
                    let value = self.empty(&schema["properties"][&name], &format!("{path}.{name}"));
                    (name, value)
                });
                Value::Object(fields.collect())
            }
            Some("array") => Value::Array(Vec::new()),
            Some("integer" | "number") => 1.into(),
            Some("boolean") => false.into(),
            _ => String::new().into(),
        }
    }
}

/// The finding about a field that the schema does not have.
pub(super) fn unknown_field(name: &str, meant: Option<&str>) -> String {
    let hint = meant.map(|meant| format!(": write {meant}")).unwrap_or_default();
    format!("unknown field {name:?}, which kubectl refuses and other clients lose{hint}")
}

/// The path of the only object below `path` that has a field of this name.
fn home(schema: &Value, path: &str, name: &str) -> Option<String> {
    fn homes(schema: &Value, path: &str, name: &str, found: &mut Vec<String>) {
        let properties = schema["properties"].as_object();
        if properties.is_some_and(|properties| properties.contains_key(name)) {
            found.push(path.to_owned());
        }
        for (field, schema) in properties.into_iter().flatten() {
            homes(schema, &format!("{path}.{field}"), name, found);
        }
        if schema["items"].is_object() {
            homes(&schema["items"], &format!("{path}[]"), name, found);
        }
    }
    let mut found = Vec::new();
    homes(schema, path, name, &mut found);
    found.pop().filter(|_| found.is_empty())
}

/// The present name of a field of KEDA 1 (keda.sh/docs, "Migration Guide").
fn former_name(path: &str, name: &str) -> Option<&'static str> {
    match (path, name) {
        ("spec.scaleTargetRef", "deploymentName") => Some("name"),
        ("spec.scaleTargetRef", "containerName") => Some("envSourceContainerName"),
        _ => None,
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
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
