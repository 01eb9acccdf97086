//! The measured figures of one contender.

use std::time::Duration;

use serde::Serialize;

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "MB")]
    Megabytes,
    /// Of one processor.
    #[serde(rename = "%")]
    Percent,
    #[serde(rename = "/s")]
    PerSecond,
    #[serde(rename = "")]
    Count,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The part of the table that it belongs to.
    pub(crate) section: &'static str,
    /// Its name in the table.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: Unit,
    /// The number.
    pub(crate) value: f64,
}

/// All figures of one contender, in the order in which they were measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(pub(crate) Vec<Figure>);

impl Unit {
    /// A number with this unit, as the table shows it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.2} s"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Percent => format!("{value:.1} %"),
            Self::PerSecond => format!("{value:.1} /s"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

impl Figures {
    /// Adds a figure.
    pub(crate) fn add(&mut self, section: &'static str, name: impl Into<String>, unit: Unit, value: f64) {
        self.0.push(Figure { section, name: name.into(), unit, value });
    }

    /// Adds a count.
    pub(crate) fn count(&mut self, section: &'static str, name: impl Into<String>, count: u64) {
        self.add(section, name, Unit::Count, lossy(count));
    }

    /// Adds how often something happened in a second of a span.
    pub(crate) fn rate(&mut self, section: &'static str, name: impl Into<String>, count: u64, span: Duration) {
        self.add(section, name, Unit::PerSecond, lossy(count) / span.as_secs_f64());
    }

    /// Adds a duration of seconds.
    pub(crate) fn seconds(&mut self, section: &'static str, name: impl Into<String>, took: Duration) {
        self.add(section, name, Unit::Seconds, took.as_secs_f64());
    }

    /// Adds a duration of milliseconds.
    pub(crate) fn milliseconds(&mut self, section: &'static str, name: impl Into<String>, took: Duration) {
        self.add(section, name, Unit::Milliseconds, took.as_secs_f64() * 1e3);
    }

    /// Adds an amount of memory.
    pub(crate) fn memory(&mut self, section: &'static str, name: impl Into<String>, kilobytes: u64) {
        self.add(section, name, Unit::Megabytes, lossy(kilobytes) / 1024.0);
    }
}

/// A count as a number that can be divided. No count of a run is so large that a digit is lost.
#[allow(clippy::cast_precision_loss)]
fn lossy(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_in_their_units() {
        let mut figures = Figures::default();
        figures.count("s", "count", 12);
        figures.rate("s", "rate", 90, Duration::from_mins(1));
        figures.seconds("s", "seconds", Duration::from_millis(1230));
        figures.milliseconds("s", "milliseconds", Duration::from_micros(1500));
        figures.memory("s", "memory", 1536);
        let shown: Vec<_> = figures.0.iter().map(|figure| figure.unit.show(figure.value)).collect();
        assert_eq!(shown, ["12", "1.5 /s", "1.23 s", "1.50 ms", "1.5 MB"]);
    }
}
