//! The queues of a virtual host that triggers ask about, their last statistics, and whether a list of all queues is the
//! cheaper question. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::rabbitmq::queue_stats::QueueStats;

/// Answers of this age are given again. The broker's own statistics are up to five seconds old.
const FRESH: Duration = Duration::from_secs(1);
/// An answer from a list that took long is given for longer, so that the broker is not kept busy with lists.
const LONGEST_FRESH: Duration = Duration::from_secs(5);
/// From this many different queues asked about within [`FRESH`] on, a list may be asked for.
const MANY: usize = 3;
/// The time for which the measured cost of a list is used: queues come and go.
const COST_KNOWN_FOR: Duration = Duration::from_mins(5);
/// A queue that nobody has asked about for this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);
/// After a list that failed the queues are asked about one by one for this long.
const NO_LIST_FOR: Duration = Duration::from_mins(1);

/// The cache of one virtual host.
#[derive(Debug, Default)]
pub(super) struct QueueStatsCache {
    queues: HashMap<Arc<str>, Asked>,
    /// The number of queues at which those that nobody asks about any more are looked for.
    forget_at: usize,
    /// When queues were first asked about within [`FRESH`].
    counted: VecDeque<Instant>,
    /// How long a question about one queue takes, on average of the last few.
    single: Option<Duration>,
    /// When the last list was complete, and how long it took.
    list: Option<(Instant, Duration)>,
    no_list_until: Option<Instant>,
}

#[derive(Debug)]
struct Asked {
    last: Instant,
    counted: Instant,
    answer: Option<Answer>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    figures: QueueStats,
    until: Instant,
}

impl QueueStatsCache {
    /// Notes a question about `queue`, and gives its statistics if they are a moment old.
    pub(super) fn ask(&mut self, queue: &str, now: Instant) -> Option<QueueStats> {
        while self.counted.front().is_some_and(|at| now.duration_since(*at) >= FRESH) {
            self.counted.pop_front();
        }
        let Some(asked) = self.queues.get_mut(queue) else {
            if self.queues.len() >= self.forget_at {
                self.forget(now);
            }
            self.queues.insert(queue.into(), Asked { last: now, counted: now, answer: None });
            self.counted.push_back(now);
            return None;
        };
        asked.last = now;
        if now.duration_since(asked.counted) >= FRESH {
            asked.counted = now;
            self.counted.push_back(now);
        }
        self.heard(queue, now)
    }

    /// The statistics of `queue` if they are a moment old.
    pub(super) fn heard(&self, queue: &str, now: Instant) -> Option<QueueStats> {
        let answer = self.queues.get(queue)?.answer?;
        (answer.until > now).then_some(answer.figures)
    }

    /// Whether one list costs the broker less than the questions of this second, or the `waiting` ones, one by one.
    pub(super) fn list_pays(&self, waiting: usize, now: Instant) -> bool {
        let questions = self.counted.len().max(waiting);
        if questions < MANY || self.no_list_until.is_some_and(|until| until > now) {
            return false;
        }
        let list = self.list.filter(|(at, _)| now.duration_since(*at) < COST_KNOWN_FOR);
        let (Some((_, list)), Some(single)) = (list, self.single) else { return true };
        single * u32::try_from(questions).unwrap_or(u32::MAX) >= list
    }

    /// Notes how long a question about one queue took.
    pub(super) fn asked_singly(&mut self, took: Duration) {
        self.single = Some(self.single.map_or(took, |single| (single * 7 + took) / 8));
    }

    /// Keeps the figures of a queue if it is asked about.
    pub(super) fn keep(&mut self, queue: &str, figures: QueueStats, now: Instant) {
        if let Some(asked) = self.queues.get_mut(queue) {
            asked.answer = Some(Answer { figures, until: now + FRESH });
        }
    }

    /// Notes that a list is complete.
    pub(super) fn listed(&mut self, begun: Instant, now: Instant) {
        self.list = Some((now, now.duration_since(begun)));
        let fresh = (now.duration_since(begun) * 2).clamp(FRESH, LONGEST_FRESH);
        self.forget(now);
        for asked in self.queues.values_mut() {
            if let Some(answer) = asked.answer.as_mut().filter(|answer| answer.until > begun + FRESH) {
                answer.until = now + fresh;
            }
        }
    }

    fn forget(&mut self, now: Instant) {
        self.queues.retain(|_, asked| now.duration_since(asked.last) < FORGOTTEN_AFTER);
        self.forget_at = self.queues.len() * 2 + 16;
    }

    /// Notes that the broker gave no list.
    pub(super) fn list_failed(&mut self, now: Instant) {
        self.no_list_until = Some(now + NO_LIST_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rabbitmq::queue_stats::Rates;

    const QUEUE: QueueStats =
        QueueStats { messages: 7.0, ready: 7.0, publish_rate: 0.0, deliver_get_rate: 0.0, rates: Rates::Counted };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_list_pays_from_the_third_queue_within_a_second_on() {
        let (mut cache, now) = (QueueStatsCache::default(), Instant::now());
        for queue in ["a", "b", "a", "b"] {
            cache.ask(queue, now);
            assert!(!cache.list_pays(0, now));
        }
        cache.ask("c", now + ms(900));
        assert!(cache.list_pays(0, now + ms(900)));
        // The same three again and again stay three; after a pause it is one.
        for round in 1..20 {
            for queue in ["a", "b", "c"] {
                cache.ask(queue, now + ms(900 + 500 * round));
            }
            assert!(cache.counted.len() <= 3);
        }
        cache.ask("a", now + ms(20_000));
        assert!(!cache.list_pays(0, now + ms(20_000)));
    }

    #[test]
    fn a_list_pays_when_it_takes_no_longer_than_the_questions() {
        let (mut cache, now) = (QueueStatsCache::default(), Instant::now());
        cache.listed(now, now + ms(2_000));
        let now = now + ms(2_000);
        for took in [100, 100, 100] {
            cache.asked_singly(ms(took));
        }
        for queue in 0..20 {
            assert!(!cache.list_pays(0, now), "{queue}");
            cache.ask(&queue.to_string(), now);
        }
        assert!(cache.list_pays(0, now));
        cache.list_failed(now);
        assert!(!cache.list_pays(0, now + ms(900)));
        // Questions that cannot be asked fast enough count as well.
        let later = now + ms(70_000);
        cache.ask("0", later);
        assert!(!cache.list_pays(19, later) && cache.list_pays(20, later));
        // The vhost may have become smaller meanwhile.
        let much_later = now + COST_KNOWN_FOR;
        assert!(!cache.list_pays(2, much_later) && cache.list_pays(3, much_later));
    }

    #[test]
    fn only_what_is_asked_for_is_kept_and_given_again_for_a_while() {
        let (mut cache, now) = (QueueStatsCache::default(), Instant::now());
        assert_eq!(cache.ask("a", now), None);
        cache.ask("vanished", now);
        for queue in ["a", "b", "c"] {
            cache.keep(queue, QUEUE, now + ms(1_200));
        }
        cache.listed(now, now + ms(1_500));
        assert_eq!(cache.queues.len(), 2);
        // It took one and a half seconds: for twice that time nothing is asked.
        assert_eq!(cache.ask("a", now + ms(4_400)), Some(QUEUE));
        assert_eq!(cache.ask("a", now + ms(4_600)), None);
        assert_eq!(cache.heard("vanished", now + ms(1_600)), None);
        cache.keep("a", QUEUE, now + ms(5_000));
        assert_eq!(cache.heard("a", now + ms(5_900)), Some(QUEUE));
        cache.listed(now + ms(125_000), now + ms(125_100));
        assert!(cache.queues.is_empty());
        for number in 0..100_000_u64 {
            cache.ask(&number.to_string(), now + ms(200_000 + number * 1_000));
        }
        assert!(cache.queues.len() < 300, "{}", cache.queues.len());
    }
}
