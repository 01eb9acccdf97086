//! The contract between a trigger kind and the rest of Ebb.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use ebb_params::{MetricSpec, MetricType};

use crate::net::peer::{LONGEST_ERROR, cut};

/// One reading of a trigger's source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The metric's value, in the trigger's own unit. Finite, never negative.
    pub value: f64,
    /// Whether the source asks for at least one replica.
    pub active: bool,
}

/// Why a trigger could not be read. Texts name the queue or topic and the broker, never a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The broker cannot be reached, or refuses the connection.
    #[error("cannot connect to {broker}: {cause}")]
    Connect {
        /// The broker's address without credentials.
        broker: String,
        /// The cause that the connection attempt reported.
        cause: String,
    },
    /// The broker answered, but not with the figure that was asked for.
    #[error("{0}")]
    Query(String),
    /// No answer in time.
    #[error("no answer from {broker} about {what} within {}", seconds(*.after))]
    Timeout {
        /// The broker's address without credentials.
        broker: String,
        /// The subject of the question, such as a queue.
        what: String,
        /// How long Ebb waited.
        after: Duration,
    },
}

impl ReadError {
    /// The same error with texts of bounded length and without characters that act on a display, fit for a condition,
    /// an event and the log.
    ///
    /// Kinds already cut a peer's texts when they read them ([`crate::net::peer::said`]). The errors of all readings
    /// pass through here as well, so that no kind can pass on a longer one.
    #[must_use]
    pub fn bounded(self) -> Self {
        let short = |text: String| cut(text, LONGEST_ERROR);
        match self {
            Self::Connect { broker, cause } => Self::Connect { broker: short(broker), cause: short(cause) },
            Self::Query(text) => Self::Query(short(text)),
            Self::Timeout { broker, what, after } => Self::Timeout { broker: short(broker), what: short(what), after },
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// A trigger that has been checked and can be read. One exists for each trigger of each ScaledObject.
#[async_trait]
pub trait Scaler: Send + Sync + std::fmt::Debug {
    /// The metric that the HPA asks for.
    fn metric(&self) -> &MetricSpec;

    /// Looks at the source. `now` is the present; schedules depend on it.
    ///
    /// Callers need no timeout or backoff of their own: a scaler answers within a few seconds, at once while its
    /// broker is known to be down, and callers that ask at the same time share one query.
    async fn read(&self, now: DateTime<Utc>) -> Result<Reading, ReadError>;

    /// The look that comes once in each `pollingInterval`: like [`Scaler::read`], for triggers that remember their last
    /// poll.
    async fn poll(&self, now: DateTime<Utc>) -> Result<Reading, ReadError> {
        self.read(now).await
    }

    /// Resolves when a new reading may differ from the last one. An idle workload waits here between polls, so waiting
    /// must cost next to nothing, and the kind spreads the looks by its source's capacity. Never resolves where a
    /// change cannot be known, as while a connection is not open. Dropping the future ends the wait.
    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    /// Whether readings follow from the time alone, so that nothing is asked.
    fn is_computed(&self) -> bool {
        false
    }

    /// Whether [`Scaler::changed`] can resolve.
    fn notices_changes(&self) -> bool {
        false
    }

    /// The next instant at which the reading changes by itself, where that can be known.
    fn next_change(&self, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_an_error_is_bounded() {
        let long = || "x\n".repeat(1 << 20);
        for error in [
            ReadError::Query(long()),
            ReadError::Connect { broker: long(), cause: long() },
            ReadError::Timeout { broker: long(), what: long(), after: Duration::from_secs(3) },
        ] {
            let text = error.bounded().to_string();
            assert!(text.len() < 3 * LONGEST_ERROR && !text.contains('\n'), "{}", text.len());
        }
        let short = ReadError::Query("queue \"jobs\": größer".into());
        assert_eq!(short.clone().bounded(), short);
    }
}
