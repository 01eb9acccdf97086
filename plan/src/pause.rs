//! The pause of a ScaledObject, in both directions or in one (keda.sh/docs, "Pause autoscaling").

use std::collections::BTreeMap;

use ebb_crds::names;
use ebb_params::go;
use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};

/// `selectPolicy` of a direction in which an HPA does not scale.
const DISABLED: &str = "Disabled";

/// The pause that the annotations ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Scaling goes on.
    No,
    /// Scaling is paused: at this many replicas, or at as many as there are.
    At(Option<i32>),
}

/// Reads `paused-replicas` and `paused`; the former wins, even over `paused: "false"`. Both win over the annotations
/// that pause one direction.
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
    annotations.and_then(|annotations| annotations.get(name)).is_some_and(|value| go::boolean(value) != Some(false))
}

/// The behavior of the HPA: the user's, with the paused directions disabled. An HPA still keeps to its minimum
/// and maximum.
pub fn hold(
    behavior: Option<HorizontalPodAutoscalerBehavior>,
    annotations: Option<&BTreeMap<String, String>>,
) -> Option<HorizontalPodAutoscalerBehavior> {
    let paused = |name| is_set(annotations, name);
    let (scale_in, scale_out) = (paused(names::PAUSED_SCALE_IN_ANNOTATION), paused(names::PAUSED_SCALE_OUT_ANNOTATION));
    if !scale_in && !scale_out {
        return behavior;
    }
    let disable = |rules: Option<HPAScalingRules>| {
        Some(HPAScalingRules { select_policy: Some(DISABLED.to_owned()), ..rules.unwrap_or_default() })
    };
    let mut behavior = behavior.unwrap_or_default();
    if scale_in {
        behavior.scale_down = disable(behavior.scale_down);
    }
    if scale_out {
        behavior.scale_up = disable(behavior.scale_up);
    }
    Some(behavior)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_paused_direction_is_disabled_and_the_rest_of_the_behavior_stays() {
        let users = json!({
            "scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}], "selectPolicy": "Min", "tolerance": "0"},
            "scaleUp": {"stabilizationWindowSeconds": 30},
        });
        let with = |direction: &str, policy: &str| {
            let mut expected = users.clone();
            expected[direction]["selectPolicy"] = json!(policy);
            expected
        };
        let mut both = with("scaleDown", "Disabled");
        both["scaleUp"]["selectPolicy"] = json!("Disabled");
        for (given, expected) in [
            (vec![], users.clone()),
            (vec![("autoscaling.keda.sh/paused-scale-in", "false")], users.clone()),
            (vec![("autoscaling.keda.sh/paused-scale-in", "true")], with("scaleDown", "Disabled")),
            (vec![("autoscaling.keda.sh/paused-scale-out", "")], with("scaleUp", "Disabled")),
            (vec![("autoscaling.keda.sh/paused-scale-in", "1"), ("autoscaling.keda.sh/paused-scale-out", "on")], both),
        ] {
            let behavior = serde_json::from_value(users.clone()).unwrap();
            let held = hold(Some(behavior), Some(&annotated(&given)));
            assert_eq!(serde_json::to_value(held).unwrap(), expected, "{given:?}");
        }
        let held = hold(None, Some(&annotated(&[("autoscaling.keda.sh/paused-scale-in", "true")])));
        assert_eq!(serde_json::to_value(held).unwrap(), json!({"scaleDown": {"selectPolicy": "Disabled"}}));
        assert_eq!(hold(None, None), None);
    }

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
            (
                vec![("autoscaling.keda.sh/paused", "true"), ("autoscaling.keda.sh/paused-replicas", "5")],
                Ok(Pause::At(Some(5))),
            ),
            (
                vec![("autoscaling.keda.sh/paused", "true"), ("autoscaling.keda.sh/paused-scale-in", "true")],
                Ok(Pause::At(None)),
            ),
            (vec![("autoscaling.keda.sh/paused-scale-in", "true")], Ok(Pause::No)),
        ] {
            assert_eq!(pause(Some(&annotated(&given))), expected, "{given:?}");
        }
        for broken in ["-1", "", "three", "1.5", "3000000000"] {
            let error = pause(Some(&annotated(&[(names::PAUSED_REPLICAS_ANNOTATION, broken)]))).unwrap_err();
            assert!(error.contains(&format!("{broken:?}")), "{error}");
        }
    }
}
