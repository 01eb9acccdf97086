//! The values of KEDA's chart: each has its default there, and a meaning for Ebb's chart.
//!
//! The lists are files of Ebb's chart, which goes by the same ones: `deploy/helm/ebb/files/keda`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::yaml;

const HONOURED: &str = include_str!("../../../deploy/helm/ebb/files/keda/honoured.yaml");
const IGNORED: &str = include_str!("../../../deploy/helm/ebb/files/keda/ignored.yaml");
const REFUSED: &str = include_str!("../../../deploy/helm/ebb/files/keda/refused.yaml");
/// The defaults of Ebb's chart.
const OWN: &str = include_str!("../../../deploy/helm/ebb/values.yaml");
const SCHEMA: &str = include_str!("../../../deploy/helm/ebb/values.schema.json");

/// The meaning of a value for Ebb's chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It has its effect.
    Honoured,
    /// It has none.
    Ignored,
    /// A behavior of KEDA that Ebb cannot have: the installation fails.
    Refused,
}

/// Values that have the meaning of their file for the same reason.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Group {
    /// Why a value is not taken over.
    pub(super) why: Option<String>,
    /// The advice.
    pub(super) hint: Option<String>,
    /// A value with which the others are taken over nevertheless.
    pub(super) unless: Map<String, Value>,
    /// Whether all are taken over if one is.
    pub(super) together: bool,
    /// The values by their names, with KEDA's defaults.
    pub(super) values: BTreeMap<String, Value>,
}

/// All that is known of the values.
pub(super) struct Known {
    groups: Vec<(Meaning, Group)>,
    /// The places of the groups, by the names of the values.
    places: BTreeMap<String, usize>,
    own: Value,
    /// The schema of the values of Ebb's chart. A file may have a part of them only.
    pub(super) schema: Value,
}

/// It is read once.
pub(super) static KNOWN: LazyLock<Known> = LazyLock::new(Known::read);

impl Known {
    fn read() -> Self {
        let files = [(Meaning::Honoured, HONOURED), (Meaning::Ignored, IGNORED), (Meaning::Refused, REFUSED)];
        let groups: Vec<(Meaning, Group)> = files
            .into_iter()
            .flat_map(|(meaning, text)| {
                let groups: Vec<Group> = serde_json::from_value(value(text)).unwrap_or_default();
                groups.into_iter().map(move |group| (meaning, group))
            })
            .collect();
        let places = groups.iter().enumerate();
        let places = places.flat_map(|(place, (_, group))| group.values.keys().map(move |name| (name.clone(), place)));
        let places = places.collect();
        let mut schema = serde_json::from_str(SCHEMA).unwrap_or_default();
        without_required(&mut schema);
        Self { places, groups, own: value(OWN), schema }
    }

    /// The meaning of the value with this name, its group, and KEDA's default.
    pub(super) fn get(&self, name: &str) -> Option<(Meaning, &Group, &Value)> {
        let (meaning, group) = self.groups.get(*self.places.get(name)?)?;
        Some((*meaning, group, group.values.get(name)?))
    }

    /// The names of all values.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Whether there are values below this name, as `operator.replicaCount` is below `operator`.
    pub(super) fn has_below(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        self.places.range(prefix.clone()..).next().is_some_and(|(name, _)| name.starts_with(&prefix))
    }

    /// The groups whose values are taken over together.
    pub(super) fn together(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|(_, group)| group).filter(|group| group.together)
    }

    /// The default of Ebb's chart.
    pub(super) fn own_default(&self, name: &str) -> &Value {
        name.split('.').fold(&self.own, |value, key| &value[key])
    }
}

/// The value of a text that is a part of this program.
fn value(text: &str) -> Value {
    yaml::read(text).into_iter().find_map(Result::ok).map(|document| document.value).unwrap_or_default()
}

/// Drops `required` from the schema: the chart's defaults have these values.
fn without_required(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        fields.remove("required");
        for part in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            without_required(part.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_read() {
        let count = |wanted| {
            let groups = KNOWN.groups.iter().filter(|(meaning, _)| *meaning == wanted);
            groups.map(|(_, group)| group.values.len()).sum::<usize>()
        };
        assert_eq!(count(Meaning::Refused), 22);
        assert!(count(Meaning::Ignored) > 100 && count(Meaning::Honoured) > 100);
        let all: usize = KNOWN.groups.iter().map(|(_, group)| group.values.len()).sum();
        assert_eq!(KNOWN.places.len(), all, "a value is in two groups");
        for (meaning, group) in &KNOWN.groups {
            assert_eq!(group.hint.is_some(), *meaning == Meaning::Refused, "{group:?}");
            assert!(group.why.is_some() || *meaning == Meaning::Honoured, "{group:?}");
        }
        assert_eq!(KNOWN.own_default("operator.replicaCount"), &Value::from(2));
        assert!(KNOWN.schema["properties"]["operator"]["properties"].is_object());
        assert!(KNOWN.schema["properties"]["operator"]["required"].is_null());
    }
}
