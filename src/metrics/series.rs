//! Figures that live with what they are about, and become series when somebody asks for them.
//!
//! A series in the library's own vectors takes well over a kilobyte, and there are eight for each ScaledObject.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// One number.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
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

/// What a family of series is called, and how its figures are to be read.
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
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(if self.counts { MetricType::COUNTER } else { MetricType::GAUGE });
        family.set_metric(series.map(metric).collect());
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
