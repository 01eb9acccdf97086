//! The times of the polls of one ScaledObject.

use std::time::Duration;

/// The next poll. A tick between polls, such as one after an error, does not move it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PollTimer {
    /// By the time since the start of the process.
    next: Option<Duration>,
}

impl PollTimer {
    /// Whether a tick at `now` is a poll.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// The next poll after a tick that ended at `now`. One that has become due during a tick that was no poll stays so.
    /// The first pause is cut to a random part (`jitter` from 0 to 1), so that objects that came together do not go on
    /// polling together.
    pub(super) fn next(&mut self, was_poll: bool, now: Duration, interval: Duration, jitter: f64) -> Duration {
        let next = match self.next {
            None => now + interval.mul_f64(jitter.clamp(0.05, 1.0)),
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

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_poll_is_never_later_than_its_interval() {
        let (now, interval) = (at(1000), at(30));
        for jitter in [-1.0, 0.0, 0.5, 1.0, 7.0] {
            let mut timer = PollTimer::default();
            let next = timer.next(true, now, interval, jitter);
            assert!(next > now && next <= now + interval);
            assert_eq!(timer.next(true, next, interval, jitter), next + interval);
        }
    }

    #[test]
    fn a_tick_between_two_polls_does_not_move_them() {
        let interval = at(30);
        let mut timer = PollTimer::default();
        assert!(timer.is_due(at(0)));
        assert_eq!(timer.next(true, at(0), interval, 1.0), at(30));
        assert!(!timer.is_due(at(5)));
        assert_eq!(timer.next(false, at(5), interval, 1.0), at(30));
        // A poll that became due during a long tick is not left out.
        assert_eq!(timer.next(false, at(31), interval, 1.0), at(30));
        // A shorter interval counts at once.
        assert_eq!(timer.next(true, at(31), interval, 1.0), at(61));
        assert_eq!(timer.next(false, at(40), at(5), 1.0), at(45));
        assert!(timer.is_due(at(45)));
    }
}
