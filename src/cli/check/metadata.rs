//! Mistakes in an object's `metadata` that the API server refuses (Kubernetes docs, "Object Names and IDs", "Labels and
//! Selectors", "Annotations").

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::schema::{Validated, validate};
use crate::review::Finding;
use ebb_plan::names::{LONGEST_LABEL, label_mistake, subdomain_mistake};

/// The longest of all annotations of an object together, in bytes.
const LONGEST_ANNOTATIONS: usize = 256 * 1024;

/// `ObjectMeta` as far as users write it. The fields that the API server writes are there in objects that were
/// read from it.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": text});
    let open = json!({"x-kubernetes-preserve-unknown-fields": true});
    let mut properties = Map::new();
    for (schema, fields) in [
        (&text, &["name", "generateName", "namespace"][..]),
        (&texts, &["labels", "annotations"]),
        (&json!({"type": "array", "items": text}), &["finalizers"]),
        (&json!({"type": "array", "items": open}), &["ownerReferences", "managedFields"]),
        (&open, &["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "selfLink"]),
        (&open, &["deletionGracePeriodSeconds", "clusterName"]),
    ] {
        properties.extend(fields.iter().map(|field| ((*field).to_owned(), schema.clone())));
    }
    json!({"type": "object", "properties": properties})
});

/// The fields that a review looks at.
const REVIEWED: [&str; 5] = ["name", "generateName", "namespace", "labels", "annotations"];

/// Validates the `metadata` of an object.
pub(super) fn check(metadata: &Value) -> Validated {
    let mut validated = validate(&SCHEMA, metadata, "metadata");
    let fields = validated.value.as_object().cloned().unwrap_or_default();
    let text = |key: &str| fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let findings = &mut validated.findings;
    let mut refuse =
        |path: String, text: Option<String>| findings.extend(text.map(|text| Finding::refusal(path, text)));
    match (text("name"), text("generateName")) {
        // A mistake that has been reported is not a missing name.
        (None, None) if validated.holes.iter().any(|hole| hole == "metadata" || hole == "metadata.name") => {}
        (None, None) => refuse("metadata".into(), Some("metadata.name is missing".into())),
        (Some(name), _) => refuse("metadata.name".into(), subdomain_mistake(name)),
        (None, Some(prefix)) => {
            // The API server adds letters to it.
            refuse("metadata.generateName".into(), subdomain_mistake(&format!("{prefix}x")));
        }
    }
    refuse("metadata.namespace".into(), text("namespace").and_then(label_mistake));
    for part in ["labels", "annotations"] {
        for (key, value) in fields.get(part).and_then(Value::as_object).into_iter().flatten() {
            let place = format!("metadata.{part}.{key}");
            refuse(place.clone(), qualified_name_mistake(key));
            let value = value.as_str().unwrap_or_default();
            refuse(place, if part == "labels" { label_value_mistake(value) } else { None });
        }
    }
    let annotations = fields.get("annotations").and_then(Value::as_object).into_iter().flatten();
    let bytes: usize = annotations.map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum();
    if bytes > LONGEST_ANNOTATIONS {
        refuse("metadata.annotations".into(), Some(format!("must not be longer than {LONGEST_ANNOTATIONS} bytes")));
    }
    let reviewed = fields.into_iter().filter(|(name, _)| REVIEWED.contains(&name.as_str()));
    validated.value = Value::Object(reviewed.collect());
    validated
}

/// The mistake in the key of a label or annotation. A key is an optional domain and `/`, and a name.
fn qualified_name_mistake(key: &str) -> Option<String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let fits =
        !name.is_empty() && is_label_value(name) && prefix.is_none_or(|prefix| subdomain_mistake(prefix).is_none());
    (!fits).then(|| {
        format!(
            "{key:?} is not a key of a label or annotation: write an optional domain and '/', then up to {LONGEST_LABEL} letters, digits, '-', '_' and '.'"
        )
    })
}

fn label_value_mistake(value: &str) -> Option<String> {
    (!is_label_value(value)).then(|| {
        format!(
            "{value:?} is not a value of a label: write up to {LONGEST_LABEL} letters, digits, '-', '_' and '.', with a letter or digit at both ends"
        )
    })
}

fn is_label_value(text: &str) -> bool {
    let ends = |end: Option<u8>| end.is_none_or(|end| end.is_ascii_alphanumeric());
    text.len() <= LONGEST_LABEL
        && ends(text.bytes().next())
        && ends(text.bytes().last())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(metadata: &Value) -> Vec<String> {
        check(metadata).findings.into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn metadata_is_what_the_api_server_takes() {
        let annotation = "metadata.annotations.autoscaling.keda.sh/paused";
        for (metadata, expected) in [
            (
                json!({"name": "app", "namespace": "shop", "labels": {"a.b/c_d": "", "e": "F.1"}, "annotations": {"x": "any thing"}}),
                vec![],
            ),
            (json!({"generateName": "app-"}), vec![]),
            (
                json!({"name": "a", "uid": "u", "generation": 3, "creationTimestamp": null, "managedFields": [{}], "ownerReferences": []}),
                vec![],
            ),
            (json!({}), vec!["metadata"]),
            (json!({"name": "App"}), vec!["metadata.name"]),
            (json!({"name": 5}), vec!["metadata.name"]),
            (json!({"name": ["a"]}), vec!["metadata.name"]),
            (json!({"generateName": "App-"}), vec!["metadata.generateName"]),
            (json!({"name": "a", "namespace": "a.b"}), vec!["metadata.namespace"]),
            (json!({"name": "a", "annotations": {"autoscaling.keda.sh/paused": true}}), vec![annotation]),
            (json!({"name": "a", "labels": {"version": 1.5}}), vec!["metadata.labels.version"]),
            (json!({"name": "a", "labels": {"team": "my team"}}), vec!["metadata.labels.team"]),
            (json!({"name": "a", "labels": {"a b": "c"}}), vec!["metadata.labels.a b"]),
            (json!({"name": "a", "annotations": {"a/b/c": "c"}}), vec!["metadata.annotations.a/b/c"]),
            (json!({"name": "a", "label": {}}), vec!["metadata.label"]),
            (json!("app"), vec!["metadata"]),
        ] {
            assert_eq!(paths(&metadata), expected, "{metadata}");
        }
        let checked = check(&json!({"name": "a", "annotations": {"autoscaling.keda.sh/paused": true}}));
        assert!(checked.findings[0].text.contains("must be a string, and is true: put it in quotes"));
        assert_eq!(checked.value["annotations"]["autoscaling.keda.sh/paused"], "true", "the review goes on with it");
    }
}
