//! What must hold for a ScaledObject before anything is done for it. Triggers' own parameters are checked when their
//! scalers are built.

use ebb_crds::{ScaleTrigger, ScaledObject, ScaledObjectSpec};
use ebb_params::{Catalog, MetricType};

use super::fallback::Fallback;
use super::modifiers::Modifiers;
use super::names;
use super::policy::Policy;
use super::resource::{self, ResourceMetric};
use super::rules::Rules;

/// Why a ScaledObject cannot be served: KEDA's headline, and what exactly is wrong.
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
const COUNTS: &str = "ScaledObject doesn't have correct Idle/Min/Max Replica Counts specification";

/// Checks everything that the spec alone can show, and gives its rules. `catalog` has the kinds of trigger.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(object: &ScaledObject, catalog: Catalog) -> Result<Rules, Invalid> {
    let spec = &object.spec;
    let resources = triggers(spec, catalog).map_err(|detail| Invalid { headline: TRIGGERS, detail })?;
    target(spec).map_err(|detail| Invalid { headline: TARGET, detail })?;
    counts(spec).map_err(|wrong| Invalid { headline: COUNTS, detail: wrong.text })?;
    let modifiers = Modifiers::of(spec).map_err(|detail| Invalid { headline: MODIFIERS, detail })?;
    let fallback = Fallback::of(spec).map_err(|detail| Invalid { headline: FALLBACK, detail })?;
    Ok(Rules { policy: Policy::of(object), fallback, modifiers, resources })
}

/// Checks that the name can be the value of the labels that belong to a served ScaledObject. Without them the HPA could not
/// be found, so this comes before anything is written.
///
/// # Errors
/// The name is longer than a label's value may be.
pub fn name(object: &ScaledObject) -> Result<(), Invalid> {
    names::too_long(object).map_or(Ok(()), |detail| Err(Invalid { headline: NAME, detail }))
}

/// Gives the metrics of those that the HPA reads by itself.
fn triggers(spec: &ScaledObjectSpec, catalog: Catalog) -> Result<Vec<ResourceMetric>, String> {
    admissible(spec, catalog).map_err(|wrong| wrong.text)?;
    metric_types(spec)?;
    resource::metrics(spec)
}

/// Something of triggers that KEDA refuses at admission.
#[derive(Debug)]
pub struct Inadmissible {
    /// Where, such as `spec.triggers[0].name`.
    pub path: String,
    /// What is wrong.
    pub text: String,
}

/// Checks what KEDA refuses of triggers at admission, whatever their type.
///
/// # Errors
/// The first trigger that is wrong.
pub fn admissible(spec: &ScaledObjectSpec, catalog: Catalog) -> Result<(), Inadmissible> {
    let refuse = |path: String, text: String| Err(Inadmissible { path, text });
    if spec.triggers.is_empty() {
        return refuse("spec.triggers".into(), "no triggers defined in the ScaledObject/ScaledJob".into());
    }
    for (index, trigger) in spec.triggers.iter().enumerate() {
        let name = trigger.name.as_deref().filter(|name| !name.is_empty());
        let earlier = spec.triggers[..index].iter().position(|other| name.is_some() && other.name.as_deref() == name);
        if let (Some(name), Some(earlier)) = (name, earlier) {
            let text = format!(
                "triggerName {name:?} is defined multiple times in the ScaledObject, but it must be unique: triggers {earlier} and {index} have it"
            );
            return refuse(format!("spec.triggers[{index}].name"), text);
        }
        if trigger.uses_cached_metrics()
            && let Some(why) = without_cache(trigger, catalog)
        {
            let text = format!(
                "trigger {index}: property \"useCachedMetrics\" is not supported for {:?} scaler: {why}",
                trigger.type_
            );
            return refuse(format!("spec.triggers[{index}].useCachedMetrics"), text);
        }
    }
    Ok(())
}

/// Why there is nothing that `useCachedMetrics` could keep, for the kinds that KEDA refuses it for.
fn without_cache(trigger: &ScaleTrigger, catalog: Catalog) -> Option<&'static str> {
    if resource::is_resource(trigger) {
        return Some("the HPA reads it from the pods");
    }
    catalog(&trigger.type_).and_then(|kind| kind.never_cached)
}

/// Checks `triggers[].metricType` of the triggers that have an external metric.
///
/// # Errors
/// The first type that external metrics cannot have.
pub fn metric_types(spec: &ScaledObjectSpec) -> Result<(), String> {
    let external = spec.triggers.iter().enumerate().filter(|(_, trigger)| !resource::is_resource(trigger));
    for (index, trigger) in external {
        metric_type(trigger.metric_type.as_deref()).map_err(|text| format!("trigger {index}: {text}"))?;
    }
    Ok(())
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
    /// What is wrong.
    pub text: String,
    /// Whether the bounds contradict each other, which KEDA refuses (its `CheckReplicaCountBoundsAreValid`).
    pub crossed: bool,
}

/// The minimum that `idleReplicaCount` must stay below. As in KEDA, a `minReplicaCount` of 0 that is given counts as 1, the
/// least that an HPA has; one that is left out counts as 0.
fn active_minimum(spec: &ScaledObjectSpec) -> i32 {
    spec.min_replica_count.map_or(0, |min| min.max(1))
}

/// Checks the counts of replicas of the spec.
///
/// # Errors
/// The first count that cannot be.
pub fn counts(spec: &ScaledObjectSpec) -> Result<(), WrongCount> {
    let wrong = |field, text| Err(WrongCount { field, text, crossed: false });
    let crossed = |field, text| Err(WrongCount { field, text, crossed: true });
    let (min, max) = (spec.min_replica_count(), spec.max_replica_count());
    if min < 0 {
        return wrong("minReplicaCount", format!("MinReplicaCount={min} must not be negative"));
    }
    if max < 1 {
        return wrong("maxReplicaCount", format!("MaxReplicaCount={max} must be at least 1"));
    }
    if min > max {
        let default = if spec.max_replica_count.is_none() { " (its default)" } else { "" };
        let text = format!("MinReplicaCount={min} must be less than MaxReplicaCount={max}{default}");
        return crossed("minReplicaCount", text);
    }
    let least = active_minimum(spec);
    match spec.idle_replica_count {
        Some(idle) if idle < 0 => wrong("idleReplicaCount", format!("IdleReplicaCount={idle} must not be negative")),
        Some(idle) if idle >= least => {
            crossed("idleReplicaCount", format!("IdleReplicaCount={idle} must be less than MinReplicaCount={least}"))
        }
        _ => Ok(()),
    }
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
