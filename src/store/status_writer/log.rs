//! The log lines about changes of a ScaledObject.

use crate::kube_api::key::Key;
use ebb_plan::events::Change;

/// Logs a change, unless the part that made it logs it.
pub(super) fn change(key: &Key, change: &Change<'_>) {
    match *change {
        Change::UnknownParameter(unknown) => {
            let note = format!("Unmatched input property {} in scaler ScaledObject", unknown.key);
            tracing::warn!(scaled_object = %key, trigger = unknown.trigger, r#type = unknown.kind, "{note}");
        }
        Change::VpaConflict(conflict) => tracing::warn!(scaled_object = %key, conflict),
        Change::TriggerFailed { error, .. } => {
            tracing::warn!(scaled_object = %key, error, "a trigger cannot be read");
        }
        Change::TriggerRecovered(trigger) => {
            tracing::info!(scaled_object = %key, trigger, "the trigger can be read again");
        }
        Change::FormulaFailed(error) => tracing::warn!(scaled_object = %key, error, "the formula has no value"),
        Change::Scaled(target, scaling) => {
            let (from, to, reason) = (scaling.from, scaling.to, scaling.reason);
            tracing::info!(scaled_object = %key, target, from, to, ?reason, "scaled");
        }
        Change::TargetUnreadable(error) | Change::TargetMissing(error) => {
            tracing::warn!(scaled_object = %key, error, "cannot scale the target");
        }
        Change::NotScaled(target, attempt) => {
            tracing::warn!(scaled_object = %key, target, error = attempt.cause, "cannot scale the target");
        }
        Change::TargetRecovered => tracing::info!(scaled_object = %key, "the target can be scaled again"),
        Change::FallbackBegan => tracing::info!(scaled_object = %key, "the fallback is in effect"),
        Change::FallbackEnded => tracing::info!(scaled_object = %key, "the fallback is no longer in effect"),
        Change::Paused
        | Change::Unpaused
        | Change::ScalerBuilt(_)
        | Change::ScalersStarted
        | Change::ScalersStopped
        | Change::HpaContested(_)
        | Change::Ready
        | Change::CheckFailed(_)
        | Change::Deleted => {}
    }
}
