//! Leaves a server alone for a while after it has failed, and tells its last error to whoever asks meanwhile.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Backoff;
use crate::scaler::ReadError;

/// The state of one server as its client sees it.
#[derive(Debug)]
pub struct Breaker<E = ReadError>(Mutex<State<E>>);

#[derive(Debug)]
struct State<E> {
    backoff: Backoff,
    last_error: Option<E>,
}

impl<E: Clone> Breaker<E> {
    /// A server that has not failed yet.
    pub fn new(backoff: Backoff) -> Self {
        Self(Mutex::new(State { backoff, last_error: None }))
    }

    /// The last error, while the server is to be left alone after it.
    pub fn resting(&self, now: Instant) -> Option<E> {
        let state = self.0.lock();
        state.backoff.wait(now).and(state.last_error.clone())
    }

    /// Notes a failure at `now`. Failures of questions that were on their way together count once.
    pub fn failed(&self, now: Instant, error: E, chance: f64) {
        let mut state = self.0.lock();
        if state.backoff.wait(now).is_none() {
            state.backoff.failed(now, chance);
        }
        state.last_error = Some(error);
    }

    /// Notes a success.
    pub fn succeeded(&self) {
        let mut state = self.0.lock();
        state.backoff.succeeded();
        state.last_error = None;
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
        assert_eq!(breaker.resting(now), None);
        // Ten questions that fail together are one failure.
        for _ in 0..10 {
            breaker.failed(now, error.clone(), 1.0);
        }
        assert_eq!(breaker.resting(now), Some(error.clone()));
        let later = now + Duration::from_secs(1);
        assert_eq!(breaker.resting(later), None);
        breaker.failed(later, error.clone(), 1.0);
        assert_eq!(breaker.resting(later + Duration::from_millis(1_900)), Some(error));
        breaker.succeeded();
        assert_eq!(breaker.resting(later), None);
    }
}
