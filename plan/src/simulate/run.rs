//! One run through a history.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use ebb_params::MetricSpec;

use super::answer::Metrics;
use super::explain::Circumstances;
use super::hpa::{HpaModel, Outcome};
use super::record::{self, Recorder};
use super::result::{Point, Run};
use super::scenario::Scenario;
use super::trigger::TriggerState;
use super::workload::Workload;
use crate::hpa::{self as objects, TargetReport};
use crate::pause::{self, Pause};
use crate::policy::Policy;
use crate::readings::TriggerReading;
use crate::rules::Rules;
use crate::status;
use crate::tick::{self, Effect, Loop, Moment, Readings};
use crate::trail::{Decision, TriggerInfo};

/// The least time between two steps of a run.
const SHORTEST: Duration = Duration::from_millis(1);

/// Runs `scenario` to its end. `name` is the run's name in reports.
pub fn run(scenario: &Scenario, name: &str) -> Run {
    let mut engine = Engine::new(scenario);
    engine.go();
    let policy = &engine.policy;
    Run {
        name: name.to_owned(),
        min: policy.floor(),
        max: policy.max,
        triggers: scenario.triggers.iter().map(record::info).collect(),
        windows: record::windows(&scenario.triggers, scenario.length),
        summary: engine.recorder.summary(&engine.triggers),
        points: engine.recorder.points,
        decisions: engine.recorder.decisions,
    }
}

struct Engine<'a> {
    scenario: &'a Scenario,
    policy: Policy,
    triggers: Vec<TriggerState<'a>>,
    metrics: Vec<MetricSpec>,
    metric_names: Arc<[String]>,
    infos: Arc<[TriggerInfo]>,
    workload: Workload,
    poll: Loop,
    /// None while all is paused.
    hpa: Option<HpaModel>,
    now: Duration,
    next_look: Duration,
    next_point: Duration,
    /// A tick is due at once.
    is_woken: bool,
    /// The count that Ebb or the HPA's metrics asked for last.
    wanted: i32,
    recorder: Recorder,
}

impl<'a> Engine<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let created = scenario.object.metadata.creation_timestamp.as_ref().map_or(scenario.start, status::instant);
        let policy = Policy { created, ..scenario.rules.policy.clone() };
        let metrics: Vec<_> = scenario.triggers.iter().map(|trigger| trigger.info.metric.clone()).collect();
        let replicas = scenario.replicas.unwrap_or_else(|| policy.floor());
        Self {
            triggers: scenario.triggers.iter().map(TriggerState::new).collect(),
            metric_names: metrics.iter().map(|metric| metric.name.clone()).collect(),
            metrics,
            infos: scenario.triggers.iter().map(|trigger| trigger.info.clone()).collect(),
            workload: Workload::new(replicas, scenario.start_up),
            poll: Loop::default(),
            hpa: None,
            now: Duration::ZERO,
            next_look: scenario.first_look.unwrap_or(scenario.controller.sync_period / 2),
            next_point: Duration::ZERO,
            is_woken: true,
            wanted: replicas,
            recorder: Recorder::default(),
            policy,
            scenario,
        }
    }

    fn go(&mut self) {
        // The check has refused an annotation that cannot be read.
        let annotations = self.scenario.object.metadata.annotations.as_ref();
        match pause::pause(annotations).unwrap_or(Pause::No) {
            Pause::No => self.hpa = Some(self.made_hpa()),
            Pause::At(count) => {
                let (from, to) = (self.workload.replicas(), count.unwrap_or(self.workload.replicas()));
                if from != to {
                    let readings = self.readings();
                    self.set(from, &self.known(&readings).by_pause((from, to)));
                }
            }
        }
        loop {
            self.do_what_is_due();
            let next = self.next_stop().max(self.now + SHORTEST);
            self.pass(next.min(self.scenario.length));
            if next > self.scenario.length {
                return;
            }
        }
    }

    fn made_hpa(&self) -> HpaModel {
        let metrics: Vec<_> = match &self.scenario.rules.modifiers {
            Some(modifiers) => vec![&modifiers.metric],
            None => self.metrics.iter().collect(),
        };
        HpaModel::new(&objects::build(&self.scenario.object, &metrics, &[]), self.scenario.controller)
    }

    fn moment(&self) -> Moment {
        let passed = TimeDelta::from_std(self.now).unwrap_or(TimeDelta::MAX);
        Moment { at: self.scenario.start + passed, steady: self.now }
    }

    fn do_what_is_due(&mut self) {
        if self.hpa.is_some() {
            let is_due = self.poll.next_wakeup().is_none_or(|wakeup| wakeup.at <= self.now);
            let is_woken = std::mem::take(&mut self.is_woken);
            if is_due || is_woken || self.is_called() {
                self.tick();
            }
            if self.next_look <= self.now {
                self.next_look = self.now + self.scenario.controller.sync_period;
                self.look();
            }
        }
        if self.next_point <= self.now {
            self.next_point += self.scenario.step;
            self.note_point();
        }
    }

    /// The next time at which anything may happen.
    fn next_stop(&mut self) -> Duration {
        let (now, is_idle) = (self.now, self.is_idle());
        let running = self.hpa.is_some();
        let wakeup = self.poll.next_wakeup().filter(|_| running).map(|wakeup| wakeup.at);
        let look = running.then_some(self.next_look);
        let woken = (running && self.is_woken).then_some(now);
        let triggers = self.triggers.iter_mut().filter_map(|trigger| trigger.next_stop(now, is_idle)).min();
        let stops = [wakeup, look, woken, triggers, self.workload.next_ready()];
        stops.into_iter().flatten().fold(self.next_point, Duration::min)
    }

    fn pass(&mut self, to: Duration) {
        let counts = self.workload.counts();
        for trigger in &mut self.triggers {
            trigger.advance(self.now, to, counts.ready);
        }
        self.recorder.passed(counts.replicas, to.saturating_sub(self.now));
        self.now = to;
        self.workload.advance(to);
    }

    fn is_idle(&self) -> bool {
        self.poll.next_wakeup().is_some_and(|wakeup| wakeup.is_idle)
    }

    /// Whether the change of a source wakes an idle loop.
    fn is_called(&mut self) -> bool {
        let (now, any_change) = (self.now, self.scenario.rules.modifiers.is_some());
        self.is_idle() && self.triggers.iter_mut().any(|trigger| trigger.calls(now, any_change))
    }

    fn readings(&self) -> Vec<TriggerReading<'a>> {
        self.triggers.iter().map(TriggerState::reading).collect()
    }

    /// A tick of the poll loop.
    fn tick(&mut self) {
        let (moment, scenario) = (self.moment(), self.scenario);
        let is_poll = self.poll.is_poll_due(moment);
        for trigger in &mut self.triggers {
            trigger.read(moment, is_poll);
        }
        let policy = self.policy.clone();
        let metric_names = Arc::clone(&self.metric_names);
        let (fallback, modifiers) = (scenario.rules.fallback.as_ref(), scenario.rules.modifiers.as_ref());
        let rules =
            tick::Rules { policy: &policy, fallback, modifiers, metric_names: &metric_names, build: 0, jitter: 1.0 };
        let readings = self.poll_readings(is_poll);
        let (mut tick, mut effect) = self.poll.on_readings(&rules, readings, moment);
        loop {
            let next = match effect {
                Effect::Report(_) => return,
                Effect::ReadReplicas => {
                    let replicas = self.workload.replicas();
                    self.poll.on_replicas(&mut tick, &rules, Ok(replicas), true, moment)
                }
                Effect::SetReplicas(change) => {
                    self.wanted = change.1;
                    let readings = self.readings();
                    self.set(change.0, &self.known(&readings).by_ebb(change));
                    self.poll.on_set(&mut tick, &rules, Ok(()), moment)
                }
            };
            effect = next.0;
        }
    }

    fn poll_readings(&mut self, is_poll: bool) -> Readings<'a> {
        let now = self.now;
        let next_edge = self.triggers.iter_mut().filter_map(|trigger| trigger.next_edge(now)).min();
        let next_change =
            next_edge.and_then(|edge| TimeDelta::from_std(edge).ok()).map(|edge| self.scenario.start + edge);
        let failed = self.triggers.iter().enumerate().filter(|(_, trigger)| trigger.reading().value.is_none());
        Readings {
            errors: failed.map(|(place, _)| (place, "the history has no value".to_owned())).collect(),
            triggers: self.readings(),
            last_active: self.triggers.iter().filter_map(TriggerState::last_active).max(),
            next_change,
            is_poll,
        }
    }

    /// A look of the HPA controller.
    fn look(&mut self) {
        let (moment, scenario, counts) = (self.moment(), self.scenario, self.workload.counts());
        let Some(mut hpa) = self.hpa.take() else { return };
        if (hpa.min()..=hpa.max()).contains(&counts.replicas) {
            for trigger in &mut self.triggers {
                trigger.asked(moment);
            }
        }
        let readings = self.readings();
        let (modifiers, fallback) = (scenario.rules.modifiers.as_ref(), scenario.rules.fallback.as_ref());
        let metrics = Metrics { specs: &self.metrics, modifiers, fallback };
        let look = hpa.look(self.now, counts, |name| metrics.answer(name, &readings, counts));
        self.hpa = Some(hpa);
        self.is_woken |= self.poll.target_reported(TargetReport::Count(counts.replicas), true);
        let Outcome::Count(count) = look.outcome else { return };
        self.wanted = look.wanted().unwrap_or(count);
        let change = (counts.replicas, count);
        if change.0 != change.1 {
            self.set(counts.replicas, &self.known(&readings).by_hpa(change, &look));
        }
    }

    fn known<'b>(&'b self, readings: &'b [TriggerReading<'a>]) -> Circumstances<'b> {
        let Rules { policy, fallback, modifiers, .. } = &self.scenario.rules;
        Circumstances {
            at: self.moment().at,
            triggers: &self.infos,
            readings,
            policy,
            fallback: fallback.as_ref(),
            modifiers: modifiers.as_ref(),
            error: None,
        }
    }

    fn set(&mut self, from: i32, decision: &Decision) {
        self.workload.set(decision.to, self.now);
        self.recorder.changed(self.now, from, decision);
    }

    fn note_point(&mut self) {
        let now = self.now;
        let backlogs = self.triggers.iter().filter_map(|trigger| Some(trigger.queue()?.backlog()));
        let backlog = backlogs.reduce(|one, other| one + other);
        let values = self.triggers.iter_mut().map(|trigger| trigger.present(now)).collect();
        let (replicas, wanted) = (self.workload.replicas(), self.wanted);
        self.recorder.points.push(Point { t: now, replicas, wanted, values, backlog });
    }
}
