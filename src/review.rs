//! The review of an object before it is served, for the admission webhook and `ebb check`.
//!
//! A review uses the object itself and the caller's knowledge of other objects. It refuses an object that KEDA's
//! webhook refuses. A mistake that KEDA accepts is a warning, so that no object that worked before stops working.

mod environment;
mod irrelevant;
mod parameters;
mod references;
pub mod requests;
mod target;
mod triggers;

use std::collections::BTreeSet;
use std::fmt;

use ebb_crds::{
    AuthenticationRef, ScaleTarget, ScaleTrigger, ScaledObject, ScaledObjectSpec, TriggerAuthenticationSpec,
};
use ebb_scalers::pool::ClientPools;
use ebb_scalers::{ConfigError, Scaler};

use ebb_plan::activate_to::ActivateTo;
use ebb_plan::fallback::Fallback;
use ebb_plan::modifiers::Modifiers;
use ebb_plan::{authentication, mode, names, pause, resource, unexpected, validate};

/// The reasons that are about names.
const NAMES: [&str; 2] = ["name-too-long", "hpa-name-too-long"];

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The object works, and part of it has no effect. No review refuses it for that, not even a strict one.
    Advice,
    /// The object is accepted, and will not do what its author means it to.
    Warning,
    /// It is refused.
    Refusal,
}

/// A mistake, or a setting without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where, such as `spec.triggers[0].metadata.queueName`.
    pub path: String,
    /// The mistake, on one line.
    pub text: String,
    /// Advice, a line each.
    pub hints: Vec<String>,
    /// The word for it in `keda_webhook_scaled_object_validation_errors_total`.
    pub reason: &'static str,
}

impl fmt::Display for Finding {
    /// Writes the finding on one line: control characters become blanks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.path.is_empty() { "" } else { ": " };
        f.write_str(&format!("{}{separator}{}", self.path, self.text).replace(char::is_control, " "))
    }
}

impl Finding {
    /// A reason to refuse the object.
    pub fn refusal(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        Self { severity: Severity::Refusal, path, text, hints: Vec::new(), reason: "incorrect-triggers" }
    }

    /// A mistake.
    pub fn warning(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::refusal(path, text) }
    }

    /// Something without effect.
    pub fn advice(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Advice, ..Self::refusal(path, text) }
    }

    /// The same under another word.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    /// Whether the object is refused for it; `strict`: for a warning too.
    pub fn refuses(&self, strict: bool) -> bool {
        match self.severity {
            Severity::Advice => false,
            Severity::Warning => strict,
            Severity::Refusal => true,
        }
    }

    /// The finding where the object has been there with the same names: advice instead of a mistake in a name. An
    /// update cannot put a name right, and Ebb's own label, Helm's upgrades and restores are updates.
    #[must_use]
    pub fn of_names_that_stay(self) -> Self {
        if NAMES.contains(&self.reason) { Self { severity: Severity::Advice, ..self } } else { self }
    }

    fn with_hints(self, hints: Vec<String>) -> Self {
        Self { hints, ..self }
    }
}

/// The parameters that a trigger gets from its authentication. Their values are not known yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AuthParams {
    /// It refers to none.
    #[default]
    Nothing,
    /// These.
    Names(BTreeSet<String>),
    /// It is not known.
    Anything,
}

impl AuthParams {
    /// The parameters that `spec` gives.
    pub fn by(spec: &TriggerAuthenticationSpec) -> Self {
        let elsewhere = spec.file_path.as_ref().is_some_and(|path| !path.is_empty())
            || spec.oauth2.is_some()
            || authentication::reason(spec, true).is_some();
        if elsewhere {
            return Self::Anything;
        }
        let keys = [&spec.secret_target_ref, &spec.config_map_target_ref].into_iter().flatten().flatten();
        let names = keys
            .map(|reference| &reference.parameter)
            .chain(spec.env.iter().flatten().map(|entry| &entry.parameter))
            .chain(spec.bound_service_account_token.iter().flatten().map(|entry| &entry.parameter));
        Self::Names(names.cloned().collect())
    }
}

/// The readers of an authentication's parameter, besides the triggers of the object under review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// A trigger of another object, or it cannot be known.
    Others,
    /// Nobody.
    Nobody,
    /// No trigger, and the review of the authentication reports that.
    Reported,
}

/// The knowledge of a review about other objects than the reviewed one.
pub struct ReviewContext<'a> {
    /// The parameters that an authentication gives.
    pub given: &'a dyn Fn(&AuthenticationRef) -> AuthParams,
    /// The other readers of this parameter of an authentication.
    pub readers: &'a dyn Fn(&AuthenticationRef, &str) -> Readers,
    /// The environment of the target's container.
    pub environment: &'a Environment,
    /// Builds triggers. They are not asked anything.
    pub brokers: &'a ClientPools,
}

/// All mistakes of `object`, refusals first.
pub fn scaled_object(object: &ScaledObject, context: &ReviewContext<'_>) -> Vec<Finding> {
    let spec = &object.spec;
    let admissible = validate::admissible(spec, ebb_scalers::declaration);
    let mut findings: Vec<_> = admissible.into_iter().map(|wrong| Finding::refusal(wrong.path, wrong.text)).collect();
    let named = [
        ("metadata.name", NAMES[0], names::too_long(object)),
        ("spec.advanced.horizontalPodAutoscalerConfig.name", NAMES[1], names::hpa_too_long(object)),
    ];
    for (path, reason, text) in named {
        findings.extend(text.map(|text| Finding::refusal(path, text).because(reason)));
    }
    findings.extend(target::finding(&spec.scale_target_ref));
    for wrong in validate::counts(spec) {
        let finding = if wrong.crossed { Finding::refusal } else { Finding::warning };
        findings.push(finding(format!("spec.{}", wrong.field), wrong.text).because("incorrect-replicas"));
    }
    let refused = [
        ("spec.triggers", "scale-to-zero-requirements-not-met", only_resources(spec)),
        ("spec.fallback", "incorrect-fallback", fallback(spec)),
    ];
    for (path, reason, refused) in refused {
        findings.extend(refused.err().map(|text| Finding::refusal(path, text).because(reason)));
    }
    for mistake in Modifiers::of(spec).err().unwrap_or_default() {
        let path = format!("spec.advanced.scalingModifiers.{}", mistake.field);
        findings.push(Finding::refusal(path, mistake.to_string()).because("incorrect-scaling-modifiers"));
    }
    findings.extend(mistaken(object));
    findings.extend(references::of_scaled_object(spec, context.environment));
    for (index, trigger) in spec.triggers.iter().enumerate().filter(|(_, trigger)| !resource::is_resource(trigger)) {
        findings.extend(of_trigger(spec, index, trigger, context));
    }
    findings.extend(irrelevant::findings(spec));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The mistakes that KEDA accepts and cannot work with, in triggers of every type.
fn mistaken(object: &ScaledObject) -> Vec<Finding> {
    let spec = &object.spec;
    let target = validate::target(spec).err().map(|text| Finding::warning("spec.scaleTargetRef.name", text));
    let annotations = pause::pause(object.metadata.annotations.as_ref()).err();
    let annotations = annotations.map(|text| {
        Finding::warning(format!("metadata.annotations.{}", ebb_crds::names::PAUSED_REPLICAS_ANNOTATION), text)
    });
    let activate_to = ActivateTo::of(object.metadata.annotations.as_ref()).err();
    let activate_to = activate_to.map(|text| {
        Finding::warning(format!("metadata.annotations.{}", ebb_crds::names::ACTIVATE_TO_ANNOTATION), text)
    });
    let mode = mode::mode(object.metadata.annotations.as_ref()).err();
    let mode =
        mode.map(|text| Finding::warning(format!("metadata.annotations.{}", ebb_crds::names::MODE_ANNOTATION), text));
    let types = validate::metric_types(spec).into_iter().map(|wrong| Finding::warning(wrong.path, wrong.text));
    let resources = resource::metrics(spec).err().unwrap_or_default();
    let resources = resources
        .into_iter()
        .map(|wrong| Finding::warning(format!("spec.triggers[{}].{}", wrong.index, wrong.field), wrong.to_string()));
    let hpa = validate::hpa(spec).into_iter().map(|(path, text)| Finding::warning(path, text));
    let annotations = annotations.into_iter().chain(activate_to).chain(mode);
    target.into_iter().chain(annotations).chain(types).chain(resources).chain(hpa).collect()
}

/// The mistakes in the parameters of one trigger.
fn of_trigger(
    spec: &ScaledObjectSpec,
    index: usize,
    trigger: &ScaleTrigger,
    context: &ReviewContext<'_>,
) -> Vec<Finding> {
    let given = trigger.authentication().map(context.given).unwrap_or_default();
    let known = triggers::Known { given: &given, environment: context.environment, brokers: context.brokers };
    let mut problems = triggers::problems(index, trigger, &known);
    let place = format!("spec.triggers[{index}]");
    let Some(kind) = ebb_scalers::kind(&trigger.type_) else {
        return problems.into_iter().map(|problem| problem.at(&place, trigger)).collect();
    };
    let declaration = kind.declaration();
    let mut findings = Vec::new();
    for key in unexpected::keys(&declaration, &trigger.metadata) {
        let meant = unexpected::meant(&declaration, &trigger.metadata, key);
        // The parameter that was meant is not missing as well.
        if let Some(meant) = meant {
            problems.retain(|problem| !problem.misses(meant.strip_suffix("FromEnv").unwrap_or(meant), trigger));
        }
        let hint = unexpected::hint(&declaration, key, meant);
        let text = format!("trigger {index} ({}) does not read {key:?}{hint}", trigger.type_);
        let finding = if key == unexpected::METRIC_NAME { Finding::advice } else { Finding::warning };
        findings.push(finding(format!("{place}.metadata.{key}"), text));
    }
    if let (AuthParams::Names(names), Some(reference)) = (&given, trigger.authentication()) {
        for name in names.iter().filter(|name| !parameters::may_read(trigger, name)) {
            let meant = parameters::meant(kind, name).filter(|meant| !names.contains(*meant));
            let missed = meant.filter(|meant| problems.iter().any(|problem| problem.misses(meant, trigger)));
            let others = spec.triggers.iter().filter(|other| other.authentication() == Some(reference));
            let readers = (context.readers)(reference, name);
            let is_read =
                readers == Readers::Others || others.into_iter().any(|other| parameters::may_read(other, name));
            if let Some(meant) = missed {
                problems.retain(|problem| !problem.misses(meant, trigger));
            }
            if readers != Readers::Reported && (missed.is_some() || !is_read) {
                let hint = missed.or(meant).map(|meant| format!(": write {meant}")).unwrap_or_default();
                let text = format!(
                    "trigger {index} ({}) does not read the parameter {name:?} of {} {:?}{hint}",
                    trigger.type_,
                    reference.kind(),
                    reference.name,
                );
                findings.push(Finding::warning(format!("{place}.authenticationRef"), text));
            }
        }
    }
    let unused = triggers::unused_credentials(kind, index, trigger, &given).filter(|found| !problems.contains(found));
    findings.extend(unused.map(|found| found.at(&place, trigger)));
    problems.into_iter().map(|problem| problem.at(&place, trigger)).chain(findings).collect()
}

/// The scaler of a trigger, built with sample values for those that are not known. It has the trigger's metric; do not
/// ask it for a reading.
///
/// # Errors
/// The trigger cannot be built with any sample.
pub fn sample_scaler(
    index: usize,
    trigger: &ScaleTrigger,
    context: &ReviewContext<'_>,
) -> Result<Box<dyn Scaler>, ConfigError> {
    let given = trigger.authentication().map(context.given).unwrap_or_default();
    triggers::sample(
        index,
        trigger,
        &triggers::Known { given: &given, environment: context.environment, brokers: context.brokers },
    )
}

/// Everything that is wrong with an authentication.
pub fn authentication(spec: &TriggerAuthenticationSpec, cluster: bool) -> Vec<Finding> {
    let contradictions = authentication::contradictions(spec, cluster);
    let unsupported = authentication::unsupported(spec);
    let mut findings: Vec<_> = contradictions.into_iter().map(|(path, text)| Finding::refusal(path, text)).collect();
    findings.extend(unsupported.into_iter().map(|(path, text)| Finding::warning(path, text)));
    findings.extend(references::of_authentication(spec));
    findings
}

pub use environment::Environment;
pub use parameters::{may_read, meant as meant_parameter};
pub use target::{is_looked_up, unknown};

/// A workload's group and kind, the same for every version: `apps/Deployment`.
pub fn kind_of(target: &ScaleTarget) -> String {
    let group = target.api_version().rsplit_once('/').map_or("", |(group, _)| group);
    format!("{group}/{}", target.kind())
}

/// The finding that a workload is scaled by another object already, in the words of KEDA's webhook.
pub fn taken(target: &ScaleTarget, by: &str, name: &str) -> Finding {
    let reason = if by == "hpa" { "other-hpa" } else { "other-scaled-object" };
    let text = format!(
        "the workload '{}' of type '{}.{}' is already managed by the {by} '{name}'",
        target.name,
        target.api_version(),
        target.kind()
    );
    Finding::refusal("spec.scaleTargetRef", text).because(reason)
}

/// The finding that an HPA is another ScaledObject's, in the words of KEDA's webhook.
pub fn hpa_taken(hpa: &str, by: &str) -> Finding {
    let text = format!("the HPA '{hpa}' is already managed by the ScaledObject '{by}'");
    Finding::refusal("spec.advanced.horizontalPodAutoscalerConfig.name", text).because("other-scaled-object-hpa")
}

/// The finding that a workload's HPA may be taken over only by its name, in the words of KEDA's webhook.
pub fn unnamed(target: &ScaleTarget, hpa: &str) -> Finding {
    let text = format!(
        "the existing hpa '{hpa}' for workload '{}' of type '{}.{}' must be specified by name in advanced settings to enable ownership transfer",
        target.name,
        target.api_version(),
        target.kind()
    );
    Finding::refusal("spec.advanced.horizontalPodAutoscalerConfig.name", text)
        .because("transfer-ownership-missing-hpa-name")
}

/// KEDA's `verifyCPUMemoryScalers`: such a workload would never come back from zero.
fn only_resources(spec: &ScaledObjectSpec) -> Result<(), String> {
    if spec.triggers.is_empty() || !resource::only_resources(spec) || spec.min_replica_count() > 0 {
        return Ok(());
    }
    Err("scaledobject has only cpu/memory triggers AND minReplica is 0 (scale to zero doesn't work in this case): \
         give minReplicaCount 1 or more, or a trigger of another type"
        .into())
}

/// KEDA's `verifyFallback`: the HPA reads cpu and memory, so that Ebb does not see them fail, and only a formula can do
/// without a value.
fn fallback(spec: &ScaledObjectSpec) -> Result<(), String> {
    let fallback = Fallback::of(spec)?;
    let holes = spec.fallback.as_ref().is_some_and(|fallback| fallback.behavior() == "scalingModifiers");
    if holes && spec.scaling_modifiers().is_none() {
        return Err("fallback.behavior scalingModifiers needs advanced.scalingModifiers.formula: \
                    give a formula, or another behavior"
            .into());
    }
    if fallback.is_some() && !spec.triggers.is_empty() && resource::only_resources(spec) {
        return Err("type is cpu/memory for all triggers, which a fallback does not know: \
                    drop fallback, or give a trigger of another type"
            .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
