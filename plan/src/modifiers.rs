//! `advanced.scalingModifiers`: one value made of the values of all triggers (keda.sh/docs, "Scaling Modifiers").

use ebb_crds::{ScaledObjectSpec, ScalingModifiers};
use ebb_params::{MetricSpec, MetricType};

use super::fallback::Fallback;
use super::readings::TriggerReading;
use super::resource;
use crate::formula::Formula;

/// The name of the metric that takes the place of the triggers' own.
pub const COMPOSITE_METRIC: &str = "composite-metric";

/// The formula of one ScaledObject, and the metric that its value is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Modifiers {
    formula: Formula,
    /// The metric that the HPA asks for. The workload is active while the formula's value is above its activation.
    pub metric: MetricSpec,
}

/// The result of the formula.
#[derive(Debug, Clone, PartialEq)]
pub enum Composite {
    /// A value.
    Value(f64),
    /// Triggers that it needs cannot be read, and this is in effect.
    FallBack(Fallback),
    /// There is no value: why.
    Unknown(String),
}

/// A mistake in `scalingModifiers`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ModifierMistake {
    /// The field, such as `target`.
    pub field: &'static str,
    text: String,
}

impl Modifiers {
    /// The modifiers of a ScaledObject that has any.
    ///
    /// # Errors
    /// Everything in them that cannot be followed: the formula with the place, or a number that is none.
    pub fn of(spec: &ScaledObjectSpec) -> Result<Option<Self>, Vec<ModifierMistake>> {
        let Some(modifiers) = spec.scaling_modifiers() else { return Ok(None) };
        let mut mistakes = Vec::new();
        let formula = noted("formula", formula(spec, modifiers), &mut mistakes);
        let target = noted("target", target(modifiers), &mut mistakes);
        let activation = given(modifiers.activation_target.as_ref());
        let activation = activation.map_or(Ok(0.0), |text| number("activationTarget", text));
        let activation_target = noted("activationTarget", activation, &mut mistakes);
        let metric_type = noted("metricType", metric_type(modifiers), &mut mistakes);
        match (formula, target, activation_target, metric_type) {
            (Some(formula), Some(target), Some(activation_target), Some(metric_type)) => {
                let metric = MetricSpec {
                    name: COMPOSITE_METRIC.to_owned(),
                    target,
                    activation: activation_target,
                    metric_type,
                };
                Ok(Some(Self { formula, metric }))
            }
            _ => Err(mistakes),
        }
    }

    /// Whether the formula needs the trigger of this name.
    pub fn uses(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.formula.names().any(|used| used == name))
    }

    /// The result of the formula on the triggers' readings.
    pub fn value(&self, fallback: Option<&Fallback>, seen: &[TriggerReading<'_>]) -> Composite {
        let failed: Vec<_> = seen.iter().filter(|seen| seen.value.is_none() && self.uses(seen.name)).collect();
        let fallen = |seen: &&TriggerReading<'_>| fallback.is_some_and(|fallback| fallback.begins(seen.failures));
        let holes = fallback.is_some_and(Fallback::leaves_holes);
        if let Some(fallback) = fallback.filter(|_| !holes && failed.iter().any(fallen)) {
            return Composite::FallBack(*fallback);
        }
        if let Some(missing) = failed.iter().find(|seen| !holes || !fallen(seen)) {
            return Composite::Unknown(format!(
                "the formula needs trigger {:?}, which cannot be read",
                missing.name.unwrap_or_default()
            ));
        }
        let value_of = |name: &str| seen.iter().find(|seen| seen.name == Some(name)).and_then(|seen| seen.value);
        // The holes that are left go through to the result: the fallback's replicas fill it, as in KEDA.
        if let Some(fallback) = fallback.filter(|_| !failed.is_empty() && self.formula.is_nil(value_of)) {
            return Composite::FallBack(*fallback);
        }
        match self.formula.evaluate(value_of) {
            Ok(value) => Composite::Value(value),
            Err(error) => Composite::Unknown(format!("the formula has no value: {error}")),
        }
    }
}

/// The value, or nothing and a mistake more.
fn noted<T>(field: &'static str, value: Result<T, String>, mistakes: &mut Vec<ModifierMistake>) -> Option<T> {
    value.map_err(|text| mistakes.push(ModifierMistake { field, text })).ok()
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn formula(spec: &ScaledObjectSpec, modifiers: &ScalingModifiers) -> Result<Formula, String> {
    let formula = given(modifiers.formula.as_ref()).ok_or("scalingModifiers.formula is mandatory")?;
    let external = spec.triggers.iter().filter(|trigger| !resource::is_resource(trigger));
    let names: Vec<_> =
        external.filter_map(|trigger| trigger.name.as_deref()).filter(|name| !name.is_empty()).collect();
    Formula::parse(formula, &names).map_err(|error| format!("scalingModifiers.formula: {error}"))
}

fn target(modifiers: &ScalingModifiers) -> Result<f64, String> {
    let target = number("target", given(modifiers.target.as_ref()).ok_or("scalingModifiers.target is mandatory")?)?;
    // The HPA knows thousandths.
    if target < 0.001 {
        return Err(format!("scalingModifiers.target={target} must be greater than 0, at least 0.001"));
    }
    Ok(target)
}

fn metric_type(modifiers: &ScalingModifiers) -> Result<MetricType, String> {
    match modifiers.metric_type.as_deref() {
        None | Some("" | "AverageValue") => Ok(MetricType::AverageValue),
        Some("Value") => Ok(MetricType::Value),
        Some(other) => Err(format!("scalingModifiers.metricType={other:?} must be 'AverageValue' or 'Value'")),
    }
}

fn number(key: &str, text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("error converting scalingModifiers.{key} {text:?}: it must be a number"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(modifiers: &Value, fallback: &Value) -> ScaledObjectSpec {
        let trigger = |name: &str| json!({"type": "rabbitmq", "name": name, "metadata": {}});
        serde_json::from_value(json!({
            "scaleTargetRef": {"name": "app"},
            "triggers": [trigger("q"), trigger("k"), {"type": "cpu", "name": "c", "metadata": {}}],
            "advanced": {"scalingModifiers": modifiers},
            "fallback": fallback,
        }))
        .unwrap()
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (modifiers, text) in [
            (json!({"target": "2"}), "formula is mandatory"),
            (json!({"formula": "q"}), "target is mandatory"),
            (json!({"formula": "q", "target": "two"}), "target \"two\": it must be a number"),
            (json!({"formula": "q", "target": "inf"}), "target \"inf\": it must be a number"),
            (json!({"formula": "q", "target": "0"}), "target=0 must be greater than 0"),
            (json!({"formula": "q", "target": "2", "activationTarget": "-"}), "activationTarget \"-\""),
            (json!({"formula": "q", "target": "2", "metricType": "Utilization"}), "must be 'AverageValue' or 'Value'"),
            (json!({"formula": "q + nobody", "target": "2"}), "nobody"),
            // A cpu trigger has no value that Ebb knows.
            (json!({"formula": "q + c", "target": "2"}), "c"),
        ] {
            let mistakes = Modifiers::of(&spec(&modifiers, &Value::Null)).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].to_string().contains(text), "{modifiers}: {mistakes:?}");
        }
    }

    #[test]
    fn what_is_given_is_followed() {
        for (given, target, activation, metric_type) in [
            (json!({"target": " 2.5 "}), 2.5, 0.0, MetricType::AverageValue),
            (json!({"target": "0.001", "metricType": ""}), 0.001, 0.0, MetricType::AverageValue),
            (json!({"target": "2", "activationTarget": "7", "metricType": "Value"}), 2.0, 7.0, MetricType::Value),
        ] {
            let mut modifiers = given.clone();
            modifiers["formula"] = json!("q");
            let modifiers = Modifiers::of(&spec(&modifiers, &Value::Null)).unwrap().unwrap();
            assert_eq!(
                (modifiers.metric.target.to_bits(), modifiers.metric.metric_type),
                (f64::to_bits(target), metric_type)
            );
            assert_eq!(modifiers.metric.activation.to_bits(), f64::to_bits(activation), "{given}");
        }
    }

    #[test]
    fn a_trigger_that_cannot_be_read_has_its_defined_answer() {
        let rules = |behavior: &str| json!({"failureThreshold": 2, "replicas": 5, "behavior": behavior});
        let (none, fixed, holes) = (Value::Null, rules("static"), rules("scalingModifiers"));
        for (formula, fallback, q, k, expected) in [
            ("(q + k) / 2", &none, (Some(1.0), 0), (Some(4.0), 0), Ok(2.5)),
            ("q", &none, (Some(1.0), 0), (None, 9), Ok(1.0)),
            ("q + k", &none, (Some(1.0), 0), (None, 9), Err("needs trigger \"k\"")),
            ("q + k", &fixed, (Some(1.0), 0), (None, 2), Err("needs trigger \"k\"")),
            ("q + k", &fixed, (Some(1.0), 0), (None, 3), Err("fallback")),
            ("q", &fixed, (Some(1.0), 0), (None, 3), Ok(1.0)),
            ("q + (k ?? 7)", &holes, (Some(1.0), 0), (None, 3), Ok(8.0)),
            ("q + (k ?? 7)", &holes, (Some(1.0), 0), (None, 2), Err("needs trigger \"k\"")),
            ("q + (k ?? 7)", &fixed, (Some(1.0), 0), (None, 3), Err("fallback")),
            ("q + k", &holes, (Some(1.0), 0), (None, 3), Err("the formula has no value")),
            ("q ?? k", &holes, (None, 3), (Some(4.0), 0), Ok(4.0)),
            ("q ?? k", &holes, (None, 3), (None, 3), Err("fallback")),
            ("q ?? k", &holes, (None, 3), (None, 2), Err("needs trigger \"k\"")),
            ("q ?? k ?? 9", &holes, (None, 3), (None, 3), Ok(9.0)),
            ("q", &holes, (None, 3), (Some(4.0), 0), Err("fallback")),
            ("(q ?? k) + 1", &holes, (None, 3), (None, 3), Err("the formula has no value")),
            ("q > 5 ? k : nil", &holes, (Some(1.0), 0), (None, 3), Err("fallback")),
            ("q > 5 ? k : nil", &holes, (Some(1.0), 0), (Some(1.0), 0), Err("the formula has no value")),
            ("q / k", &none, (Some(1.0), 0), (Some(0.0), 0), Err("the formula has no value")),
        ] {
            let spec = spec(&json!({"formula": formula, "target": "2"}), fallback);
            let (modifiers, fallback) = (Modifiers::of(&spec).unwrap().unwrap(), Fallback::of(&spec).unwrap());
            let seen = |name, (value, failures)| TriggerReading {
                name: Some(name),
                value,
                active: false,
                wanted: 0,
                failures,
            };
            let composite = modifiers.value(fallback.as_ref(), &[seen("q", q), seen("k", k)]);
            match (&composite, expected) {
                (Composite::Value(value), Ok(expected)) => assert!((value - expected).abs() < 1e-9, "{formula}"),
                (Composite::FallBack(_), Err("fallback")) => {}
                (Composite::Unknown(text), Err(part)) => assert!(text.contains(part), "{formula}: {text}"),
                _ => panic!("{formula}: {composite:?} instead of {expected:?}"),
            }
        }
    }
}
