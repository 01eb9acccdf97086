//! The part of an HPA's status that decisions follow from.

use chrono::{DateTime, Utc};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus};

use super::decision::{Bound, Bounds};
use crate::hpa::{TargetReport, target_report};
use crate::status::instant;

/// The HPA controller's view of a target (Kubernetes docs, "HorizontalPodAutoscaler v2", status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HpaView {
    /// The count that the HPA controller has read. None: it could not, or has not yet.
    pub current: Option<i32>,
    /// The count that it wants.
    pub desired: i32,
    /// When it last changed the count.
    pub last_scale: Option<DateTime<Utc>>,
    /// The bounds that held the count.
    pub bounds: Bounds,
    /// A metric cannot be read.
    pub cannot_read: bool,
    /// The target is at zero, so that the HPA does not look at it.
    pub is_disabled: bool,
}

impl HpaView {
    /// The view that a status shows.
    pub fn of(status: &HorizontalPodAutoscalerStatus) -> Self {
        let current = match target_report(status) {
            TargetReport::Count(count) => Some(count),
            TargetReport::Unreadable | TargetReport::None => None,
        };
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let reason = |type_: &str, holds: &str| {
            let of_type =
                |condition: &&HorizontalPodAutoscalerCondition| condition.type_ == type_ && condition.status == holds;
            conditions.iter().find(of_type).and_then(|condition| condition.reason.as_deref()).unwrap_or_default()
        };
        let (limited, able, inactive) =
            (reason("ScalingLimited", "True"), reason("AbleToScale", "True"), reason("ScalingActive", "False"));
        let bounds = Bounds::default()
            .with(Bound::MinReplicas, limited == "TooFewReplicas")
            .with(Bound::MaxReplicas, limited == "TooManyReplicas")
            .with(Bound::ScaleUpLimit, limited == "ScaleUpLimit")
            .with(Bound::ScaleDownLimit, limited == "ScaleDownLimit")
            .with(Bound::ScaleUpStabilized, able == "ScaleUpStabilized")
            .with(Bound::ScaleDownStabilized, able == "ScaleDownStabilized");
        Self {
            current,
            desired: status.desired_replicas,
            last_scale: status.last_scale_time.as_ref().map(instant),
            bounds,
            cannot_read: !inactive.is_empty() && inactive != "ScalingDisabled",
            is_disabled: inactive == "ScalingDisabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(status: serde_json::Value) -> HpaView {
        HpaView::of(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn conditions_say_what_holds_the_count() {
        let condition =
            |type_: &str, status: &str, reason: &str| json!({"type": type_, "status": status, "reason": reason});
        for (type_, status, reason, names) in [
            ("ScalingLimited", "True", "TooManyReplicas", &["MaxReplicas"][..]),
            ("ScalingLimited", "True", "TooFewReplicas", &["MinReplicas"]),
            ("ScalingLimited", "True", "ScaleUpLimit", &["ScaleUpLimit"]),
            ("ScalingLimited", "True", "ScaleDownLimit", &["ScaleDownLimit"]),
            ("AbleToScale", "True", "ScaleDownStabilized", &["ScaleDownStabilized"]),
            ("AbleToScale", "True", "ReadyForNewScale", &[]),
            ("ScalingLimited", "False", "DesiredWithinRange", &[]),
        ] {
            let view = view(
                json!({"currentReplicas": 3, "desiredReplicas": 4, "conditions": [condition(type_, status, reason)]}),
            );
            assert_eq!(view.bounds.names().collect::<Vec<_>>(), names, "{reason}");
            assert_eq!((view.current, view.desired, view.cannot_read), (Some(3), 4, false), "{reason}");
        }
        let failed = view(json!({
            "currentReplicas": 3, "desiredReplicas": 3,
            "conditions": [condition("ScalingActive", "False", "FailedGetExternalMetric")],
        }));
        assert!(failed.cannot_read && !failed.is_disabled);
        let asleep =
            view(json!({"desiredReplicas": 0, "conditions": [condition("ScalingActive", "False", "ScalingDisabled")]}));
        assert_eq!((asleep.current, asleep.cannot_read, asleep.is_disabled), (Some(0), false, true));
    }
}
