//! Conversions of errors of a pass's reads and writes into a [`Failure`].

use ebb_plan::failure::Failure;

use super::ensure_hpa::HpaError;
use super::lookup::LookupError;
use crate::kube_api::errors;
use crate::kube_api::scale::TargetError;

/// Errors that come from the request itself, not from the API server's state.
fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 405 | 422))
}

/// A request that the API server did not answer, or refused for a reason that does not lie in the ScaledObject.
#[allow(clippy::needless_pass_by_value, reason = "`map_err` takes it so")]
pub(super) fn of_api(error: kube::Error) -> Failure {
    of(&error)
}

fn of(error: &kube::Error) -> Failure {
    let text = error.to_string();
    if errors::is_unanswered(error) { Failure::Unanswered(text) } else { Failure::Api(text) }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let about = match &error {
            TargetError::Timeout => return Self::Slow,
            TargetError::Api(error) if !is_refusal(error) => return of(error),
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
            LookupError::Api { cause, .. } => of(&cause),
        }
    }
}

impl From<HpaError> for Failure {
    fn from(error: HpaError) -> Self {
        match error {
            HpaError::Api(error) if !is_refusal(&error) => of_api(error),
            other => Self::Hpa(other.to_string()),
        }
    }
}
