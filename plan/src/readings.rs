//! The readings of all triggers of a ScaledObject in one tick, and their aggregate.

use ebb_params::MetricSpec;

use super::fallback::Fallback;
use super::hpa::proposal::asks_for;
use super::modifiers::{Composite, Modifiers};
use super::status::FallbackTick;

/// The last reading of a trigger.
#[derive(Debug, Clone, Copy)]
pub struct TriggerReading<'a> {
    /// Its name; one without cannot be in a formula.
    pub name: Option<&'a str>,
    /// Its value, if it could be read.
    pub value: Option<f64>,
    /// Whether it asks for replicas by itself.
    pub active: bool,
    /// The replicas that its value asks for, as the HPA would count them at one replica; 0 without a value.
    pub wanted: i32,
    /// How many polls in a row have failed.
    pub failures: u32,
}

/// The aggregate of all triggers' readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Whether they ask for replicas.
    pub active: bool,
    /// The replicas that the HPA would set for them at one replica, before bounds.
    pub wanted: i32,
    /// How many metrics have no value, which keeps replicas from being taken away.
    pub failed: usize,
    /// The fallback, if it takes the place of a metric without a value.
    pub fallback: Option<Fallback>,
    /// The state of the fallback, if there is one.
    pub standing: Option<FallbackTick>,
    /// Whether each trigger is active; with a formula none is by itself.
    pub triggers: Box<[bool]>,
    /// The formula's value.
    pub formula: Option<f64>,
    /// Why the formula has no value although all triggers have.
    pub formula_error: Option<String>,
}

/// Aggregates the readings of the triggers, in the spec's order.
pub fn aggregate(seen: &[TriggerReading<'_>], fallback: Option<&Fallback>, modifiers: Option<&Modifiers>) -> Aggregate {
    let standing = fallback.map(|fallback| FallbackTick {
        in_effect: seen.iter().any(|seen| fallback.begins(seen.failures)),
        failures: seen.iter().map(|seen| fallback.noted(seen.failures)).collect(),
    });
    let in_effect = standing.as_ref().is_some_and(|standing| standing.in_effect);
    let fallback_in_effect = fallback.copied().filter(|_| in_effect);
    let falls_back_to = fallback_in_effect.map(|fallback| fallback.replicas(0));
    let sum = Aggregate {
        active: seen.iter().any(|seen| seen.active),
        wanted: seen.iter().map(|seen| seen.wanted).chain(falls_back_to).max().unwrap_or(0),
        failed: seen.iter().filter(|seen| seen.value.is_none()).count(),
        fallback: fallback_in_effect,
        standing,
        triggers: seen.iter().map(|seen| seen.active).collect(),
        formula: None,
        formula_error: None,
    };
    let Some(modifiers) = modifiers else { return sum };
    let all_read = sum.failed == 0;
    let formula = Aggregate {
        active: false,
        wanted: 0,
        failed: 1,
        fallback: None,
        triggers: vec![false; seen.len()].into(),
        ..sum
    };
    match modifiers.value(fallback, seen) {
        Composite::Value(value) => Aggregate {
            active: value > modifiers.metric.activation,
            wanted: from_zero(&modifiers.metric, Some(value)),
            failed: 0,
            formula: Some(value),
            ..formula
        },
        Composite::FallBack(fallback) => {
            Aggregate { fallback: Some(fallback), wanted: fallback.replicas(0), ..formula }
        }
        // Otherwise the triggers' own errors say it.
        Composite::Unknown(error) => Aggregate { formula_error: Some(error).filter(|_| all_read), ..formula },
    }
}

/// The replicas that a value of `metric` asks for at one replica; 0 without a value. More than there can be are as many as
/// there can be.
pub fn from_zero(metric: &MetricSpec, value: Option<f64>) -> i32 {
    value.map_or(0, |value| asks_for(metric, value, 1).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use ebb_params::MetricType;
    use serde_json::json;

    use super::*;

    /// A trigger's value, if it could be read, and its failed polls.
    type Look = (Option<f64>, u32);

    fn sum(formula: Option<&str>, behavior: Option<&str>, looks: [Look; 2]) -> Aggregate {
        let trigger = |name: &str| json!({"type": "rabbitmq", "name": name, "metadata": {}});
        let mut spec = json!({"scaleTargetRef": {"name": "app"}, "triggers": [trigger("a"), trigger("b")]});
        if let Some(formula) = formula {
            spec["advanced"] =
                json!({"scalingModifiers": {"formula": formula, "target": "2", "activationTarget": "1"}});
        }
        if let Some(behavior) = behavior {
            spec["fallback"] = json!({"failureThreshold": 2, "replicas": 5, "behavior": behavior});
        }
        let spec = serde_json::from_value(spec).unwrap();
        let (fallback, modifiers) = (Fallback::of(&spec).unwrap(), Modifiers::of(&spec).unwrap());
        let metric =
            MetricSpec { name: "m".into(), target: 2.0, activation: 0.0, metric_type: MetricType::AverageValue };
        let seen = |name, (value, failures): Look| TriggerReading {
            name: Some(name),
            value,
            active: value.is_some_and(|value| value > 0.0),
            wanted: from_zero(&metric, value),
            failures,
        };
        aggregate(&[seen("a", looks[0]), seen("b", looks[1])], fallback.as_ref(), modifiers.as_ref())
    }

    #[test]
    fn what_each_says_is_added_up() {
        let (one, none, lost, gone) = ((Some(1.0), 0), (Some(0.0), 0), (None, 2), (None, 3));
        for (formula, behavior, looks, active, failed, falls_back, triggers) in [
            (None, None, [none, none], false, 0, false, [false, false]),
            (None, None, [none, one], true, 0, false, [false, true]),
            (None, None, [one, lost], true, 1, false, [true, false]),
            (None, Some("static"), [none, lost], false, 1, false, [false, false]),
            (None, Some("static"), [none, gone], false, 1, true, [false, false]),
            // A formula decides alone.
            (Some("a + b"), None, [one, none], false, 0, false, [false, false]),
            (Some("a + b"), None, [one, one], true, 0, false, [false, false]),
            (Some("a + b"), None, [one, lost], false, 1, false, [false, false]),
            (Some("a + a"), None, [one, gone], true, 0, false, [false, false]),
            (Some("a + b"), Some("static"), [one, lost], false, 1, false, [false, false]),
            (Some("a + b"), Some("static"), [one, gone], false, 1, true, [false, false]),
            (Some("a + (b ?? 7)"), Some("scalingModifiers"), [one, gone], true, 0, false, [false, false]),
            (Some("(a ?? b) * 2"), Some("scalingModifiers"), [gone, one], true, 0, false, [false, false]),
            (Some("a ?? b"), Some("scalingModifiers"), [gone, lost], false, 1, false, [false, false]),
            (Some("a ?? b"), Some("scalingModifiers"), [gone, gone], false, 1, true, [false, false]),
        ] {
            let sum = sum(formula, behavior, looks);
            let case = format!("{formula:?} {behavior:?} {looks:?}");
            assert_eq!((sum.active, sum.failed, sum.fallback.is_some()), (active, failed, falls_back), "{case}");
            assert_eq!(*sum.triggers, triggers, "{case}");
            assert_eq!(sum.formula_error, None, "{case}");
        }
    }

    #[test]
    fn the_most_that_is_asked_for_counts() {
        let (one, eight, none, gone) = ((Some(1.0), 0), (Some(8.0), 0), (Some(0.0), 0), (None, 3));
        for (formula, behavior, looks, wanted) in [
            (None, None, [none, none], 0),
            (None, None, [one, eight], 4),
            (None, None, [one, gone], 1),
            (None, Some("static"), [one, gone], 5),
            (None, Some("currentReplicas"), [one, gone], 1),
            (Some("a + b"), None, [eight, eight], 8),
            (Some("a + b"), None, [eight, gone], 0),
            (Some("a + b"), Some("static"), [eight, gone], 5),
        ] {
            assert_eq!(sum(formula, behavior, looks).wanted, wanted, "{formula:?} {behavior:?} {looks:?}");
        }
    }

    #[test]
    fn a_formula_has_its_value_for_the_trail() {
        let eight = (Some(8.0), 0);
        assert_eq!(sum(Some("a + b"), None, [eight, eight]).formula, Some(16.0));
        assert_eq!(sum(None, None, [eight, eight]).formula, None);
    }

    #[test]
    fn a_formula_that_fails_by_itself_says_why() {
        let divided = sum(Some("a / b"), None, [(Some(1.0), 0), (Some(0.0), 0)]);
        assert!(divided.formula_error.is_some_and(|error| error.contains("has no value")));
        assert_eq!(divided.failed, 1);
    }

    #[test]
    fn the_fallback_stands_in_for_each_trigger_by_itself() {
        let standing = sum(None, Some("static"), [(Some(1.0), 0), (None, 900)]).standing.unwrap();
        assert_eq!((standing.in_effect, &*standing.failures), (true, &[0, 3][..]));
        assert_eq!(sum(None, None, [(None, 900), (None, 900)]).standing, None);
    }
}
