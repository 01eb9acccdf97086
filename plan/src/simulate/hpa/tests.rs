use serde_json::{Value, json};

use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An HPA from 1 to 100 with metrics of 10 a replica, `a`, `b` and so on, or `v` of type Value.
fn hpa(metrics: &[&str], behavior: Value) -> HpaModel {
    let metric = |name: &&str| {
        let kind = if *name == "v" {
            json!({"type": "Value", "value": "10"})
        } else {
            json!({"type": "AverageValue", "averageValue": "10"})
        };
        json!({"type": "External", "external": {"metric": {"name": name}, "target": kind}})
    };
    let metrics: Vec<_> = metrics.iter().map(metric).collect();
    let mut spec = json!({
        "minReplicas": 1, "maxReplicas": 100, "scaleTargetRef": {"kind": "Deployment", "name": "app"}, "metrics": metrics,
    });
    if !behavior.is_null() {
        spec["behavior"] = behavior;
    }
    HpaModel::new(&serde_json::from_value(json!({"spec": spec})).unwrap(), ControllerFlags::default())
}

/// The counts of a workload whose HPA looks every 15 seconds and is given these values of `a`, from `replicas` on.
fn counts(hpa: &mut HpaModel, replicas: i32, values: &[f64]) -> Vec<i32> {
    let mut replicas = replicas;
    let mut counts = Vec::new();
    for (place, value) in values.iter().enumerate() {
        let now = at(15 * u64::try_from(place).unwrap());
        #[allow(clippy::cast_possible_truncation)]
        let look = hpa.look(now, TargetCounts { replicas, ready: replicas }, |_| Some((value * 1000.0) as i64));
        if let Outcome::Count(count) = look.outcome {
            replicas = count;
        }
        counts.push(replicas);
    }
    counts
}

#[test]
fn without_a_behavior_a_look_doubles_at_most() {
    assert_eq!(counts(&mut hpa(&["a"], Value::Null), 1, &[1000.0; 7]), [4, 8, 16, 32, 64, 100, 100]);
    // Five minutes after the last high recommendation it goes down at once.
    let values: Vec<_> = [50.0; 2].into_iter().chain([10.0; 22]).collect();
    let went = counts(&mut hpa(&["a"], Value::Null), 5, &values);
    assert_eq!((went[20], went[21]), (5, 1), "{went:?}");
}

#[test]
fn a_ratio_within_the_tolerance_changes_nothing() {
    for (value, count) in [(55.0, 5), (55.1, 6), (45.0, 5), (44.9, 5)] {
        assert_eq!(counts(&mut hpa(&["a"], Value::Null), 5, &[value]), [count], "{value}");
    }
    let none =
        json!({"scaleUp": {"tolerance": "0"}, "scaleDown": {"stabilizationWindowSeconds": 0, "tolerance": "300m"}});
    for (value, count) in [(50.1, 6), (40.0, 5), (35.0, 5), (30.0, 3)] {
        assert_eq!(counts(&mut hpa(&["a"], none.clone()), 5, &[value]), [count], "{value}");
    }
}

#[test]
fn the_highest_metric_wins_and_a_failed_one_keeps_replicas() {
    for (a, b, outcome, bound) in [
        (Some(70), Some(20), Outcome::Count(7), None),
        (Some(20), Some(70), Outcome::Count(7), None),
        (Some(70), None, Outcome::Count(7), None),
        (Some(20), None, Outcome::Failed, None),
        (None, None, Outcome::Failed, None),
        (Some(20), Some(20), Outcome::Count(5), Some(Bound::ScaleDownStabilized)),
    ] {
        let mut hpa = hpa(&["a", "b"], Value::Null);
        let value = |name: &str| if name == "a" { a } else { b };
        let look =
            hpa.look(at(0), TargetCounts { replicas: 5, ready: 5 }, |name| value(name).map(|value| value * 1000));
        assert_eq!((look.outcome, look.bound), (outcome, bound), "{a:?} {b:?}");
    }
}

#[test]
fn a_value_is_multiplied_with_the_pods_that_are_ready() {
    for (ready, count) in [(4, 8), (2, 4), (0, 1)] {
        let mut hpa = hpa(&["v"], Value::Null);
        let look = hpa.look(at(0), TargetCounts { replicas: 4, ready }, |_| Some(20_000));
        // Zero ready pods ask for zero, which stabilization keeps at the present count.
        let count = if ready == 0 { 4 } else { count };
        assert_eq!(look.outcome, Outcome::Count(count.max(4)), "{ready}");
    }
}

#[test]
fn bounds_come_before_metrics_and_zero_before_all() {
    let look = |replicas| hpa(&["a"], Value::Null).look(at(0), TargetCounts { replicas, ready: replicas }, |_| None);
    assert_eq!(look(0).outcome, Outcome::Disabled);
    assert_eq!((look(101).outcome, look(101).bound), (Outcome::Count(100), Some(Bound::MaxReplicas)));
    assert_eq!(look(3).outcome, Outcome::Failed);
}

#[test]
fn policies_limit_each_period() {
    let pods = |value: i32, period: i32| json!({"type": "Pods", "value": value, "periodSeconds": period});
    let percent = |value: i32, period: i32| json!({"type": "Percent", "value": value, "periodSeconds": period});
    for (behavior, from, value, expected) in [
        // Two pods a minute: the second, third and fourth look have to wait.
        (json!({"scaleUp": {"policies": [pods(2, 60)]}}), 1, 1000.0, vec![3, 3, 3, 3, 5, 5, 5, 5, 7]),
        // The defaults: four pods or twice as many.
        (json!({"scaleUp": {}}), 1, 1000.0, vec![5, 10, 20, 40, 80, 100]),
        (json!({"scaleUp": {"policies": [pods(2, 15), percent(50, 15)]}}), 2, 1000.0, vec![4, 6, 9, 14, 21]),
        (
            json!({"scaleUp": {"selectPolicy": "Min", "policies": [pods(2, 15), percent(50, 15)]}}),
            2,
            1000.0,
            vec![3, 5, 7, 9, 11],
        ),
        (json!({"scaleUp": {"selectPolicy": "Disabled"}}), 2, 1000.0, vec![2, 2]),
        (
            json!({"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [pods(2, 30)]}}),
            10,
            10.0,
            vec![8, 8, 6, 6, 4, 4, 2, 2, 1],
        ),
        (
            json!({"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [percent(50, 15)]}}),
            11,
            10.0,
            vec![5, 2, 1, 1],
        ),
        (
            json!({"scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Min", "policies": [pods(1, 15), percent(50, 15)]}}),
            10,
            10.0,
            vec![9, 8, 7],
        ),
        (json!({"scaleDown": {"stabilizationWindowSeconds": 0}}), 10, 10.0, vec![1]),
        (json!({"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}}), 10, 10.0, vec![10, 10]),
    ] {
        let values = vec![value; expected.len()];
        assert_eq!(counts(&mut hpa(&["a"], behavior.clone()), from, &values), expected, "{behavior}");
    }
}

#[test]
fn windows_hold_both_directions() {
    // Up after a minute: the first look's recommendation is the count that was found.
    let slow = json!({"scaleUp": {"stabilizationWindowSeconds": 60}, "scaleDown": {"stabilizationWindowSeconds": 30}});
    let values = [&[20.0][..], &[60.0; 6], &[10.0; 4]].concat();
    assert_eq!(counts(&mut hpa(&["a"], slow), 2, &values), [2, 2, 2, 2, 6, 6, 6, 6, 1, 1, 1]);
}

#[test]
fn each_bound_is_named() {
    let of = |behavior: Value, replicas, value: i64| {
        let mut hpa = hpa(&["a"], behavior);
        hpa.look(at(0), TargetCounts { replicas, ready: replicas }, |_| Some(value * 1000)).bound
    };
    let quick = json!({"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}});
    assert_eq!(of(Value::Null, 10, 100), Some(Bound::Tolerance));
    assert_eq!(of(Value::Null, 10, 1000), Some(Bound::ScaleUpLimit));
    assert_eq!(of(Value::Null, 60, 2000), Some(Bound::MaxReplicas));
    assert_eq!(of(Value::Null, 10, 10), Some(Bound::ScaleDownStabilized));
    assert_eq!(of(quick, 10, 10), Some(Bound::ScaleDownLimit));
    assert_eq!(of(json!({"scaleUp": {"stabilizationWindowSeconds": 60}}), 10, 200), Some(Bound::ScaleUpStabilized));
}
