//! What the triggers of a ScaledObject say in one tick, taken together.

use super::fallback::Fallback;
use super::modifiers::{Composite, Modifiers};
use super::status::FallbackTick;

/// What was seen of a trigger.
#[derive(Debug, Clone, Copy)]
pub struct TriggerReading<'a> {
    /// Its name; one without cannot be in a formula.
    pub name: Option<&'a str>,
    /// Its value, if it could be read.
    pub value: Option<f64>,
    /// Whether it asks for replicas by itself.
    pub active: bool,
    /// How many polls in a row have failed.
    pub failures: u32,
}

/// What all triggers add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Whether they ask for replicas.
    pub active: bool,
    /// How many metrics have no value, which keeps replicas from being taken away.
    pub failed: usize,
    /// The fallback, if it takes the place of a metric without a value.
    pub fallback: Option<Fallback>,
    /// How the fallback stands, if there is one.
    pub standing: Option<FallbackTick>,
    /// Whether each trigger is active; with a formula none is by itself.
    pub triggers: Box<[bool]>,
    /// The formula's value.
    pub formula: Option<f64>,
    /// Why the formula has no value although all triggers have.
    pub formula_error: Option<String>,
}

/// Adds up what was seen of each trigger, in the spec's order.
pub fn aggregate(seen: &[TriggerReading<'_>], fallback: Option<&Fallback>, modifiers: Option<&Modifiers>) -> Aggregate {
    let standing = fallback.map(|fallback| FallbackTick {
        in_effect: seen.iter().any(|seen| fallback.begins(seen.failures)),
        failures: seen.iter().map(|seen| fallback.noted(seen.failures)).collect(),
    });
    let in_effect = standing.as_ref().is_some_and(|standing| standing.in_effect);
    let sum = Aggregate {
        active: seen.iter().any(|seen| seen.active),
        failed: seen.iter().filter(|seen| seen.value.is_none()).count(),
        fallback: fallback.copied().filter(|_| in_effect),
        standing,
        triggers: seen.iter().map(|seen| seen.active).collect(),
        formula: None,
        formula_error: None,
    };
    let Some(modifiers) = modifiers else { return sum };
    let all_read = sum.failed == 0;
    let formula =
        Aggregate { active: false, failed: 1, fallback: None, triggers: vec![false; seen.len()].into(), ..sum };
    match modifiers.value(fallback, seen) {
        Composite::Value(value) => {
            Aggregate { active: value > modifiers.metric.activation, failed: 0, formula: Some(value), ..formula }
        }
        Composite::FallBack(fallback) => Aggregate { fallback: Some(fallback), ..formula },
        // Otherwise the triggers' own errors say it.
        Composite::Unknown(error) => Aggregate { formula_error: Some(error).filter(|_| all_read), ..formula },
    }
}

#[cfg(test)]
mod tests {
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
        let seen = |name, (value, failures): Look| TriggerReading {
            name: Some(name),
            value,
            active: value.is_some_and(|value| value > 0.0),
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
