//! Mistakes in an HPA's `behavior` that the API server refuses (Kubernetes API validation,
//! `ValidateHorizontalPodAutoscaler`).

use k8s_openapi::api::autoscaling::v2::{HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerBehavior};

/// The longest `stabilizationWindowSeconds`.
const LONGEST_WINDOW: i32 = 3600;
/// The longest `periodSeconds` of a policy.
const LONGEST_PERIOD: i32 = 1800;

/// A value of the behavior that the API server refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place below `behavior`, such as `scaleDown.policies[0].type`.
    pub path: String,
    /// The present value, and the values that are allowed.
    pub text: String,
}

/// Everything that the API server refuses of `behavior`.
pub fn mistakes(behavior: &HorizontalPodAutoscalerBehavior) -> Vec<Mistake> {
    let directions = [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)];
    directions.into_iter().filter_map(|(name, rules)| Some((name, rules.as_ref()?))).flat_map(of_rules).collect()
}

/// `behavior` as KEDA writes it into an HPA: without empty lists of policies, in whose place the API server
/// puts its defaults.
pub fn without_empty_policies(mut behavior: HorizontalPodAutoscalerBehavior) -> HorizontalPodAutoscalerBehavior {
    for rules in [&mut behavior.scale_up, &mut behavior.scale_down].into_iter().flatten() {
        rules.policies = rules.policies.take().filter(|policies| !policies.is_empty());
    }
    behavior
}

fn of_rules((direction, rules): (&str, &HPAScalingRules)) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut note = |field: &str, text: String| mistakes.push(Mistake { path: format!("{direction}.{field}"), text });
    if let Some(window) = rules.stabilization_window_seconds.filter(|window| !(0..=LONGEST_WINDOW).contains(window)) {
        note("stabilizationWindowSeconds", format!("{window} must be 0 to {LONGEST_WINDOW} seconds"));
    }
    if let Some(policy) = rules.select_policy.as_deref().filter(|policy| !["Max", "Min", "Disabled"].contains(policy)) {
        note("selectPolicy", format!("{policy:?} must be one of Max, Min, Disabled"));
    }
    if let Some(tolerance) = rules.tolerance.as_ref().filter(|tolerance| is_negative(&tolerance.0)) {
        note("tolerance", format!("{:?} must not be negative", tolerance.0));
    }
    for (index, policy) in rules.policies.iter().flatten().enumerate() {
        of_policy(policy, |field, text| note(&format!("policies[{index}].{field}"), text));
    }
    mistakes
}

fn is_negative(quantity: &str) -> bool {
    let mut number = quantity.bytes().take_while(|byte| !byte.is_ascii_alphabetic());
    quantity.trim_start().starts_with('-') && number.any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Whether the API server reads a text as a quantity: a number and a suffix (Kubernetes docs, "Quantity").
pub fn is_quantity(text: &str) -> bool {
    let unsigned = |text| str::strip_prefix(text, ['+', '-']).unwrap_or(text);
    let Some(suffix) = after_number(unsigned(text)) else { return false };
    match suffix.as_bytes() {
        []
        | [b'n' | b'u' | b'm' | b'k' | b'M' | b'G' | b'T' | b'P' | b'E']
        | [b'K' | b'M' | b'G' | b'T' | b'P' | b'E', b'i'] => true,
        [b'e' | b'E', ..] => after_number(unsigned(&suffix[1..])) == Some(""),
        _ => false,
    }
}

/// What follows the number at the start of a text, such as `2`, `2.`, `2.5` or `.5`.
fn after_number(text: &str) -> Option<&str> {
    let after_digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let whole = after_digits(text);
    let Some(fraction) = text[whole..].strip_prefix('.') else { return (whole > 0).then_some(&text[whole..]) };
    let decimals = after_digits(fraction);
    (whole + decimals > 0).then_some(&fraction[decimals..])
}

fn of_policy(policy: &HPAScalingPolicy, mut note: impl FnMut(&str, String)) {
    if !["Pods", "Percent"].contains(&policy.type_.as_str()) {
        note("type", format!("{:?} must be one of Pods, Percent", policy.type_));
    }
    if policy.value <= 0 {
        note(
            "value",
            format!("{} must be above 0: to stop scaling in a direction, write selectPolicy: Disabled", policy.value),
        );
    }
    if !(1..=LONGEST_PERIOD).contains(&policy.period_seconds) {
        note("periodSeconds", format!("{} must be 1 to {LONGEST_PERIOD} seconds", policy.period_seconds));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn behavior(rules: &Value) -> HorizontalPodAutoscalerBehavior {
        serde_json::from_value(json!({"scaleDown": rules})).unwrap()
    }

    #[test]
    fn values_of_the_behavior_are_those_that_the_api_server_takes() {
        let policy = |type_: &str, value: i32, period: i32| json!({"policies": [{"type": type_, "value": value, "periodSeconds": period}]});
        for (rules, path) in [
            (json!({}), None),
            (json!({"policies": []}), None),
            (json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled", "tolerance": "0.05"}), None),
            (json!({"stabilizationWindowSeconds": 3600, "selectPolicy": "Min"}), None),
            (json!({"stabilizationWindowSeconds": 3601}), Some("stabilizationWindowSeconds")),
            (json!({"stabilizationWindowSeconds": -1}), Some("stabilizationWindowSeconds")),
            (json!({"selectPolicy": "disabled"}), Some("selectPolicy")),
            (json!({"tolerance": "-0.1"}), Some("tolerance")),
            (json!({"tolerance": "-0"}), None),
            (policy("Percent", 100, 1800), None),
            (policy("Pods", 1, 1), None),
            (policy("percent", 100, 15), Some("policies[0].type")),
            (policy("Pods", 0, 15), Some("policies[0].value")),
            (policy("Pods", 1, 0), Some("policies[0].periodSeconds")),
            (policy("Pods", 1, 1801), Some("policies[0].periodSeconds")),
        ] {
            let found: Vec<_> = mistakes(&behavior(&rules)).into_iter().map(|mistake| mistake.path).collect();
            let expected: Vec<_> = path.map(|path| format!("scaleDown.{path}")).into_iter().collect();
            assert_eq!(found, expected, "{rules}");
        }
        let all = policy("x", 0, 0);
        assert_eq!(mistakes(&behavior(&all)).len(), 3, "each mistake is found");
    }

    #[test]
    fn quantities_are_those_of_the_api_server() {
        for text in ["0", "1", "0.05", ".5", "5.", "+1", "-0.1", "50m", "1Ki", "1E", "1e3", "1E-3", "1e+2", "1e.5"] {
            assert!(is_quantity(text), "{text}");
        }
        for text in ["", " 1", "1 ", "x", ".", "-", "1e", "1ki", "1mi", "5%", "0x1", "1.2.3", "1ee3", "--1"] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn an_empty_list_of_policies_means_the_defaults() {
        let written = without_empty_policies(behavior(&json!({"policies": [], "selectPolicy": "Min"})));
        assert_eq!(serde_json::to_value(written).unwrap(), json!({"scaleDown": {"selectPolicy": "Min"}}));
    }
}
