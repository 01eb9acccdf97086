use chrono::TimeDelta;
use ebb_crds::ScaledObject;
use serde_json::json;

use super::*;
use crate::activation::ScaleReason;
use crate::hpa;
use crate::policy::Policy;
use crate::readings::TriggerReading;
use crate::trail::TriggerInfo;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn moment(second: u64) -> Moment {
    let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    Moment { at: start + TimeDelta::from_std(seconds(second)).unwrap(), steady: seconds(second) }
}

fn metric(metric_type: MetricType) -> MetricSpec {
    MetricSpec { name: "s0-queue".into(), target: 5.0, activation: 0.0, metric_type }
}

/// A ScaledObject of at most ten replicas with one trigger, whose shadow begins with a count.
struct Story {
    shadow: Shadow,
    policy: Policy,
    triggers: Arc<[TriggerInfo]>,
}

impl Story {
    fn new(replicas: i32, metric_type: MetricType, follows: Follows) -> Self {
        let spec = json!({"scaleTargetRef": {"name": "app"}, "maxReplicaCount": 10, "triggers": []});
        let object = ScaledObject::new("app", serde_json::from_value(spec).unwrap());
        let (metric, flags) = (metric(metric_type), ControllerFlags::default());
        let shadow = Shadow::new(replicas, &hpa::build(&object, &[&metric], &[]), follows, flags, moment(0));
        let info = TriggerInfo { index: 0, name: None, kind: "rabbitmq", metric };
        Self { shadow, policy: Policy::of(&object), triggers: Arc::from([info]) }
    }

    fn with<T>(
        &mut self,
        second: u64,
        value: Option<f64>,
        change: impl FnOnce(&mut Shadow, &Circumstances<'_>) -> T,
    ) -> T {
        let active = value.is_some_and(|value| value > 0.0);
        let readings = [TriggerReading { name: None, value, active, wanted: 0, failures: 0 }];
        let known = Circumstances {
            at: moment(second).at,
            triggers: &self.triggers,
            readings: &readings,
            policy: &self.policy,
            fallback: None,
            modifiers: None,
            error: Some("trigger 0 (rabbitmq): no answer"),
        };
        change(&mut self.shadow, &known)
    }

    fn look(&mut self, second: u64, value: Option<f64>, actual: i32) -> i32 {
        self.with(second, value, |shadow, known| shadow.look(Some(actual), known, moment(second)));
        self.shadow.replicas()
    }

    fn because(&self) -> (&'static str, &'static str, i32) {
        let because = &self.shadow.because.as_ref().unwrap();
        (because.by.as_str(), because.reason.as_str(), because.to)
    }
}

#[test]
fn it_wakes_up_grows_and_rests_as_the_target_would() {
    let mut story = Story::new(0, MetricType::AverageValue, Follows::Never);
    assert_eq!((story.shadow.next_look(), story.shadow.would_be()), (None, None));
    // The target stays at zero all the time: the other autoscaler has not noticed yet.
    story.with(20, Some(40.0), |shadow, known| shadow.on_scaled((0, 1, ScaleReason::Activate), known, moment(20)));
    assert_eq!((story.shadow.replicas(), story.because()), (1, ("Ebb", "Activated", 1)));
    assert_eq!(story.shadow.next_look(), Some(seconds(30)), "the HPA controller looks in its own rhythm");
    assert_eq!(story.look(30, Some(40.0), 0), 4);
    assert_eq!(story.because(), ("HPA", "MetricsAboveTarget", 4));
    assert_eq!(story.look(45, Some(40.0), 0), 8);
    assert_eq!(story.look(60, Some(40.0), 0), 8);
    assert_eq!(story.because(), ("HPA", "OnTarget", 8));
    let would_be = story.shadow.would_be().unwrap();
    assert_eq!((would_be.replicas, would_be.since), (8, moment(45).at));
    // Its own stabilization window holds it, whatever the target does.
    assert_eq!(story.look(75, Some(5.0), 1), 8);
    assert_eq!(story.because(), ("HPA", "Stabilized", 8));
    assert_eq!(story.look(375, Some(5.0), 1), 1);
    story.with(400, Some(0.0), |shadow, known| shadow.on_scaled((1, 0, ScaleReason::Deactivate), known, moment(400)));
    assert_eq!((story.shadow.replicas(), story.shadow.next_look()), (0, None));
}

#[test]
fn a_look_without_a_value_keeps_the_count() {
    let mut story = Story::new(3, MetricType::AverageValue, Follows::Never);
    assert_eq!(story.look(15, None, 3), 3);
    assert_eq!(story.because(), ("HPA", "HpaCannotRead", 3));
    assert_eq!(story.shadow.because.as_ref().unwrap().error.as_deref(), Some("trigger 0 (rabbitmq): no answer"));
}

/// A value that the present replicas make says nothing about a count of which it is not.
#[test]
fn a_metric_of_type_value_is_looked_at_from_the_targets_count() {
    let mut story = Story::new(2, MetricType::Value, Follows::AtLooks);
    assert_eq!(story.look(15, Some(10.0), 2), 4);
    assert_eq!(story.look(30, Some(10.0), 2), 4, "it does not add up");
    assert_eq!(story.look(45, Some(10.0), 3), 6);
    assert_eq!(story.look(60, Some(10.0), 0), 10, "a target at zero is no answer to the value");
}

#[test]
fn beside_cpu_and_memory_only_zero_is_its_own() {
    let mut story = Story::new(2, MetricType::AverageValue, Follows::Always);
    story.shadow.on_count(7, moment(5).at);
    assert_eq!(story.shadow.replicas(), 7);
    assert_eq!(story.look(15, Some(500.0), 7), 7);
    story.shadow.on_count(0, moment(20).at);
    assert_eq!(story.shadow.replicas(), 7, "Ebb would not have put it to sleep");
}

#[test]
fn looks_that_were_missed_are_not_made_up_for() {
    let mut story = Story::new(1, MetricType::AverageValue, Follows::Never);
    story.look(100, Some(5.0), 1);
    assert_eq!(story.shadow.next_look(), Some(seconds(105)));
    story.look(105, Some(5.0), 1);
    assert_eq!(story.shadow.next_look(), Some(seconds(120)));
}

#[test]
fn what_the_metrics_are_decides_what_is_followed() {
    let rules = |resources: Vec<crate::resource::ResourceMetric>| Rules {
        policy: Policy::of(&ScaledObject::new(
            "app",
            serde_json::from_value(json!({"scaleTargetRef": {"name": "app"}, "triggers": []})).unwrap(),
        )),
        fallback: None,
        modifiers: None,
        resources,
    };
    let (average, value) = (metric(MetricType::AverageValue), metric(MetricType::Value));
    assert_eq!(Follows::of(&rules(Vec::new()), std::slice::from_ref(&average)), Follows::Never);
    assert_eq!(Follows::of(&rules(Vec::new()), &[average, value]), Follows::AtLooks);
    let cpu = json!({"scaleTargetRef": {"name": "app"}, "triggers": [
        {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}]});
    let cpu = crate::resource::metrics(&serde_json::from_value(cpu).unwrap()).unwrap();
    assert_eq!(Follows::of(&rules(cpu), &[]), Follows::Always);
}
