//! The pauses between attempts after failures.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Doubles the pause after each failure, with jitter so that many clients of a broker that comes back do not all
/// come at once ("full jitter between half and whole").
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// Pauses from `first` up to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0, not_before: None }
    }

    /// How long to leave the other side alone yet, if so.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before.map(|at| at.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Notes a failure at `now`. `chance` from 0 to 1 picks the jitter.
    pub fn failed(&mut self, now: Instant, chance: f64) {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(self.most);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + whole.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0)));
    }

    /// Notes a success: the next failure pauses for the first, shortest time.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }
}

/// A number from 0 to 1 that differs from `whose` to `whose` and from call to call: all that jitter needs.
pub fn jitter(whose: &impl Hash) -> f64 {
    f64::from(u32::try_from(RandomState::new().hash_one(whose) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pauses_stay_within_their_bounds(failures in 1_u32..200, chance in 0.0..1.0_f64) {
            let (first, most) = (Duration::from_millis(250), Duration::from_secs(30));
            let mut backoff = Backoff::new(first, most);
            let now = Instant::now();
            for _ in 0..failures {
                backoff.failed(now, chance);
            }
            let wait = backoff.wait(now).unwrap();
            prop_assert!(wait >= first / 2 && wait <= most);
            backoff.succeeded();
            prop_assert_eq!(backoff.wait(now), None);
        }
    }
}
