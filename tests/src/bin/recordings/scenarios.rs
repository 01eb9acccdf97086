//! The recorded scenarios: a ScaledObject, and the changes of its queues.

use serde_json::{Value, json};

/// Messages for each replica.
pub(crate) const TARGET: u32 = 5;

/// A change of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// It holds this many messages.
    Hold(usize),
    /// It is deleted: it cannot be read.
    Break,
}

/// A load on a ScaledObject.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// Its name, and that of its file.
    pub(crate) name: &'static str,
    /// The specification without target and triggers.
    pub(crate) spec: Value,
    /// `metricType` of each trigger.
    pub(crate) triggers: Vec<&'static str>,
    /// The replicas that the workload has at the start.
    pub(crate) replicas: u32,
    /// The second, the queue and the change. Those at 0 are there before the ScaledObject is.
    pub(crate) steps: Vec<(u64, usize, Step)>,
    /// How many seconds it goes on.
    pub(crate) length: u64,
}

const AVERAGE: &[&str] = &["AverageValue"];
const TWO: &[&str] = &["AverageValue", "AverageValue"];

#[expect(clippy::needless_pass_by_value)] // Each scenario is a literal.
fn scenario(name: &'static str, spec: Value, replicas: u32, holds: &[(u64, usize)], length: u64) -> Scenario {
    let steps = holds.iter().map(|(at, messages)| (*at, 0, Step::Hold(*messages))).collect();
    let mut all = json!({"pollingInterval": 5, "maxReplicaCount": 20});
    for (key, value) in spec.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    Scenario { name, spec: all, triggers: AVERAGE.into(), replicas, steps, length }
}

fn behavior(behavior: &Value) -> Value {
    json!({"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}})
}

fn policy(kind: &str, value: u32, period: u32) -> Value {
    json!({"type": kind, "value": value, "periodSeconds": period})
}

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let at_once = json!({"stabilizationWindowSeconds": 0});
    let ramp: Vec<_> = (0..24).map(|step| (step * 10, 5 + 4 * usize::try_from(step).unwrap_or_default())).collect();
    let mut all = vec![
        scenario("step", json!({}), 0, &[(0, 0), (30, 30)], 150),
        scenario("ramp", json!({"maxReplicaCount": 30}), 1, &ramp, 300),
        scenario("burst-to-max", json!({"maxReplicaCount": 50}), 0, &[(0, 0), (30, 1000)], 180),
        scenario("down-stabilized", json!({"cooldownPeriod": 30}), 10, &[(0, 50), (40, 10)], 420),
        scenario("zero-and-back", json!({"cooldownPeriod": 30}), 0, &[(0, 0), (20, 20), (120, 0), (240, 40)], 360),
        scenario(
            "value-over-a-limit",
            json!({"minReplicaCount": 2, "maxReplicaCount": 6}),
            2,
            &[(0, 10), (30, 200), (120, 0)],
            480,
        ),
        scenario(
            "tolerance",
            json!({"minReplicaCount": 1}),
            10,
            &[(0, 50), (30, 54), (90, 56), (150, 64), (210, 66)],
            300,
        ),
        scenario(
            "idle",
            json!({"minReplicaCount": 3, "idleReplicaCount": 0, "cooldownPeriod": 30}),
            0,
            &[(0, 0), (30, 40), (120, 0)],
            240,
        ),
    ];
    let behaviors = [
        ("up-by-pods", json!({"scaleUp": {"policies": [policy("Pods", 2, 60)]}}), 1, vec![(0, 5), (20, 200)], 330),
        (
            "up-by-the-least",
            json!({"scaleUp": {"selectPolicy": "Min", "policies": [policy("Pods", 4, 30), policy("Percent", 50, 30)]}}),
            4,
            vec![(0, 20), (20, 400)],
            300,
        ),
        (
            "down-by-percent",
            json!({"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [policy("Percent", 50, 45)]}}),
            20,
            vec![(0, 100), (30, 5)],
            300,
        ),
        (
            "down-by-pods",
            json!({"scaleDown": {"stabilizationWindowSeconds": 30, "policies": [policy("Pods", 3, 30)]}}),
            20,
            vec![(0, 100), (30, 20)],
            330,
        ),
        (
            "down-disabled",
            json!({"scaleDown": {"selectPolicy": "Disabled"}}),
            8,
            vec![(0, 40), (30, 5), (120, 90)],
            200,
        ),
        (
            "up-stabilized",
            json!({"scaleUp": {"stabilizationWindowSeconds": 60}, "scaleDown": at_once}),
            2,
            vec![(0, 10), (20, 60), (50, 10), (100, 60), (240, 10)],
            330,
        ),
        (
            "own-tolerance",
            json!({"scaleUp": {"tolerance": "0"}, "scaleDown": {"stabilizationWindowSeconds": 0, "tolerance": "300m"}}),
            10,
            vec![(0, 50), (30, 51), (90, 40), (150, 30)],
            240,
        ),
    ];
    all.extend(
        behaviors
            .into_iter()
            .map(|(name, rules, replicas, holds, length)| scenario(name, behavior(&rules), replicas, &holds, length)),
    );
    all.extend(of_several(&at_once));
    all
}

/// Those of several metrics, of metrics that fail, and of another type.
fn of_several(at_once: &Value) -> Vec<Scenario> {
    let quick = behavior(&json!({"scaleDown": at_once}));
    let fallback = json!({"fallback": {"failureThreshold": 2, "replicas": 9}, "advanced": quick["advanced"]});
    let (hold, broken) = (Step::Hold, Step::Break);
    vec![
        Scenario {
            triggers: TWO.into(),
            steps: vec![
                (0, 0, hold(10)),
                (0, 1, hold(20)),
                (30, 0, hold(60)),
                (90, 1, hold(90)),
                (150, 1, hold(5)),
                (210, 0, hold(15)),
            ],
            ..scenario("two-metrics", quick.clone(), 4, &[], 300)
        },
        Scenario {
            triggers: TWO.into(),
            steps: vec![
                (0, 0, hold(40)),
                (0, 1, hold(20)),
                (30, 1, broken),
                (60, 0, hold(10)),
                (120, 0, hold(75)),
                (200, 1, hold(20)),
                (240, 0, hold(10)),
            ],
            ..scenario("a-failing-metric", quick, 8, &[], 330)
        },
        Scenario {
            steps: vec![(0, 0, hold(20)), (30, 0, broken), (180, 0, hold(20))],
            ..scenario("fallback", fallback, 4, &[], 270)
        },
        Scenario {
            triggers: vec!["Value"],
            ..scenario("value-type", json!({"maxReplicaCount": 40}), 3, &[(0, 5), (30, 10), (90, 5), (150, 15)], 210)
        },
    ]
}
