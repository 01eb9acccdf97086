//! One ScaledObject with its triggers, its workload, its HPA, an API server that may lose answers, and an Ebb that may
//! be restarted. Its poll loop is the state machine that the process runs ([`crate::tick`]); the answers to the HPA and
//! the controller's pass use the same pure functions as the process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::{ScaledObject, ScaledObjectStatus};
use ebb_params::{MetricSpec, MetricType};
use serde_json::{Value, json};

use crate::activation::{self, Activity, Observation};
use crate::fallback::Fallback;
use crate::modifiers::Modifiers;
use crate::pause::{self, Pause};
use crate::policy::Policy;
use crate::readings::{self, Aggregate, TriggerReading};
use crate::simulate::answer::Metrics;
use crate::simulate::hpa::{ControllerFlags, HpaModel, Outcome, TargetCounts};
use crate::status::{self, Facts, Served};
use crate::tick::{Effect, Loop, Moment, ProblemKind, Readings, ReplicaChange, Report, Rules, TargetProblem};
use crate::{hpa, validate};

/// How finely time goes on.
pub(super) const STEP: TimeDelta = TimeDelta::seconds(5);

/// The settings of a ScaledObject.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) min: i32,
    pub(super) max: i32,
    pub(super) idle: Option<i32>,
    pub(super) cooldown: i32,
    pub(super) initial_cooldown: i32,
    pub(super) polling: i32,
    /// Threshold, replicas, behavior.
    pub(super) fallback: Option<(i32, i32, &'static str)>,
    /// Each trigger's target, and whether it is of type Value.
    pub(super) triggers: Vec<(i32, bool)>,
    pub(super) formula: Option<&'static str>,
    pub(super) annotations: Vec<(&'static str, &'static str)>,
}

/// An event from outside.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// This many steps of time go by.
    Wait(u8),
    /// A trigger reads something else, or cannot be read.
    Read(usize, Option<f64>),
    /// Ebb ends and begins anew: it knows the status and nothing else.
    Restart,
    /// The ScaledObject is edited.
    Edit(Edit),
    /// A user sets the workload's replicas.
    Scale(i32),
    /// The next request to the API server does not succeed.
    Fault(Fault),
}

/// The fate of a request to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not arrive, and there is no answer.
    Lost,
    /// It is carried out, and there is no answer.
    AnswerLost,
    /// Another writer comes first.
    Conflict,
    /// It is refused.
    Refused,
}

#[derive(Debug, Clone)]
pub(super) enum Edit {
    Bounds { min: i32, max: i32, idle: Option<i32> },
    Cooldown(i32),
    Fallback(Option<(i32, i32, &'static str)>),
    Annotate(Vec<(&'static str, &'static str)>),
}

/// The writer of a change of the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Ebb,
    Hpa,
    Pause,
}

/// One change of the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: DateTime<Utc>,
    pub(super) who: Who,
    pub(super) from: i32,
    pub(super) to: i32,
}

/// The state of Ebb that ends with its process.
#[derive(Debug, Default)]
struct Memory {
    poll: Loop,
    failures: Vec<u32>,
    facts: Facts,
    /// When the HPA's questions last found activity.
    asked_active: Option<DateTime<Utc>>,
    /// A tick is due at once.
    woken: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: DateTime<Utc>,
    pub(super) settings: Settings,
    object: ScaledObject,
    pub(super) policy: Policy,
    fallback: Option<Fallback>,
    modifiers: Option<Modifiers>,
    metrics: Vec<MetricSpec>,
    pub(super) readings: Vec<Option<f64>>,
    pub(super) replicas: i32,
    hpa: Option<HpaModel>,
    hpa_looks: DateTime<Utc>,
    memory: Memory,
    pub(super) status: ScaledObjectStatus,
    /// How often the status was written.
    pub(super) writes: usize,
    /// The last time at which activity was visible to Ebb.
    seen_active: Option<DateTime<Utc>>,
    pub(super) changes: Vec<Change>,
    /// The changes that events have reported.
    pub(super) reported: Vec<ReplicaChange>,
    pub(super) faults: VecDeque<Fault>,
    /// Whether the last tick could not read the count.
    is_unread: bool,
}

impl World {
    pub(super) fn new(settings: Settings, replicas: i32) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let object = object(&settings, now);
        let readings = vec![Some(0.0); settings.triggers.len()];
        let mut world = Self {
            now,
            policy: Policy::of(&object),
            fallback: None,
            modifiers: None,
            metrics: Vec::new(),
            object,
            readings,
            replicas,
            hpa: None,
            hpa_looks: now,
            memory: Memory::default(),
            status: ScaledObjectStatus::default(),
            writes: 0,
            seen_active: None,
            changes: Vec::new(),
            reported: Vec::new(),
            faults: VecDeque::new(),
            is_unread: false,
            settings,
        };
        world.restart();
        world
    }

    pub(super) fn happens(&mut self, event: &Event) {
        match event {
            Event::Wait(steps) => {
                for _ in 0..*steps {
                    self.step();
                }
            }
            Event::Read(trigger, reading) => {
                let index = trigger % self.readings.len();
                self.readings[index] = *reading;
            }
            Event::Restart => self.restart(),
            Event::Scale(replicas) => self.replicas = *replicas,
            Event::Fault(fault) => self.faults.push_back(*fault),
            Event::Edit(edit) => {
                match edit.clone() {
                    Edit::Bounds { min, max, idle } => {
                        (self.settings.min, self.settings.max, self.settings.idle) = (min, max, idle);
                    }
                    Edit::Cooldown(cooldown) => self.settings.cooldown = cooldown,
                    Edit::Fallback(fallback) => self.settings.fallback = fallback,
                    Edit::Annotate(annotations) => self.settings.annotations = annotations,
                }
                self.check();
            }
        }
    }

    pub(super) fn paused(&self) -> bool {
        self.pause() != Pause::No
    }

    fn pause(&self) -> Pause {
        pause::pause(self.object.metadata.annotations.as_ref()).unwrap()
    }

    fn restart(&mut self) {
        let failures = |metric: &MetricSpec| {
            let health = self.status.health.as_ref().and_then(|health| health.get(&metric.name));
            health.and_then(|health| u32::try_from(health.number_of_failures?).ok()).unwrap_or(0)
        };
        self.memory = Memory {
            poll: Loop::found(&self.status, self.now),
            failures: triggers(&self.settings).iter().map(failures).collect(),
            ..Memory::default()
        };
        self.check();
    }

    /// The controller's pass over the specification.
    fn check(&mut self) {
        self.object = object(&self.settings, self.policy.created);
        let rules = validate::check(&self.object, crate::catalog::of_tests).unwrap();
        (self.policy, self.fallback, self.modifiers) = (rules.policy, rules.fallback, rules.modifiers);
        self.metrics = triggers(&self.settings);
        self.memory.woken = true;
        if let Pause::At(count) = self.pause() {
            self.hpa = None;
            if let Some(count) = count.filter(|count| *count != self.replicas) {
                self.set(Who::Pause, count);
            }
            self.memory.facts.pause();
            (self.memory.facts.paused, self.memory.facts.paused_replicas) = (Some(true), count);
            self.report();
            return;
        }
        let names: Vec<_> = self.metrics.iter().map(|metric| metric.name.clone()).collect();
        let metrics: Vec<_> = match &self.modifiers {
            Some(modifiers) => vec![&modifiers.metric],
            None => self.metrics.iter().collect(),
        };
        let hpa = hpa::build(&self.object, &metrics, &[]);
        if let Some(known) = &mut self.hpa {
            known.replace(&hpa);
        } else {
            self.hpa = Some(HpaModel::new(&hpa, ControllerFlags::default()));
            self.hpa_looks = self.now;
        }
        self.memory.poll.replicas_seen(self.replicas, self.moment().steady);
        (self.memory.facts.paused, self.memory.facts.paused_replicas) = (Some(self.policy.is_held()), None);
        self.memory.facts.serve(Served {
            generation: self.object.metadata.generation,
            target: "apps/v1.Deployment default/app".into(),
            kinds: ["rabbitmq".to_owned()].into(),
            unknown_parameters: Box::default(),
            hpa_name: hpa::name(&self.object),
            metric_names: names.into(),
            resource_names: Vec::new(),
            composite: self.modifiers.is_some(),
        });
    }

    /// A step of time, in which Ebb and the HPA act where they are due.
    fn step(&mut self) {
        self.now += STEP;
        if self.paused() {
            return;
        }
        let moment = self.moment();
        let is_due = self.memory.poll.next_wakeup().is_none_or(|wakeup| wakeup.at <= moment.steady);
        if is_due || std::mem::take(&mut self.memory.woken) {
            self.tick();
            if self.knows_replicas() && !self.is_unread {
                self.leaves_nothing_undone();
            }
        }
        if self.hpa_looks <= self.now {
            self.hpa_looks = self.now + ControllerFlags::default().sync_period;
            self.hpa_look();
        }
    }

    fn moment(&self) -> Moment {
        let steady = self.now.timestamp() - self.policy.created.timestamp();
        Moment { at: self.now, steady: Duration::from_secs(steady.try_into().unwrap()) }
    }

    /// Whether the count that the loop knows is the present one: for up to half a minute it may be an older one.
    fn knows_replicas(&self) -> bool {
        self.memory.poll.replicas().is_some_and(|(known, _)| known == self.replicas)
    }

    fn seen(&self) -> Vec<TriggerReading<'static>> {
        let names = ["a", "b", "c"].into_iter();
        let readings = self.readings.iter().zip(&self.metrics);
        let seen = |(name, ((reading, metric), failures)): (&'static str, ((&Option<f64>, &MetricSpec), &u32))| {
            TriggerReading {
                name: Some(name),
                value: *reading,
                active: reading.is_some_and(|reading| reading > 0.0),
                wanted: readings::from_zero(metric, *reading),
                failures: *failures,
            }
        };
        names.zip(readings.zip(&self.memory.failures)).map(seen).collect()
    }

    fn aggregate(&self) -> Aggregate {
        readings::aggregate(&self.seen(), self.fallback.as_ref(), self.modifiers.as_ref())
    }

    fn observation(&self) -> Observation {
        let Aggregate { active, wanted, failed, fallback, .. } = self.aggregate();
        let (replicas, last_active, now) = (self.replicas, self.memory.poll.last_active(), self.now);
        Observation { replicas, active: usize::from(active), failed, fallback, wanted, last_active, now }
    }

    /// Ebb's tick.
    fn tick(&mut self) -> Report {
        let moment = self.moment();
        let is_poll = self.memory.poll.is_poll_due(moment);
        if is_poll {
            for (failures, reading) in self.memory.failures.iter_mut().zip(&self.readings) {
                *failures = if reading.is_some() { 0 } else { *failures + 1 };
            }
        }
        let (policy, fallback, modifiers) = (self.policy.clone(), self.fallback, self.modifiers.clone());
        let metric_names: Arc<[String]> = self.metrics.iter().map(|metric| metric.name.clone()).collect();
        let (fallback, modifiers, metric_names) = (fallback.as_ref(), modifiers.as_ref(), &metric_names);
        let rules = Rules { policy: &policy, fallback, modifiers, metric_names, build: 0, jitter: 0.5 };
        self.is_unread = false;
        let (mut tick, mut effect) = self.memory.poll.on_readings(&rules, self.readings(is_poll), moment);
        let report = loop {
            let (next, made) = match effect {
                Effect::Report(report) => break *report,
                Effect::ReadReplicas => {
                    let found = self.api_server_reads();
                    self.is_unread = found.is_err();
                    self.memory.poll.on_replicas(&mut tick, &rules, found, true, moment)
                }
                Effect::SetReplicas(change) => {
                    self.is_right(change);
                    let set = self.api_server_sets(change);
                    self.memory.poll.on_set(&mut tick, &rules, set, moment)
                }
            };
            self.reported.extend(made);
            effect = next;
        };
        if report.tick.activity == Activity::Active {
            self.seen_active = Some(self.now);
        }
        self.memory.facts.note_activity(report.tick.activity, report.last_active);
        self.memory.facts.tick = Some(report.tick.clone());
        self.report();
        report
    }

    fn readings(&self, is_poll: bool) -> Readings<'static> {
        let failed = self.readings.iter().enumerate().filter(|(_, reading)| reading.is_none());
        Readings {
            triggers: self.seen(),
            errors: failed.map(|(place, _)| (place, "cannot be read".to_owned())).collect(),
            last_active: self.memory.asked_active,
            next_change: None,
            is_poll,
        }
    }

    fn api_server_reads(&mut self) -> Result<i32, TargetProblem> {
        match self.faults.pop_front() {
            None | Some(Fault::Conflict) => Ok(self.replicas),
            Some(Fault::Lost | Fault::AnswerLost) => Err(problem(ProblemKind::Unanswered)),
            Some(Fault::Refused) => Err(problem(ProblemKind::Refused)),
        }
    }

    fn api_server_sets(&mut self, (from, to, _): ReplicaChange) -> Result<(), TargetProblem> {
        assert_eq!(from, self.replicas, "the resource version is that of another count: {self:#?}");
        let fault = self.faults.pop_front();
        if matches!(fault, None | Some(Fault::AnswerLost)) {
            self.set(Who::Ebb, to);
        }
        Err(problem(match fault {
            None => return Ok(()),
            Some(Fault::Lost | Fault::AnswerLost) => ProblemKind::Unanswered,
            Some(Fault::Conflict) => ProblemKind::Conflict,
            Some(Fault::Refused) => ProblemKind::Refused,
        }))
    }

    fn report(&mut self) {
        let next = status::status(&self.status, &self.memory.facts, self.now);
        if next != self.status {
            self.writes += 1;
            self.status = next;
        }
    }

    /// The HPA's look, with Ebb's answers to its questions.
    fn hpa_look(&mut self) {
        let Some(mut hpa) = self.hpa.take() else { return };
        let mut failed = false;
        let mut below_zero = false;
        let counts = TargetCounts { replicas: self.replicas, ready: self.replicas };
        let look = hpa.look(self.moment().steady, counts, |metric| {
            let value = self.answer(metric, counts);
            failed |= value.is_none();
            below_zero |= value.is_some_and(|value| value < 0);
            value
        });
        if self.replicas > 0 {
            // Its questions find activity, too.
            let active = self.readings.iter().flatten().any(|reading| *reading > 0.0);
            if active && self.modifiers.is_none() {
                self.memory.asked_active = Some(self.now);
                self.seen_active = Some(self.now);
            }
        }
        // The watch shows the count that the HPA has in its status.
        if self.memory.poll.target_reported(hpa::TargetReport::Count(self.replicas), true) {
            self.memory.woken = true;
        }
        let (min, max) = (hpa.min(), hpa.max());
        self.hpa = Some(hpa);
        assert!(!below_zero, "the HPA takes a metric below zero for one that has overflowed: {self:#?}");
        let Outcome::Count(count) = look.outcome else { return };
        let from = self.replicas;
        assert!((min.max(1)..=max).contains(&count), "{count} replicas are out of bounds: {self:#?}");
        assert!(!failed || count >= from || from > max, "a failed metric takes replicas away: {self:#?}");
        assert!(!self.policy.scale_in_paused || count >= from || from > max, "scaling in is paused: {self:#?}");
        assert!(!self.policy.scale_out_paused || count <= from || from < min, "scaling out is paused: {self:#?}");
        if count != from {
            self.set(Who::Hpa, count);
        }
    }

    /// Ebb's answer to the HPA about a metric, in thousandths.
    fn answer(&self, metric: &str, counts: TargetCounts) -> Option<i64> {
        let (modifiers, fallback) = (self.modifiers.as_ref(), self.fallback.as_ref());
        Metrics { specs: &self.metrics, modifiers, fallback }.answer(metric, &self.seen(), counts)
    }

    fn set(&mut self, who: Who, to: i32) {
        self.changes.push(Change { at: self.now, who, from: self.replicas, to });
        self.replicas = to;
    }

    /// Asserts the invariants of each change that Ebb makes.
    fn is_right(&self, (from, to, reason): ReplicaChange) {
        let (policy, observation) = (&self.policy, self.observation());
        assert!(to >= policy.idle.unwrap_or(0) && to <= policy.max, "{to}, {reason:?} is out of bounds: {self:#?}");
        if to < from {
            assert!(observation.failed == 0 && observation.active == 0, "taken away, {reason:?}: {self:#?}");
            assert!(!policy.scale_in_paused, "scaling in is paused, {reason:?}: {self:#?}");
            let (since, pause) = match self.seen_active {
                Some(seen) => (seen, policy.cooldown),
                None => (policy.created, policy.initial_cooldown),
            };
            assert!(self.now >= since + pause, "before the cooldown is over, {reason:?}: {self:#?}");
        }
        if to > from {
            assert!(!policy.scale_out_paused || to == policy.floor(), "scaling out is paused, {reason:?}: {self:#?}");
        }
    }

    /// Asserts the invariants of the end of a tick that knows the present count.
    fn leaves_nothing_undone(&self) {
        let (policy, observation, count) = (&self.policy, self.observation(), self.replicas);
        if observation.active > 0 && !policy.scale_out_paused {
            assert!(count > 0, "active and left at zero: {self:#?}");
            assert!(policy.idle.is_none() || count >= policy.min, "active and left idle: {self:#?}");
        }
        if observation.failed == 0 && policy.always_active.is_none() && observation.active == 0 {
            assert!(count >= policy.floor(), "below the floor: {self:#?}");
        }
        let again = activation::decide(policy, &observation);
        assert_eq!(again.scale, None, "decided anew: {self:#?}");
    }
}

fn problem(kind: ProblemKind) -> TargetProblem {
    TargetProblem { text: format!("{kind:?}"), kind, is_silence: kind == ProblemKind::Unanswered }
}

fn triggers(settings: &Settings) -> Vec<MetricSpec> {
    let spec = |(index, (target, value)): (usize, &(i32, bool))| MetricSpec {
        name: format!("s{index}"),
        target: f64::from(*target),
        activation: 0.0,
        metric_type: if *value { MetricType::Value } else { MetricType::AverageValue },
    };
    settings.triggers.iter().enumerate().map(spec).collect()
}

fn object(settings: &Settings, created: DateTime<Utc>) -> ScaledObject {
    let triggers = settings.triggers.iter().zip(["a", "b", "c"]).map(|((_, value), name)| {
        json!({"type": "rabbitmq", "name": name, "metadata": {}, "metricType": if *value { "Value" } else { "AverageValue" }})
    });
    let fallback = settings.fallback.map_or(Value::Null, |(threshold, replicas, behavior)| {
        json!({"failureThreshold": threshold, "replicas": replicas, "behavior": behavior})
    });
    let advanced = settings.formula.map_or(Value::Null, |formula| {
        json!({"scalingModifiers": {"formula": formula, "target": settings.triggers[0].0.to_string(),
            "metricType": if settings.triggers[0].1 { "Value" } else { "AverageValue" }}})
    });
    let annotations: serde_json::Map<String, Value> = settings
        .annotations
        .iter()
        .map(|(name, value)| (format!("autoscaling.keda.sh/{name}"), Value::from(*value)))
        .collect();
    serde_json::from_value(json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": "app", "namespace": "default", "uid": "u", "generation": 1, "annotations": annotations,
            "creationTimestamp": created.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        },
        "spec": {
            "scaleTargetRef": {"name": "app"},
            "minReplicaCount": settings.min, "maxReplicaCount": settings.max, "idleReplicaCount": settings.idle,
            "cooldownPeriod": settings.cooldown, "initialCooldownPeriod": settings.initial_cooldown,
            "pollingInterval": settings.polling,
            "triggers": triggers.collect::<Vec<_>>(), "fallback": fallback, "advanced": advanced,
        },
    }))
    .unwrap()
}
