//! Reading the generated definitions as JSON.

use serde_json::Value;

/// A definition and the schema in it.
pub(crate) struct Definition {
    pub(crate) json: Value,
}

impl Definition {
    pub(crate) fn name(&self) -> &str {
        text(&self.json["metadata"]["name"])
    }

    pub(crate) fn schema(&self) -> &Value {
        &self.json["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    }
}

pub(crate) fn definitions() -> Vec<Definition> {
    let to_json = |definition| Definition { json: serde_json::to_value(definition).unwrap() };
    ebb_crds::yaml::definitions().into_iter().map(to_json).collect()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

/// The entries of an array; none when there is no array.
pub(crate) fn entries(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A value that has every field its schema has, so that a field the types lack is missed.
pub(crate) fn full(schema: &Value) -> Value {
    if schema["x-kubernetes-int-or-string"] == true {
        return "100m".into();
    }
    if let Some(word) = entries(&schema["enum"]).last() {
        return word.clone();
    }
    match text(&schema["type"]) {
        "object" => match (schema["properties"].as_object(), &schema["additionalProperties"]) {
            (Some(fields), _) => fields.iter().map(|(name, field)| (name.clone(), full(field))).collect(),
            (None, values) => [("key".to_owned(), full(values))].into_iter().collect(),
        },
        "array" => vec![full(&schema["items"])].into(),
        "boolean" => true.into(),
        "integer" => 7.into(),
        "string" if schema["format"] == "date-time" => "2026-11-23T05:37:00Z".into(),
        "string" => "text".into(),
        other => panic!("no sample for type {other}"),
    }
}
