//! The replicas of one ScaledObject over the last hour: from the trail of decisions, and from what is seen meanwhile. Pure.

use chrono::{DateTime, Utc};

/// The most points: a small line has room for no more.
const MOST: usize = 60;

/// Replicas and since when, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History(Vec<(DateTime<Utc>, i32)>);

impl History {
    /// Notes that there were `replicas` at `time`. Times may come in any order.
    pub(super) fn note(&mut self, time: DateTime<Utc>, replicas: i32) {
        let place = self.0.partition_point(|(at, _)| *at < time);
        match self.0.get_mut(place) {
            Some(same) if same.0 == time => same.1 = replicas,
            _ => self.0.insert(place, (time, replicas)),
        }
        // A point that repeats the one before it says nothing.
        self.0.dedup_by_key(|(_, replicas)| *replicas);
        if self.0.len() > MOST {
            self.0.drain(..self.0.len() - MOST);
        }
    }

    /// Notes a change: before it there were `from`, as far as that is known.
    pub(super) fn note_change(&mut self, time: DateTime<Utc>, from: Option<i32>, to: i32) {
        let is_first = self.0.first().is_none_or(|(first, _)| time < *first);
        if let (true, Some(from)) = (is_first, from) {
            self.note(time - chrono::TimeDelta::hours(1), from);
        }
        self.note(time, to);
    }

    /// The last count, and since when.
    pub(super) fn last(&self) -> Option<(DateTime<Utc>, i32)> {
        self.0.last().copied()
    }

    /// The moment of the last change. None: the count has been the same ever since it is known.
    pub(super) fn changed(&self) -> Option<DateTime<Utc>> {
        self.0.get(1)?;
        self.last().map(|(time, _)| time)
    }

    /// Seconds since 1970 and replicas, for the page.
    pub(super) fn points(&self) -> Vec<(i64, i32)> {
        self.0.iter().map(|(time, replicas)| (time.timestamp(), *replicas)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap()
    }

    fn points(history: &History) -> Vec<(i64, i32)> {
        history.points().into_iter().map(|(time, replicas)| (time - 1_000_000, replicas)).collect()
    }

    #[test]
    fn changes_in_any_order_make_one_line() {
        let mut history = History::default();
        history.note_change(at(100), Some(0), 1);
        history.note_change(at(300), Some(5), 2);
        history.note_change(at(200), Some(1), 5);
        assert_eq!(points(&history), [(-3500, 0), (100, 1), (200, 5), (300, 2)]);
        assert_eq!(history.last(), Some((at(300), 2)));
        assert_eq!(history.changed(), Some(at(300)));
    }

    #[test]
    fn a_count_that_stays_is_one_point() {
        let mut history = History::default();
        for second in 0..5 {
            history.note(at(second), 3);
        }
        assert_eq!(points(&history), [(0, 3)]);
        assert_eq!(history.changed(), None, "nobody knows since when");
        history.note(at(9), 4);
        assert_eq!(history.changed(), Some(at(9)));
    }

    #[test]
    fn what_is_too_much_goes_from_the_front() {
        let mut history = History::default();
        for second in 0..200 {
            history.note(at(second), i32::try_from(second % 2).unwrap());
        }
        assert_eq!(history.points().len(), MOST);
        assert_eq!(history.last(), Some((at(199), 1)));
    }
}
