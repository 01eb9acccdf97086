//! A number over time.

use std::time::Duration;

/// Values, each of which holds until the next begins. None: there was no reading.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    points: Vec<(Duration, Option<f64>)>,
    /// The point that was looked at last. Time goes on, so that the next one is near.
    place: usize,
}

impl Series {
    /// The values at these times since the start. They are put into order; of two at the same time the later
    /// one counts.
    pub fn new(mut points: Vec<(Duration, Option<f64>)>) -> Self {
        points.sort_by_key(|(at, _)| *at);
        points.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = later.1;
            }
            same
        });
        points.dedup_by(|later, earlier| later.1 == earlier.1);
        Self { points, place: 0 }
    }

    /// The points at which the value changes.
    pub fn points(&self) -> &[(Duration, Option<f64>)] {
        &self.points
    }

    /// The value at `now`. Before the first point it is that of the first.
    pub(super) fn at(&mut self, now: Duration) -> Option<f64> {
        self.seek(now);
        self.points.get(self.place).and_then(|(_, value)| *value)
    }

    /// The time after `now` at which the value changes.
    pub(super) fn next_change(&mut self, now: Duration) -> Option<Duration> {
        self.seek(now);
        let later = self.points[self.place.min(self.points.len())..].iter().map(|(at, _)| *at);
        later.take(2).find(|at| *at > now)
    }

    fn seek(&mut self, now: Duration) {
        if self.points.get(self.place).is_some_and(|(at, _)| *at > now) {
            self.place = 0;
        }
        while self.points.get(self.place + 1).is_some_and(|(at, _)| *at <= now) {
            self.place += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_value_holds_until_the_next() {
        let mut series =
            Series::new(vec![(at(60), None), (at(0), Some(1.0)), (at(30), Some(2.0)), (at(30), Some(3.0))]);
        for (now, value, next) in [
            (0, Some(1.0), Some(30)),
            (29, Some(1.0), Some(30)),
            (30, Some(3.0), Some(60)),
            (60, None, None),
            (500, None, None),
            (5, Some(1.0), Some(30)),
        ] {
            assert_eq!((series.at(at(now)), series.next_change(at(now))), (value, next.map(at)), "{now}");
        }
    }

    #[test]
    fn what_does_not_change_is_no_change() {
        let mut series = Series::new(vec![(at(10), Some(1.0)), (at(20), Some(1.0)), (at(30), Some(2.0))]);
        assert_eq!((series.at(at(0)), series.next_change(at(0))), (Some(1.0), Some(at(10))));
        assert_eq!(series.next_change(at(10)), Some(at(30)));
        let mut empty = Series::default();
        assert_eq!((empty.at(at(3)), empty.next_change(at(3))), (None, None));
    }
}
