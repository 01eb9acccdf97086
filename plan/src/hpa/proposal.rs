//! The replicas that a metric asks for, as the HPA counts them.

use ebb_params::{MetricSpec, MetricType};

/// The replicas that a metric asks for (Kubernetes docs, "Horizontal Pod Autoscaling", algorithm details), before bounds and
/// tolerance. None: more than there can be.
pub fn asks_for(metric: &MetricSpec, value: f64, replicas: i32) -> Option<i32> {
    let value = super::metric_value(value);
    let wanted = match metric.metric_type {
        MetricType::AverageValue => value / metric.target,
        // An HPA does not look at a workload with no replicas: from zero it counts as one.
        MetricType::Value => f64::from(replicas.max(1)) * value / metric.target,
    };
    // The HPA counts in thousandths, so that 5.0000001 replicas are 5.
    let wanted = ((wanted * 1000.0).round() / 1000.0).ceil();
    #[expect(clippy::cast_possible_truncation)] // It is checked to be within the range.
    let wanted = (wanted.is_finite() && wanted <= f64::from(i32::MAX)).then_some(wanted as i32);
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(target: f64, metric_type: MetricType) -> MetricSpec {
        MetricSpec { name: "m".into(), target, activation: 0.0, metric_type }
    }

    #[test]
    fn a_metric_asks_for_replicas_as_the_hpa_counts_them() {
        use MetricType::{AverageValue, Value};
        for (target, kind, value, replicas, expected) in [
            (5.0, AverageValue, 0.0, 3, Some(0)),
            (5.0, AverageValue, 1.0, 0, Some(1)),
            (5.0, AverageValue, 25.0, 1, Some(5)),
            (5.0, AverageValue, 26.0, 1, Some(6)),
            (0.1, AverageValue, 0.3, 1, Some(3)),
            (5.0, AverageValue, -4.0, 1, Some(0)),
            (10.0, Value, 15.0, 4, Some(6)),
            (10.0, Value, 15.0, 0, Some(2)),
            (0.001, AverageValue, 1e12, 1, None),
        ] {
            assert_eq!(asks_for(&metric(target, kind), value, replicas), expected, "{value} / {target} at {replicas}");
        }
    }
}
