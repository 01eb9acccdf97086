//! Whether a ScaledObject is paused (keda.sh/docs, "Pause autoscaling").

use std::collections::BTreeMap;

use ebb_crds::names;

/// What the annotations say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Scaling goes on.
    No,
    /// Scaling is paused: at this many replicas, or at as many as there are.
    At(Option<i32>),
}

/// Reads `paused-replicas` and `paused`; the former wins.
///
/// # Errors
/// A `paused-replicas` that is no count of replicas.
pub fn pause(annotations: Option<&BTreeMap<String, String>>) -> Result<Pause, String> {
    let replicas = annotations.and_then(|annotations| annotations.get(names::PAUSED_REPLICAS_ANNOTATION));
    if let Some(text) = replicas {
        return match text.trim().parse::<i32>() {
            Ok(replicas) if replicas >= 0 => Ok(Pause::At(Some(replicas))),
            _ => Err(format!(
                "annotation {} has the value {text:?}: it must be a number of replicas, 0 or more",
                names::PAUSED_REPLICAS_ANNOTATION
            )),
        };
    }
    Ok(if is_set(annotations, names::PAUSED_ANNOTATION) { Pause::At(None) } else { Pause::No })
}

/// Whether an annotation is there and is not one of Go's ways to write false. Like KEDA, anything else counts as true.
pub fn is_set(annotations: Option<&BTreeMap<String, String>>, name: &str) -> bool {
    annotations
        .and_then(|annotations| annotations.get(name))
        .is_some_and(|value| !matches!(value.as_str(), "0" | "f" | "F" | "false" | "FALSE" | "False"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_pause_as_in_keda() {
        for (given, expected) in [
            (vec![], Ok(Pause::No)),
            (vec![("autoscaling.keda.sh/paused", "true")], Ok(Pause::At(None))),
            (vec![("autoscaling.keda.sh/paused", "yes please")], Ok(Pause::At(None))),
            (vec![("autoscaling.keda.sh/paused", "false")], Ok(Pause::No)),
            (vec![("autoscaling.keda.sh/paused-replicas", "3")], Ok(Pause::At(Some(3)))),
            (
                vec![("autoscaling.keda.sh/paused", "false"), ("autoscaling.keda.sh/paused-replicas", "0")],
                Ok(Pause::At(Some(0))),
            ),
        ] {
            let annotations = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(pause(Some(&annotations)), expected, "{given:?}");
        }
        let broken = [(names::PAUSED_REPLICAS_ANNOTATION.to_owned(), "-1".to_owned())].into();
        assert!(pause(Some(&broken)).unwrap_err().contains("\"-1\""));
    }
}
