//! The reasons of events.

/// The reason of an event. KEDA has all of them but `HPAContested`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A ScaledObject is served.
    ScaledObjectReady,
    /// A ScaledObject cannot be served.
    ScaledObjectCheckFailed,
    /// A ScaledObject was deleted.
    ScaledObjectDeleted,
    /// A ScaledObject was paused.
    ScaledObjectPaused,
    /// A ScaledObject is no longer paused.
    ScaledObjectUnpaused,
    /// A trigger cannot be read, and the fallback has come into effect.
    FallbackActivated,
    /// The fallback is over.
    FallbackDeactivated,
    /// A VerticalPodAutoscaler works against a trigger.
    VerticalPodAutoscalerConflict,
    /// Another writer sets fields of the HPA again and again.
    HpaContested,
    /// Polling has begun.
    ScalersStarted,
    /// Polling has ended.
    ScalersStopped,
    /// A trigger has a parameter that it does not know.
    ScalerInfo,
    /// A trigger's parameters are wrong, or it cannot be read.
    ScalerFailed,
    /// A trigger of a formula cannot be read, or the formula has no value.
    MetricSourceFailed,
    /// The target was scaled from zero or idle.
    ScaleTargetActivated,
    /// The target was scaled to zero or idle.
    ScaleTargetDeactivated,
    /// The target could not be scaled from zero or idle.
    ScaleTargetActivationFailed,
    /// The target could not be scaled to zero or idle.
    ScaleTargetDeactivationFailed,
    /// A TriggerAuthentication was made; with `true` a ClusterTriggerAuthentication, here and below.
    AuthenticationAdded(bool),
    /// Its specification was changed.
    AuthenticationUpdated(bool),
    /// It was deleted.
    AuthenticationDeleted(bool),
}

impl Reason {
    /// The reason as KEDA writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScaledObjectReady => "ScaledObjectReady",
            Self::ScaledObjectCheckFailed => "ScaledObjectCheckFailed",
            Self::ScaledObjectDeleted => "ScaledObjectDeleted",
            Self::ScaledObjectPaused => "ScaledObjectPaused",
            Self::ScaledObjectUnpaused => "ScaledObjectUnpaused",
            Self::FallbackActivated => "ScaledObjectFallbackActivated",
            Self::FallbackDeactivated => "ScaledObjectFallbackDeactivated",
            Self::VerticalPodAutoscalerConflict => "VerticalPodAutoscalerConflict",
            Self::HpaContested => "HPAContested",
            Self::ScalersStarted => "KEDAScalersStarted",
            Self::ScalersStopped => "KEDAScalersStopped",
            Self::ScalerInfo => "KEDAScalerInfo",
            Self::ScalerFailed => "KEDAScalerFailed",
            Self::MetricSourceFailed => "KEDAMetricSourceFailed",
            Self::ScaleTargetActivated => "KEDAScaleTargetActivated",
            Self::ScaleTargetDeactivated => "KEDAScaleTargetDeactivated",
            Self::ScaleTargetActivationFailed => "KEDAScaleTargetActivationFailed",
            Self::ScaleTargetDeactivationFailed => "KEDAScaleTargetDeactivationFailed",
            Self::AuthenticationAdded(false) => "TriggerAuthenticationAdded",
            Self::AuthenticationAdded(true) => "ClusterTriggerAuthenticationAdded",
            Self::AuthenticationUpdated(false) => "TriggerAuthenticationUpdated",
            Self::AuthenticationUpdated(true) => "ClusterTriggerAuthenticationUpdated",
            Self::AuthenticationDeleted(false) => "TriggerAuthenticationDeleted",
            Self::AuthenticationDeleted(true) => "ClusterTriggerAuthenticationDeleted",
        }
    }

    /// The event's type: `Normal`, or `Warning` for something that needs attention.
    pub fn type_(self) -> &'static str {
        match self {
            Self::ScaledObjectCheckFailed
            | Self::ScaledObjectDeleted
            | Self::ScalerInfo
            | Self::ScalerFailed
            | Self::MetricSourceFailed
            | Self::VerticalPodAutoscalerConflict
            | Self::HpaContested
            | Self::ScaleTargetActivationFailed
            | Self::ScaleTargetDeactivationFailed => "Warning",
            _ => "Normal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn a_warning_is_what_needs_attention() {
        for (reason, type_) in [
            (Reason::ScaledObjectReady, "Normal"),
            (Reason::ScaledObjectCheckFailed, "Warning"),
            (Reason::FallbackActivated, "Normal"),
            (Reason::ScalerFailed, "Warning"),
            (Reason::ScaleTargetActivated, "Normal"),
            (Reason::ScaleTargetActivationFailed, "Warning"),
            (Reason::AuthenticationAdded(true), "Normal"),
        ] {
            assert_eq!(reason.type_(), type_, "{reason:?}");
        }
    }
}
