//! The objects in a document that are of kinds that Ebb serves.

use std::rc::Rc;

use ebb_crds::{ClusterTriggerAuthentication, ScaledObject, TriggerAuthentication, TriggerAuthenticationSpec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::Document;
use super::schema::Schemas;
use crate::review::{Finding, Severity};

const GROUPS: [&str; 2] = ["keda.sh/", "eventing.keda.sh/"];
const VERSION: &str = "keda.sh/v1alpha1";

/// One object with its findings.
pub(super) struct Manifest {
    document: Rc<Document>,
    /// The path of the object in its document, which is not empty in a List.
    prefix: String,
    /// The name of the object in findings.
    pub(super) title: String,
    /// The namespace; empty if the object names none.
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) findings: Vec<Finding>,
    /// The parsed object, if it can be parsed.
    pub(super) object: Option<Object>,
}

/// A parsed object.
pub(super) enum Object {
    ScaledObject(Box<ScaledObject>),
    Authentication { spec: Box<TriggerAuthenticationSpec>, cluster: bool },
}

impl Manifest {
    /// The objects of a document, which may be a List. Objects of other API groups are skipped.
    pub(super) fn all_in(document: &Rc<Document>, schemas: &Schemas) -> Vec<Self> {
        let whole = &document.value;
        match whole["items"].as_array().filter(|_| whole["kind"].as_str().is_some_and(|kind| kind.ends_with("List"))) {
            Some(items) => {
                let items = items.iter().enumerate();
                items.filter_map(|(index, item)| Self::of(document, format!("items[{index}]"), item, schemas)).collect()
            }
            None => Self::of(document, String::new(), whole, schemas).into_iter().collect(),
        }
    }

    fn of(document: &Rc<Document>, prefix: String, value: &Value, schemas: &Schemas) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&value["apiVersion"]), text(&value["kind"]));
        if !GROUPS.iter().any(|group| version.starts_with(group)) {
            return None;
        }
        let (namespace, name) = (text(&value["metadata"]["namespace"]), text(&value["metadata"]["name"]));
        let place = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
        let title = format!("{kind} {place}").trim_end().to_owned();
        let (findings, object) = read(&version, &kind, value, schemas);
        Some(Self { document: Rc::clone(document), prefix, title, namespace, name, findings, object })
    }

    /// The line of the part at `path` in the object.
    pub(super) fn line_of(&self, path: &str) -> usize {
        let parts = [self.prefix.as_str(), path];
        self.document.line_of(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."))
    }
}

fn read(version: &str, kind: &str, value: &Value, schemas: &Schemas) -> (Vec<Finding>, Option<Object>) {
    if version != VERSION || !schemas.know(kind) {
        let text = format!("{version} {kind} is nothing that ebb serves; it serves {VERSION} {}", schemas.kinds());
        return (vec![Finding::warning("kind", text)], None);
    }
    let mut findings = schemas.check(kind, value);
    let named = |key: &str| value["metadata"][key].as_str().is_some_and(|name| !name.is_empty());
    if !named("name") && !named("generateName") {
        findings.push(Finding::refusal("metadata", "metadata.name is missing"));
    }
    if findings.iter().any(|finding| finding.severity == Severity::Refusal) {
        return (findings, None);
    }
    let object = match kind {
        "ScaledObject" => parsed::<ScaledObject>(value).map(|object| Object::ScaledObject(Box::new(object))),
        "TriggerAuthentication" => parsed::<TriggerAuthentication>(value)
            .map(|found| Object::Authentication { spec: Box::new(found.spec), cluster: false }),
        _ => parsed::<ClusterTriggerAuthentication>(value)
            .map(|found| Object::Authentication { spec: Box::new(found.spec.0), cluster: true }),
    };
    match object {
        Ok(object) => (findings, Some(object)),
        Err(text) => {
            findings.push(Finding::refusal("", text));
            (findings, None)
        }
    }
}

fn parsed<K: DeserializeOwned>(value: &Value) -> Result<K, String> {
    serde_json::from_value(without_nulls(value)).map_err(|error| error.to_string())
}

/// The object as the API server stores it.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
