//! How errors of a pass's reads and writes become a [`Failure`].

use super::ensure_hpa::HpaError;
use super::lookup::LookupError;
use crate::plan::failure::Failure;
use crate::target::TargetError;

/// Errors that come from the request itself, not from the API server's state.
fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 405 | 422))
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Api(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let about = match &error {
            TargetError::Timeout => return Self::Slow,
            TargetError::Api(error) if !is_refusal(error) => return Self::Api(error.to_string()),
            TargetError::Missing { .. } => Some("Target resource doesn't exist"),
            TargetError::NotScalable(_) => Some("Target resource doesn't expose /scale subresource"),
            _ => None,
        };
        Self::Target { text: error.to_string(), about }
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Missing(text) | LookupError::Wrong(text) => Self::Reference(text),
            LookupError::Api { what, cause } if is_refusal(&cause) => Self::Reference(format!("{what}: {cause}")),
            LookupError::Api { cause, .. } => Self::Api(cause.to_string()),
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
