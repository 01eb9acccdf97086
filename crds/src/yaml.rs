//! The custom resource definitions: made from the types, as objects to apply and as the files in `crds/yaml`. Writing
//! the files is the business of the example `generate-crds`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{ClusterTriggerAuthentication, ScaledObject, TriggerAuthentication};

/// The command that writes the files anew; it stands in their first line.
pub const COMMAND: &str = "make crds";

/// The folders with these files, from the crate's own: for those who apply them, and for the Helm chart.
pub const FOLDERS: [&str; 2] = ["yaml", "../deploy/helm/ebb/files/crds"];

/// Why a definition could not be written as YAML.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definition does not serialize.
    #[error("the definition has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
    /// The definition does not print.
    #[error("the definition has no YAML form: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// The definitions of all kinds, ready to be applied. Prefer them to a kind's own `crd()`, which marks every optional
/// field as nullable: KEDA's definitions do not, so that the API server drops a `null` before it stores an object.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![ClusterTriggerAuthentication::crd(), ScaledObject::crd(), TriggerAuthentication::crd()];
    definitions
        .iter_mut()
        .flat_map(|definition| &mut definition.spec.versions)
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
        .for_each(|schema| {
            schema.title = None;
            tidy(schema);
        });
    definitions
}

/// The files of `crds/yaml`: the name and the text of each.
pub fn files() -> Result<Vec<(String, String)>, Error> {
    definitions().iter().map(|definition| Ok((file_name(definition), to_yaml(definition)?))).collect()
}

/// The name KEDA's file for the same definition has, for instance `keda.sh_scaledobjects.yaml`.
fn file_name(definition: &CustomResourceDefinition) -> String {
    format!("{}_{}.yaml", definition.spec.group, definition.spec.names.plural)
}

fn to_yaml(definition: &CustomResourceDefinition) -> Result<String, Error> {
    let mut value = serde_json::to_value(definition)?;
    write_whole_numbers(&mut value);
    Ok(format!("# Made by `{COMMAND}`; edit the types instead.\n---\n{}", serde_saphyr::to_string(&value)?))
}

/// Takes `nullable`, and the line breaks inside the paragraphs of descriptions, from a schema and all schemas in it.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        let paragraphs: Vec<_> = description.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
        *description = paragraphs.join("\n\n");
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(tidy);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}

/// Turns `1.0` into `1`, which is how the API server gives back what it stored.
fn write_whole_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(write_whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(write_whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            if let Some(whole) = text.strip_suffix(".0").and_then(|text| text.parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}
