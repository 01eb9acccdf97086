//! A queue that the workload works off: the backlog follows from the replicas.

use std::collections::VecDeque;
use std::time::Duration;

/// Messages that wait, as a fluid: the rates of arrival and of work are averages. Whole messages arrive, so that a rare
/// message counts as one.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// Messages a second that a replica works off.
    rate: f64,
    /// Those that wait, oldest first.
    waiting: VecDeque<Arrivals>,
    backlog: f64,
    /// The part of a message that is to come.
    carry: f64,
    /// Messages that are being worked on, on average.
    busy: f64,
    longest_backlog: f64,
    longest_wait: f64,
}

/// Messages that arrived evenly between two times, in seconds.
#[derive(Debug, Clone, Copy)]
struct Arrivals {
    from: f64,
    to: f64,
    count: f64,
}

impl Queue {
    pub(super) fn new(rate: f64) -> Self {
        let (waiting, longest_backlog, longest_wait) = (VecDeque::new(), 0.0, 0.0);
        Self { rate, waiting, backlog: 0.0, carry: 0.0, busy: 0.0, longest_backlog, longest_wait }
    }

    /// Messages that are there: those that wait, and those that are being worked on.
    pub(super) fn length(&self) -> f64 {
        self.backlog + self.busy
    }

    /// The messages that wait.
    pub(super) fn backlog(&self) -> f64 {
        self.backlog
    }

    /// The most messages that have waited, and the longest time in seconds that one has.
    pub(super) fn longest(&self) -> (f64, f64) {
        (self.longest_backlog, self.longest_wait)
    }

    /// The time until there are more than `messages` while no replica works and `arriving` come a second. None: never,
    /// or there are already.
    pub(super) fn until_above(&self, messages: f64, arriving: f64) -> Option<Duration> {
        let missing = messages.floor() + 1.0 - self.backlog - self.carry;
        if missing > 0.0 { Duration::try_from_secs_f64(missing / arriving).ok() } else { None }
    }

    /// Time goes from `from` to `to` while `arriving` messages come a second and `ready` replicas work.
    pub(super) fn advance(&mut self, from: Duration, to: Duration, arriving: f64, ready: i32) {
        let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
        let arrived = (self.carry + arriving * (to - from)).max(0.0);
        // A message that is whole but for a rounding error counts as whole.
        let whole = (arrived + 1e-6).floor();
        self.carry = (arrived - whole).max(0.0);
        if whole > 0.0 {
            self.waiting.push_back(Arrivals { from, to, count: whole });
            self.backlog += whole;
        }
        let capacity = f64::from(ready) * self.rate;
        let left = self.leave((capacity * (to - from)).min(self.backlog), from, capacity);
        self.backlog = if self.waiting.is_empty() { 0.0 } else { (self.backlog - left).max(0.0) };
        self.busy = if to > from { (left / (to - from) / self.rate).min(f64::from(ready)) } else { self.busy };
        self.longest_backlog = self.longest_backlog.max(self.backlog);
        if let Some(oldest) = self.waiting.front() {
            self.longest_wait = self.longest_wait.max(to - oldest.from);
        }
    }

    /// Takes `count` messages away, oldest first, at `capacity` a second from `from` on. Returns how many.
    fn leave(&mut self, count: f64, from: f64, capacity: f64) -> f64 {
        let mut left = 0.0;
        while let Some(oldest) = self.waiting.front_mut() {
            if count - left < oldest.count - 1e-9 {
                let part = (count - left) / oldest.count;
                oldest.from += (oldest.to - oldest.from) * part;
                oldest.count -= count - left;
                return count;
            }
            left += oldest.count;
            // No message leaves before it has arrived.
            self.longest_wait = self.longest_wait.max(from + left / capacity - oldest.to);
            self.waiting.pop_front();
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_backlog_grows_and_is_worked_off() {
        let mut queue = Queue::new(2.0);
        queue.advance(at(0), at(60), 1.0, 0);
        assert_eq!((queue.backlog(), queue.length()), (60.0, 60.0));
        // One replica takes away two a second while one arrives.
        queue.advance(at(60), at(90), 1.0, 1);
        assert_eq!((queue.backlog(), queue.length()), (30.0, 31.0));
        queue.advance(at(90), at(120), 1.0, 1);
        assert!(queue.backlog().abs() < 1e-6, "{queue:?}");
        let (backlog, wait) = queue.longest();
        assert!((backlog - 60.0).abs() < 1e-6, "{backlog}");
        // The first message waited for a minute, and no later one for longer.
        assert!((wait - 60.0).abs() < 1e-6, "{wait}");
    }

    #[test]
    fn who_is_idle_works_on_what_arrives() {
        let mut queue = Queue::new(2.0);
        for step in 0..10 {
            queue.advance(at(step * 10), at(step * 10 + 10), 1.0, 3);
        }
        assert_eq!((queue.backlog(), queue.length(), queue.longest().1), (0.0, 0.5, 0.0));
    }

    #[test]
    fn a_rare_message_is_a_whole_one() {
        let mut queue = Queue::new(1.0);
        let mut seen = 0;
        for step in 0..400 {
            queue.advance(at(step * 10), at(step * 10 + 10), 0.001, 1);
            seen += u32::from(queue.length() > 0.0);
        }
        assert_eq!(seen, 4, "four messages in 4,000 seconds");
        assert_eq!(queue.until_above(0.0, 0.001), Some(at(1000)));
    }

    proptest! {
        /// Nothing is lost: what has arrived waits, or has left.
        #[test]
        fn messages_are_neither_lost_nor_made(steps in prop::collection::vec((1_u64..100, 0.0_f64..50.0, 0_i32..20), 1..60)) {
            let mut queue = Queue::new(1.5);
            let (mut now, mut arrived, mut capacity) = (0, 0.0, 0.0);
            for (seconds, arriving, ready) in steps {
                let span = at(seconds);
                queue.advance(at(now), at(now + seconds), arriving, ready);
                arrived += arriving * span.as_secs_f64();
                capacity += f64::from(ready) * 1.5 * span.as_secs_f64();
                now += seconds;
                let waiting: f64 = queue.waiting.iter().map(|arrivals| arrivals.count).sum();
                prop_assert!((waiting - queue.backlog()).abs() < 1e-3, "{queue:?}");
                prop_assert!(queue.backlog() <= arrived + 1e-3 && queue.backlog() >= arrived - capacity - 1.0 - 1e-3);
                prop_assert!(queue.longest().1 <= at(now).as_secs_f64() + 1e-3);
            }
        }
    }
}
