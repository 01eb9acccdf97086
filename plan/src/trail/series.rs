//! The readings of a ScaledObject's triggers over the last hour, within a budget of memory.
//!
//! A reading that equals the last one makes that one longer, so that an idle workload takes next to nothing. Readings older than ten
//! minutes become one a minute, with the least and the greatest value.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

/// How long each reading is kept as it is, in seconds.
const FINE_FOR: u32 = 600;
/// How long readings are kept, in seconds.
const KEPT_FOR: u32 = 3_600;
/// The length of an older point, in seconds.
const COARSE: u32 = 60;
/// The count of replicas that is not known.
const UNKNOWN: i32 = -1;

/// The readings. All of them are of the same triggers.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    triggers: usize,
    spans: VecDeque<Span>,
    /// As many for each span as there are triggers.
    values: VecDeque<Range>,
    /// How many of the oldest spans are coarse already.
    coarse: usize,
    is_thinned: bool,
}

/// A time in which no reading differed, or was told apart. In seconds of Unix time.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u32,
    to: u32,
    replicas: i32,
    /// The replicas that Ebb would have set.
    shadow: i32,
}

/// A trigger's values in a span. Not a number where it could not be read.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The last one.
    pub last: f32,
    /// The least.
    pub min: f32,
    /// The greatest.
    pub max: f32,
}

/// A point of the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The first reading, in seconds of Unix time.
    pub from: u32,
    /// The last reading.
    pub to: u32,
    /// The replicas at the last reading, where they were known.
    pub replicas: Option<i32>,
    /// The replicas that Ebb, which observes, would have had then.
    pub shadow: Option<i32>,
    /// The values of each trigger. None: the last reading failed.
    pub values: Vec<Option<Range>>,
}

impl Range {
    fn at(value: Option<f64>) -> Self {
        #[expect(clippy::cast_possible_truncation)] // A chart does not show more digits.
        let value = value.map_or(f32::NAN, |value| value as f32);
        Self { last: value, min: value, max: value }
    }

    /// Both, this one before `later`. `f32::min` and `max` pass over what is not a number.
    fn with(self, later: Self) -> Self {
        Self { last: later.last, min: self.min.min(later.min), max: self.max.max(later.max) }
    }

    fn is_only(self, other: Self) -> bool {
        let same = |one: f32, other: f32| one.to_bits() == other.to_bits();
        same(self.last, other.last) && same(self.min, other.min) && same(self.max, other.max)
    }
}

impl PartialEq for Range {
    fn eq(&self, other: &Self) -> bool {
        self.is_only(*other)
    }
}

impl Series {
    /// A series of this number of triggers.
    pub(super) fn of(triggers: usize) -> Self {
        Self { triggers, ..Self::default() }
    }

    /// Adds the values that were read at `now`, one for each trigger, with the replicas and those that Ebb would have set, and
    /// keeps within `budget` bytes.
    pub(super) fn add(
        &mut self,
        now: DateTime<Utc>,
        (replicas, shadow): (Option<i32>, Option<i32>),
        values: impl Iterator<Item = Option<f64>>,
        budget: usize,
    ) {
        let now = u32::try_from(now.timestamp()).unwrap_or_default();
        let (replicas, shadow) = (replicas.unwrap_or(UNKNOWN), shadow.unwrap_or(UNKNOWN));
        let before = self.values.len();
        self.values.extend(values.map(Range::at));
        debug_assert_eq!(self.values.len() - before, self.triggers);
        let is_same = self.spans.back().is_some_and(|last| {
            let known = self.values.range(before - self.triggers..before);
            (last.replicas, last.shadow) == (replicas, shadow)
                && known.zip(self.values.range(before..)).all(|(known, new)| known.is_only(*new))
        });
        match self.spans.back_mut() {
            Some(last) if is_same => {
                last.to = now;
                self.values.truncate(before);
            }
            _ => self.spans.push_back(Span { from: now, to: now, replicas, shadow }),
        }
        self.coarsen(now);
        self.thin(budget);
    }

    /// Drops what is too old, and makes points of a minute of what is old.
    fn coarsen(&mut self, now: u32) {
        while self.spans.front().is_some_and(|oldest| oldest.to < now.saturating_sub(KEPT_FOR)) {
            self.drop_oldest();
        }
        while let Some(old) = self.spans.get(self.coarse).copied() {
            if old.to >= now.saturating_sub(FINE_FOR) {
                return;
            }
            let before = self.coarse.checked_sub(1).and_then(|before| self.spans.get(before));
            if before.is_some_and(|before| old.to - before.from <= COARSE) {
                self.join(self.coarse - 1);
            } else {
                self.coarse += 1;
            }
        }
    }

    /// Joins neighbours, the oldest first, until the rest is within the budget.
    fn thin(&mut self, budget: usize) {
        while self.bytes() > budget && self.spans.len() > 1 {
            self.is_thinned = true;
            let (mut place, half) = (0, self.spans.len().div_ceil(2));
            if half < 2 {
                self.drop_oldest();
            }
            while place + 1 < half && place + 1 < self.spans.len() {
                self.join(place);
                place += 1;
            }
        }
    }

    /// Joins a span with the one after it.
    fn join(&mut self, place: usize) {
        let Some(later) = self.spans.remove(place + 1) else { return };
        if let Some(span) = self.spans.get_mut(place) {
            (span.to, span.replicas, span.shadow) = (later.to, later.replicas, later.shadow);
        }
        let first = place * self.triggers;
        for trigger in 0..self.triggers {
            // The values of the later span move up as they are taken out.
            if let Some(value) = self.values.remove(first + self.triggers)
                && let Some(before) = self.values.get_mut(first + trigger)
            {
                *before = before.with(value);
            }
        }
        if place + 1 < self.coarse {
            self.coarse -= 1;
        }
    }

    fn drop_oldest(&mut self) {
        self.spans.pop_front();
        self.values.drain(..self.triggers.min(self.values.len()));
        self.coarse = self.coarse.saturating_sub(1);
    }

    /// The memory of the readings, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.spans.len() * size_of::<Span>() + self.values.len() * size_of::<Range>()
    }

    /// Whether points are longer than the rules ask for, because of the budget.
    pub(super) fn is_thinned(&self) -> bool {
        self.is_thinned
    }

    /// The points, the oldest first.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        self.spans.iter().enumerate().map(|(place, span)| {
            let first = place * self.triggers;
            let values = self.values.range(first..first + self.triggers);
            Point {
                from: span.from,
                to: span.to,
                replicas: (span.replicas != UNKNOWN).then_some(span.replicas),
                shadow: (span.shadow != UNKNOWN).then_some(span.shadow),
                values: values.map(|range| (!range.last.is_nan()).then_some(*range)).collect(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLENTY: usize = 1 << 20;
    const START: i64 = 1_800_000_000;

    fn at(second: u32) -> DateTime<Utc> {
        DateTime::from_timestamp(START + i64::from(second), 0).unwrap()
    }

    fn filled(readings: &[(u32, Option<f64>)], budget: usize) -> Series {
        let mut series = Series::of(1);
        for (second, value) in readings {
            series.add(at(*second), (Some(1), None), [*value].into_iter(), budget);
        }
        series
    }

    /// From, to, and the last value, the least and the greatest.
    type Shown = (i64, i64, Option<(f32, f32, f32)>);

    fn shown(series: &Series) -> Vec<Shown> {
        let range = |range: &Option<Range>| range.map(|range| (range.last, range.min, range.max));
        let since = |second: u32| i64::from(second) - START;
        series.points().map(|point| (since(point.from), since(point.to), range(&point.values[0]))).collect()
    }

    #[test]
    fn a_reading_like_the_last_makes_it_longer() {
        let same = |value| Some((value, value, value));
        let series = filled(&[(0, Some(5.0)), (5, Some(5.0)), (10, Some(6.0)), (15, None), (20, None)], PLENTY);
        assert_eq!(shown(&series), [(0, 5, same(5.0)), (10, 10, same(6.0)), (15, 20, None)]);
        assert!(!series.is_thinned());
    }

    #[test]
    fn older_readings_are_one_a_minute() {
        let readings: Vec<_> = (0..=3_600).step_by(10).map(|second| (second, Some(f64::from(second % 60)))).collect();
        let series = filled(&readings, PLENTY);
        let points = shown(&series);
        let (old, fine): (Vec<_>, Vec<_>) = points.into_iter().partition(|(_, to, _)| *to < 3_000);
        assert_eq!(fine.len(), 61, "{fine:?}");
        assert!((40..=60).contains(&old.len()), "{}", old.len());
        assert!(old.iter().all(|(from, to, _)| to - from <= 60), "{old:?}");
        assert!(
            old.iter().any(|(_, _, range)| range.is_some_and(|(_, min, max)| (min, max) == (0.0, 50.0))),
            "{old:?}"
        );
    }

    #[test]
    fn readings_are_kept_for_an_hour() {
        let series = filled(&[(0, Some(1.0)), (10, Some(2.0)), (3_620, Some(3.0))], PLENTY);
        assert_eq!(shown(&series).len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_between_the_extremes_is_lost_and_the_budget_holds(
            readings in proptest::collection::vec((1_u32..120, proptest::option::of(0_u32..4), 0_u32..3), 1..200),
            budget in 200_usize..2_000,
        ) {
            let mut series = Series::of(2);
            let mut now = 0;
            let mut all = Vec::new();
            for (pause, one, other) in readings {
                now += pause;
                let values = [one.map(f64::from), Some(f64::from(other))];
                all.push((now, other));
                series.add(at(now), (Some(1), None), values.into_iter(), budget);
                prop_assert!(series.bytes() <= budget || series.spans.len() == 1);
                prop_assert_eq!(series.values.len(), series.spans.len() * 2);
                prop_assert!(series.coarse <= series.spans.len());
            }
            let points: Vec<_> = series.points().collect();
            for pair in points.windows(2) {
                prop_assert!(pair[0].to < pair[1].from, "in order: {:?}", pair);
            }
            let last = points.last().unwrap();
            prop_assert_eq!(i64::from(last.to), START + i64::from(now));
            // Every reading that is not too old is within the point that covers it.
            let oldest = points[0].from;
            for (second, value) in all {
                let second = u32::try_from(START).unwrap() + second;
                if second < oldest { continue; }
                let point = points.iter().find(|point| point.from <= second && second <= point.to);
                prop_assert!(point.is_some(), "{} is in no point", second);
                let range = point.and_then(|point| point.values[1]).unwrap();
                #[expect(clippy::cast_precision_loss)] // Small numbers.
                let value = value as f32;
                prop_assert!(range.min <= value && value <= range.max);
            }
        }
    }
}
