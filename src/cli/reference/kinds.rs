//! The fields of a kind, a table for each object in it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{cell, title};
use crate::cli::schema;

/// The page of ScaledObject.
pub(super) fn scaled_object() -> String {
    let mut page = title("ScaledObject");
    page.push_str(
        "`apiVersion: keda.sh/v1alpha1`, `kind: ScaledObject`. The fields of the specification and of the status, and the \
         annotations.\nThe parameters of a trigger depend on its type: see [triggers](../triggers/README.md). \
         `kubectl explain so.spec` shows the same in a\nterminal, and [`ebb schema`](../schema.md) gives it to editors.\n\n",
    );
    page.push_str("```yaml\n");
    page.push_str(EXAMPLE);
    page.push_str("```\n\n");
    add_kind("ScaledObject", &["spec", "status"], &mut page);
    page.push_str("\n## Annotations\n\n| annotation | meaning |\n|---|---|\n");
    for (name, annotation) in schema::annotations().as_object().into_iter().flatten() {
        let _ = writeln!(page, "| `{name}` | {} |", cell(annotation["description"].as_str().unwrap_or_default()));
    }
    page.push_str("\nTheir values are strings: write `\"true\"` with quotes. [Pausing](../pausing.md) describes the first ones.\n");
    page
}

const EXAMPLE: &str = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: my-app}
spec:
  scaleTargetRef: {name: my-app}
  minReplicaCount: 0
  maxReplicaCount: 50
  triggers:
    - type: rabbitmq
      metadata: {queueName: jobs, hostFromEnv: RABBITMQ_URL}
";

/// The page of both kinds of authentication, which have the same fields.
pub(super) fn authentication() -> String {
    let mut page = title("TriggerAuthentication");
    page.push_str(
        "`apiVersion: keda.sh/v1alpha1`, `kind: TriggerAuthentication`, or `kind: ClusterTriggerAuthentication` with the same \
         fields.\n[Authentication](../authentication.md) describes which of them Ebb uses, and how. Ebb refuses secret stores and \
         identities of clouds with an\nerror that names them.\n\n",
    );
    add_kind("TriggerAuthentication", &["spec", "status"], &mut page);
    page
}

fn add_kind(kind: &str, parts: &[&str], page: &mut String) {
    let definitions = ebb_crds::yaml::definitions();
    let definition = definitions.iter().find(|definition| definition.spec.names.kind == kind);
    let schema = definition.and_then(|definition| definition.spec.versions.first()?.schema.as_ref());
    let schema = schema.and_then(|schema| serde_json::to_value(&schema.open_api_v3_schema).ok()).unwrap_or_default();
    for part in parts {
        add_object(part, &schema["properties"][part], page);
    }
}

/// A section for an object, and one for each object in it.
fn add_object(path: &str, schema: &Value, page: &mut String) {
    let Some(fields) = schema["properties"].as_object() else { return };
    if !page.ends_with("\n\n") {
        page.push('\n');
    }
    let _ = write!(page, "## {path}\n\n");
    if let Some(description) = schema["description"].as_str() {
        let _ = write!(page, "{}\n\n", description.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    page.push_str("| field | type | meaning |\n|---|---|---|\n");
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in fields {
        let required = if required.contains(&name.as_str()) { ", required" } else { "" };
        let meaning = cell(field["description"].as_str().unwrap_or_default());
        let place = place(path, name, field).map(|place| format!(" See [{place}](#{}).", anchor(&place)));
        let _ = writeln!(page, "| `{name}` | {}{required} | {meaning}{} |", type_of(field), place.unwrap_or_default());
    }
    for (name, field) in fields {
        if let Some(place) = place(path, name, field) {
            let object = if field["type"] == "array" { &field["items"] } else { field };
            add_object(&place, object, page);
        }
    }
}

/// The heading of the section about a field, if it is an object or a list of objects.
fn place(path: &str, name: &str, field: &Value) -> Option<String> {
    let is_object = |schema: &Value| schema["properties"].is_object();
    match field["type"].as_str() {
        Some("array") if is_object(&field["items"]) => Some(format!("{path}.{name}[]")),
        _ if is_object(field) => Some(format!("{path}.{name}")),
        _ => None,
    }
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
}

/// The type of a field, in words, with its bounds.
fn type_of(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "quantity".into();
    }
    let words = field["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    let name = match field["type"].as_str().unwrap_or("any") {
        "array" => match field["items"]["type"].as_str().unwrap_or("any") {
            "object" => "list of objects".to_owned(),
            other => format!("list of {other}s"),
        },
        "object" if field["additionalProperties"]["type"].is_string() => {
            format!("map of {}s", field["additionalProperties"]["type"].as_str().unwrap_or_default())
        }
        "object" if field["additionalProperties"].is_object() => "map".to_owned(),
        other if field["format"] == "date-time" => format!("{other}, a time"),
        other => other.to_owned(),
    };
    match (field["minimum"].as_f64(), field["minItems"].as_u64()) {
        (Some(least), _) => format!("{name}, {least} or more"),
        (_, Some(least)) => format!("{name}, {least} or more"),
        _ => name,
    }
}
