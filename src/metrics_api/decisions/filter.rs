//! The decisions that a request asks for: by namespace, labels and fields.

use std::collections::BTreeMap;

use super::super::SCALED_OBJECT_LABEL;
use super::{Item, name};
use crate::kube_api::selector::Selector;

/// The fields by which decisions can be selected.
const FIELDS: [&str; 5] = ["metadata.name", "metadata.namespace", "scaledObject", "by", "reason"];

/// The namespace, labels and fields that a request selects.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    namespace: Option<String>,
    labels: Selector,
    fields: Vec<Requirement>,
}

/// One requirement of a field selector.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    field: String,
    value: String,
    equal: bool,
}

impl Filter {
    /// Reads the selectors of a request.
    ///
    /// # Errors
    /// A selector that cannot be understood.
    pub(super) fn new(namespace: &str, labels: &str, fields: &str) -> Result<Self, String> {
        let labels = Selector::parse(labels).map_err(|error| error.to_string())?;
        let fields = fields.split(',').filter(|part| !part.trim().is_empty()).map(requirement);
        let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
        Ok(Self { namespace, labels, fields: fields.collect::<Result<_, _>>()? })
    }

    /// The namespace, if only one is asked for.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether a decision is asked for.
    pub(super) fn matches(&self, item: &Item) -> bool {
        let labels = BTreeMap::from([(SCALED_OBJECT_LABEL.to_owned(), item.decision.scaled_object.clone())]);
        let is_there = self.namespace.as_ref().is_none_or(|namespace| *namespace == item.namespace);
        let holds = |one: &Requirement| (value(item, &one.field) == one.value) == one.equal;
        is_there && self.labels.selects(&labels) && self.fields.iter().all(holds)
    }
}

fn value(item: &Item, field: &str) -> String {
    match field {
        "metadata.name" => name(item),
        "metadata.namespace" => item.namespace.clone(),
        "scaledObject" => item.decision.scaled_object.clone(),
        "by" => item.decision.by.clone(),
        "reason" => item.decision.reason.clone(),
        _ => String::new(),
    }
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let text = text.trim();
    let split = text.split_once("!=").map(|parts| (parts, false));
    let split = split.or_else(|| text.split_once("==").map(|parts| (parts, true)));
    let split = split.or_else(|| text.split_once('=').map(|parts| (parts, true)));
    let ((field, value), equal) = split.ok_or_else(|| format!("invalid field selector {text:?}: write field=value"))?;
    let (field, value) = (field.trim(), value.trim());
    if !FIELDS.contains(&field) {
        return Err(format!("field label not supported: {field}; the fields are {}", FIELDS.join(", ")));
    }
    Ok(Requirement { field: field.to_owned(), value: value.to_owned(), equal })
}

#[cfg(test)]
pub(super) mod tests {
    use ebb_plan::trail::object::ScalingDecision;

    use super::*;

    /// The decision of this number about a ScaledObject.
    pub(in super::super) fn item(number: u64, namespace: &str, scaled_object: &str) -> Item {
        let decision = ScalingDecision {
            time: "2026-11-27T21:03:04.567Z".to_owned(),
            scaled_object: scaled_object.to_owned(),
            target: None,
            from: Some(0),
            to: 1,
            by: "Ebb".to_owned(),
            reason: "Activated".to_owned(),
            message: "trigger 0 (rabbitmq) is active: 120 is above 5".to_owned(),
            until: None,
            triggers: Vec::new(),
            winner: None,
            formula_value: None,
            bounds: Vec::new(),
            shadow: None,
        };
        Item { number, namespace: namespace.to_owned(), decision }
    }

    #[test]
    fn decisions_are_selected_by_namespace_labels_and_fields() {
        let item = item(31, "shop", "app");
        for (namespace, labels, fields, expected) in [
            ("", "", "", true),
            ("shop", "", "", true),
            ("other", "", "", false),
            ("", "scaledobject.keda.sh/name=app", "", true),
            ("", "scaledobject.keda.sh/name in (a,b)", "", false),
            ("", "other", "", false),
            ("", "", "metadata.name=app-1f", true),
            ("", "", "metadata.name=app-1e", false),
            ("", "", "by=Ebb,reason!=Cooldown", true),
            ("", "", "by!=Ebb", false),
        ] {
            let filter = Filter::new(namespace, labels, fields).unwrap();
            assert_eq!(filter.matches(&item), expected, "{namespace} {labels} {fields}");
        }
    }

    #[test]
    fn a_selector_that_cannot_be_understood_is_named() {
        for (labels, fields, part) in
            [("a=(", "", "unable to parse requirement"), ("", "spec.x=1", "spec.x"), ("", "by", "field=value")]
        {
            let error = Filter::new("", labels, fields).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
