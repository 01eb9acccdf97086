//! The chart, rendered without a cluster.

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use serde_json::{Map, Value, json};

use crate::tool::Tool;

/// Its folder.
pub(crate) const CHART: &str = "deploy/helm/ebb";
/// The namespace that it is rendered for.
pub(crate) const NAMESPACE: &str = "ebb-system";

/// Renders it with the values of standard input.
pub(crate) const RENDER: [&str; 7] = ["template", "ebb", CHART, "--namespace", NAMESPACE, "--values", "-"];

/// The objects that Helm renders with these values.
pub(crate) fn render(helm: Tool, values: &Value) -> Result<Vec<Value>> {
    objects(&helm.run(&RENDER, &values.to_string(), None)?)
}

/// The objects of a YAML text.
pub(crate) fn objects(text: &str) -> Result<Vec<Value>> {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(text).context("what was rendered is not YAML")?;
    objects.retain(|object| !object.is_null());
    Ok(objects)
}

/// The error with which Helm refuses these values.
pub(crate) fn refusal(helm: Tool, values: &Value) -> Result<String> {
    let output = helm.output(&RENDER, &values.to_string(), None)?;
    ensure!(!output.ok, "accepted: {values}");
    Ok(output.stderr)
}

/// The notes that end an installation with these values. Helm prints them with a cluster only.
pub(crate) fn notes(helm: Tool, bed: &Bed, values: &Value) -> Result<String> {
    let install = ["install", "ebb", CHART, "--dry-run=server", "--namespace", NAMESPACE, "--values", "-"];
    let printed = helm.run(&install, &values.to_string(), Some(&bed.facts.kubeconfig))?;
    let (_, notes) = printed.split_once("\nNOTES:\n").context("Helm printed no notes")?;
    Ok(notes.to_owned())
}

/// Values with this one, whose name has dots, set; the others stay.
pub(crate) fn set(values: &mut Value, name: &str, to: Value) {
    match name.split_once('.') {
        Some((first, rest)) => {
            if values[first].is_null() {
                values[first] = Value::Object(Map::new());
            }
            set(&mut values[first], rest, to);
        }
        None => values[name] = to,
    }
}

/// Values with this one alone.
pub(crate) fn only(name: &str, to: Value) -> Value {
    let mut values = json!({});
    set(&mut values, name, to);
    values
}

/// The object with this kind and name, as in `Deployment/ebb`.
pub(crate) fn find<'a>(objects: &'a [Value], object: &str) -> Option<&'a Value> {
    let (kind, name) = object.split_once('/')?;
    objects.iter().find(|candidate| candidate["kind"] == kind && candidate["metadata"]["name"] == name)
}

/// Whether `actual` has everything that `wanted` has. Objects may have more fields, and lists more elements.
pub(crate) fn has(actual: &Value, wanted: &Value) -> bool {
    match (actual, wanted) {
        (Value::Object(actual), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| actual.get(key).is_some_and(|there| has(there, value)))
        }
        (Value::Array(actual), Value::Array(wanted)) => {
            wanted.iter().all(|value| actual.iter().any(|there| has(there, value)))
        }
        _ => actual == wanted,
    }
}
