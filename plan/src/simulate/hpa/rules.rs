//! The specification of an HPA as the API server completes it.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricTarget as TargetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::TargetCounts;
use crate::hpa::limits::Behavior;

/// The flags of the kube-controller-manager that an HPA depends on, with Kubernetes' defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControllerFlags {
    /// `--horizontal-pod-autoscaler-sync-period`.
    pub sync_period: Duration,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`.
    pub downscale_stabilization: Duration,
    /// `--horizontal-pod-autoscaler-tolerance`, a share of the target.
    pub tolerance: f64,
}

impl Default for ControllerFlags {
    fn default() -> Self {
        Self { sync_period: Duration::from_secs(15), downscale_stabilization: Duration::from_mins(5), tolerance: 0.1 }
    }
}

/// The rules of the controller for one HPA.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HpaRules {
    pub(super) min: i32,
    pub(super) max: i32,
    /// The external metrics, in the specification's order.
    pub(super) metrics: Vec<(String, MetricTarget)>,
    pub(super) behavior: Option<Behavior>,
    pub(super) tolerance: Tolerance,
}

/// How far the ratio of use to target may be from 1 before anything is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tolerance {
    up: f64,
    down: f64,
}

/// The target that a metric is compared with, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MetricTarget {
    Average(f64),
    Value(f64),
}

impl HpaRules {
    pub(super) fn of(object: &HorizontalPodAutoscaler, tolerance: f64) -> Self {
        let spec = &object.spec;
        let external = spec.metrics.iter().flatten().filter_map(|metric| metric.external.as_ref());
        let metrics = external
            .filter_map(|external| Some((external.metric.name.clone(), MetricTarget::of(&external.target)?)))
            .collect();
        let given = |rules: Option<&k8s_openapi::api::autoscaling::v2::HPAScalingRules>| {
            rules.and_then(|rules| number(rules.tolerance.as_ref()?)).unwrap_or(tolerance)
        };
        let behavior = spec.behavior.as_ref();
        Self {
            min: spec.min_replicas.unwrap_or(1),
            max: spec.max_replicas,
            metrics,
            behavior: behavior.map(Behavior::of),
            tolerance: Tolerance {
                up: given(behavior.and_then(|behavior| behavior.scale_up.as_ref())),
                down: given(behavior.and_then(|behavior| behavior.scale_down.as_ref())),
            },
        }
    }
}

impl Tolerance {
    fn includes(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

impl MetricTarget {
    fn of(target: &TargetSpec) -> Option<Self> {
        let thousandths = |quantity: &Quantity| Some((number(quantity)? * 1000.0).ceil());
        match (&target.average_value, &target.value) {
            (Some(average), _) => thousandths(average).map(Self::Average),
            (None, Some(value)) => thousandths(value).map(Self::Value),
            (None, None) => None,
        }
    }

    /// The count that a metric of `usage` thousandths asks for.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    pub(super) fn proposal(self, usage: i64, counts: TargetCounts, tolerance: Tolerance) -> i32 {
        // A conversion into an integer stops at its bounds, as the controller does.
        let count = |float: f64| float.ceil() as i32;
        match self {
            Self::Average(target) => {
                // A sum below zero is taken for one that has overflowed.
                let usage = if usage < 0 { i64::MAX } else { usage } as f64;
                let ratio = usage / (target * f64::from(counts.replicas));
                if tolerance.includes(ratio) { counts.replicas } else { count(usage / target) }
            }
            Self::Value(target) => {
                let ratio = usage as f64 / target;
                if tolerance.includes(ratio) { counts.replicas } else { count(ratio * f64::from(counts.ready)) }
            }
        }
    }
}

/// The number that a quantity is: `5`, `0.5`, `500m`, `2k`, `1Mi`, `12e3`.
fn number(quantity: &Quantity) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let text = quantity.0.trim();
    let suffix = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (digits, factor) = suffix.unwrap_or((text, 1.0));
    let number: f64 = digits.parse().ok()?;
    number.is_finite().then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers() {
        for (text, expected) in [
            ("5", Some(5.0)),
            ("0.5", Some(0.5)),
            ("500m", Some(0.5)),
            ("2k", Some(2000.0)),
            ("1Ki", Some(1024.0)),
            ("12e3", Some(12_000.0)),
            ("", None),
            ("many", None),
            ("m", None),
        ] {
            assert_eq!(number(&Quantity(text.into())), expected, "{text}");
        }
    }
}
