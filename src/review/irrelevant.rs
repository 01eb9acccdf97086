//! Fields that have no effect beside others. KEDA's webhook warns of them too.

use ebb_crds::ScaledObjectSpec;

use super::Finding;

/// The fields of `spec` that configure only parts that are not in use.
pub(super) fn findings(spec: &ScaledObjectSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The HPA scales between the minimum and the maximum; Ebb below the minimum, where the count never is then.
    let hpa_alone = spec.min_replica_count() > 0 && spec.idle_replica_count.is_none();
    // Polls also count for a fallback, and the HPA gets their values for cached metrics and for a formula.
    let polled = spec.fallback.is_some()
        || spec.scaling_modifiers().is_some()
        || spec.triggers.iter().any(ebb_crds::ScaleTrigger::uses_cached_metrics);
    if hpa_alone && !polled && spec.polling_interval.is_some() {
        let text = "PollingInterval is configured but is not relevant: the HPA alone scales, and asks for fresh readings; it is \
                    relevant with minReplicaCount 0, idleReplicaCount, fallback, scalingModifiers or useCachedMetrics";
        findings.push(Finding::advice("spec.pollingInterval", text));
    }
    if hpa_alone && spec.cooldown_period.is_some() {
        let text = "CooldownPeriod is configured but is not relevant: it comes before a step to zero or to idleReplicaCount; \
                    how fast the HPA scales in is set in advanced.horizontalPodAutoscalerConfig.behavior";
        findings.push(Finding::advice("spec.cooldownPeriod", text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_field_is_relevant_where_something_depends_on_it() {
        let found = |more: &Value| -> Vec<String> {
            let mut spec = json!({
                "scaleTargetRef": {"name": "app"}, "triggers": [{"type": "rabbitmq", "metadata": {}}],
                "pollingInterval": 30, "cooldownPeriod": 300,
            });
            for (key, value) in more.as_object().unwrap() {
                spec[key] = value.clone();
            }
            findings(&serde_json::from_value(spec).unwrap()).into_iter().map(|finding| finding.path).collect()
        };
        let (polling, cooldown) = ("spec.pollingInterval", "spec.cooldownPeriod");
        for (more, expected) in [
            (json!({}), vec![]),
            (json!({"minReplicaCount": 0}), vec![]),
            (json!({"minReplicaCount": 1}), vec![polling, cooldown]),
            (json!({"minReplicaCount": 1, "pollingInterval": null, "cooldownPeriod": null}), vec![]),
            (json!({"minReplicaCount": 2, "idleReplicaCount": 0}), vec![]),
            (json!({"minReplicaCount": 2, "idleReplicaCount": 1}), vec![]),
            (json!({"minReplicaCount": 1, "fallback": {"failureThreshold": 3, "replicas": 2}}), vec![cooldown]),
            (
                json!({"minReplicaCount": 1, "advanced": {"scalingModifiers": {"formula": "a", "target": "1"}}}),
                vec![cooldown],
            ),
            (
                json!({"minReplicaCount": 1, "triggers": [{"type": "kafka", "useCachedMetrics": true, "metadata": {}}]}),
                vec![cooldown],
            ),
        ] {
            assert_eq!(found(&more), expected, "{more}");
        }
    }
}
