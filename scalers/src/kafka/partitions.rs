//! `partitionLimitation`: the partitions that a trigger looks at, such as `1,2,10-20`.

use std::ops::RangeInclusive;

/// A set of partitions; all of them when nothing limits it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Partitions(Vec<RangeInclusive<i32>>);

impl Partitions {
    /// Reads the parameter. An empty text limits nothing.
    ///
    /// # Errors
    /// KEDA's text for the part that is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.split(',').map(|part| range(part.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the trigger looks at this partition.
    pub(super) fn contains(&self, partition: i32) -> bool {
        self.0.is_empty() || self.0.iter().any(|range| range.contains(&partition))
    }
}

fn range(part: &str) -> Result<RangeInclusive<i32>, String> {
    let number = |text: &str| text.trim().parse().map_err(|_| format!("invalid partition limitation: {part}"));
    let mut ends = part.split('-');
    match (ends.next(), ends.next(), ends.next()) {
        (Some(only), None, _) => number(only).map(|number| number..=number),
        (Some(first), Some(last), None) => Ok(number(first)?..=number(last)?),
        _ => Err(format!("invalid partition limitation range: {part}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_partitions_and_ranges() {
        let all = |text: &str| {
            let partitions = Partitions::parse(text).unwrap();
            (0..30).filter(|partition| partitions.contains(*partition)).collect::<Vec<_>>()
        };
        assert_eq!(all("1,2, 10-12 ,20"), [1, 2, 10, 11, 12, 20]);
        assert_eq!(all(" 3 - 4 "), [3, 4]);
        assert_eq!(all(" "), (0..30).collect::<Vec<_>>());
        assert_eq!(all("5-4"), [0; 0], "a range that runs backwards holds nothing, as in KEDA");
        assert!(Partitions::parse("0-2147483647").unwrap().contains(1_000_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, error) in [
            ("1,a", "invalid partition limitation: a"),
            ("1-a", "invalid partition limitation: 1-a"),
            ("1-2-3", "invalid partition limitation range: 1-2-3"),
            ("-1", "invalid partition limitation: -1"),
            ("1,,2", "invalid partition limitation: "),
            ("99999999999", "invalid partition limitation: 99999999999"),
        ] {
            assert_eq!(Partitions::parse(text).unwrap_err(), error, "{text}");
        }
    }
}
