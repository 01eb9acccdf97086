//! Why replicas stay as they are.

use chrono::{DateTime, Utc};

use super::TickView;
use super::decision::{Actor, Bound, Bounds, Reason};
use super::hpa_view::HpaView;
use crate::activation::Activity;

/// The reason why replicas stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reasoned {
    pub(super) reason: Reason,
    pub(super) until: Option<DateTime<Utc>>,
    pub(super) bounds: Bounds,
}

/// The poll loop's part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The loop keeps the count.
    By(Reasoned),
    /// The HPA decides.
    Hpa,
}

fn by(reason: Reason, bound: Option<Bound>) -> Hold {
    let bounds = bound.map_or_else(Bounds::default, |bound| Bounds::default().with(bound, true));
    Hold::By(Reasoned { reason, until: None, bounds })
}

/// What the loop keeps the count, which is `replicas`, for after a tick.
pub(super) fn of_tick(tick: &TickView<'_>, replicas: Option<i32>) -> Hold {
    let (policy, replicas) = (tick.policy, replicas.unwrap_or(1));
    let asleep = replicas == 0 || (policy.idle.is_some() && replicas < policy.min);
    if tick.target_error.is_some() {
        return by(Reason::TargetFailed, None);
    }
    match tick.decision.activity {
        Activity::CoolingDown => Hold::By(Reasoned {
            reason: Reason::Cooldown,
            until: tick.decision.cooldown_ends,
            bounds: Bounds::default().with(Bound::Cooldown, true),
        }),
        Activity::Active if asleep && policy.scale_out_paused => by(Reason::ScaleOutPaused, Some(Bound::Paused)),
        Activity::Inactive if tick.falls_back => by(Reason::Fallback, Some(Bound::Fallback)),
        Activity::Inactive if tick.formula_failed => by(Reason::FormulaFailed, Some(Bound::Formula)),
        Activity::Inactive if tick.error.is_some() => by(Reason::TriggerFailed, None),
        Activity::Inactive if replicas <= policy.floor() => by(Reason::NoTriggerActive, None),
        Activity::Inactive if policy.idle.is_some() || policy.min == 0 => {
            // Otherwise the count is about to change, by the replica that leads.
            if policy.scale_in_paused {
                by(Reason::ScaleInPaused, Some(Bound::Paused))
            } else {
                by(Reason::NoTriggerActive, None)
            }
        }
        // Above a minimum of one or more the HPA decides alone.
        Activity::Active | Activity::Inactive => Hold::Hpa,
    }
}

/// Why the loop keeps `replicas` after a tick, until when, and within which bounds. None: the HPA decides.
pub(crate) fn kept_by_loop(tick: &TickView<'_>, replicas: i32) -> Option<(Reason, Option<DateTime<Utc>>, Bounds)> {
    match of_tick(tick, Some(replicas)) {
        Hold::By(Reasoned { reason, until, bounds }) => Some((reason, until, bounds)),
        Hold::Hpa => None,
    }
}

/// Why `count` replicas stay, and who keeps them. None: they are about to change, or nothing is known of them.
pub(super) fn present(loop_holds: Hold, hpa: Option<&HpaView>, count: i32) -> (Option<Reasoned>, Actor) {
    if let Hold::By(reasoned) = loop_holds {
        return (Some(reasoned), Actor::Ebb);
    }
    let Some(hpa) = hpa.filter(|hpa| hpa.current == Some(count) && !hpa.is_disabled) else { return (None, Actor::Hpa) };
    let has = |bound| hpa.bounds.has(bound);
    let reason = if hpa.cannot_read {
        Some(Reason::HpaCannotRead)
    } else if has(Bound::ScaleDownStabilized) || has(Bound::ScaleUpStabilized) {
        Some(Reason::Stabilized)
    } else if has(Bound::MaxReplicas) {
        Some(Reason::MaxReplicas)
    } else if has(Bound::MinReplicas) {
        Some(Reason::MinReplicas)
    } else if has(Bound::ScaleUpLimit) || has(Bound::ScaleDownLimit) {
        Some(Reason::BehaviorLimit)
    } else {
        (hpa.desired == count).then_some(Reason::OnTarget)
    };
    (reason.map(|reason| Reasoned { reason, until: None, bounds: hpa.bounds }), Actor::Hpa)
}
