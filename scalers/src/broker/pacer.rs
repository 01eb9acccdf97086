//! How often idle workloads' triggers may be looked at, together, on one broker.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Hands out the instants of early looks, at most one each `gap`, so that a thousand idle workloads cost a broker no
/// more than a few do: the more there are, the later each one's next turn. Polls at `pollingInterval` do not ask here.
#[derive(Debug)]
pub struct Pacer {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pacer {
    /// At most `per_second` looks a second.
    pub fn new(per_second: u32) -> Self {
        Self { gap: Duration::from_secs(1) / per_second.max(1), next: Mutex::default() }
    }

    /// The next free instant that is not before `earliest`. It is the caller's from now on.
    pub fn reserve(&self, earliest: Instant) -> Instant {
        let mut next = self.next.lock();
        let turn = next.map_or(earliest, |next| next.max(earliest));
        *next = Some(turn + self.gap);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_askers_are_spread_and_a_lone_one_is_not_held_up() {
        let pacer = Pacer::new(250);
        let now = Instant::now();
        let earliest = now + Duration::from_millis(200);
        let turns: Vec<_> = (0..1000).map(|_| pacer.reserve(earliest)).collect();
        assert_eq!(turns[0], earliest);
        assert_eq!(turns[999] - turns[0], Duration::from_millis(4 * 999));
        let later = turns[999] + Duration::from_secs(60);
        assert_eq!(pacer.reserve(later), later);
    }
}
