//! How often idle workloads' triggers may be looked at, together, on one broker.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Looks come in bursts this far apart: a burst's questions share their packets and the wake-up of the connection.
const BURST: Duration = Duration::from_millis(50);

/// Hands out the instants of early looks, at most so many a second, so that a thousand idle workloads cost a broker no
/// more than a few do: the more there are, the later each one's next turn. Polls at `pollingInterval` do not ask here.
#[derive(Debug)]
pub struct RateLimiter {
    begun: Instant,
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// At most `per_second` looks a second.
    pub fn new(per_second: u32) -> Self {
        Self { begun: Instant::now(), gap: Duration::from_secs(1) / per_second.max(1), next: Mutex::default() }
    }

    /// The next free burst that is not before `earliest`. The place in it is the caller's from now on.
    pub fn reserve(&self, earliest: Instant) -> Instant {
        let mut next = self.next.lock();
        let turn = next.map_or(earliest, |next| next.max(earliest));
        *next = Some(turn + self.gap);
        let bursts = turn.saturating_duration_since(self.begun).as_nanos().div_ceil(BURST.as_nanos());
        self.begun + BURST * u32::try_from(bursts).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_askers_are_spread_and_a_lone_one_is_not_held_up() {
        let pacer = RateLimiter::new(250);
        let now = Instant::now();
        let earliest = now + Duration::from_millis(200);
        let turns: Vec<_> = (0..1000).map(|_| pacer.reserve(earliest)).collect();
        assert!(turns.is_sorted() && turns[0] >= earliest && turns[0] <= earliest + BURST);
        assert!(
            turns[999] - turns[0] >= Duration::from_millis(3_950)
                && turns[999] - turns[0] <= Duration::from_millis(4_050)
        );
        let in_a_second = turns.iter().filter(|turn| **turn < turns[0] + Duration::from_secs(1)).count();
        assert!((237..=263).contains(&in_a_second), "{in_a_second}");
        let later = turns[999] + Duration::from_mins(1);
        assert!(pacer.reserve(later) <= later + BURST);
    }
}
