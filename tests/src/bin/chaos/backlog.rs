//! The messages that wait for a workload, and since when: its replicas are judged by them.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// The least number of messages that waited from each of these moments on.
#[derive(Debug)]
pub(crate) struct Backlog(Mutex<Vec<(DateTime<Utc>, usize)>>);

impl Backlog {
    /// Nothing waits.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(vec![(Utc::now(), 0)]))
    }

    /// At least `waiting` messages wait from now on. Note this before you take messages away.
    pub(crate) fn note(&self, waiting: usize) {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if history.last().is_none_or(|(_, last)| *last != waiting) {
            history.push((Utc::now(), waiting));
        }
    }

    /// How many wait at present.
    pub(crate) fn now(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().map_or(0, |(_, waiting)| *waiting)
    }

    /// Whether something waited at every moment of a span.
    pub(crate) fn waited_throughout(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        let history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = history.iter().rev().find(|(at, _)| *at <= from);
        let meanwhile = history.iter().filter(|(at, _)| *at > from && *at <= to);
        before.is_some() && before.into_iter().chain(meanwhile).all(|(_, waiting)| *waiting > 0)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_moment_without_messages_is_enough() {
        let begin = Utc::now();
        let at = |seconds: i64| begin + TimeDelta::seconds(seconds);
        let backlog = Backlog(Mutex::new(vec![(at(0), 0), (at(10), 5), (at(20), 2), (at(30), 0), (at(31), 4)]));
        for (from, to, waited) in
            [(12, 28, true), (10, 29, true), (9, 28, false), (25, 30, false), (32, 90, true), (-5, -1, false)]
        {
            assert_eq!(backlog.waited_throughout(at(from), at(to)), waited, "{from} to {to}");
        }
    }
}
