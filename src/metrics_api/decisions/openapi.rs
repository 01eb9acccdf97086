//! The OpenAPI of decisions, which `kubectl explain scalingdecisions` shows.

use ebb_plan::trail::object::{GROUP, KIND, VERSION};
use serde_json::{Value, json};

use super::{READINGS, RESOURCE};

const DECISION: &str = "dev.ebb.decisions.v1alpha1.ScalingDecision";
const LIST: &str = "dev.ebb.decisions.v1alpha1.ScalingDecisionList";
const SERIES: &str = "dev.ebb.decisions.v1alpha1.ScalingReadings";

/// The version of OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::metrics_api) enum Edition {
    V2,
    V3,
}

impl Edition {
    fn prefix(self) -> &'static str {
        match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        }
    }

    fn parameter(self, name: &str, place: &str, description: &str) -> Value {
        let mut parameter = json!({"name": name, "in": place, "required": place == "path", "description": description});
        match self {
            Self::V2 => {
                parameter["type"] = "string".into();
                parameter["uniqueItems"] = true.into();
            }
            Self::V3 => parameter["schema"] = json!({"type": "string", "uniqueItems": true}),
        }
        parameter
    }

    fn answer(self, schema: &str) -> Value {
        let reference = json!({"schema": {"$ref": format!("{}{schema}", self.prefix())}});
        let mut answer = match self {
            Self::V2 => reference,
            Self::V3 => json!({"content": {"application/json": reference}}),
        };
        answer["description"] = "OK".into();
        answer
    }
}

/// The paths.
pub(in crate::metrics_api) fn paths(edition: Edition) -> Value {
    let (all, namespaced) = (format!("/apis/{GROUP}/{VERSION}/{RESOURCE}"), "namespaces/{namespace}");
    let list = format!("/apis/{GROUP}/{VERSION}/{namespaced}/{RESOURCE}");
    let (one, readings) = (format!("{list}/{{name}}"), format!("{list}/{{name}}/{READINGS}"));
    let namespace = || edition.parameter("namespace", "path", "namespace of the ScaledObject");
    let selector = || edition.parameter("labelSelector", "query", "one ScaledObject: scaledobject.keda.sh/name=<name>");
    let name = |description: &str| edition.parameter("name", "path", description);
    json!({
        all: {"get": operation(edition, "list", "ForAllNamespaces", LIST, KIND), "parameters": [selector()]},
        list: {"get": operation(edition, "list", "Namespaced", LIST, KIND), "parameters": [namespace(), selector()]},
        one: {
            "get": operation(edition, "get", "Namespaced", DECISION, KIND),
            "parameters": [namespace(), name("name of the decision")],
        },
        readings: {
            "get": operation(edition, "get", "NamespacedReadingsOf", SERIES, "ScalingReadings"),
            "parameters": [namespace(), name("name of the ScaledObject")],
        },
    })
}

fn operation(edition: Edition, action: &str, scope: &str, schema: &str, kind: &str) -> Value {
    json!({
        "description": "read decisions about the replicas of ScaledObjects",
        "operationId": format!("{action}DecisionsV1alpha1{scope}ScalingDecision"),
        "tags": ["decisions_v1alpha1"],
        "produces": ["application/json"],
        "schemes": ["https"],
        "responses": {"200": edition.answer(schema)},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind),
    })
}

fn gvk(kind: &str) -> Value {
    json!({"group": GROUP, "version": VERSION, "kind": kind})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn count(description: &str) -> Value {
    json!({"type": "integer", "format": "int32", "description": description})
}

fn number(description: &str) -> Value {
    json!({"type": "number", "format": "double", "description": description})
}

/// The schemas.
pub(in crate::metrics_api) fn schemas(edition: Edition) -> Value {
    let reference = |name: &str| json!({"$ref": format!("{}{name}", edition.prefix())});
    json!({
        DECISION: {
            "type": "object",
            "description": "ScalingDecision is a decision about the replicas of a ScaledObject's target: a change, or a \
                            reason to leave them. It is kept in the memory of the replica of Ebb that leads.",
            "properties": properties(),
            "x-kubernetes-group-version-kind": [gvk(KIND)],
        },
        LIST: {
            "type": "object",
            "description": "ScalingDecisionList is a list of decisions, the oldest first.",
            "required": ["items"],
            "properties": {
                "apiVersion": text("the versioned schema of this representation"),
                "kind": text("the REST resource this object represents"),
                "metadata": {"type": "object", "description": "standard list metadata"},
                "since": text("decisions before this time are not known"),
                "items": {"type": "array", "description": "the decisions", "items": reference(DECISION)},
            },
            "x-kubernetes-group-version-kind": [gvk("ScalingDecisionList")],
        },
        SERIES: {
            "type": "object",
            "description": "ScalingReadings are the readings of a ScaledObject's triggers over the last hour.",
            "properties": {
                "apiVersion": text("the versioned schema of this representation"),
                "kind": text("the REST resource this object represents"),
                "metadata": {"type": "object", "description": "the ScaledObject's name and namespace"},
                "since": text("readings before this time are not known"),
                "thinned": {"type": "boolean", "description": "the bound on memory made points coarser"},
                "triggers": {"type": "array", "description": "the triggers", "items": {"type": "object"}},
                "points": {"type": "array", "description": "the readings, the oldest first", "items": {"type": "object"}},
            },
            "x-kubernetes-group-version-kind": [gvk("ScalingReadings")],
        },
    })
}

fn properties() -> Value {
    json!({
        "apiVersion": text("the versioned schema of this representation"),
        "kind": text("the REST resource this object represents"),
        "metadata": {"type": "object", "description": "standard object metadata; the label scaledobject.keda.sh/name names the ScaledObject"},
        "time": text("when the decision was made, or when Ebb learned of it"),
        "scaledObject": text("the ScaledObject"),
        "target": {
            "type": "object",
            "description": "the workload that is scaled",
            "properties": {"kind": text("its kind"), "name": text("its name")},
        },
        "from": count("the replicas before; left out where they were unknown"),
        "to": count("the replicas after; the same as before: a decision not to scale"),
        "by": text("Ebb, HPA, Autoscaler: the one beside which Ebb observes, or Other: a user or another controller"),
        "reason": text("the cause, as a word"),
        "message": text("the cause, as a sentence"),
        "until": text("when the cause ends by itself, such as a cooldown"),
        "triggers": {
            "type": "array",
            "description": "the triggers at that moment, in the order of spec.triggers",
            "items": {
                "type": "object",
                "properties": {
                    "index": count("its place in spec.triggers"),
                    "name": text("its own name"),
                    "type": text("its type"),
                    "metric": text("its metric's name"),
                    "value": number("its value; left out where it could not be read"),
                    "target": number("the value for each replica"),
                    "activation": number("it is active above this value"),
                    "active": {"type": "boolean", "description": "whether it is active"},
                    "asksFor": count("the replicas that it asks for by itself"),
                    "error": text("why it could not be read"),
                },
            },
        },
        "winner": count("the place in triggers of the one that asks for most"),
        "formulaValue": number("the value of the formula of scalingModifiers"),
        "bounds": {"type": "array", "description": "the limits that bounded the count", "items": text("a bound")},
    })
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::super::filter::tests::item;
    use super::*;

    #[test]
    fn every_field_of_a_decision_is_described() {
        let described = properties();
        for (field, _) in document(&item(1, "shop", "app"), 1).as_object().unwrap() {
            assert!(described.get(field).is_some(), "{field}");
        }
    }
}
