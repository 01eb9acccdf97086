//! Figures that their owners hold, and that become series at a scrape.
//!
//! A series in the library's own vectors takes well over a kilobyte, and there are eight for each ScaledObject.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::leader::Leadership;

/// One number.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
    /// One that is not known yet: it is no number, and has no series.
    pub(super) fn unknown() -> Self {
        Self(AtomicU64::new(f64::NAN.to_bits()))
    }

    /// Makes it this number.
    pub fn set(&self, number: f64) {
        self.0.store(number.to_bits(), Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        let next = |bits| Some((f64::from_bits(bits) + 1.0).to_bits());
        // The closure always gives a number.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// The number.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// What happened while this replica led, or observed. It stands still while another does, and goes on from there: each event counts
/// once among all replicas.
#[derive(Debug)]
pub struct LeaderCount {
    figure: Figure,
    leadership: Arc<Leadership>,
}

impl LeaderCount {
    /// Nothing has happened yet.
    pub(super) fn new(leadership: Arc<Leadership>) -> Self {
        Self { figure: Figure::default(), leadership }
    }

    /// Adds one, if this replica leads or observes.
    pub fn inc(&self) {
        if self.leadership.speaks() {
            self.figure.inc();
        }
    }

    /// The number.
    pub fn get(&self) -> f64 {
        self.figure.get()
    }
}

/// How often numbers fell into each of some buckets. The bounds are the caller's, the same each time.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    /// By bucket; the last one is for numbers above all bounds.
    counts: Box<[u64]>,
    sum: f64,
}

impl Spread {
    /// A spread over `bounds` bounds.
    pub(super) fn new(bounds: usize) -> Self {
        Self { counts: vec![0; bounds + 1].into(), sum: 0.0 }
    }

    /// Adds a number.
    pub(super) fn add(&mut self, bounds: &[f64], number: f64) {
        let place = bounds.iter().position(|bound| number <= *bound).unwrap_or(bounds.len());
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum += number;
    }

    /// How many were not above each bound.
    pub(super) fn cumulative(&self) -> Vec<u64> {
        let below = self.counts.iter().take(self.counts.len() - 1);
        below
            .scan(0, |total, count| {
                *total += count;
                Some(*total)
            })
            .collect()
    }

    /// The sum of all numbers.
    #[cfg(test)]
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    fn proto(&self, bounds: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.set_sample_count(self.counts.iter().sum());
        histogram.set_sample_sum(self.sum);
        let buckets = bounds.iter().zip(self.cumulative()).map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        histogram.set_bucket(buckets.collect());
        histogram
    }
}

/// The latest of those with the same name: an object that was deleted and made again may have left a handle somewhere
/// for a moment, and a series must not be there twice.
pub(super) fn newest<'a, T, K: Eq + Hash>(all: &'a [Arc<T>], name: impl Fn(&'a T) -> K) -> Vec<&'a Arc<T>> {
    let mut seen = HashSet::with_capacity(all.len());
    let mut newest: Vec<_> = all.iter().rev().filter(|member| seen.insert(name(member))).collect();
    newest.reverse();
    newest
}

/// All things of a kind that have figures, for as long as they live.
#[derive(Debug)]
pub(super) struct Roll<T>(Mutex<Vec<Weak<T>>>);

impl<T> Default for Roll<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Roll<T> {
    /// Adds one.
    pub(super) fn add(&self, member: &Arc<T>) {
        let mut members = self.0.lock();
        if members.len() == members.capacity() {
            members.retain(|member| member.strong_count() > 0);
        }
        members.push(Arc::downgrade(member));
    }

    /// Those that live.
    pub(super) fn living(&self) -> Vec<Arc<T>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

/// The name of a family of series, its help and its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) counts: bool,
}

impl Family {
    /// A family of numbers that go up and down.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, counts: false }
    }

    /// A family of numbers that only go up.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, counts: true }
    }

    /// A family of histograms with these bounds: labels in the order of their names, and how the numbers are spread.
    pub(super) fn spread<'a, const N: usize>(
        self,
        names: [&str; N],
        bounds: &[f64],
        series: impl Iterator<Item = ([&'a str; N], &'a Spread)>,
    ) -> MetricFamily {
        let metrics = series.map(|(values, spread)| {
            let mut metric =
                Metric::from_label(names.iter().zip(values).map(|(name, value)| label(name, value)).collect());
            metric.set_histogram(spread.proto(bounds));
            metric
        });
        self.family(MetricType::HISTOGRAM, metrics.collect())
    }

    /// The family with these series: labels in the order of their names, and the number.
    pub(super) fn of<'a, const N: usize>(
        self,
        names: [&str; N],
        series: impl Iterator<Item = ([&'a str; N], f64)>,
    ) -> MetricFamily {
        let metric = |(values, number): ([&str; N], f64)| {
            let mut metric =
                Metric::from_label(names.iter().zip(values).map(|(name, value)| label(name, value)).collect());
            if self.counts {
                let mut counter = Counter::default();
                counter.set_value(number);
                metric.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(number);
                metric.set_gauge(gauge);
            }
            metric
        };
        let kind = if self.counts { MetricType::COUNTER } else { MetricType::GAUGE };
        self.family(kind, series.map(metric).collect())
    }

    fn family(self, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        family
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_set_and_counted() {
        let figure = Figure::default();
        figure.inc();
        figure.inc();
        assert_eq!(figure.get().to_bits(), 2.0_f64.to_bits());
        figure.set(-0.5);
        assert_eq!(figure.get().to_bits(), (-0.5_f64).to_bits());
    }

    #[test]
    fn of_namesakes_the_newest_is_shown() {
        let all: Vec<_> = [("a", 1), ("b", 2), ("a", 3), ("c", 4)].map(Arc::new).into();
        let shown: Vec<_> = newest(&all, |member| member.0).into_iter().map(|member| member.1).collect();
        assert_eq!(shown, [2, 3, 4]);
    }

    #[test]
    fn numbers_are_spread_over_buckets() {
        let bounds = [1.0, 2.0, 4.0];
        let mut spread = Spread::new(bounds.len());
        for number in [0.5, 1.0, 1.5, 4.0, 9.0] {
            spread.add(&bounds, number);
        }
        assert_eq!(spread.cumulative(), [2, 3, 4]);
        let proto = spread.proto(&bounds);
        assert_eq!((proto.get_sample_count(), proto.get_bucket().len()), (5, 3));
        assert!((proto.get_sample_sum() - 16.0).abs() < 1e-9);
    }

    #[test]
    fn those_that_have_gone_take_no_room() {
        let roll = Roll::default();
        let stays = Arc::new(0);
        roll.add(&stays);
        for number in 0..10_000 {
            roll.add(&Arc::new(number));
        }
        assert_eq!(roll.living(), [stays]);
        assert!(roll.0.lock().len() < 100);
    }
}
