//! The events of a ScaledObject: the difference between the facts before and after.
//!
//! Every event follows from a change of the [`Facts`]. A fact that stays the same causes no second event, however often
//! it is reported. The reasons and texts are KEDA's.

mod reason;

use super::activation::ScaleReason;
use super::status::{Attempt, Check, CheckFailure, Facts, Scaling, Served, Tick, UnknownParameter};
pub use reason::Reason;

/// One thing that has changed for a ScaledObject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change<'a> {
    /// Scaling is paused, in both directions or in one.
    Paused,
    /// Scaling is no longer paused.
    Unpaused,
    /// The triggers of this type have a scaler.
    ScalerBuilt(&'a str),
    /// Polling has begun.
    ScalersStarted,
    /// Polling has ended.
    ScalersStopped,
    /// A trigger has a parameter that its type does not know.
    UnknownParameter(&'a UnknownParameter),
    /// A VerticalPodAutoscaler works against a trigger: the text.
    VpaConflict(&'a str),
    /// Another writer sets fields of the HPA again and again: the text.
    HpaContested(&'a str),
    /// The ScaledObject is served and its triggers can be read, or it is paused by its annotation.
    Ready,
    /// The ScaledObject cannot be served.
    CheckFailed(&'a CheckFailure),
    /// A trigger cannot be read, or has another error than before.
    TriggerFailed {
        /// The error, with the trigger's place.
        error: &'a str,
        /// Whether a formula takes the place of the triggers.
        composed: bool,
    },
    /// The trigger at this place can be read again.
    TriggerRecovered(usize),
    /// The formula has no value: why.
    FormulaFailed(&'a str),
    /// The target of this name was scaled.
    Scaled(&'a str, &'a Scaling),
    /// The target cannot be read, or has another error than before: the message.
    TargetUnreadable(&'a str),
    /// The target is not there any more: the message.
    TargetMissing(&'a str),
    /// The target of this name cannot be scaled, or has another error than before.
    NotScaled(&'a str, &'a Attempt),
    /// The target can be read and scaled again.
    TargetRecovered,
    /// The fallback has come into effect.
    FallbackBegan,
    /// The fallback is over.
    FallbackEnded,
    /// The ScaledObject was deleted.
    Deleted,
}

/// The changes from `before` to `after`, in the order of KEDA's events.
pub fn changes<'a>(before: &'a Facts, after: &'a Facts) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    match (before.is_paused(), after.is_paused()) {
        (false, true) => changes.push(Change::Paused),
        (true, false) => changes.push(Change::Unpaused),
        _ => {}
    }
    of_specification(before.served.as_ref(), after.served.as_ref(), &mut changes);
    let new = after.vpa_conflicts.iter().filter(|conflict| !before.vpa_conflicts.contains(conflict));
    changes.extend(new.map(|conflict| Change::VpaConflict(conflict)));
    if after.contested_hpa != before.contested_hpa {
        changes.extend(after.contested_hpa.as_deref().map(Change::HpaContested));
    }
    of_check(before, after, &mut changes);
    if let Some(scaling) = after.scaling.as_deref().filter(|_| after.scaling != before.scaling) {
        changes.push(Change::Scaled(target(before, after), scaling));
    }
    if let Some(tick) = &after.tick {
        of_triggers(before.tick.as_ref().filter(|before| before.build == tick.build), tick, &mut changes);
        of_target(before.tick.as_ref(), tick, target(before, after), &mut changes);
    }
    match (before.falls_back(), after.falls_back()) {
        (false, true) => changes.push(Change::FallbackBegan),
        (true, false) => changes.push(Change::FallbackEnded),
        _ => {}
    }
    if after.released && !before.released {
        changes.push(Change::Deleted);
    }
    changes
}

/// The target's name. A pause may have come during the tick that scaled it.
fn target<'a>(before: &'a Facts, after: &'a Facts) -> &'a str {
    after.served.as_ref().or(before.served.as_ref()).map_or("", |served| &served.target)
}

fn of_specification<'a>(before: Option<&Served>, after: Option<&'a Served>, changes: &mut Vec<Change<'a>>) {
    let Some(served) = after else {
        changes.extend(before.map(|_| Change::ScalersStopped));
        return;
    };
    if before.is_none() {
        changes.extend(served.kinds.iter().map(|kind| Change::ScalerBuilt(kind)));
        changes.push(Change::ScalersStarted);
    }
    if before.is_none_or(|before| before.generation != served.generation) {
        changes.extend(served.unknown_parameters.iter().map(Change::UnknownParameter));
    }
}

fn of_check<'a>(before: &Facts, after: &'a Facts, changes: &mut Vec<Change<'a>>) {
    match &after.check {
        Check::Pending => {}
        Check::Failed(_) if after.check == before.check => {}
        Check::Failed(failure) => changes.push(Change::CheckFailed(failure)),
        Check::Served | Check::Paused => {
            if after.ready_told && !before.ready_told {
                changes.push(Change::Ready);
            }
        }
    }
}

/// `before` is the last tick with the same triggers.
fn of_triggers<'a>(before: Option<&'a Tick>, after: &'a Tick, changes: &mut Vec<Change<'a>>) {
    let error_before = |place| before.and_then(|before| before.error(place));
    if let Some(error) = &after.formula_error
        && before.is_none_or(|before| before.formula_error != after.formula_error)
    {
        changes.push(Change::FormulaFailed(error));
    }
    for (place, error) in &after.errors {
        if error_before(*place) != Some(error) {
            changes.push(Change::TriggerFailed { error, composed: after.composed });
        }
    }
    let recovered = before.iter().flat_map(|before| &before.errors).filter(|(place, _)| after.error(*place).is_none());
    changes.extend(recovered.map(|(place, _)| Change::TriggerRecovered(*place)));
}

fn of_target<'a>(before: Option<&Tick>, after: &'a Tick, target: &'a str, changes: &mut Vec<Change<'a>>) {
    let before = before.and_then(|before| before.target_error.as_ref());
    match &after.target_error {
        None => changes.extend(before.map(|_| Change::TargetRecovered)),
        Some(error) if before.is_some_and(|before| before.message == error.message) => {}
        Some(error) => changes.push(match &error.attempt {
            None if error.is_missing => Change::TargetMissing(&error.message),
            None => Change::TargetUnreadable(&error.message),
            Some(attempt) => Change::NotScaled(target, attempt),
        }),
    }
}

impl Change<'_> {
    /// The events about it: reason and text. Most changes have one event, some have none.
    pub fn events(&self) -> Vec<(Reason, String)> {
        let one = |reason, note: &str| vec![(reason, note.to_owned())];
        match *self {
            Self::Paused => one(Reason::ScaledObjectPaused, "ScaledObject is paused"),
            Self::Unpaused => one(Reason::ScaledObjectUnpaused, "ScaledObject is unpaused"),
            Self::ScalerBuilt(kind) => one(Reason::ScalersStarted, &format!("Scaler {kind} is built")),
            Self::ScalersStarted => one(Reason::ScalersStarted, "Started scalers watch"),
            Self::ScalersStopped => one(Reason::ScalersStopped, "Stopped scalers watch"),
            Self::UnknownParameter(UnknownParameter { trigger, kind, key }) => {
                // KEDA's text first, and then the place, on the one line that kubectl shows.
                let note = format!(
                    "Unmatched input property {key} in scaler ScaledObject: trigger {trigger} ({kind}) does not read it"
                );
                one(Reason::ScalerInfo, &note)
            }
            Self::VpaConflict(text) => one(Reason::VerticalPodAutoscalerConflict, text),
            Self::HpaContested(text) => one(Reason::HpaContested, text),
            Self::Ready => one(Reason::ScaledObjectReady, "ScaledObject is ready for scaling"),
            Self::CheckFailed(CheckFailure { reason, note, about_target, .. }) => {
                about_target.iter().copied().chain([note.as_str()]).map(|note| (*reason, note.to_owned())).collect()
            }
            Self::TriggerFailed { error, composed: false } => one(Reason::ScalerFailed, error),
            Self::TriggerFailed { error, composed: true } | Self::FormulaFailed(error) => {
                one(Reason::MetricSourceFailed, error)
            }
            Self::Scaled(target, scaling) => scaled(target, scaling).into_iter().collect(),
            Self::TargetMissing(text) => one(Reason::ScaledObjectCheckFailed, text),
            Self::NotScaled(target, attempt) => vec![not_scaled(target, attempt)],
            Self::FallbackBegan => one(Reason::FallbackActivated, "ScaledObject fallback is active"),
            Self::FallbackEnded => one(Reason::FallbackDeactivated, "ScaledObject fallback is no longer active"),
            Self::Deleted => one(Reason::ScaledObjectDeleted, "ScaledObject was deleted"),
            Self::TriggerRecovered(_) | Self::TargetUnreadable(_) | Self::TargetRecovered => Vec::new(),
        }
    }
}

fn scaled(target: &str, Scaling { from, to, reason, cause, .. }: &Scaling) -> Option<(Reason, String)> {
    match reason {
        ScaleReason::Activate | ScaleReason::FallBack => {
            Some((Reason::ScaleTargetActivated, format!("Scaled {target} from {from} to {to}, {cause}")))
        }
        ScaleReason::Deactivate => {
            Some((Reason::ScaleTargetDeactivated, format!("Deactivated {target} from {from} to {to}")))
        }
        ScaleReason::Raise => None,
    }
}

fn not_scaled(target: &str, Attempt { from, to, reason, cause }: &Attempt) -> (Reason, String) {
    let (reason, words) = match reason {
        ScaleReason::Deactivate => (Reason::ScaleTargetDeactivationFailed, "Failed to deactivate"),
        ScaleReason::Activate | ScaleReason::FallBack | ScaleReason::Raise => {
            (Reason::ScaleTargetActivationFailed, "Failed to scale")
        }
    };
    (reason, format!("{words} {target} from {from} to {to}: {cause}"))
}

#[cfg(test)]
mod tests;
