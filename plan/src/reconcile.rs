//! The plan of one pass over a ScaledObject: the writes, the triggers to serve, the report, and the time of the next
//! check.
//!
//! A pass has four steps. [`Intent::of`] reads the ScaledObject alone. The controller then observes what the intent needs
//! ([`Observed`]). [`plan`] decides, and the controller carries the [`Plan`] out. Serving, pausing and deleting are three
//! ways to compute a plan. The plan for a ScaledObject that Ebb only observes is one of these without its writes.

mod delete;
mod intent;
mod marks;
mod observe;
mod pause;
mod serve;

use std::collections::BTreeSet;
use std::time::Duration;

use ebb_crds::{ScaleTrigger, ScaledObject};
use ebb_params::{Catalog, MetricSpec};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::failure::Failure;
use super::hpa;
use super::names::is_object_name;
use super::status::{Check, CheckFailure, Facts, KindFound, Served, TargetInfo};
pub use intent::Intent;
pub use marks::Marks;

/// A ScaledObject that is well is checked again this often: its target's pod template may have changed.
pub const RECHECK: Duration = Duration::from_mins(5);
/// After this long nothing is under way any more that began before a pause, neither a tick nor the HPA controller's.
const SETTLED: Duration = Duration::from_secs(15);
/// The shortest time to a check that renews a token.
const RENEWAL: Duration = Duration::from_secs(1);

/// The controller's reads of a pass.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The target's kind.
    pub kind: KindFound,
    /// The target's count of replicas. None: the intent does not need it.
    pub replicas: Option<Result<i32, Failure>>,
    /// Whether the target is another one than at the last check.
    pub moved: bool,
    /// The metrics of the triggers that have a scaler, in the spec's order. None: the intent does not need them, or the
    /// target could not be read.
    pub metrics: Option<Result<Vec<MetricSpec>, Failure>>,
    /// How long until the first token is to be renewed, if a trigger has one.
    pub renew_in: Option<Duration>,
    /// The conflicts with VerticalPodAutoscalers. None: they are unknown.
    pub vpa_conflicts: Option<Vec<String>>,
    /// The names of the HPAs that belong to the ScaledObject, as the watch shows them.
    pub hpas: BTreeSet<String>,
    /// The name of the HPA that was applied last. The watch may not show it yet.
    pub applied_hpa: Option<String>,
    /// The names of those HPAs that Ebb has written, and nobody else. They go where Ebb begins to observe only.
    pub ebbs_hpas: BTreeSet<String>,
    /// Whether its triggers are polled now.
    pub is_polled: bool,
}

/// The plan of one pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The finalizer and the label that are missing, or the finalizer that is to go first.
    pub marks: Option<Marks>,
    /// The status is written before anything else, with the target's count in it.
    pub status_first: bool,
    /// The HPA that should be there.
    pub hpa: Option<Box<HorizontalPodAutoscaler>>,
    /// The HPA that Ebb would write if it did not observe only.
    pub shadow_hpa: Option<Box<HorizontalPodAutoscaler>>,
    /// The HPAs that should not be there.
    pub surplus_hpas: BTreeSet<String>,
    /// The replicas that the target should have.
    pub replicas: Option<Replicas>,
    /// The finalizers that stay, where Ebb's is to be removed.
    pub release: Option<Vec<String>>,
    /// The report that is made once all is written.
    pub report: Report,
    /// When the next check is due if nothing changes, or why this one failed.
    pub outcome: Result<Duration, Failure>,
}

/// A count of replicas to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// The count.
    pub count: i32,
    /// Whether the rest of the plan is carried out although the API server refuses the count.
    pub optional: bool,
}

/// The findings of a check, for the facts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// `metadata.generation` of the checked specification.
    pub generation: Option<i64>,
    /// Whether scaling is paused, and at which count. None: it is unknown.
    pub paused: Option<(bool, Option<i32>)>,
    /// The target and the triggers' types. None: nothing was read.
    pub target: Option<TargetInfo>,
    /// The conflicts with VerticalPodAutoscalers. None: they are unknown.
    pub vpa_conflicts: Option<Vec<String>>,
    /// Whether Ebb only observes. None: it is unknown.
    pub observed: Option<bool>,
    /// Nothing is in force any more, whatever the result.
    pub stops: bool,
    /// The one HPA that stays, where a failed check found several.
    pub kept_hpa: Option<String>,
    /// The result.
    pub check: Checked,
}

/// The result of a check, for the facts.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Checked {
    /// The API server has not answered about everything: the facts stay.
    #[default]
    Unknown,
    /// The specification is in force from now on.
    Serve(Served),
    /// Nothing is in force, because of a pause.
    Pause,
    /// Nothing is in force, because the ScaledObject is being deleted. True: its finalizer is gone.
    Delete {
        /// Ebb's finalizer is gone.
        released: bool,
    },
    /// The specification cannot be served.
    Failed(Box<CheckFailure>),
}

impl Report {
    /// Changes the facts before anything is written: those that hold even where a write fails.
    pub fn begin(&self, facts: &mut Facts) {
        if let Some(observed) = self.observed {
            facts.observe(observed);
        }
        if let Some((paused, replicas)) = self.paused {
            (facts.paused, facts.paused_replicas) = (Some(paused), replicas);
        }
        if let Some(target) = &self.target {
            facts.target = Some(target.clone());
        }
        if let Some(conflicts) = &self.vpa_conflicts {
            facts.vpa_conflicts.clone_from(conflicts);
        }
        if self.stops {
            facts.stop();
        }
    }

    /// Changes the facts at the end of the check.
    pub fn end(&self, facts: &mut Facts) {
        self.begin(facts);
        match &self.check {
            Checked::Unknown => return,
            Checked::Serve(served) => facts.serve(served.clone()),
            Checked::Pause => facts.pause(),
            Checked::Delete { released } => facts.released |= released,
            Checked::Failed(failure) => {
                facts.check = Check::Failed(failure.clone());
                if let (Some(served), Some(name)) = (&mut facts.served, &self.kept_hpa) {
                    served.hpa_name.clone_from(name);
                }
            }
        }
        facts.generation = self.generation;
    }

    /// The report of a check that ended with `failure`.
    #[must_use]
    pub fn failed(self, failure: &Failure) -> Self {
        let check = if failure.is_final() { Checked::Failed(Box::new(failure.report())) } else { Checked::Unknown };
        Self { check, ..self }
    }
}

/// Settings of the process that a plan depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The kinds of trigger, where parameters that a trigger does not know are to be reported.
    pub unknown_parameters: Option<Catalog>,
}

/// The plan for a ScaledObject with this intent and these observations.
pub fn plan(object: &ScaledObject, intent: &Intent, observed: &Observed, options: Options) -> Plan {
    match intent {
        Intent::Delete => delete::plan(object, observed),
        Intent::Pause(replicas) => pause::plan(object, *replicas, observed),
        Intent::Serve(rules) => serve::plan(object, rules.as_ref().as_ref(), observed, options),
        Intent::Refuse(failure) => Plan::nothing(object).refused(object, observed, failure.clone()),
        Intent::Observe(would_be) => observe::plan(object, plan(object, would_be, observed, options), observed),
    }
}

impl Plan {
    /// A plan that writes nothing.
    fn nothing(object: &ScaledObject) -> Self {
        Self {
            marks: None,
            status_first: false,
            hpa: None,
            shadow_hpa: None,
            surplus_hpas: BTreeSet::new(),
            replicas: None,
            release: None,
            report: Report { generation: object.metadata.generation, observed: Some(false), ..Report::default() },
            outcome: Ok(RECHECK),
        }
    }

    /// The same plan for a check that ends with `failure`. The specification in force stays. Its HPA is the only one,
    /// too: a process may have died between the writes of a change of the HPA's name.
    #[must_use]
    fn refused(mut self, object: &ScaledObject, observed: &Observed, failure: Failure) -> Self {
        let noted = object.status.as_ref().and_then(|status| status.hpa_name.clone());
        let candidates = [Some(hpa::name(object)), noted, observed.hpas.first().cloned()];
        let kept = candidates.into_iter().flatten().find(|name| observed.hpas.contains(name));
        if observed.hpas.len() > 1 {
            self.surplus_hpas = observed.hpas.iter().filter(|name| Some(*name) != kept.as_ref()).cloned().collect();
            self.report.kept_hpa = kept;
        }
        self.failed(failure)
    }

    /// The same, for a check that ends with `failure`.
    #[must_use]
    fn failed(self, failure: Failure) -> Self {
        Self { report: self.report.failed(&failure), outcome: Err(failure), ..self }
    }
}

/// The names of the ScaledObject's HPAs: those that were observed, and the one that its status names. Another writer
/// may have put any name into the status.
fn known_hpas(object: &ScaledObject, observed: &Observed) -> BTreeSet<String> {
    let noted = object.status.as_ref().and_then(|status| status.hpa_name.clone()).filter(|name| is_object_name(name));
    observed.hpas.iter().chain(&observed.applied_hpa).cloned().chain(noted).collect()
}

/// The target and the triggers' types, with the replicas as far as they could be read.
fn target_info(object: &ScaledObject, observed: &Observed) -> TargetInfo {
    let triggers = &object.spec.triggers;
    let authentications = triggers.iter().filter_map(ScaleTrigger::authentication);
    TargetInfo {
        target: observed.kind.clone(),
        replicas: observed.replicas.as_ref().and_then(|replicas| replicas.as_ref().ok()).copied(),
        moved: observed.moved,
        triggers_types: each_once(triggers.iter().map(|trigger| trigger.type_.as_str())),
        authentications_types: each_once(authentications.map(|reference| reference.name.as_str())),
    }
}

fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once.join(",")
}

/// Whether the target's count is to be written down before it is changed for the first time, because it is to
/// be restored.
fn saves_count(object: &ScaledObject, observed: &Observed) -> bool {
    let saved = object.status.as_ref().is_some_and(|status| status.original_replica_count.is_some());
    let is_known = observed.replicas.as_ref().is_some_and(Result::is_ok);
    is_known && (observed.moved || (!saved && object.spec.restores_original_replica_count()))
}

#[cfg(test)]
mod tests;
