//! The reasons for which a ScaledObject cannot be served: KEDA's texts with a hint, and the time to the next check.

use std::time::Duration;

use ebb_params::ConfigError;

use super::events::Reason;
use super::status::CheckFailure;
use super::validate::Invalid;

const TARGET: &str = "ScaledObject doesn't have correct scaleTargetRef specification";
const HPA: &str = "failed to ensure HPA is correctly created for ScaledObject";

/// A trigger whose parameters are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongTrigger {
    /// The trigger's place in `spec.triggers`.
    pub index: usize,
    /// The trigger's type.
    pub kind: String,
    /// Everything that is wrong with it.
    pub error: ConfigError,
}

impl WrongTrigger {
    /// One line for each mistake: the trigger, the mistake with its key, and the hint. kubectl shows the first line
    /// alone.
    fn lines(&self) -> impl Iterator<Item = String> {
        let place = format!("trigger {} ({}): ", self.index, self.kind);
        self.error.problems().iter().enumerate().map(move |(at, problem)| {
            // A hint that names the trigger does so for lists of all hints.
            let hints = self.error.hints_of(at).map(|hint| hint.strip_prefix(&place).unwrap_or(hint));
            let hints = hints.collect::<Vec<_>>().join("; ");
            if hints.is_empty() { format!("{place}{problem}") } else { format!("{place}{problem}: {hints}") }
        })
    }
}

/// The end of a check that did not succeed. The text is the Ready condition's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The spec contradicts itself.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// An annotation cannot be understood.
    #[error("ScaledObject doesn't have correct annotations: {0}")]
    Annotation(String),
    /// The target is not there, or cannot be scaled.
    #[error("{TARGET}: {text}")]
    Target {
        /// The error.
        text: String,
        /// KEDA's text for an event of its own.
        about: Option<&'static str>,
    },
    /// Triggers' parameters are wrong.
    #[error("{HPA}: {}", with_hints(.0))]
    Triggers(Vec<WrongTrigger>),
    /// An object that a trigger refers to is not there, or the reference is wrong.
    #[error("{HPA}: {0}")]
    Reference(String),
    /// The HPA cannot be made.
    #[error("{HPA}: {0}")]
    Hpa(String),
    /// The API server refused a request for a reason that does not lie in this ScaledObject.
    #[error("the API server: {0}")]
    Api(String),
    /// The API server did not answer, or cannot keep up. That says nothing about this ScaledObject.
    #[error("the API server: {0}")]
    Unanswered(String),
    /// A bug: the stored ScaledObject cannot be read.
    #[error("internal error, please report it: {0}")]
    Internal(String),
    /// A bug.
    #[error("internal error, please report it with the log of this moment")]
    Panicked,
    /// The check took too long.
    #[error("the API server did not answer in time")]
    Slow,
}

impl Failure {
    /// Whether it belongs into the status: it does not pass by itself in a moment.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Api(_) | Self::Unanswered(_) | Self::Slow)
    }

    /// Whether it is about the API server alone.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Unanswered(_) | Self::Slow)
    }

    /// The longest pause before the next check.
    pub fn longest_pause(&self) -> Duration {
        match self {
            Self::Invalid(_) | Self::Annotation(_) | Self::Triggers(_) => Duration::from_secs(30),
            _ => Duration::from_secs(10),
        }
    }

    /// The failure as the status and the events report it.
    pub fn report(&self) -> CheckFailure {
        let (reason, note) = match self {
            Self::Triggers(errors) => (Reason::ScalerFailed, event_text(errors)),
            Self::Reference(text) => (Reason::ScalerFailed, text.clone()),
            other => (Reason::ScaledObjectCheckFailed, other.to_string()),
        };
        let about_target = match self {
            Self::Target { about, .. } => *about,
            _ => None,
        };
        CheckFailure { message: self.to_string(), reason, note, about_target }
    }
}

/// KEDA's texts, then all hints.
fn with_hints(triggers: &[WrongTrigger]) -> String {
    let texts = triggers.iter().map(|trigger| trigger.error.to_string());
    let hints = triggers.iter().flat_map(|trigger| trigger.error.hints()).cloned();
    texts.chain(hints).collect::<Vec<_>>().join("\n")
}

/// The mistakes, a line each, and then KEDA's texts, which alerts may look for.
fn event_text(triggers: &[WrongTrigger]) -> String {
    let texts = triggers.iter().map(|trigger| trigger.error.to_string());
    triggers.iter().flat_map(WrongTrigger::lines).chain(texts).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer() {
        assert!(Failure::Slow.is_unanswered() && Failure::Unanswered("timeout".into()).is_unanswered());
        assert!(!Failure::Unanswered("timeout".into()).is_final());
        assert!(!Failure::Api("busy".into()).is_unanswered());
    }

    /// Each failure: whether the status has it, the longest pause in seconds, and the event.
    #[test]
    fn a_failure_has_its_pause_and_its_event() {
        let target = Failure::Target { text: "gone".into(), about: Some("Target resource doesn't exist") };
        for (failure, is_final, pause, reason, note) in [
            (
                Failure::Annotation("many".into()),
                true,
                30,
                Reason::ScaledObjectCheckFailed,
                "ScaledObject doesn't have correct annotations: many",
            ),
            (Failure::Triggers(Vec::new()), true, 30, Reason::ScalerFailed, ""),
            (Failure::Reference("no Secret".into()), true, 10, Reason::ScalerFailed, "no Secret"),
            (target.clone(), true, 10, Reason::ScaledObjectCheckFailed, &target.to_string()),
            (Failure::Api("busy".into()), false, 10, Reason::ScaledObjectCheckFailed, "the API server: busy"),
            (Failure::Slow, false, 10, Reason::ScaledObjectCheckFailed, "the API server did not answer in time"),
        ] {
            assert_eq!((failure.is_final(), failure.longest_pause().as_secs()), (is_final, pause), "{failure}");
            let report = failure.report();
            assert_eq!((report.reason, report.note.as_str()), (reason, note), "{failure}");
            assert_eq!(report.about_target.is_some(), failure == target, "{failure}");
        }
    }

    #[test]
    fn the_first_line_of_an_event_has_trigger_mistake_and_hint() {
        let wrong = |index: usize, error: ConfigError| WrongTrigger { index, kind: "cron".into(), error };
        let zone = ConfigError::new("unknown time zone Nowhere").hint("a zone is one such as Europe/London");
        let start = ConfigError::new("missing required parameter \"start\"").hint("trigger 1 (cron): give `start`");
        let context = "error parsing cron metadata: ";
        let failure = Failure::Triggers(vec![wrong(0, zone.context(context)), wrong(1, start.context(context))]);
        let CheckFailure { message, note, .. } = failure.report();
        assert_eq!(
            note.lines().collect::<Vec<_>>(),
            [
                "trigger 0 (cron): unknown time zone Nowhere: a zone is one such as Europe/London",
                "trigger 1 (cron): missing required parameter \"start\": give `start`",
                "error parsing cron metadata: unknown time zone Nowhere",
                "error parsing cron metadata: missing required parameter \"start\"",
            ]
        );
        let keda = "failed to ensure HPA is correctly created for ScaledObject: error parsing cron metadata: unknown time zone";
        assert!(message.starts_with(keda), "the condition has KEDA's words first: {message}");
    }
}
