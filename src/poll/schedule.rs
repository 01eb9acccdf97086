//! When a ScaledObject is to be looked at next. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// When every trigger of a ScaledObject is read next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The next poll of every trigger: never later than `pollingInterval` after the last.
    pub poll: Instant,
    /// The end of the cooldown or the edge of a cron window, if it comes before the next poll.
    pub change: Option<Instant>,
    /// Whether the workload waits for something to do, so that its triggers are listened to between polls.
    pub idle: bool,
}

impl Schedule {
    /// When to wake up and read.
    pub fn wake(&self) -> Instant {
        self.change.map_or(self.poll, |change| self.poll.min(change))
    }
}

/// The polls of one ScaledObject. What happens between them, such as another look after an error, does not move them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rhythm {
    next: Option<Instant>,
}

impl Rhythm {
    /// Whether a tick at `now` is a poll.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// The next poll after a tick that ended at `now`. One that has become due during a tick that was no poll stays so.
    /// The first pause is cut to a random part (`chance` from 0 to 1), so that objects that came together do not poll
    /// together for ever.
    pub fn next(&mut self, was_poll: bool, now: Instant, interval: Duration, chance: f64) -> Instant {
        let next = match self.next {
            None => now + interval.mul_f64(chance.clamp(0.05, 1.0)),
            Some(next) if !was_poll => next.min(now + interval),
            Some(_) => now + interval,
        };
        self.next = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_reason_wakes() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let schedule = |change| Schedule { poll: at(30_000), change, idle: true };
        assert_eq!(schedule(Some(at(5_000))).wake(), at(5_000));
        assert_eq!(schedule(Some(at(50_000))).wake(), at(30_000));
        assert_eq!(schedule(None).wake(), at(30_000));
    }

    #[test]
    fn a_poll_is_never_later_than_its_interval() {
        let (now, interval) = (Instant::now(), Duration::from_secs(30));
        for chance in [-1.0, 0.0, 0.5, 1.0, 7.0] {
            let mut rhythm = Rhythm::default();
            let next = rhythm.next(true, now, interval, chance);
            assert!(next > now && next <= now + interval);
            assert_eq!(rhythm.next(true, next, interval, chance), next + interval);
        }
    }

    #[test]
    fn what_comes_between_does_not_move_the_polls() {
        let (start, interval) = (Instant::now(), Duration::from_secs(30));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rhythm = Rhythm::default();
        assert!(rhythm.is_due(start));
        assert_eq!(rhythm.next(true, start, interval, 1.0), at(30));
        assert!(!rhythm.is_due(at(5)));
        assert_eq!(rhythm.next(false, at(5), interval, 1.0), at(30));
        // Nor do they fall out where it takes long.
        assert_eq!(rhythm.next(false, at(31), interval, 1.0), at(30));
        // But for an interval that was made shorter.
        assert_eq!(rhythm.next(true, at(31), interval, 1.0), at(61));
        assert_eq!(rhythm.next(false, at(40), Duration::from_secs(5), 1.0), at(45));
        assert!(rhythm.is_due(at(45)));
    }
}
