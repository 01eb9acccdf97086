//! A circuit breaker: it leaves a server alone for a while after a failure. Callers get the server's last error
//! meanwhile.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Backoff;
use crate::scaler::ReadError;

/// The state of one server as its client sees it.
#[derive(Debug)]
pub struct Breaker<E = ReadError> {
    /// The backoff of a server that has not failed.
    unused: Backoff,
    failing: Mutex<Option<Box<Failing<E>>>>,
}

/// Most servers are well, and there is a breaker for each of thousands of triggers.
#[derive(Debug)]
struct Failing<E> {
    backoff: Backoff,
    last_error: E,
}

impl<E: Clone> Breaker<E> {
    /// A server that has not failed yet.
    pub fn new(backoff: Backoff) -> Self {
        Self { unused: backoff, failing: Mutex::default() }
    }

    /// The last error, while the server is to be left alone after it.
    pub fn open_error(&self, now: Instant) -> Option<E> {
        let failing = self.failing.lock();
        failing.as_ref().filter(|failing| failing.backoff.wait(now).is_some()).map(|failing| failing.last_error.clone())
    }

    /// Notes a failure at `now`. Failures of questions that were on their way together count once.
    pub fn failed(&self, now: Instant, error: E, chance: f64) {
        let mut failing = self.failing.lock();
        let mut backoff = failing.take().map_or_else(|| self.unused.clone(), |failing| failing.backoff);
        if backoff.wait(now).is_none() {
            backoff.failed(now, chance);
        }
        *failing = Some(Box::new(Failing { backoff, last_error: error }));
    }

    /// Notes a success.
    pub fn succeeded(&self) {
        *self.failing.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failed_server_is_left_alone_and_then_asked_again() {
        let breaker = Breaker::new(Backoff::new(Duration::from_secs(1), Duration::from_secs(8)));
        let now = Instant::now();
        let error = ReadError::Query("down".into());
        assert_eq!(breaker.open_error(now), None);
        // Ten questions that fail together are one failure.
        for _ in 0..10 {
            breaker.failed(now, error.clone(), 1.0);
        }
        assert_eq!(breaker.open_error(now), Some(error.clone()));
        let later = now + Duration::from_secs(1);
        assert_eq!(breaker.open_error(later), None);
        breaker.failed(later, error.clone(), 1.0);
        assert_eq!(breaker.open_error(later + Duration::from_millis(1_900)), Some(error));
        breaker.succeeded();
        assert_eq!(breaker.open_error(later), None);
    }
}
