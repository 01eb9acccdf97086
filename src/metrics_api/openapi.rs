//! The OpenAPI documents: version 2 for the cluster's merged document, version 3 for clients that read one
//! group at a time.
//!
//! Kubernetes' own types (Time, Quantity, `ListMeta`) are written inline. The API server would rename a definition with
//! the same name and another text when it merges the documents.

use serde_json::{Value, json};

use ebb_plan::trail::object;

use super::decisions::openapi::{self as decisions, Edition};
use super::document::Document;
use super::{GROUP, VERSION};

/// The documents of both versions.
pub(super) struct OpenApi {
    /// `/openapi/v2`
    pub(super) v2: Document,
    /// `/openapi/v3`: the paths of the documents of each group version.
    pub(super) v3_root: Document,
    /// `/openapi/v3/apis/external.metrics.k8s.io/v1beta1`
    pub(super) metrics_v3: Document,
    /// `/openapi/v3/apis/decisions.ebb.dev/v1alpha1`
    pub(super) decisions_v3: Document,
}

const LIST: &str = "io.k8s.metrics.pkg.apis.external_metrics.v1beta1.ExternalMetricValueList";
const ITEM: &str = "io.k8s.metrics.pkg.apis.external_metrics.v1beta1.ExternalMetricValue";

impl OpenApi {
    pub(super) fn new() -> Self {
        let (metrics_v3, decisions_v3) = (Document::json(&metrics_v3()), Document::json(&decisions_v3()));
        let mut root = json!({"paths": {}});
        for (group, version, document) in
            [(GROUP, VERSION, &metrics_v3), (object::GROUP, object::VERSION, &decisions_v3)]
        {
            let location = format!("apis/{group}/{version}");
            let url = format!("/openapi/v3/{location}?hash={}", document.tag());
            root["paths"][location.as_str()] = json!({"serverRelativeURL": url});
        }
        Self { v2: Document::json(&v2()), v3_root: Document::json(&root), metrics_v3, decisions_v3 }
    }
}

fn v2() -> Value {
    let parameter = |name: &str, place: &str, description: &str| {
        json!({"name": name, "in": place, "type": "string", "required": place == "path", "uniqueItems": true,
               "description": description})
    };
    let mut document = json!({
        "swagger": "2.0",
        "info": info(),
        "paths": {
            metric_path(): {
                "get": operation(&json!({"schema": {"$ref": format!("#/definitions/{LIST}")}})),
                "parameters": parameters(parameter),
            },
        },
        "definitions": schemas("#/definitions/"),
    });
    for (part, more) in [("paths", decisions::paths(Edition::V2)), ("definitions", decisions::schemas(Edition::V2))] {
        if let (Some(all), Value::Object(more)) = (document[part].as_object_mut(), more) {
            all.extend(more);
        }
    }
    document
}

fn decisions_v3() -> Value {
    json!({
        "openapi": "3.0.0",
        "info": json!({"title": "Ebb decisions", "version": info()["version"]}),
        "paths": decisions::paths(Edition::V3),
        "components": {"schemas": decisions::schemas(Edition::V3)},
    })
}

fn metrics_v3() -> Value {
    let parameter = |name: &str, place: &str, description: &str| {
        json!({"name": name, "in": place, "required": place == "path", "description": description,
               "schema": {"type": "string", "uniqueItems": true}})
    };
    let schema = json!({"schema": {"$ref": format!("#/components/schemas/{LIST}")}});
    json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": {
            metric_path(): {
                "get": operation(&json!({"content": {"application/json": schema}})),
                "parameters": parameters(parameter),
            },
        },
        "components": {"schemas": schemas("#/components/schemas/")},
    })
}

fn info() -> Value {
    json!({"title": "Ebb external metrics", "version": concat!("v", env!("CARGO_PKG_VERSION"))})
}

fn metric_path() -> String {
    format!("/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{{metric}}")
}

fn parameters(parameter: impl Fn(&str, &str, &str) -> Value) -> Value {
    json!([
        parameter("namespace", "path", "namespace of the ScaledObject"),
        parameter("metric", "path", "name of the metric, as the HorizontalPodAutoscaler has it"),
        parameter("labelSelector", "query", "must name the ScaledObject: scaledobject.keda.sh/name=<name>"),
    ])
}

fn operation(body: &Value) -> Value {
    let mut answer = body.clone();
    answer["description"] = "OK".into();
    json!({
        "description": "the present value of one external metric of one ScaledObject",
        "operationId": "listExternalMetricsV1beta1NamespacedExternalMetricValue",
        "tags": ["externalMetrics_v1beta1"],
        "produces": ["application/json"],
        "schemes": ["https"],
        "responses": {"200": answer},
        "x-kubernetes-action": "list",
        "x-kubernetes-group-version-kind": gvk("ExternalMetricValueList"),
    })
}

fn gvk(kind: &str) -> Value {
    json!({"group": GROUP, "version": VERSION, "kind": kind})
}

fn schemas(prefix: &str) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        ITEM: {
            "type": "object",
            "description": "ExternalMetricValue is the value of an external metric.",
            "required": ["metricName", "metricLabels", "timestamp", "value"],
            "properties": {
                "apiVersion": text("the versioned schema of this representation"),
                "kind": text("the REST resource this object represents"),
                "metricName": text("the name of the metric"),
                "metricLabels": {
                    "type": "object",
                    "description": "labels that distinguish several values of one metric",
                    "additionalProperties": {"type": "string"},
                },
                "timestamp": {"type": "string", "format": "date-time", "description": "when the metric was read"},
                "value": text("the value as a Quantity, in thousandths where it is not whole"),
                "window": {"type": "integer", "format": "int64", "description": "seconds it was calculated from"},
            },
            "x-kubernetes-group-version-kind": [gvk("ExternalMetricValue")],
        },
        LIST: {
            "type": "object",
            "description": "ExternalMetricValueList holds the values of one external metric.",
            "required": ["items"],
            "properties": {
                "apiVersion": text("the versioned schema of this representation"),
                "kind": text("the REST resource this object represents"),
                "metadata": {"type": "object", "description": "standard list metadata"},
                "items": {
                    "type": "array",
                    "description": "the values: one for each ScaledObject that is asked for",
                    "items": {"$ref": format!("{prefix}{ITEM}")},
                },
            },
            "x-kubernetes-group-version-kind": [gvk("ExternalMetricValueList")],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in `value`.
    fn references(value: &Value) -> Vec<String> {
        match value {
            Value::Object(map) => map
                .iter()
                .flat_map(|(key, value)| match value {
                    Value::String(text) if key == "$ref" => vec![text.clone()],
                    other => references(other),
                })
                .collect(),
            Value::Array(items) => items.iter().flat_map(references).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for (document, count) in [(v2(), 7), (metrics_v3(), 2), (decisions_v3(), 5)] {
            let found = references(&document);
            assert_eq!(found.len(), count);
            for reference in found {
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
        }
    }

    #[test]
    fn the_form_fits_its_version() {
        let (v2, v3) = (v2(), metrics_v3());
        let path = metric_path();
        assert!(v2["paths"][&path]["get"]["responses"]["200"]["schema"].is_object());
        assert_eq!(v2["paths"][&path]["parameters"][0]["type"], "string");
        assert!(v3["paths"][&path]["get"]["responses"]["200"]["content"]["application/json"].is_object());
        assert_eq!(v3["paths"][&path]["parameters"][0]["schema"]["type"], "string");
    }
}
