//! The wire format of a number: a Kubernetes Quantity in thousandths.

use std::fmt;

use serde::{Serialize, Serializer};

/// A number in thousandths, the precision of the `HorizontalPodAutoscaler`.
///
/// Whole numbers print without a suffix (`12`), others as thousandths (`2500m`). Numbers outside the range of 64 bits
/// of thousandths are clamped, because the `HorizontalPodAutoscaler` would read a larger one as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i64);

/// The value is not a finite number.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the value {0} is not a finite number: look at what the trigger's query returns")]
pub struct NotANumber(pub f64);

impl Quantity {
    /// The number in thousandths.
    pub fn milli(self) -> i64 {
        self.0
    }
}

impl TryFrom<f64> for Quantity {
    type Error = NotANumber;

    fn try_from(value: f64) -> Result<Self, NotANumber> {
        if !value.is_finite() {
            return Err(NotANumber(value));
        }
        // `as` saturates, which clamps the number.
        #[allow(clippy::cast_possible_truncation)]
        Ok(Self((value * 1000.0).round() as i64))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::num::f64::NORMAL;
    use proptest::prelude::*;

    use super::*;

    fn shown(value: f64) -> String {
        Quantity::try_from(value).unwrap().to_string()
    }

    #[test]
    fn prints_as_kubernetes_reads_it() {
        let table = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (2.5, "2500m"),
            (2.3, "2300m"), // 2.3 * 1000 is 2299.9999999999995
            (1000.0, "1000"),
            (0.001, "1m"),
            (0.0004, "0"),
            (0.0005, "1m"),
            (-1.0, "-1"),
            (-2.5, "-2500m"),
            (-0.0004, "0"),
            (1_234_567.891, "1234567891m"),
            (9_007_199_254_740.0, "9007199254740"),
            (1e15, "1000000000000000"),
            (1e16, "9223372036854775807m"),
            (f64::MAX, "9223372036854775807m"),
            (f64::MIN, "-9223372036854775808m"),
            (f64::MIN_POSITIVE, "0"),
        ];
        for (value, expected) in table {
            assert_eq!(shown(value), expected, "{value}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_number() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Quantity::try_from(value).is_err(), "{value}");
        }
        assert!(Quantity::try_from(f64::NAN).unwrap_err().to_string().contains("NaN"));
    }

    #[test]
    fn serializes_as_a_string() {
        assert_eq!(serde_json::to_string(&Quantity(2500)).unwrap(), r#""2500m""#);
    }

    /// Reads the two forms that are printed.
    fn read(text: &str) -> i128 {
        match text.strip_suffix('m') {
            Some(milli) => milli.parse().unwrap(),
            None => text.parse::<i128>().unwrap() * 1000,
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value in -9e15..9e15) {
            let back = read(&shown(value));
            #[allow(clippy::cast_precision_loss)]
            let error = (back as f64 - value * 1000.0).abs();
            prop_assert!(error <= 0.5 + value.abs() * 1000.0 * f64::EPSILON, "{value} became {back}");
        }

        #[test]
        fn every_finite_number_fits_and_keeps_the_order(a in NORMAL, b in NORMAL) {
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(Quantity::try_from(low).unwrap() <= Quantity::try_from(high).unwrap());
            prop_assert!(i64::try_from(read(&shown(a))).is_ok());
        }

        #[test]
        fn whole_numbers_are_plain(value in -9_000_000_000_000i64..9_000_000_000_000) {
            #[allow(clippy::cast_precision_loss)]
            let text = shown(value as f64);
            prop_assert_eq!(text, value.to_string());
        }
    }
}
