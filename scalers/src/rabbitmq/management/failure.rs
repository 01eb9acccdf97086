//! The failure of a request, as an error and as a reason to ask in another way.

use crate::scaler::ReadError;

/// Why a request gave nothing.
pub(super) enum Failure {
    /// The broker said no to this question.
    Refused(ReadError),
    /// The page that was asked for is not there (any more).
    PageOutOfRange,
    /// The broker as a whole cannot be reached or used.
    Broker(ReadError),
    /// It was not asked: it failed a moment ago, with this error.
    Resting(ReadError),
}

impl Failure {
    pub(super) fn error(self) -> ReadError {
        match self {
            Self::Refused(error) | Self::Broker(error) | Self::Resting(error) => error,
            Self::PageOutOfRange => ReadError::Query("error inspecting RabbitMQ: the broker has no first page".into()),
        }
    }
}
