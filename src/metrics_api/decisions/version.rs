//! The `resourceVersion` of decisions: the term of leadership and the number of a decision in it.

use std::fmt;

/// The position of a decision. Versions of later terms are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// The term of leadership.
    pub(super) epoch: u32,
    /// The number of a decision.
    pub(super) number: u64,
}

/// The bits of the number.
const BITS: u32 = 32;

impl Version {
    /// Reads a version that this API has given.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let packed: u64 = text.parse().ok()?;
        Some(Self { epoch: u32::try_from(packed >> BITS).ok()?, number: packed & u64::from(u32::MAX) })
    }
}

impl fmt::Display for Version {
    /// A decimal number, as Kubernetes compares versions by that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (u64::from(self.epoch) << BITS) | (self.number & u64::from(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_survives_its_text_and_later_terms_are_greater() {
        let version = |epoch, number| Version { epoch, number };
        for version in [version(0, 0), version(1_900_000_000, 7), version(u32::MAX, u64::from(u32::MAX))] {
            assert_eq!(Version::parse(&version.to_string()), Some(version));
        }
        let number = |version: Version| version.to_string().parse::<u64>().unwrap();
        assert!(number(version(1_900_000_001, 1)) > number(version(1_900_000_000, 4_000_000_000)));
        assert!(number(version(1_900_000_000, 7)) < i64::MAX as u64, "clients read it as int64");
        for wrong in ["", "abc", "-1", "99999999999999999999999"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
