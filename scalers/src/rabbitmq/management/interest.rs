//! Which queues of a virtual host are asked about, what was last heard of them, and whether a list of all is the
//! cheaper question. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::rabbitmq::figures::Figures;

/// Answers of this age are given again. The broker's own statistics are up to five seconds old.
const FRESH: Duration = Duration::from_secs(1);
/// An answer from a list that took long is given for longer, so that the broker is not kept busy with lists.
const LONGEST_FRESH: Duration = Duration::from_secs(5);
/// From this many different queues asked about within [`FRESH`] on, a list is asked for.
const MANY: usize = 3;
/// A queue that nobody has asked about for this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);
/// After a list that failed the queues are asked about one by one for this long.
const NO_LIST_FOR: Duration = Duration::from_mins(1);

/// What is known of one virtual host.
#[derive(Debug, Default)]
pub(super) struct Interest {
    queues: HashMap<Arc<str>, Asked>,
    /// When queues were first asked about within [`FRESH`].
    counted: VecDeque<Instant>,
    /// Pages of the last list.
    pages: u32,
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
    figures: Figures,
    until: Instant,
}

impl Interest {
    /// Notes that `queue` is asked about, and gives what was heard of it a moment ago.
    pub(super) fn ask(&mut self, queue: &str, now: Instant) -> Option<Figures> {
        while self.counted.front().is_some_and(|at| now.duration_since(*at) >= FRESH) {
            self.counted.pop_front();
        }
        let Some(asked) = self.queues.get_mut(queue) else {
            if self.queues.len() == self.queues.capacity() {
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

    /// What was heard of `queue` a moment ago.
    pub(super) fn heard(&self, queue: &str, now: Instant) -> Option<Figures> {
        let answer = self.queues.get(queue)?.answer?;
        (answer.until > now).then_some(answer.figures)
    }

    /// Whether one list costs the broker less than the questions of this second do one by one. A page of a list is
    /// taken to cost as much as one of them.
    pub(super) fn list_pays(&self, now: Instant) -> bool {
        let pages = usize::try_from(self.pages).unwrap_or(usize::MAX);
        self.counted.len() >= MANY.max(pages) && self.no_list_until.is_none_or(|until| until <= now)
    }

    /// Keeps the figures of a queue if it is asked about.
    pub(super) fn keep(&mut self, queue: &str, figures: Figures, now: Instant) {
        if let Some(asked) = self.queues.get_mut(queue) {
            asked.answer = Some(Answer { figures, until: now + FRESH });
        }
    }

    /// Notes that a list is complete: `took` says how much it asked of the broker.
    pub(super) fn listed(&mut self, pages: u32, begun: Instant, now: Instant) {
        self.pages = pages;
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
    }

    /// Notes that there was no list to be had.
    pub(super) fn list_failed(&mut self, now: Instant) {
        self.no_list_until = Some(now + NO_LIST_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: Figures = Figures { messages: 7.0, ready: 7.0, publish_rate: 0.0, deliver_get_rate: 0.0 };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_list_pays_from_the_third_queue_within_a_second_on() {
        let (mut interest, now) = (Interest::default(), Instant::now());
        for queue in ["a", "b", "a", "b"] {
            interest.ask(queue, now);
            assert!(!interest.list_pays(now));
        }
        interest.ask("c", now + ms(900));
        assert!(interest.list_pays(now + ms(900)));
        // The same three again and again stay three; after a pause it is one.
        for round in 1..20 {
            for queue in ["a", "b", "c"] {
                interest.ask(queue, now + ms(900 + 500 * round));
            }
            assert!(interest.counted.len() <= 3);
        }
        interest.ask("a", now + ms(20_000));
        assert!(!interest.list_pays(now + ms(20_000)));
    }

    #[test]
    fn a_long_list_pays_only_for_as_many_queues_as_it_has_pages() {
        let (mut interest, now) = (Interest::default(), Instant::now());
        interest.listed(20, now, now);
        for queue in 0..20 {
            assert!(!interest.list_pays(now), "{queue}");
            interest.ask(&queue.to_string(), now);
        }
        assert!(interest.list_pays(now));
        interest.list_failed(now);
        assert!(!interest.list_pays(now + ms(900)));
    }

    #[test]
    fn only_what_is_asked_for_is_kept_and_given_again_for_a_while() {
        let (mut interest, now) = (Interest::default(), Instant::now());
        assert_eq!(interest.ask("a", now), None);
        interest.ask("vanished", now);
        for queue in ["a", "b", "c"] {
            interest.keep(queue, QUEUE, now + ms(1_200));
        }
        interest.listed(2, now, now + ms(1_500));
        assert_eq!(interest.queues.len(), 2);
        // It took one and a half seconds: for twice that time nothing is asked.
        assert_eq!(interest.ask("a", now + ms(4_400)), Some(QUEUE));
        assert_eq!(interest.ask("a", now + ms(4_600)), None);
        assert_eq!(interest.heard("vanished", now + ms(1_600)), None);
        interest.keep("a", QUEUE, now + ms(5_000));
        assert_eq!(interest.heard("a", now + ms(5_900)), Some(QUEUE));
        interest.listed(2, now + ms(125_000), now + ms(125_100));
        assert!(interest.queues.is_empty());
        for number in 0..100_000_u64 {
            interest.ask(&number.to_string(), now + ms(200_000 + number * 1_000));
        }
        assert!(interest.queues.len() < 300, "{}", interest.queues.len());
    }
}
