//! Loads that are made up: a shape over time, for one trigger or for all.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::Duration;

use chrono::{DateTime, Timelike as _, Utc};
use ebb_plan::simulate::Series;

use super::duration;
use super::random::Random;

/// The time between two points of a curve.
const RESOLUTION: Duration = Duration::from_secs(30);

/// Something for one trigger, or for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigned<T> {
    /// The trigger's name, metric or index; none for all.
    pub trigger: Option<String>,
    /// What it is given.
    pub value: T,
}

impl Assigned<f64> {
    /// Reads `RATE` or `TRIGGER=RATE`.
    ///
    /// # Errors
    /// A rate that is no number above zero.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (trigger, rate) = text.rsplit_once('=').map_or((None, text), |(trigger, rate)| (Some(trigger), rate));
        Ok(Self { trigger: trigger.map(str::to_owned), value: positive(rate)? })
    }
}

impl Assigned<Shape> {
    /// Reads `SHAPE:KEY=VALUE,…` or `TRIGGER=SHAPE:KEY=VALUE,…`.
    ///
    /// # Errors
    /// A shape or a key that there is not, or a value in another form.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The first `=` before a colon ends the trigger's name: `orders=step:to=5`.
        let head = text.split(':').next().unwrap_or_default();
        let (trigger, shape) = match head.split_once('=') {
            Some((trigger, _)) => (Some(trigger.to_owned()), &text[trigger.len() + 1..]),
            None => (None, text),
        };
        Ok(Self { trigger, value: Shape::parse(shape)? })
    }
}

/// A number above zero.
///
/// # Errors
/// Another text.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("{text:?} is no number above zero such as 2.5"))
}

/// A load over time.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Always the same.
    Constant(f64),
    /// Another value from `at` on, and back after `lasts`.
    Step {
        /// Before.
        from: f64,
        /// After.
        to: f64,
        /// Since the start.
        at: Duration,
        /// None: to the end.
        lasts: Option<Duration>,
    },
    /// From one value to another in equal steps.
    Ramp {
        /// Before.
        from: f64,
        /// After.
        to: f64,
        /// Since the start.
        at: Duration,
        /// How long it takes.
        over: Duration,
    },
    /// Up and down once a day, as a cosine.
    Daily {
        /// The lowest value, half a day from the peak.
        low: f64,
        /// The highest value.
        high: f64,
        /// The time of day of the highest value, in UTC.
        peak: Duration,
    },
    /// A random number that is drawn again and again (Poisson's distribution).
    Poisson {
        /// The mean.
        mean: f64,
        /// How long a number holds.
        every: Duration,
        /// The same seed gives the same numbers.
        seed: u64,
    },
}

const SHAPES: &str = "constant, step, ramp, daily, poisson";

impl Shape {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut keys = Keys::parse(name, rest)?;
        let shape = match name {
            "constant" => Self::Constant(keys.number("value", None)?),
            "step" => Self::Step {
                from: keys.number("from", Some(0.0))?,
                to: keys.number("to", None)?,
                at: keys.duration("at", "10m")?,
                lasts: keys.given("for").map(|text| duration::above_zero(&text)).transpose()?,
            },
            "ramp" => Self::Ramp {
                from: keys.number("from", Some(0.0))?,
                to: keys.number("to", None)?,
                at: keys.duration("at", "0s")?,
                over: keys.duration("over", "1h")?,
            },
            "daily" => Self::Daily {
                low: keys.number("low", Some(0.0))?,
                high: keys.number("high", None)?,
                peak: keys.duration("peak", "14h")?,
            },
            "poisson" => Self::Poisson {
                mean: keys.number("mean", None)?,
                every: keys.duration("every", "1m").and_then(|every| {
                    if every.is_zero() { Err("every=0s must be above zero".to_owned()) } else { Ok(every) }
                })?,
                seed: keys
                    .given("seed")
                    .map_or(Ok(1), |text| text.parse().map_err(|_| format!("seed={text} is no whole number")))?,
            },
            _ => return Err(format!("{name:?} is no shape of a load: the shapes are {SHAPES}")),
        };
        keys.finish()?;
        Ok(shape)
    }

    /// How long a run with this load goes on, where nobody says.
    pub(super) fn length(&self) -> Duration {
        Duration::from_hours(if matches!(self, Self::Daily { .. }) { 24 } else { 2 })
    }

    /// The values from `start` on. `is_rate` says that they are messages a second.
    pub(super) fn series(&self, start: DateTime<Utc>, length: Duration, is_rate: bool) -> Series {
        let mut points = Vec::new();
        let mut at = |time: Duration, value: f64| points.push((time, Some(value.max(0.0))));
        match self {
            Self::Constant(value) => at(Duration::ZERO, *value),
            Self::Step { from, to, at: begin, lasts } => {
                at(Duration::ZERO, *from);
                at(*begin, *to);
                if let Some(lasts) = lasts {
                    at(*begin + *lasts, *from);
                }
            }
            Self::Ramp { from, to, at: begin, over } => {
                at(Duration::ZERO, *from);
                for time in steps(RESOLUTION, *over) {
                    at(*begin + time, from + (to - from) * time.as_secs_f64() / over.as_secs_f64());
                }
                at(*begin + *over, *to);
            }
            Self::Daily { low, high, peak } => {
                let midnight = Duration::from_secs(start.num_seconds_from_midnight().into());
                for time in steps(RESOLUTION, length) {
                    let past = (midnight + time).as_secs_f64() - peak.as_secs_f64();
                    at(time, low + (high - low) * (1.0 + (past / 86_400.0 * TAU).cos()) / 2.0);
                }
            }
            Self::Poisson { mean, every, seed } => {
                let (mut random, seconds) = (Random::new(*seed), every.as_secs_f64());
                for time in steps(*every, length) {
                    // What arrives in a while is what a second brings, times its seconds.
                    let value = if is_rate { random.poisson(mean * seconds) / seconds } else { random.poisson(*mean) };
                    at(time, value);
                }
            }
        }
        Series::new(points)
    }
}

fn steps(step: Duration, length: Duration) -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(Duration::ZERO), move |time| Some(*time + step)).take_while(move |time| *time < length)
}

/// `key=value` pairs behind the name of a shape.
struct Keys<'a> {
    shape: &'a str,
    pairs: BTreeMap<&'a str, &'a str>,
}

impl<'a> Keys<'a> {
    fn parse(shape: &'a str, text: &'a str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let pair = |part: &'a str| {
            let pair = part.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            pair.ok_or_else(|| format!("{part:?} is no key=value, such as to=100"))
        };
        Ok(Self { shape, pairs: parts.map(pair).collect::<Result<_, _>>()? })
    }

    fn given(&mut self, key: &str) -> Option<String> {
        self.pairs.remove(key).map(str::to_owned)
    }

    fn number(&mut self, key: &str, default: Option<f64>) -> Result<f64, String> {
        let shape = self.shape;
        let Some(text) = self.given(key) else {
            return default.ok_or_else(|| format!("{shape} needs {key}=, such as {shape}:{key}=100"));
        };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| format!("{key}={text} is no number of 0 or more"))
    }

    fn duration(&mut self, key: &str, default: &str) -> Result<Duration, String> {
        duration::of(&self.given(key).unwrap_or_else(|| default.to_owned())).map_err(|error| format!("{key}: {error}"))
    }

    fn finish(self) -> Result<(), String> {
        match self.pairs.keys().next() {
            Some(key) => Err(format!("{} has no {key:?}", self.shape)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Assigned<Shape>, String> {
        Assigned::<Shape>::parse(text)
    }

    /// The values of a shape at these seconds of a day.
    fn at(text: &str, seconds: &[u64]) -> Vec<f64> {
        let series = parse(text).unwrap().value.series(DateTime::UNIX_EPOCH, Duration::from_hours(24), false);
        let value = |second: &u64| {
            let before = series.points().iter().rfind(|(at, _)| at.as_secs() <= *second);
            (before.unwrap().1.unwrap() * 10.0).round() / 10.0
        };
        seconds.iter().map(value).collect()
    }

    #[test]
    fn shapes_are_read_and_drawn() {
        assert_eq!(at("constant:value=5", &[0, 9999]), [5.0, 5.0]);
        assert_eq!(at("step:from=1,to=9,at=1m,for=2m", &[0, 59, 60, 179, 180]), [1.0, 1.0, 9.0, 9.0, 1.0]);
        assert_eq!(at("step:to=9", &[0, 600, 80_000]), [0.0, 9.0, 9.0]);
        assert_eq!(
            at("ramp:to=100,at=100s,over=100s", &[0, 99, 100, 160, 200, 5000]),
            [0.0, 0.0, 0.0, 60.0, 100.0, 100.0]
        );
        assert_eq!(at("daily:high=100,peak=6h", &[0, 6 * 3600, 12 * 3600, 18 * 3600]), [50.0, 100.0, 50.0, 0.0]);
    }

    #[test]
    fn a_poisson_load_has_its_mean_and_is_the_same_each_time() {
        for (mean, is_rate) in [(0.05, true), (3.0, false), (200.0, false), (40.0, true)] {
            let shape = Shape::Poisson { mean, every: Duration::from_mins(1), seed: 7 };
            let draw = || shape.series(DateTime::UNIX_EPOCH, Duration::from_hours(240), is_rate);
            let hour = |series: &Series| -> f64 {
                // Equal neighbours are one point, so that each counts for its time.
                let points = series.points();
                let weighted = points
                    .windows(2)
                    .map(|pair| pair[0].1.unwrap() * pair[1].0.saturating_sub(pair[0].0).as_secs_f64());
                weighted.sum::<f64>() / points.last().unwrap().0.as_secs_f64()
            };
            let found = hour(&draw());
            assert!((found / mean - 1.0).abs() < 0.08, "{found} instead of {mean}");
            assert_eq!(draw(), draw());
        }
    }

    #[test]
    fn a_load_is_for_a_trigger_or_for_all() {
        assert_eq!(parse("orders=constant:value=5").unwrap().trigger.as_deref(), Some("orders"));
        assert_eq!(parse("constant:value=5").unwrap().trigger, None);
        let rate = |text| Assigned::<f64>::parse(text);
        assert_eq!(rate("2.5"), Ok(Assigned { trigger: None, value: 2.5 }));
        assert_eq!(rate("0=2"), Ok(Assigned { trigger: Some("0".into()), value: 2.0 }));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_hint() {
        for (text, says) in [
            ("wave:to=5", "the shapes are constant, step"),
            ("step", "step needs to=, such as step:to=100"),
            ("step:to=x", "to=x is no number"),
            ("step:to=-1", "to=-1 is no number of 0 or more"),
            ("step:to=5,until=3", "step has no \"until\""),
            ("step:to", "\"to\" is no key=value"),
            ("ramp:to=5,over=later", "over: \"later\" is no duration such as"),
            ("poisson:mean=5,every=0s", "every=0s must be above zero"),
            ("poisson:mean=5,seed=x", "seed=x is no whole number"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        for text in ["0", "-1", "x", "a=0", "inf"] {
            assert!(Assigned::<f64>::parse(text).unwrap_err().contains("number above zero"), "{text}");
        }
    }
}
