//! The answer to the HPA's question, from readings that are there: the same as `scaling::answer` of the process.

use ebb_params::MetricSpec;

use super::hpa::TargetCounts;
use crate::fallback::{self, Fallback};
use crate::hpa;
use crate::modifiers::{Composite, Modifiers};
use crate::readings::TriggerReading;

/// The metrics of a ScaledObject's HPA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metrics<'a> {
    /// Those of the triggers, in the specification's order.
    pub(crate) specs: &'a [MetricSpec],
    pub(crate) modifiers: Option<&'a Modifiers>,
    pub(crate) fallback: Option<&'a Fallback>,
}

impl Metrics<'_> {
    /// The value of the external metric called `name`, in thousandths. None: it cannot be had. `readings` has
    /// one for each trigger.
    pub(crate) fn answer(&self, name: &str, readings: &[TriggerReading<'_>], counts: TargetCounts) -> Option<i64> {
        let falls_back = |spec: &MetricSpec, fallback: &Fallback| {
            fallback::value(spec, fallback.replicas(counts.replicas), counts.ready)
        };
        let value = if let Some(modifiers) = self.modifiers {
            match modifiers.value(self.fallback, readings) {
                Composite::Value(value) => hpa::metric_value(value),
                Composite::FallBack(fallback) => falls_back(&modifiers.metric, &fallback),
                Composite::Unknown(_) => return None,
            }
        } else {
            let index = self.specs.iter().position(|spec| spec.name == name)?;
            let reading = &readings[index];
            match (reading.value, self.fallback) {
                (Some(value), _) => hpa::metric_value(value),
                (None, Some(fallback)) if fallback.begins(reading.failures) => falls_back(&self.specs[index], fallback),
                (None, _) => return None,
            }
        };
        Some(thousandths(value))
    }
}

/// A conversion into an integer stops at its bounds, as the metrics API does.
#[allow(clippy::cast_possible_truncation)]
fn thousandths(value: f64) -> i64 {
    (value * 1000.0).round() as i64
}
