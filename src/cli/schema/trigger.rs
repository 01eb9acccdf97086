//! The schema of a trigger: one branch for each type, made of the parameters that the type declares.

use ebb_plan::unexpected::METRIC_NAME;
use ebb_scalers::params::{Absent, Declaration, RESOURCE_KINDS, Source};
use ebb_scalers::{KINDS, Param};
use serde_json::{Map, Value, json};

/// Adds the types to the schema of a trigger, and a branch for each.
pub(super) fn add_to(trigger: &mut Value) {
    let types: Vec<_> = KINDS.iter().map(|kind| kind.name).chain(RESOURCE_KINDS).collect();
    trigger["properties"]["type"]["enum"] = json!(types);
    let external = KINDS.iter().map(|kind| branch(kind.name, &external(&kind.declaration())));
    let resources = RESOURCE_KINDS.iter().map(|name| branch(name, &resource()));
    trigger["allOf"] = external.chain(resources).collect();
}

/// The rules for triggers of this type alone.
fn branch(name: &str, then: &Value) -> Value {
    json!({"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": then})
}

/// A trigger that Ebb reads.
fn external(kind: &Declaration) -> Value {
    let mut then = json!({
        "properties": {
            "metadata": {
                "properties": keys(kind),
                "additionalProperties": false,
            },
            "metricType": {"enum": ["AverageValue", "Value"]},
        },
    });
    if let Some(why) = kind.never_cached {
        then["properties"]["useCachedMetrics"] =
            json!({"enum": [false], "description": format!("Not possible: {why}.")});
    }
    let required = kind.params.iter().filter(|param| param.absent == Absent::Refused).map(required);
    then["allOf"] = required.collect();
    then
}

/// Every key of `metadata`.
fn keys(kind: &Declaration) -> Map<String, Value> {
    let mut keys = Map::new();
    for param in kind.params {
        for name in param.names() {
            let alias = if name == param.name { String::new() } else { format!("The same as {}. ", param.name) };
            if param.sources.contains(&Source::Metadata) {
                keys.insert(name.to_owned(), value(param, &alias));
            }
            if param.sources.contains(&Source::Env) {
                let text = format!("{alias}The variable of the target's container that holds {}.", param.name);
                keys.insert(format!("{name}FromEnv"), json!({"type": "string", "description": text}));
            }
        }
    }
    let former =
        json!({"type": "string", "deprecated": true, "description": "Without effect since KEDA 2.10: remove it."});
    keys.entry(METRIC_NAME).or_insert(former);
    keys
}

fn value(param: &Param, alias: &str) -> Value {
    let elsewhere = if param.sources.contains(&Source::Auth) { " An authentication may give it." } else { "" };
    let (text, default) = match param.absent {
        Absent::Refused => ("Required.".to_owned(), None),
        Absent::Nothing => ("Optional.".to_owned(), None),
        Absent::Default(value) => (format!("Default: {value}."), Some(value)),
    };
    let mut schema = json!({"type": "string", "description": format!("{alias}{text}{elsewhere}")});
    if let Some(default) = default {
        schema["default"] = default.into();
    }
    schema
}

/// That one of the sources of a parameter gives it. An authentication may, and is another object.
fn required(param: &Param) -> Value {
    let given = |suffix: &str| -> Vec<Value> {
        param.names().map(|name| json!({"required": [format!("{name}{suffix}")]})).collect()
    };
    let mut ways = Vec::new();
    if param.sources.contains(&Source::Metadata) {
        ways.extend(given(""));
    }
    if param.sources.contains(&Source::Env) {
        ways.extend(given("FromEnv"));
    }
    let metadata = match &ways[..] {
        [one] => one.clone(),
        _ => json!({"anyOf": ways}),
    };
    let by_metadata = json!({"properties": {"metadata": metadata}});
    if param.sources.contains(&Source::Auth) {
        return json!({"anyOf": [{"required": ["authenticationRef"]}, by_metadata]});
    }
    by_metadata
}

/// A trigger that the HPA reads by itself.
fn resource() -> Value {
    json!({
        "properties": {
            "metadata": {
                "properties": {
                    "value": {"type": "string", "minLength": 1, "description": "A percentage of the requests, or a quantity."},
                    "containerName": {"type": "string", "description": "The container that counts. Default: the whole pod."},
                    "type": {
                        "enum": ["Utilization", "AverageValue"],
                        "deprecated": true,
                        "description": "The former place of metricType.",
                    },
                },
                "required": ["value"],
                "additionalProperties": false,
            },
            "metricType": {"enum": ["Utilization", "AverageValue"]},
            "useCachedMetrics": {"enum": [false], "description": "Not possible: the HPA reads it from the pods."},
        },
        "oneOf": [{"required": ["metricType"]}, {"properties": {"metadata": {"required": ["type"]}}}],
    })
}
