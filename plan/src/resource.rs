//! The triggers `cpu` and `memory`: metrics that the HPA reads by itself, from the pods (keda.sh/docs, "CPU",
//! "Memory").

use std::fmt;

use ebb_crds::{ScaleTrigger, ScaledObjectSpec};
use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, MetricSpec, MetricTarget, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// A metric of the pods' own use.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceMetric {
    /// `cpu` or `memory`.
    pub resource: String,
    /// The container that counts; all of a pod's together without one.
    pub container: Option<String>,
    /// The target that the use is compared with.
    pub target: ResourceTarget,
}

/// The target that a resource's use is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum ResourceTarget {
    /// Percent of the containers' requests, averaged over the pods.
    Utilization(i32),
    /// So much for each pod.
    AverageValue(Quantity),
}

/// Whether a trigger is one that the HPA reads by itself.
pub fn is_resource(trigger: &ScaleTrigger) -> bool {
    ebb_params::RESOURCE_KINDS.contains(&trigger.type_.as_str())
}

/// Whether all triggers are. Then nothing wakes the workload, and it counts as active (keda.sh/docs, "CPU").
pub fn only_resources(spec: &ScaledObjectSpec) -> bool {
    spec.triggers.iter().all(is_resource)
}

/// A mistake in a cpu or memory trigger, in KEDA's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMistake {
    /// The trigger's place in `spec.triggers`.
    pub index: usize,
    /// The field of the trigger, such as `metadata.value`.
    pub field: &'static str,
    kind: String,
    text: String,
}

impl fmt::Display for ResourceMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trigger {} ({}): {}", self.index, self.kind, self.text)
    }
}

/// The metrics of all triggers that the HPA reads by itself.
///
/// # Errors
/// Everything that keeps one from being a metric.
pub fn metrics(spec: &ScaledObjectSpec) -> Result<Vec<ResourceMetric>, Vec<ResourceMistake>> {
    let (mut metrics, mut mistakes) = (Vec::new(), Vec::new());
    for (index, trigger) in spec.triggers.iter().enumerate().filter(|(_, trigger)| is_resource(trigger)) {
        match ResourceMetric::of(trigger) {
            Ok(metric) => metrics.push(metric),
            Err(found) => mistakes.extend(found.into_iter().map(|(field, text)| ResourceMistake {
                index,
                field,
                kind: trigger.type_.clone(),
                text,
            })),
        }
    }
    if mistakes.is_empty() { Ok(metrics) } else { Err(mistakes) }
}

/// `status.resourceMetricNames`: KEDA names those of whole pods there, and none of a single container.
pub fn status_names(metrics: &[ResourceMetric]) -> Vec<String> {
    metrics.iter().filter(|metric| metric.container.is_none()).map(|metric| metric.resource.clone()).collect()
}

impl ResourceMetric {
    fn of(trigger: &ScaleTrigger) -> Result<Self, Vec<(&'static str, String)>> {
        let given = |key| trigger.metadata.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        let metric_type = trigger.metric_type.as_deref().filter(|metric_type| !metric_type.is_empty());
        let mut mistakes = Vec::new();
        if given("type").is_some() && metric_type.is_some() {
            let text = "only one of trigger.metadata.type or trigger.metricType should be defined";
            mistakes.push(("metadata.type", text.to_owned()));
        }
        let value = given("value");
        if value.is_none() {
            let text = "no value given: the use is compared with metadata.value";
            mistakes.push(("metadata", text.to_owned()));
        }
        let target = match metric_type.or_else(|| given("type")) {
            Some("Utilization") => value.map(|value| percent(value).map(ResourceTarget::Utilization)),
            Some("AverageValue") => value.map(|value| quantity(value).map(ResourceTarget::AverageValue)),
            _ => {
                let text = "unsupported metric type, allowed values are 'Utilization' or 'AverageValue'";
                mistakes.push(("metricType", text.to_owned()));
                None
            }
        };
        let resource = trigger.type_.clone();
        match target {
            Some(Ok(target)) if mistakes.is_empty() => {
                Ok(Self { resource, container: given("containerName").map(str::to_owned), target })
            }
            Some(Err(text)) => {
                mistakes.push(("metadata.value", text));
                Err(mistakes)
            }
            _ => Err(mistakes),
        }
    }

    /// As the HPA writes it.
    pub fn spec(&self) -> MetricSpec {
        let target = match &self.target {
            ResourceTarget::Utilization(percent) => MetricTarget {
                type_: "Utilization".into(),
                average_utilization: Some(*percent),
                ..MetricTarget::default()
            },
            ResourceTarget::AverageValue(value) => MetricTarget {
                type_: "AverageValue".into(),
                average_value: Some(value.clone()),
                ..MetricTarget::default()
            },
        };
        let name = self.resource.clone();
        match self.container.clone() {
            Some(container) => MetricSpec {
                type_: "ContainerResource".into(),
                container_resource: Some(ContainerResourceMetricSource { container, name, target }),
                ..MetricSpec::default()
            },
            None => MetricSpec {
                type_: "Resource".into(),
                resource: Some(ResourceMetricSource { name, target }),
                ..MetricSpec::default()
            },
        }
    }
}

fn percent(text: &str) -> Result<i32, String> {
    let wrong = || format!("value {text:?} must be a whole number of percent above 0, such as \"60\"");
    text.parse().ok().filter(|percent| *percent > 0).ok_or_else(wrong)
}

/// A quantity as the API server accepts it: a number, and a suffix (Kubernetes docs, "Quantity").
fn quantity(text: &str) -> Result<Quantity, String> {
    const SUFFIXES: [&str; 14] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti"];
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|power| power.parse::<i32>().is_ok());
    let known = exponent || SUFFIXES.contains(&suffix) || ["Pi", "Ei"].contains(&suffix);
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && known => Ok(Quantity(text.to_owned())),
        _ => Err(format!("value {text:?} must be a quantity above 0, such as \"500m\" or \"128Mi\"")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metric(trigger: &serde_json::Value) -> Result<serde_json::Value, String> {
        let trigger: ScaleTrigger = serde_json::from_value(trigger.clone()).unwrap();
        let texts =
            |mistakes: Vec<(&str, String)>| mistakes.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n");
        ResourceMetric::of(&trigger).map(|metric| serde_json::to_value(metric.spec()).unwrap()).map_err(texts)
    }

    #[test]
    fn every_form_of_keda_becomes_a_metric_of_the_hpa() {
        for (trigger, expected) in [
            (
                json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}),
                json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}),
            ),
            (
                json!({"type": "memory", "metadata": {"type": "AverageValue", "value": "128Mi"}}),
                json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "128Mi"}}}),
            ),
            (
                json!({"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "0.5", "containerName": "app"}}),
                json!({"type": "ContainerResource", "containerResource": {
                    "name": "cpu", "container": "app", "target": {"type": "AverageValue", "averageValue": "0.5"}}}),
            ),
        ] {
            assert_eq!(metric(&trigger), Ok(expected), "{trigger}");
        }
    }

    #[test]
    fn the_status_names_the_metrics_of_whole_pods() {
        let trigger = |kind: &str, metadata: serde_json::Value| json!({"type": kind, "metricType": "Utilization", "metadata": metadata});
        let spec = json!({"scaleTargetRef": {"name": "app"}, "triggers": [
            trigger("cpu", json!({"value": "60"})),
            trigger("memory", json!({"value": "60", "containerName": "app"})),
        ]});
        let metrics = metrics(&serde_json::from_value(spec).unwrap()).unwrap();
        assert_eq!((metrics.len(), status_names(&metrics)), (2, vec!["cpu".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_said_in_kedas_words() {
        for (trigger, text) in [
            (json!({"type": "cpu", "metricType": "Utilization", "metadata": {}}), "no value given"),
            (
                json!({"type": "cpu", "metricType": "Value", "metadata": {}}),
                "compared with metadata.value\nunsupported metric type",
            ),
            (
                json!({"type": "cpu", "metadata": {"value": "60"}}),
                "unsupported metric type, allowed values are 'Utilization'",
            ),
            (json!({"type": "cpu", "metricType": "Value", "metadata": {"value": "60"}}), "unsupported metric type"),
            (
                json!({"type": "cpu", "metricType": "Utilization", "metadata": {"type": "Utilization", "value": "60"}}),
                "only one of trigger.metadata.type or trigger.metricType should be defined",
            ),
            (
                json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60%"}}),
                "\"60%\" must be a whole number",
            ),
            (json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "0"}}), "above 0"),
            (
                json!({"type": "memory", "metricType": "AverageValue", "metadata": {"value": "128MB"}}),
                "\"128MB\" must be a quantity",
            ),
            (
                json!({"type": "memory", "metricType": "AverageValue", "metadata": {"value": "-1"}}),
                "must be a quantity",
            ),
        ] {
            let error = metric(&trigger).unwrap_err();
            assert!(error.contains(text), "{trigger}: {error}");
        }
    }

    #[test]
    fn quantities_are_those_of_kubernetes() {
        for good in ["1", "0.5", "100m", "1.5Gi", "2e3", "1E6", "5E", "64Ki", "1Pi"] {
            assert!(quantity(good).is_ok(), "{good}");
        }
        for bad in ["", "m", "1.2.3", "1 Gi", "1gi", "0", "ten", "1e", "NaN", "inf"] {
            assert!(quantity(bad).is_err(), "{bad}");
        }
    }
}
