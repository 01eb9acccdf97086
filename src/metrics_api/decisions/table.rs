//! Decisions as the table that kubectl prints (`meta.k8s.io/v1`, kind Table).

use serde_json::{Value, json};

use super::{Item, document, metadata};

/// The object of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Include {
    /// Its metadata, which kubectl asks for.
    Metadata,
    /// All of it.
    Object,
    /// Nothing.
    None,
}

impl Include {
    /// The parameter `includeObject`.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "Object" => Self::Object,
            "None" => Self::None,
            _ => Self::Metadata,
        }
    }
}

/// The columns. kubectl shows those of priority 1 with `-o wide` only.
pub(super) fn columns() -> Value {
    let column = |name: &str, kind: &str, priority: i32, description: &str| json!({"name": name, "type": kind, "format": "", "description": description, "priority": priority});
    json!([
        column("Time", "string", 0, "When the decision was made, or when Ebb learned of it."),
        column("ScaledObject", "string", 0, "The ScaledObject."),
        column("From", "string", 0, "The replicas before; ? where they were unknown."),
        column("To", "integer", 0, "The replicas after. The same as before: a decision not to scale."),
        column("By", "string", 0, "Ebb, the HPA, the autoscaler beside which Ebb observes, or another writer."),
        column("Why", "string", 0, "The cause."),
        column("Name", "string", 1, "The name of the decision."),
        column("Reason", "string", 1, "The cause, as a word."),
        column("Target", "string", 1, "The workload."),
        column("Ebb", "string", 1, "The replicas that Ebb, which only observes, would have."),
    ])
}

/// The row of a decision.
pub(super) fn row(item: &Item, epoch: u32, include: Include) -> Value {
    let decision = &item.decision;
    let from = decision.from.map_or_else(|| "?".to_owned(), |from| from.to_string());
    let target = decision.target.as_ref().map(|target| format!("{}/{}", target.kind, target.name)).unwrap_or_default();
    let shadow = decision.shadow.as_ref().map(|shadow| shadow.replicas.to_string()).unwrap_or_default();
    let metadata = metadata(item, epoch);
    let name = metadata["name"].clone();
    let mut row = json!({
        "cells": [
            super::seconds(&decision.time), decision.scaled_object, from, decision.to, decision.by, decision.message, name,
            decision.reason, target, shadow,
        ],
    });
    match include {
        Include::None => {}
        Include::Object => row["object"] = document(item, epoch),
        Include::Metadata => {
            row["object"] =
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
        }
    }
    row
}

/// A table with these rows. Columns may be left out in a watch, after its first event.
pub(super) fn table(version: &str, columns: Option<Value>, rows: &[Value]) -> Value {
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": columns.unwrap_or_else(|| json!([])),
        "rows": rows,
    })
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::item;
    use super::*;

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let row = row(&item(31, "shop", "app"), 1_900_000_000, Include::Metadata);
        assert_eq!(row["cells"].as_array().unwrap().len(), columns().as_array().unwrap().len());
        assert_eq!(row["cells"][0], "2026-11-27T21:03:04Z");
        assert_eq!(row["cells"][2], "0");
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(row["object"]["metadata"]["name"], "app-1f");
        assert_eq!(row["object"]["metadata"]["labels"]["scaledobject.keda.sh/name"], "app");
    }

    #[test]
    fn the_object_of_a_row_is_chosen_by_the_client() {
        for (text, kind) in
            [("Object", "ScalingDecision"), ("Metadata", "PartialObjectMetadata"), ("", "PartialObjectMetadata")]
        {
            let row = row(&item(1, "shop", "app"), 1, Include::parse(text));
            assert_eq!(row["object"]["kind"], kind, "{text}");
        }
        assert_eq!(row(&item(1, "shop", "app"), 1, Include::parse("None"))["object"], Value::Null);
    }
}
