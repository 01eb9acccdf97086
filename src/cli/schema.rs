//! `ebb schema`: a kind as JSON Schema, draft 7, for editors and for checks of files without Ebb.
//!
//! It is stricter than the API server: a field that the kind does not have is a mistake, and so is a parameter that a
//! trigger does not read. [`trigger`] describes the triggers.

mod trigger;

use std::io::{self, Write};

use ebb_crds::names;
use serde_json::{Map, Value, json};

use crate::build_info;
use crate::cli::args::{Schema, SchemaKind};

/// Draft 7 is the newest one that yaml-language-server and kubeconform both read in full.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Writes the schema of the kind that `question` names.
///
/// # Errors
/// `output` cannot be written. A reader that has seen enough is no error.
pub fn run(question: &Schema, mut output: impl Write) -> io::Result<()> {
    let text = format!("{:#}\n", of(question.kind));
    match output.write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// The schema of a manifest of this kind.
pub fn of(kind: SchemaKind) -> Value {
    let kind = kind.as_str();
    let definitions = ebb_crds::yaml::definitions();
    let definition = definitions.iter().find(|definition| definition.spec.names.kind == kind);
    let version = definition.and_then(|definition| definition.spec.versions.first());
    let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    let schema = schema.and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or_default();
    let mut spec = plain(&schema["properties"]["spec"]);
    if kind == SchemaKind::ScaledObject.as_str() {
        trigger::add_to(&mut spec["properties"]["triggers"]["items"]);
    }
    json!({
        "$schema": DRAFT,
        "title": kind,
        "description": format!("{} As Ebb {} reads it.", schema["description"].as_str().unwrap_or_default(), build_info::RELEASE),
        "type": "object",
        "properties": {
            "apiVersion": {"const": "keda.sh/v1alpha1"},
            "kind": {"const": kind},
            "metadata": metadata(kind),
            "spec": spec,
            // The cluster's, which `kubectl get -o yaml` prints.
            "status": {"type": "object"},
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
    })
}

/// The part of `metadata` that a user writes. The API server's own fields are allowed and not described.
fn metadata(kind: &str) -> Value {
    let longest = if kind == SchemaKind::ScaledObject.as_str() { ebb_plan::names::LONGEST_LABEL } else { 253 };
    let texts =
        |known: Value| json!({"type": "object", "properties": known, "additionalProperties": {"type": "string"}});
    let annotations = if kind == SchemaKind::ScaledObject.as_str() { annotations() } else { json!({}) };
    let mut fields = json!({
        "name": {"type": "string", "minLength": 1, "maxLength": longest, "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"},
        "labels": texts(json!({})),
        "annotations": texts(annotations),
    });
    if kind != SchemaKind::ClusterTriggerAuthentication.as_str() {
        fields["namespace"] = json!({"type": "string"});
    }
    json!({"type": "object", "properties": fields, "anyOf": [{"required": ["name"]}, {"required": ["generateName"]}]})
}

/// The annotations that Ebb reads. Their values are strings, so that `true` needs quotes.
pub(super) fn annotations() -> Value {
    let known = [
        (names::PAUSED_ANNOTATION, "Leaves the replica count as it is and stops scaling."),
        (names::PAUSED_REPLICAS_ANNOTATION, "Sets this replica count and stops scaling."),
        (names::PAUSED_SCALE_IN_ANNOTATION, "Removes no replicas."),
        (names::PAUSED_SCALE_OUT_ANNOTATION, "Adds no replicas."),
        (names::FORCE_ACTIVATION_ANNOTATION, "Counts as active, even while no trigger is."),
        (
            names::ACTIVATE_TO_ANNOTATION,
            "`target` sets the count that the readings ask for at once when it wakes; `minimum` as KEDA does.",
        ),
        (names::TRANSFER_HPA_OWNERSHIP_ANNOTATION, "Takes the HPA over that the ScaledObject names."),
        (names::HPA_EXCLUDED_LABELS_ANNOTATION, "Labels that the HPA does not get, separated by commas."),
    ];
    let described = |(name, text): (&str, &str)| (name.to_owned(), json!({"type": "string", "description": text}));
    Value::Object(known.into_iter().map(described).collect())
}

/// A schema of a definition in plain JSON Schema: without Kubernetes' extensions, and closed to unknown fields.
fn plain(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut plain = Map::new();
    for (key, value) in fields.iter().filter(|(key, _)| !key.starts_with("x-kubernetes-")) {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                fields.iter().map(|(name, field)| (name.clone(), self::plain(field))).collect()
            }
            ("items" | "additionalProperties", schema) => self::plain(schema),
            _ => value.clone(),
        };
        plain.insert(key.clone(), value);
    }
    if schema["x-kubernetes-int-or-string"] == true {
        plain.insert("type".into(), json!(["integer", "string"]));
    }
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true || plain.contains_key("additionalProperties");
    if plain.contains_key("properties") && !open {
        plain.insert("additionalProperties".into(), false.into());
    }
    Value::Object(plain)
}

#[cfg(test)]
mod tests;
