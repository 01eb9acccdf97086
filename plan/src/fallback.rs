//! The fallback of a workload while its triggers cannot be read (keda.sh/docs, "ScaledObject specification",
//! `fallback`).

use ebb_crds::ScaledObjectSpec;
use ebb_params::{MetricSpec, MetricType};

/// The rules of one ScaledObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// The polls in a row that may fail; the next failure begins the fallback.
    threshold: u32,
    replicas: i32,
    behavior: Behavior,
}

/// `fallback.behavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behavior {
    Static,
    CurrentReplicas,
    CurrentReplicasIfHigher,
    CurrentReplicasIfLower,
    ScalingModifiers,
}

impl Fallback {
    /// The fallback of a ScaledObject that has one.
    ///
    /// # Errors
    /// The mistake in it.
    pub fn of(spec: &ScaledObjectSpec) -> Result<Option<Self>, String> {
        let Some(fallback) = &spec.fallback else { return Ok(None) };
        if fallback.replicas < 0 {
            return Err(format!("fallback.replicas={} must not be negative", fallback.replicas));
        }
        let threshold = fallback.failure_threshold.try_into();
        let threshold = threshold
            .map_err(|_| format!("fallback.failureThreshold={} must not be negative", fallback.failure_threshold))?;
        let behavior = match fallback.behavior() {
            "currentReplicas" => Behavior::CurrentReplicas,
            "currentReplicasIfHigher" => Behavior::CurrentReplicasIfHigher,
            "currentReplicasIfLower" => Behavior::CurrentReplicasIfLower,
            // Without a formula there is nothing to leave a hole in, and it is like `static`, as in KEDA.
            "scalingModifiers" => Behavior::ScalingModifiers,
            "static" => Behavior::Static,
            other => {
                return Err(format!(
                    "fallback.behavior={other:?} must be static, currentReplicas, currentReplicasIfHigher, currentReplicasIfLower or scalingModifiers"
                ));
            }
        };
        Ok(Some(Self { threshold, replicas: fallback.replicas, behavior }))
    }

    /// Whether it is in effect for a trigger after this number of failed polls in a row.
    pub fn begins(&self, failures: u32) -> bool {
        failures > self.threshold
    }

    /// The failures that are worth writing down: one more than may be. More would not say more, and would change the
    /// status at every poll.
    pub fn noted(&self, failures: u32) -> u32 {
        failures.min(self.threshold.saturating_add(1))
    }

    /// Whether a trigger that cannot be read is a hole in the formula, for its `??`.
    pub fn leaves_holes(&self) -> bool {
        self.behavior == Behavior::ScalingModifiers
    }

    /// The replicas to fall back to from `current`.
    pub fn replicas(&self, current: i32) -> i32 {
        match self.behavior {
            Behavior::Static | Behavior::ScalingModifiers => self.replicas,
            Behavior::CurrentReplicas => current,
            Behavior::CurrentReplicasIfHigher => current.max(self.replicas),
            Behavior::CurrentReplicasIfLower => current.min(self.replicas),
        }
    }

    /// Whether [`Fallback::replicas`] depends on the present count.
    pub fn minds_current(&self) -> bool {
        !matches!(self.behavior, Behavior::Static | Behavior::ScalingModifiers)
    }
}

/// Whether [`value`] depends on the ready pods.
pub fn minds_ready(metric: &MetricSpec) -> bool {
    metric.metric_type == MetricType::Value
}

/// The value of `metric` for which the HPA asks for `replicas` while `ready` pods are ready.
///
/// The HPA calculates with thousandths. A value that is rounded up would ask for one replica more.
pub fn value(metric: &MetricSpec, replicas: i32, ready: i32) -> f64 {
    let whole = (metric.target * 1000.0).round() * f64::from(replicas);
    let thousandths = match metric.metric_type {
        MetricType::AverageValue => whole,
        // The HPA multiplies with the ready pods. Without any it has nothing to multiply with.
        MetricType::Value => (whole / f64::from(ready.max(1))).floor(),
    };
    thousandths / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fallback(fallback: &serde_json::Value) -> Result<Option<Fallback>, String> {
        let spec = json!({"scaleTargetRef": {"name": "app"}, "triggers": [], "fallback": fallback});
        Fallback::of(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn every_behavior_has_its_count() {
        for (behavior, at_two, at_nine, minds_current) in [
            ("static", 5, 5, false),
            ("", 5, 5, false),
            ("scalingModifiers", 5, 5, false),
            ("currentReplicas", 2, 9, true),
            ("currentReplicasIfHigher", 5, 9, true),
            ("currentReplicasIfLower", 2, 5, true),
        ] {
            let given = json!({"failureThreshold": 3, "replicas": 5, "behavior": behavior});
            let fallback = fallback(&given).unwrap().unwrap();
            assert_eq!((fallback.replicas(2), fallback.replicas(9)), (at_two, at_nine), "{behavior}");
            assert_eq!(fallback.minds_current(), minds_current, "{behavior}");
            assert!(!fallback.begins(3) && fallback.begins(4));
            assert_eq!((fallback.noted(2), fallback.noted(400)), (2, 4));
        }
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (given, text) in [
            (json!({"failureThreshold": -1, "replicas": 5}), "failureThreshold=-1 must not be negative"),
            (json!({"failureThreshold": 1, "replicas": -5}), "replicas=-5 must not be negative"),
            (json!({"failureThreshold": 1, "replicas": 5, "behavior": "best"}), "behavior=\"best\" must be static,"),
        ] {
            let error = fallback(&given).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn the_ready_pods_count_where_the_hpa_multiplies_with_them() {
        let metric = |metric_type| MetricSpec { name: "m".into(), target: 5.0, activation: 0.0, metric_type };
        let (total, average) = (metric(MetricType::Value), metric(MetricType::AverageValue));
        assert_eq!((minds_ready(&total), minds_ready(&average)), (true, false));
        assert_eq!(
            (value(&total, 4, 2).to_bits(), value(&average, 4, 2).to_bits()),
            (10_f64.to_bits(), 20_f64.to_bits())
        );
        assert_eq!(value(&total, 4, 0).to_bits(), 20_f64.to_bits(), "no pod is ready");
    }

    proptest! {
        /// The HPA's own arithmetic on the value that Ebb gives results in the intended count.
        #[test]
        fn the_hpa_makes_of_it_what_was_meant(
            target in 0.001_f64..1e6, replicas in 0_i32..1000, ready in 1_i32..200, average in any::<bool>(),
        ) {
            // The target as the HPA has it: thousandths.
            let target = (target * 1000.0).round() / 1000.0;
            // A ready pod's share must be worth a thousandth, which is the least that the HPA can tell apart.
            prop_assume!(target * 1000.0 > f64::from(ready));
            let metric_type = if average { MetricType::AverageValue } else { MetricType::Value };
            let metric = MetricSpec { name: "m".into(), target, activation: 0.0, metric_type };
            let told = (value(&metric, replicas, ready) * 1000.0).round();
            let target = (target * 1000.0).round();
            let asked = if average { told / target } else { told / target * f64::from(ready) };
            let asked = (asked - 1e-9).ceil();
            prop_assert!((asked - f64::from(replicas)).abs() < 0.5, "{asked} instead of {replicas}");
        }
    }
}
