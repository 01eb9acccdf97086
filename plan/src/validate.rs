//! The checks of a ScaledObject before Ebb acts on it. Triggers' own parameters are checked when their scalers are
//! built.

use ebb_crds::{ScaleTrigger, ScaledObject, ScaledObjectSpec};
use ebb_params::{Catalog, MetricType};

use super::fallback::Fallback;
use super::hpa::behavior;
use super::modifiers::Modifiers;
use super::names;
use super::policy::Policy;
use super::resource;
use super::rules::Rules;

/// The error of a ScaledObject that cannot be served: KEDA's headline, and the exact mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{headline}: {detail}")]
pub struct Invalid {
    headline: &'static str,
    detail: String,
}

const NAME: &str = "ScaledObject doesn't have correct metadata.name specification";
const TRIGGERS: &str = "ScaledObject doesn't have correct triggers specification";
const TARGET: &str = "ScaledObject doesn't have correct scaleTargetRef specification";
const MODIFIERS: &str = "ScaledObject doesn't have correct scalingModifiers specification";
const FALLBACK: &str = "ScaledObject doesn't have correct fallback specification";
const HPA: &str = "failed to ensure HPA is correctly created for ScaledObject";
const HPA_CONFIG: &str = "spec.advanced.horizontalPodAutoscalerConfig";
const COUNTS: &str = "ScaledObject doesn't have correct Idle/Min/Max Replica Counts specification";

/// Checks everything that the spec alone can show, and gives its rules. `catalog` has the kinds of trigger.
///
/// # Errors
/// All that is wrong with the first part of the specification that is wrong.
pub fn check(object: &ScaledObject, catalog: Catalog) -> Result<Rules, Invalid> {
    let spec = &object.spec;
    let invalid = |headline: &'static str| move |detail: String| Invalid { headline, detail };
    all(triggers(spec, catalog)).map_err(invalid(TRIGGERS))?;
    let resources = resource::metrics(spec).map_err(|mistakes| invalid(TRIGGERS)(joined(mistakes)))?;
    target(spec).map_err(invalid(TARGET))?;
    all(counts(spec).into_iter().map(|wrong| wrong.text)).map_err(invalid(COUNTS))?;
    let modifiers = Modifiers::of(spec).map_err(|mistakes| invalid(MODIFIERS)(joined(mistakes)))?;
    let fallback = Fallback::of(spec).map_err(invalid(FALLBACK))?;
    all(hpa(spec).into_iter().map(|(path, text)| format!("{path}: {text}"))).map_err(invalid(HPA))?;
    Ok(Rules { policy: Policy::of(object), fallback, modifiers, resources })
}

/// All of `mistakes` as one text, if there are any.
fn all(mistakes: impl IntoIterator<Item = String>) -> Result<(), String> {
    let text = joined(mistakes);
    if text.is_empty() { Ok(()) } else { Err(text) }
}

fn joined(mistakes: impl IntoIterator<Item = impl ToString>) -> String {
    mistakes.into_iter().map(|mistake| mistake.to_string()).collect::<Vec<_>>().join("; ")
}

/// Checks that the name can be the value of the labels that belong to a served ScaledObject. Without them the HPA could
/// not be found, so this comes before anything is written.
///
/// # Errors
/// The name is longer than a label's value may be.
pub fn name(object: &ScaledObject) -> Result<(), Invalid> {
    names::too_long(object).map_or(Ok(()), |detail| Err(Invalid { headline: NAME, detail }))
}

/// The mistakes in the triggers of every type.
fn triggers(spec: &ScaledObjectSpec, catalog: Catalog) -> Vec<String> {
    admissible(spec, catalog).into_iter().chain(metric_types(spec)).map(|wrong| wrong.text).collect()
}

/// A mistake in a trigger.
#[derive(Debug)]
pub struct TriggerMistake {
    /// Where, such as `spec.triggers[0].name`.
    pub path: String,
    /// The mistake.
    pub text: String,
}

/// The mistakes in triggers of every type that KEDA refuses at admission.
pub fn admissible(spec: &ScaledObjectSpec, catalog: Catalog) -> Vec<TriggerMistake> {
    if spec.triggers.is_empty() {
        let text = "no triggers defined in the ScaledObject/ScaledJob".into();
        return vec![TriggerMistake { path: "spec.triggers".into(), text }];
    }
    let mut mistakes = Vec::new();
    for (index, trigger) in spec.triggers.iter().enumerate() {
        let name = trigger.name.as_deref().filter(|name| !name.is_empty());
        let earlier = spec.triggers[..index].iter().position(|other| name.is_some() && other.name.as_deref() == name);
        if let (Some(name), Some(earlier)) = (name, earlier) {
            let text = format!(
                "triggerName {name:?} is defined multiple times in the ScaledObject, but it must be unique: triggers {earlier} and {index} have it"
            );
            mistakes.push(TriggerMistake { path: format!("spec.triggers[{index}].name"), text });
        }
        if trigger.uses_cached_metrics()
            && let Some(why) = without_cache(trigger, catalog)
        {
            let text = format!(
                "trigger {index}: property \"useCachedMetrics\" is not supported for {:?} scaler: {why}",
                trigger.type_
            );
            mistakes.push(TriggerMistake { path: format!("spec.triggers[{index}].useCachedMetrics"), text });
        }
    }
    mistakes
}

/// Why there is nothing that `useCachedMetrics` could keep, for the kinds that KEDA refuses it for.
fn without_cache(trigger: &ScaleTrigger, catalog: Catalog) -> Option<&'static str> {
    if resource::is_resource(trigger) {
        return Some("the HPA reads it from the pods");
    }
    catalog(&trigger.type_).and_then(|kind| kind.never_cached)
}

/// Metric types that external metrics cannot have.
pub fn metric_types(spec: &ScaledObjectSpec) -> Vec<TriggerMistake> {
    let external = spec.triggers.iter().enumerate().filter(|(_, trigger)| !resource::is_resource(trigger));
    let mistake = |(index, trigger): (usize, &ScaleTrigger)| {
        let text = metric_type(trigger.metric_type.as_deref()).err()?;
        let path = format!("spec.triggers[{index}].metricType");
        Some(TriggerMistake { path, text: format!("trigger {index}: {text}") })
    };
    external.filter_map(mistake).collect()
}

/// The fields that the API server would refuse in the HPA: the field of the specification, and its mistake.
pub fn hpa(spec: &ScaledObjectSpec) -> Vec<(String, String)> {
    let Some(config) = spec.hpa_config() else { return Vec::new() };
    let name = config.name().and_then(names::subdomain_mistake).map(|text| (format!("{HPA_CONFIG}.name"), text));
    let behavior = config.behavior.as_ref().map(behavior::mistakes).unwrap_or_default();
    let behavior =
        behavior.into_iter().map(|mistake| (format!("{HPA_CONFIG}.behavior.{}", mistake.path), mistake.text));
    name.into_iter().chain(behavior).collect()
}

/// `triggers[].metricType` as the HPA knows it.
///
/// # Errors
/// A type that external metrics cannot have.
pub fn metric_type(text: Option<&str>) -> Result<MetricType, String> {
    match text {
        None | Some("" | "AverageValue") => Ok(MetricType::AverageValue),
        Some("Value") => Ok(MetricType::Value),
        Some("Utilization") => Err(
            "'Utilization' metric type is unsupported for external metrics, allowed values are 'Value' or 'AverageValue'".into(),
        ),
        Some(other) => Err(format!("metric type {other:?} is unknown, allowed values are 'Value' or 'AverageValue'")),
    }
}

/// Checks that `scaleTargetRef` names a target.
///
/// # Errors
/// The name is missing.
pub fn target(spec: &ScaledObjectSpec) -> Result<(), String> {
    if spec.scale_target_ref.name.is_empty() {
        return Err("ScaledObject.spec.scaleTargetRef.name is missing".into());
    }
    Ok(())
}

/// A count of replicas that cannot be.
#[derive(Debug)]
pub struct WrongCount {
    /// The field of the spec that is to be changed.
    pub field: &'static str,
    /// The mistake.
    pub text: String,
    /// Whether the bounds contradict each other, which KEDA refuses (its `CheckReplicaCountBoundsAreValid`).
    pub crossed: bool,
}

/// The minimum that `idleReplicaCount` must stay below. As in KEDA, a `minReplicaCount` of 0 that is given counts as 1,
/// the least that an HPA has; one that is left out counts as 0.
fn active_minimum(spec: &ScaledObjectSpec) -> i32 {
    spec.min_replica_count.map_or(0, |min| min.max(1))
}

/// The counts of replicas of the spec that cannot be.
pub fn counts(spec: &ScaledObjectSpec) -> Vec<WrongCount> {
    let (min, max) = (spec.min_replica_count(), spec.max_replica_count());
    let mut wrong = Vec::new();
    let mut note = |crossed, field, text| wrong.push(WrongCount { field, text, crossed });
    if min < 0 {
        note(false, "minReplicaCount", format!("MinReplicaCount={min} must not be negative"));
    }
    if max < 1 {
        note(false, "maxReplicaCount", format!("MaxReplicaCount={max} must be at least 1"));
    } else if min > max {
        let default = if spec.max_replica_count.is_none() { " (its default)" } else { "" };
        let text = format!("MinReplicaCount={min} must be less than MaxReplicaCount={max}{default}");
        note(true, "minReplicaCount", text);
    }
    let least = active_minimum(spec);
    match spec.idle_replica_count {
        Some(idle) if idle < 0 => {
            note(false, "idleReplicaCount", format!("IdleReplicaCount={idle} must not be negative"));
        }
        Some(idle) if idle >= least => {
            let text = format!("IdleReplicaCount={idle} must be less than MinReplicaCount={least}");
            note(true, "idleReplicaCount", text);
        }
        _ => {}
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_with(spec: &serde_json::Value) -> Result<(), String> {
        let mut whole = json!({
            "scaleTargetRef": {"name": "app"},
            "triggers": [{"type": "cron", "metadata": {}}],
        });
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let checked = check(&ScaledObject::new("so", serde_json::from_value(whole).unwrap()), crate::catalog::of_tests);
        checked.map(drop).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn what_is_wrong_is_named_with_its_figures() {
        for (spec, text) in [
            (json!({"triggers": []}), "no triggers"),
            (json!({"scaleTargetRef": {"name": ""}}), "scaleTargetRef.name is missing"),
            (
                json!({"minReplicaCount": 5, "maxReplicaCount": 2}),
                "MinReplicaCount=5 must be less than MaxReplicaCount=2",
            ),
            (json!({"minReplicaCount": 200}), "MaxReplicaCount=100 (its default)"),
            (json!({"minReplicaCount": -1}), "MinReplicaCount=-1"),
            (json!({"idleReplicaCount": -1}), "IdleReplicaCount=-1 must not be negative"),
            (json!({"maxReplicaCount": 0}), "MaxReplicaCount=0"),
            (
                json!({"idleReplicaCount": 2, "minReplicaCount": 2}),
                "IdleReplicaCount=2 must be less than MinReplicaCount=2",
            ),
            (
                json!({"triggers": [{"type": "cron", "name": "a", "metadata": {}}, {"type": "cron", "name": "a", "metadata": {}}]}),
                "triggers 0 and 1 have it",
            ),
            (
                json!({"triggers": [{"type": "cron", "metricType": "Utilization", "metadata": {}}]}),
                "'Utilization' metric type is unsupported",
            ),
            (
                json!({"triggers": [{"type": "cpu", "metadata": {"value": "60"}}]}),
                "trigger 0 (cpu): unsupported metric type",
            ),
            (
                json!({"triggers": [{"type": "cpu", "metricType": "Utilization", "useCachedMetrics": true, "metadata": {"value": "60"}}]}),
                "property \"useCachedMetrics\" is not supported for \"cpu\" scaler",
            ),
            (
                json!({"triggers": [{"type": "cron", "useCachedMetrics": true, "metadata": {}}]}),
                "property \"useCachedMetrics\" is not supported for \"cron\" scaler: a window is computed",
            ),
            (json!({"idleReplicaCount": 0}), "IdleReplicaCount=0 must be less than MinReplicaCount=0"),
            (
                json!({"idleReplicaCount": 1, "minReplicaCount": 0}),
                "IdleReplicaCount=1 must be less than MinReplicaCount=1",
            ),
            (
                json!({"advanced": {"horizontalPodAutoscalerConfig": {"name": "My_HPA"}}}),
                "horizontalPodAutoscalerConfig.name: \"My_HPA\" is not a name",
            ),
            (
                json!({"advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"selectPolicy": "Most"}}}}}),
                "horizontalPodAutoscalerConfig.behavior.scaleUp.selectPolicy: \"Most\" must be one of",
            ),
            (
                json!({"idleReplicaCount": -1, "maxReplicaCount": 0}),
                "MaxReplicaCount=0 must be at least 1; IdleReplicaCount=-1 must not be negative",
            ),
            (json!({"advanced": {"scalingModifiers": {"formula": "a"}}}), "correct scalingModifiers specification"),
            (json!({"fallback": {"failureThreshold": 1, "replicas": -1}}), "fallback.replicas=-1"),
        ] {
            let found = check_with(&spec).unwrap_err();
            assert!(found.contains(text), "{spec}: {found}");
        }
        let unnamed = json!({"type": "cron", "name": "", "metadata": {}});
        for spec in [
            json!({"idleReplicaCount": 0, "minReplicaCount": 0}),
            json!({"idleReplicaCount": 0, "minReplicaCount": 1}),
            json!({"minReplicaCount": 1, "maxReplicaCount": 1}),
            json!({"triggers": [unnamed, unnamed]}),
            json!({"triggers": [{"type": "cron", "metricType": "Value", "metadata": {}}]}),
            json!({"triggers": [{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}]}),
        ] {
            assert_eq!(check_with(&spec), Ok(()), "{spec}");
        }
    }

    #[test]
    fn a_metric_type_is_one_of_external_metrics() {
        for (given, expected) in [
            (None, Some(MetricType::AverageValue)),
            (Some(""), Some(MetricType::AverageValue)),
            (Some("AverageValue"), Some(MetricType::AverageValue)),
            (Some("Value"), Some(MetricType::Value)),
            (Some("Utilization"), None),
            (Some("value"), None),
        ] {
            assert_eq!(metric_type(given).ok(), expected, "{given:?}");
        }
        let unknown = metric_type(Some("value")).unwrap_err();
        assert!(unknown.contains("\"value\" is unknown"), "{unknown}");
    }

    #[test]
    fn a_name_is_the_value_of_a_label() {
        let named = |length| {
            let spec = json!({"scaleTargetRef": {"name": "app"}, "triggers": []});
            ScaledObject::new(&"a".repeat(length), serde_json::from_value(spec).unwrap())
        };
        assert_eq!(name(&named(63)), Ok(()));
        let invalid = name(&named(64)).unwrap_err().to_string();
        assert!(invalid.starts_with(NAME) && invalid.contains("is 64 characters long"), "{invalid}");
    }
}
