//! `mode` and `value`, or the deprecated `queueLength` alone, or neither.

use crate::params::ParamReader;
use crate::rabbitmq::mode::Mode;

/// Messages for each replica where the trigger gives no number (KEDA's `defaultRabbitMQQueueLength`).
const DEFAULT_QUEUE_LENGTH: f64 = 20.0;
/// The HPA's targets are in thousandths.
const LEAST_TARGET: f64 = 0.001;

/// The measure, and its value for each replica.
pub(super) struct Measure {
    pub(super) mode: Mode,
    pub(super) target: f64,
    /// Whether the trigger says the mode itself.
    pub(super) mode_given: bool,
}

impl Measure {
    pub(super) fn read(reader: &mut ParamReader<'_>) -> Self {
        // A number that is 0 and one that is not given are the same to KEDA.
        let given = |number: Option<f64>| number.filter(|number| *number != 0.0);
        let word = reader.text("mode").filter(|word| *word != "Unknown");
        // A text that is no number has been noted as a problem, and counts as given.
        let mut number = |key| {
            let number = reader.number(key);
            given(number.or_else(|| reader.text(key).map(|_| 1.0)))
        };
        let (value, queue_length) = (number("value"), number("queueLength"));
        let default = Self { mode: Mode::QueueLength, target: DEFAULT_QUEUE_LENGTH, mode_given: false };
        match (word, value, queue_length) {
            (None, None, None) => default,
            (None, None, Some(target)) => {
                at_least(reader, "queueLength", target);
                Self { target, ..default }
            }
            (_, _, Some(_)) => {
                reader.problem_with_hint("queueLength is deprecated; use mode and value", "drop queueLength");
                default
            }
            (None, Some(_), None) => {
                reader.problem_with_hint("mode must be specified", "give mode: QueueLength beside value");
                default
            }
            (Some(word), value, None) => {
                if value.is_none() {
                    reader.problem_with_hint(
                        "value must be specified",
                        "give the number of messages (or the rate, ratio or time) for each replica, above 0",
                    );
                }
                let mode = Mode::named(word);
                if mode.is_none() {
                    reader.problem(format!(
                        "trigger mode {word} must be one of QueueLength, MessageRate, DeliverGetRate, \
                         PublishedToDeliveredRatio or ExpectedQueueConsumptionTime"
                    ));
                }
                let target = value.unwrap_or(DEFAULT_QUEUE_LENGTH);
                at_least(reader, "value", target);
                Self { mode: mode.unwrap_or(Mode::QueueLength), target, mode_given: true }
            }
        }
    }

    /// The mode's name.
    pub(super) fn name(&self) -> &'static str {
        Mode::ALL.iter().find(|(_, mode)| *mode == self.mode).map_or("", |(name, _)| name)
    }
}

fn at_least(reader: &mut ParamReader<'_>, key: &str, target: f64) {
    if target < LEAST_TARGET {
        reader.problem(format!("{key} must be at least {LEAST_TARGET}, got {target}"));
    }
}
