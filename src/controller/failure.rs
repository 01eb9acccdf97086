//! Why a ScaledObject cannot be served, in KEDA's words and with a cure, and how soon it is worth trying again.

use std::sync::Arc;
use std::time::Duration;

use ebb_scalers::ConfigError;

use super::ensure_hpa::HpaError;
use super::lookup::LookupError;
use crate::events::Reason;
use crate::packed::PackedError;
use crate::plan::validate::Invalid;
use crate::target::TargetError;

const TARGET: &str = "ScaledObject doesn't have correct scaleTargetRef specification";
const HPA: &str = "failed to ensure HPA is correctly created for ScaledObject";

/// What ended a pass over a ScaledObject. The text is the Ready condition's message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The spec contradicts itself.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// An annotation cannot be understood.
    #[error("ScaledObject doesn't have correct annotations: {0}")]
    Annotation(String),
    /// The target is not there, or cannot be scaled.
    #[error("{TARGET}: {0}")]
    Target(#[source] TargetError),
    /// Triggers' parameters are wrong.
    #[error("{HPA}: {}", with_cures(.0))]
    Triggers(Vec<ConfigError>),
    /// Something that a trigger refers to is not there, or what refers to it is wrong.
    #[error("{HPA}: {0}")]
    Reference(String),
    /// The HPA cannot be made.
    #[error("{HPA}: {0}")]
    Hpa(String),
    /// The API server did not answer, or refused something that has nothing to do with this ScaledObject.
    #[error("the API server: {0}")]
    Api(#[source] Arc<kube::Error>),
    /// A bug, too.
    #[error("internal error, please report it: {0}")]
    Kept(#[from] PackedError),
    /// A bug.
    #[error("internal error, please report it with the log of this moment")]
    Panicked,
    /// A pass took too long.
    #[error("the API server did not answer in time")]
    Slow,
}

impl Failure {
    pub(super) fn annotation(text: String) -> Self {
        Self::Annotation(text)
    }

    /// Whether it belongs into the status: it will not pass by itself in a moment.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Api(_) | Self::Slow)
    }

    /// The longest pause before the next pass.
    pub(super) fn longest_pause(&self) -> Duration {
        match self {
            Self::Invalid(_) | Self::Annotation(_) | Self::Triggers(_) => Duration::from_secs(30),
            _ => Duration::from_secs(10),
        }
    }

    /// The reason of the event that tells it.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Triggers(_) | Self::Reference(_) => Reason::ScalerFailed,
            _ => Reason::ScaledObjectCheckFailed,
        }
    }

    /// What KEDA says about the target besides, in an event of its own.
    pub(super) fn about_target(&self) -> Option<&'static str> {
        match self {
            Self::Target(TargetError::Missing { .. }) => Some("Target resource doesn't exist"),
            Self::Target(TargetError::NotScalable(_)) => Some("Target resource doesn't expose /scale subresource"),
            _ => None,
        }
    }

    /// The event's text: for a trigger KEDA's error alone, else the whole.
    pub(super) fn note(&self) -> String {
        match self {
            Self::Triggers(errors) => with_cures(errors),
            Self::Reference(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

fn with_cures(errors: &[ConfigError]) -> String {
    let texts = errors.iter().map(ToString::to_string);
    let cures = errors.iter().flat_map(ConfigError::cures).cloned();
    texts.chain(cures).collect::<Vec<_>>().join("\n")
}

/// Errors that come from the request itself, not from the API server's state.
fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 405 | 422))
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Api(Arc::new(error))
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Timeout => Self::Slow,
            TargetError::Api(error) if !is_refusal(&error) => Self::Api(Arc::from(error)),
            other => Self::Target(other),
        }
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Missing(text) | LookupError::Wrong(text) => Self::Reference(text),
            LookupError::Api { what, cause } if is_refusal(&cause) => Self::Reference(format!("{what}: {cause}")),
            LookupError::Api { cause, .. } => Self::Api(cause),
        }
    }
}

impl From<HpaError> for Failure {
    fn from(error: HpaError) -> Self {
        match error {
            HpaError::Api(error) if !is_refusal(&error) => error.into(),
            other => Self::Hpa(other.to_string()),
        }
    }
}
