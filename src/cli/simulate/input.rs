//! From files and flags to what is simulated.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ebb_crds::ScaledObject;
use ebb_plan::activate_to::ActivateTo;
use ebb_plan::simulate::hpa::ControllerFlags;
use ebb_plan::simulate::{Scenario, Series, SimulatedTrigger, TriggerSource};
use ebb_plan::trail::TriggerInfo;
use ebb_plan::{resource, validate};
use ebb_scalers::Scaler;
use futures::FutureExt as _;

use super::load::{Assigned, Shape};
use super::trace::Trace;
use super::{SimulateError, prometheus};
use crate::cli::args::Simulate;
use crate::cli::check::Reviewed;

/// The points that a result has at most, where nobody says.
const MOST_POINTS: u32 = 1500;
/// The edges of a cron window that are computed at most: one each minute for half a year.
const MOST_EDGES: usize = 250_000;

/// A ScaledObject that is valid, with the scalers of its triggers.
pub(super) struct Subject {
    /// Its file, for reports.
    pub(super) name: String,
    object: ScaledObject,
    rules: ebb_plan::rules::Rules,
    triggers: Vec<(usize, Box<dyn Scaler>)>,
    /// The triggers that the HPA reads by itself.
    left_out: Vec<String>,
}

impl Subject {
    /// Reads the ScaledObject of a file, which may be called `name`.
    ///
    /// # Errors
    /// The file has no such ScaledObject, or it is not valid.
    pub(super) fn read(path: &Path, name: Option<&str>, input: impl Read) -> Result<Self, SimulateError> {
        let reviewed = Reviewed::of(&[path.to_owned()], input)?;
        let file = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        Self::of(file, name, &reviewed)
    }

    /// The ScaledObject of a file that has been reviewed, which may be called `name`.
    ///
    /// # Errors
    /// The file has no such ScaledObject, or it is not valid.
    pub(super) fn of(file: String, name: Option<&str>, reviewed: &Reviewed) -> Result<Self, SimulateError> {
        let refusals = reviewed.refusals();
        if !refusals.is_empty() {
            return Err(SimulateError::Refused(refusals.trim_end().to_owned()));
        }
        let object = chosen(&file, name, reviewed)?;
        let at = |text: String| SimulateError::Input(format!("{file}: {text}"));
        let rules = validate::check(object, ebb_scalers::declaration).map_err(|invalid| at(invalid.to_string()))?;
        ebb_plan::pause::pause(object.metadata.annotations.as_ref()).map_err(at)?;
        ActivateTo::of(object.metadata.annotations.as_ref()).map_err(at)?;
        let (mut triggers, mut left_out) = (Vec::new(), Vec::new());
        for (index, trigger) in object.spec.triggers.iter().enumerate() {
            if resource::is_resource(trigger) {
                left_out.push(format!("trigger {index} ({})", trigger.type_));
                continue;
            }
            let scaler = reviewed.scaler(object, index, trigger);
            let scaler = scaler.map_err(|error| at(format!("trigger {index} ({}): {error}", trigger.type_)))?;
            triggers.push((index, scaler));
        }
        if triggers.is_empty() {
            return Err(at(format!(
                "the HPA reads {} from the pods, and a simulation has none: add a trigger of another type",
                left_out.join(", ")
            )));
        }
        Ok(Self { name: file, object: object.clone(), rules, triggers, left_out })
    }

    /// What a trigger may be called: its index, its metric, its name.
    fn names(&self, place: usize) -> Vec<String> {
        let (index, scaler) = &self.triggers[place];
        let name = self.object.spec.triggers[*index].name.clone().filter(|name| !name.is_empty());
        [index.to_string(), scaler.metric().name.clone()].into_iter().chain(name).collect()
    }

    /// The metric of each trigger that is read, and all that the trigger may be called: the best name is the last.
    pub(super) fn read_triggers(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        let read = (0..self.triggers.len()).filter(|place| !self.triggers[*place].1.is_computed());
        read.map(|place| (self.triggers[place].1.metric().name.clone(), self.names(place)))
    }

    /// The ScaledObject's name.
    pub(super) fn object_name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace, if it names one.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.object.metadata.namespace.as_deref()
    }

    /// The triggers that the simulation does not know, if there are any.
    pub(super) fn left_out_in_words(&self) -> Option<String> {
        let triggers = self.left_out.join(", ");
        (!triggers.is_empty()).then(|| format!("{}: {triggers} is left out: the HPA reads it from the pods", self.name))
    }

    fn display(&self, place: usize) -> String {
        let (index, scaler) = &self.triggers[place];
        let kind = &self.object.spec.triggers[*index].type_;
        let name = self.names(place).pop().unwrap_or_default();
        let name = if name == scaler.metric().name { name } else { format!("{name}, {}", scaler.metric().name) };
        format!("trigger {index} ({kind}, {name})")
    }
}

/// The ScaledObject called `name`, or the only one.
fn chosen<'a>(file: &str, name: Option<&str>, reviewed: &'a Reviewed) -> Result<&'a ScaledObject, SimulateError> {
    let all: Vec<_> = reviewed.scaled_objects().collect();
    let named = |object: &ScaledObject| object.metadata.name.clone().unwrap_or_default();
    let fits = |object: &ScaledObject| name.is_none_or(|name| named(object) == name);
    let mut fitting = all.iter().filter(|(_, object)| fits(object));
    let listed =
        || all.iter().map(|(place, object)| format!("{} ({place})", named(object))).collect::<Vec<_>>().join(", ");
    let wrong = match (fitting.next(), fitting.next(), name) {
        (Some((_, object)), None, _) => return Ok(object),
        (Some(_), Some(_), None) => {
            format!("there are {} ScaledObjects: choose one with --name: {}", all.len(), listed())
        }
        (Some(_), Some(_), Some(name)) => {
            format!("several ScaledObjects are called {name}: give the file of one: {}", listed())
        }
        (None, _, Some(name)) if !all.is_empty() => format!("no ScaledObject is called {name}: there is {}", listed()),
        (None, ..) => "there is no ScaledObject in it".to_owned(),
    };
    Err(SimulateError::Input(format!("{file}: {wrong}")))
}

/// A load for all runs.
pub(super) struct Load {
    /// The source of the trace, and what is in it.
    pub(super) trace: Option<(String, Trace)>,
    pub(super) start: DateTime<Utc>,
    pub(super) length: Duration,
    pub(super) step: Duration,
}

impl Load {
    /// What the command line asks for, at `now`.
    ///
    /// # Errors
    /// The trace cannot be read, or nothing says what the load is.
    pub(super) fn of(question: &Simulate, subjects: &[Subject], now: DateTime<Utc>) -> Result<Self, SimulateError> {
        let trace = match (&question.trace, &question.prometheus) {
            (Some(path), _) => {
                let file = path.display().to_string();
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|cause| SimulateError::File { file: file.clone(), cause })?;
                let trace = Trace::parse(&file, &text).map_err(SimulateError::Input)?;
                Some((file, trace))
            }
            (None, Some(server)) => Some(("--query".to_owned(), prometheus::trace(server, question, subjects, now)?)),
            (None, None) => None,
        };
        let own = trace.as_ref().map(|(_, trace)| trace.length).filter(|length| !length.is_zero());
        let made = question.load.iter().map(|load| load.value.length()).max();
        let length = question.length.or(own).or(made).unwrap_or(Duration::from_hours(2));
        let from_trace = trace.as_ref().and_then(|(_, trace)| trace.start);
        if let (Some(_), Some(start)) = (question.start, from_trace) {
            return Err(SimulateError::Input(format!("--start: the trace begins at {start}: leave the flag out")));
        }
        let step = question.step.unwrap_or_else(|| step_for(length));
        Ok(Self { trace, start: from_trace.or(question.start).unwrap_or(now), length, step })
    }
}

/// A round step with which there are not too many points.
fn step_for(length: Duration) -> Duration {
    let round = [15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    let fits = |seconds: &u64| length / MOST_POINTS <= Duration::from_secs(*seconds);
    round.into_iter().find(fits).map_or(length / MOST_POINTS, Duration::from_secs)
}

/// The scenarios of all subjects with the same load.
///
/// # Errors
/// A trigger without a load, or a load without a trigger.
pub(super) fn scenarios(
    subjects: &[Subject],
    load: &Load,
    question: &Simulate,
) -> Result<Vec<Scenario>, SimulateError> {
    let mut used = BTreeSet::new();
    let scenarios = subjects.iter().map(|subject| scenario(subject, load, question, &mut used));
    let scenarios = scenarios.collect::<Result<Vec<_>, _>>()?;
    let given = load.trace.iter().flat_map(|(source, trace)| {
        trace.columns.iter().map(move |column| (format!("{source}: column"), column.name.clone()))
    });
    let shapes = question.load.iter().filter_map(|load| Some(("--load:".to_owned(), load.trigger.clone()?)));
    let rates = question.rate.iter().filter_map(|rate| Some(("--rate:".to_owned(), rate.trigger.clone()?)));
    match given.chain(shapes).chain(rates).find(|(_, name)| !used.contains(name)) {
        None => Ok(scenarios),
        Some((place, name)) => {
            let all: Vec<_> = subjects.iter().flat_map(wanting).collect();
            Err(SimulateError::Input(format!("{place} {name:?} belongs to no trigger: {}", names_of(&all))))
        }
    }
}

fn names_of(all: &[String]) -> String {
    if all.is_empty() { "all triggers are computed".to_owned() } else { format!("there is {}", all.join(", ")) }
}

/// The triggers that need a load.
fn wanting(subject: &Subject) -> Vec<String> {
    let asked = (0..subject.triggers.len()).filter(|place| !subject.triggers[*place].1.is_computed());
    asked.map(|place| subject.display(place)).collect()
}

fn scenario(
    subject: &Subject,
    load: &Load,
    question: &Simulate,
    used: &mut BTreeSet<String>,
) -> Result<Scenario, SimulateError> {
    let mut triggers = Vec::new();
    for (place, (index, scaler)) in subject.triggers.iter().enumerate() {
        let spec = &subject.object.spec.triggers[*index];
        let source = if scaler.is_computed() {
            TriggerSource::Schedule(schedule(scaler.as_ref(), load.start, load.length))
        } else {
            given(subject, place, load, question, used)?
        };
        triggers.push(SimulatedTrigger {
            info: TriggerInfo {
                index: *index,
                name: spec.name.as_deref().filter(|name| !name.is_empty()).map(Into::into),
                kind: ebb_scalers::kind(&spec.type_).map_or("", |kind| kind.name),
                metric: scaler.metric().clone(),
            },
            is_cached: spec.uses_cached_metrics(),
            notices_changes: scaler.notices_changes(),
            source,
        });
    }
    Ok(Scenario {
        object: subject.object.clone(),
        rules: subject.rules.clone(),
        triggers,
        start: load.start,
        length: load.length,
        step: load.step,
        replicas: question.replicas,
        start_up: question.start_up,
        controller: ControllerFlags {
            sync_period: question.hpa_sync_period,
            downscale_stabilization: question.hpa_downscale_stabilization,
            tolerance: question.hpa_tolerance,
        },
        first_look: None,
    })
}

/// The load of a trigger that is read.
fn given(
    subject: &Subject,
    place: usize,
    load: &Load,
    question: &Simulate,
    used: &mut BTreeSet<String>,
) -> Result<TriggerSource, SimulateError> {
    let names = subject.names(place);
    let rate = assigned(&question.rate, &names, used);
    let column = load.trace.iter().flat_map(|(_, trace)| &trace.columns).find(|column| names.contains(&column.name));
    let series = match (column, assigned::<Shape>(&question.load, &names, used)) {
        (Some(column), _) => {
            used.insert(column.name.clone());
            Series::new(column.points.clone())
        }
        (None, Some(shape)) => shape.series(load.start, load.length, rate.is_some()),
        (None, None) => {
            let (trigger, call) = (subject.display(place), names.last().cloned().unwrap_or_default());
            return Err(SimulateError::Input(match load.trace.as_ref().map(|(source, _)| source) {
                Some(file) => format!("{file}: there is no column for {trigger}: add one called {call}"),
                None => {
                    format!("there is no load for {trigger}: give --trace FILE with a column {call}, or --load SHAPE")
                }
            }));
        }
    };
    Ok(match rate {
        Some(rate) => TriggerSource::Queue { arrivals: series, rate: *rate },
        None => TriggerSource::Values(series),
    })
}

/// What is given to the trigger with one of these names, or to all.
fn assigned<'a, T>(all: &'a [Assigned<T>], names: &[String], used: &mut BTreeSet<String>) -> Option<&'a T> {
    let own = all.iter().rfind(|one| one.trigger.as_ref().is_some_and(|trigger| names.contains(trigger)));
    if let Some(trigger) = own.and_then(|own| own.trigger.clone()) {
        used.insert(trigger);
    }
    own.or_else(|| all.iter().rfind(|one| one.trigger.is_none())).map(|one| &one.value)
}

/// The values of a trigger that asks nobody.
fn schedule(scaler: &dyn Scaler, start: DateTime<Utc>, length: Duration) -> Series {
    let mut points = Vec::new();
    let mut now = start;
    while let Ok(since) = (now - start).to_std()
        && since < length
        && points.len() < MOST_EDGES
    {
        let value = scaler.read(now).now_or_never().and_then(Result::ok).map(|reading| reading.value);
        points.push((since, value));
        let Some(next) = scaler.next_change(now) else { break };
        now = next;
    }
    Series::new(points)
}
