//! What the triggers of a ScaledObject said in one tick, taken together.

use ebb_scalers::ReadError;

use super::registry::Live;
use super::trigger::Sample;
use crate::plan::modifiers::{COMPOSITE_METRIC, Composite, Modifiers, Seen};
use crate::plan::status::FallbackTick;

/// See the module.
pub(super) struct Readings {
    /// What is active, as events call it.
    pub(super) active: Vec<String>,
    /// How many metrics have no value, which keeps replicas from being taken away.
    pub(super) failed: usize,
    /// Every trigger that could not be read, and what is wrong with the formula, a line each.
    pub(super) failures: Vec<String>,
    /// Why the formula has no value although its triggers have.
    pub(super) formula_error: Option<String>,
    /// Whether each trigger is active; with a formula none is by itself.
    pub(super) triggers: Box<[bool]>,
    /// How the fallback stands, if there is one.
    pub(super) fallback: Option<FallbackTick>,
    /// Whether a metric without a value is to be replaced by the fallback's.
    pub(super) asks_for_fallback: bool,
}

impl Readings {
    /// What `samples`, one of each trigger, add up to.
    pub(super) fn of(live: &Live, samples: &[Result<Sample, ReadError>]) -> Self {
        let read = || live.triggers.iter().zip(samples);
        let failures = read()
            .filter_map(|(trigger, sample)| Some(format!("{}: {}", trigger.display(), sample.as_ref().err()?)))
            .collect::<Vec<_>>();
        let is_active = |sample: &Result<Sample, ReadError>| sample.as_ref().is_ok_and(|sample| sample.reading.active);
        let active = read().filter(|(_, sample)| is_active(sample));
        let active = active.map(|(trigger, _)| trigger.metrics().labels().scaler.clone()).collect();
        let fallback = live.fallback.as_ref().map(|fallback| FallbackTick {
            in_effect: live.triggers.iter().any(|trigger| fallback.begins(trigger.failures())),
            failures: live.triggers.iter().map(|trigger| fallback.noted(trigger.failures())).collect(),
        });
        let readings = Self {
            active,
            failed: failures.len(),
            failures,
            formula_error: None,
            triggers: samples.iter().map(is_active).collect(),
            asks_for_fallback: fallback.as_ref().is_some_and(|fallback| fallback.in_effect),
            fallback,
        };
        match &live.modifiers {
            None => readings,
            Some(modifiers) => readings.through(modifiers, live, samples),
        }
    }

    /// The same where a formula decides.
    fn through(mut self, modifiers: &Modifiers, live: &Live, samples: &[Result<Sample, ReadError>]) -> Self {
        let seen: Vec<_> = live
            .named()
            .zip(samples)
            .map(|((trigger, name), sample)| Seen {
                name,
                value: sample.as_ref().ok().map(|sample| sample.reading.value),
                failures: trigger.failures(),
            })
            .collect();
        self.triggers.fill(false);
        let composite = modifiers.value(live.fallback.as_ref(), &seen);
        self.asks_for_fallback = composite == Composite::FallBack;
        self.failed = usize::from(!matches!(composite, Composite::Value(_)));
        match composite {
            Composite::Value(value) if value > modifiers.activation_target => {
                if self.active.is_empty() {
                    self.active.push(COMPOSITE_METRIC.to_owned());
                }
            }
            Composite::Value(_) | Composite::FallBack => self.active.clear(),
            Composite::Unknown(text) => {
                self.active.clear();
                // Otherwise the triggers' own errors say it.
                if self.failures.is_empty() {
                    self.failures.push(text.clone());
                    self.formula_error = Some(text);
                }
            }
        }
        self
    }

    /// Whether the fallback is in effect for a trigger.
    pub(super) fn falls_back(&self) -> bool {
        self.fallback.as_ref().is_some_and(|fallback| fallback.in_effect)
    }
}
