//! The metric that a trigger gives to the HPA.

/// How the HPA compares a metric with its target (`triggers[].metricType`; the `HorizontalPodAutoscaler` v2 API's
/// `MetricTarget.type` for external metrics).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MetricType {
    /// The value is divided by the number of replicas first.
    #[default]
    AverageValue,
    /// The value is compared as it is.
    Value,
}

impl MetricType {
    /// The word that the HPA API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AverageValue => "AverageValue",
            Self::Value => "Value",
        }
    }
}

/// The metric that a trigger gives to the HPA.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSpec {
    /// The external metric's name, unique in its ScaledObject: `s<index>-<scaler part>`.
    pub name: String,
    /// The value for each replica, or, with [`MetricType::Value`], for the workload. Above zero.
    pub target: f64,
    /// The trigger is active while the value is above this one. Zero or more; the HPA does not know it.
    pub activation: f64,
    /// How the HPA compares the two.
    pub metric_type: MetricType,
}
