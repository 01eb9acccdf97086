//! The count that a workload wakes to: its minimum, as in KEDA, or at once the count that its readings ask for.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use ebb_crds::{ScaledObjectSpec, names};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;

use super::hpa::limits::Behavior;

/// The count that an activation sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActivateTo {
    /// `minReplicaCount`, and 1 at least. The HPA goes on from there.
    #[default]
    Minimum,
    /// The count that the readings ask for.
    Target,
}

impl ActivateTo {
    /// The value of the annotation `ebb.dev/activate-to`, where it is set.
    ///
    /// # Errors
    /// Another value than `minimum` and `target`.
    pub fn of(annotations: Option<&BTreeMap<String, String>>) -> Result<Option<Self>, String> {
        let Some(text) = annotations.and_then(|annotations| annotations.get(names::ACTIVATE_TO_ANNOTATION)) else {
            return Ok(None);
        };
        let mistake = |hint| format!("annotation {} has the value {text:?}: {hint}", names::ACTIVATE_TO_ANNOTATION);
        text.trim().parse().map(Some).map_err(mistake)
    }
}

impl FromStr for ActivateTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "minimum" => Ok(Self::Minimum),
            "target" => Ok(Self::Target),
            _ => Err("it must be minimum or target".to_owned()),
        }
    }
}

/// The highest count that `behavior.scaleUp` lets an activation set: that of the HPA's first look at a workload with `floor`
/// replicas. None where the ScaledObject itself writes no limit: the API server's defaults do not count.
pub fn scale_up_limit(spec: &ScaledObjectSpec, floor: i32) -> Option<i32> {
    let rules = spec.hpa_config()?.behavior.as_ref()?.scale_up.as_ref()?;
    let has_policies = rules.policies.as_ref().is_some_and(|policies| !policies.is_empty());
    if !has_policies && rules.select_policy.as_deref() != Some("Disabled") {
        return None;
    }
    let behavior = HorizontalPodAutoscalerBehavior { scale_up: Some(rules.clone()), scale_down: None };
    Some(Behavior::of(&behavior).up.highest(Duration::ZERO, floor, &[], &[]).max(floor))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_annotation_has_two_values() {
        for (value, expected) in [
            (None, Ok(None)),
            (Some("minimum"), Ok(Some(ActivateTo::Minimum))),
            (Some(" target "), Ok(Some(ActivateTo::Target))),
            (
                Some("Target"),
                Err("annotation ebb.dev/activate-to has the value \"Target\": it must be minimum or target".to_owned()),
            ),
        ] {
            let annotations = value.map(|value| [("ebb.dev/activate-to".to_owned(), value.to_owned())].into());
            assert_eq!(ActivateTo::of(annotations.as_ref()), expected, "{value:?}");
        }
    }

    fn limit(scale_up: &Value, floor: i32) -> Option<i32> {
        let spec = json!({
            "scaleTargetRef": {"name": "app"}, "triggers": [],
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": scale_up}}},
        });
        scale_up_limit(&serde_json::from_value(spec).unwrap(), floor)
    }

    #[test]
    fn only_what_the_user_writes_limits_an_activation() {
        let policy = |kind: &str, value: i32| json!({"type": kind, "value": value, "periodSeconds": 60});
        for (scale_up, floor, expected) in [
            (json!(null), 1, None),
            (json!({}), 1, None),
            (json!({"stabilizationWindowSeconds": 60}), 1, None),
            (json!({"policies": [], "selectPolicy": "Min"}), 1, None),
            (json!({"policies": [policy("Pods", 4)]}), 1, Some(5)),
            (json!({"policies": [policy("Percent", 100)]}), 1, Some(2)),
            (json!({"policies": [policy("Percent", 50)]}), 3, Some(5)),
            (json!({"policies": [policy("Percent", 100), policy("Pods", 4)]}), 1, Some(5)),
            (json!({"policies": [policy("Percent", 100), policy("Pods", 4)], "selectPolicy": "Min"}), 1, Some(2)),
            (json!({"policies": [policy("Pods", 4)], "selectPolicy": "Disabled"}), 2, Some(2)),
            (json!({"selectPolicy": "Disabled"}), 1, Some(1)),
            (json!({"policies": [policy("Pods", i32::MAX)]}), 2, Some(i32::MAX)),
        ] {
            assert_eq!(limit(&scale_up, floor), expected, "{scale_up} from {floor}");
        }
        let without = json!({"scaleTargetRef": {"name": "app"}, "triggers": []});
        assert_eq!(scale_up_limit(&serde_json::from_value(without).unwrap(), 1), None);
    }
}
