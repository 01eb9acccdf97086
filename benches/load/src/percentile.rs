//! Percentiles of durations.

use std::time::Duration;

/// The duration below or at which `percent` percent of all lie (nearest rank); none if there are none. Sorts them.
pub(crate) fn percentile(durations: &mut [Duration], percent: usize) -> Option<Duration> {
    durations.sort_unstable();
    let rank = (durations.len() * percent).div_ceil(100);
    durations.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_counts() {
        let of = |numbers: &[u64], percent| {
            let mut all: Vec<_> = numbers.iter().copied().map(Duration::from_millis).collect();
            percentile(&mut all, percent).map(|found| found.as_millis())
        };
        assert_eq!(of(&[], 50), None);
        assert_eq!(of(&[7], 1), Some(7));
        assert_eq!(of(&[7], 99), Some(7));
        assert_eq!(of(&[4, 1, 3, 2], 50), Some(2));
        assert_eq!(of(&[4, 1, 3, 2], 99), Some(4));
        assert_eq!(of(&[3, 1, 2], 50), Some(2));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!((of(&hundred, 50), of(&hundred, 99), of(&hundred, 100)), (Some(50), Some(99), Some(100)));
    }
}
