//! From offsets to a lag, and from the lag to a metric (keda.sh/docs, "Apache Kafka"). Pure.

use std::collections::HashMap;

use super::groups::Position;
use super::protocol::Partition;

/// Where a consumer begins that has committed nothing (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ResetPolicy {
    /// At the log's end.
    #[default]
    Latest,
    /// At the log's start.
    Earliest,
}

/// The parameters that a lag depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // Each is a parameter of its own.
pub(super) struct Rules {
    /// Records of lag for each replica; above zero.
    pub(super) lag_threshold: i64,
    /// The trigger is active above this lag.
    pub(super) activation_lag_threshold: i64,
    pub(super) reset_policy: ResetPolicy,
    /// More replicas than partitions are let be.
    pub(super) allow_idle_consumers: bool,
    /// A partition whose committed offset does not move counts for the activation only.
    pub(super) exclude_persistent_lag: bool,
    /// A partition without a committed offset counts nothing.
    pub(super) scale_to_zero_on_invalid_offset: bool,
    /// No more replicas than partitions that have a lag.
    pub(super) limit_to_partitions_with_lag: bool,
    /// As many replicas as divide the partitions evenly.
    pub(super) ensure_even_distribution: bool,
}

/// The offsets of one partition, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offsets {
    /// The first record that is still in the log, where it is known.
    pub(super) start: Option<i64>,
    /// The one after the last.
    pub(super) end: i64,
    /// Where the group is; none where it has read nothing.
    pub(super) position: Option<Position>,
}

impl Offsets {
    /// The offset from which a consumer of the group would go on to read, if it is known. That of a share group is not
    /// known.
    pub(super) fn place(&self) -> Option<i64> {
        match self.position {
            Some(Position { share_lag: Some(_), .. }) => None,
            Some(Position { offset, .. }) => Some(offset.max(self.start.unwrap_or(0))),
            None => self.start,
        }
    }
}

/// Whether a lag depends on where the partition's log starts.
pub(super) fn needs_start(rules: &Rules, end: i64, position: Option<Position>) -> bool {
    match position {
        Some(position) => position.offset < end,
        None => !rules.scale_to_zero_on_invalid_offset && end > 0,
    }
}

/// The records of one partition that wait for the group. Never negative.
pub(super) fn partition_lag(rules: &Rules, offsets: &Offsets) -> i64 {
    let start = offsets.start.unwrap_or(0);
    let kept = (offsets.end - start).max(0);
    match (offsets.position, rules.reset_policy) {
        (Some(Position { offset, share_lag: Some(lag) }), _) if start <= offset => lag.max(0),
        // Records that retention has deleted will never be read.
        (Some(Position { offset, share_lag }), _) => {
            let ahead = (offsets.end - offset.max(start)).max(0);
            share_lag.map_or(ahead, |lag| lag.clamp(0, ahead))
        }
        (None, _) if rules.scale_to_zero_on_invalid_offset => 0,
        // One consumer at least must come to commit an offset, where there is anything to read.
        (None, ResetPolicy::Latest) => kept.min(1),
        (None, ResetPolicy::Earliest) => kept,
    }
}

/// The committed offsets of a group at the last poll. They move once per poll and show which partitions are stuck.
#[derive(Debug, Default)]
pub(super) struct Progress {
    seen: HashMap<Partition, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    position: Position,
    stuck: bool,
}

impl Progress {
    /// Notes the positions of a poll; partitions that it did not find are forgotten.
    pub(super) fn polled<'a>(&mut self, found: impl IntoIterator<Item = (&'a Partition, Option<Position>)>) {
        let mut seen = HashMap::new();
        for (partition, position) in found {
            if let Some(position) = position {
                let stuck = self.seen.get(partition).is_some_and(|before| position.is_still(&before.position));
                seen.insert(partition.clone(), Seen { position, stuck });
            }
        }
        self.seen = seen;
    }

    /// Whether the partition stood still between the last two polls and still does.
    pub(super) fn is_stuck(&self, partition: &Partition, position: Option<Position>) -> bool {
        self.seen
            .get(partition)
            .is_some_and(|seen| seen.stuck && position.is_some_and(|at| at.is_still(&seen.position)))
    }
}

/// The lag of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartitionLag {
    pub(super) lag: i64,
    /// Whether it stays as it is, however many consumers there are.
    pub(super) persistent: bool,
}

/// The sum over all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Total {
    /// The metric's value.
    pub(super) value: i64,
    pub(super) active: bool,
}

/// Adds up the partitions' lags and bounds the sum by the number of useful replicas.
pub(super) fn total(rules: &Rules, lags: &[PartitionLag]) -> Total {
    let counted = |lag: &&PartitionLag| !(rules.exclude_persistent_lag && lag.persistent);
    let sum = |lags: &mut dyn Iterator<Item = &PartitionLag>| lags.fold(0_i64, |sum, lag| sum.saturating_add(lag.lag));
    let with_persistent = sum(&mut lags.iter());
    let mut value = sum(&mut lags.iter().filter(counted));
    let partitions = i64::try_from(lags.len()).unwrap_or(i64::MAX);
    if !rules.allow_idle_consumers || rules.limit_to_partitions_with_lag || rules.ensure_even_distribution {
        if rules.ensure_even_distribution && partitions > 0 {
            value = even_share(value, partitions, rules.lag_threshold).saturating_mul(rules.lag_threshold);
        }
        let with_lag = lags.iter().filter(counted).filter(|lag| lag.lag > 0).count();
        let most =
            if rules.limit_to_partitions_with_lag { i64::try_from(with_lag).unwrap_or(i64::MAX) } else { partitions };
        value = value.min(most.saturating_mul(rules.lag_threshold));
    }
    Total { value, active: with_persistent > rules.activation_lag_threshold }
}

/// The smallest number of consumers that suffices for the lag and that shares the partitions out evenly.
fn even_share(lag: i64, partitions: i64, lag_threshold: i64) -> i64 {
    let divides = |consumers: &i64| partitions % consumers == 0;
    let bears = |consumers: &i64| consumers.saturating_mul(lag_threshold) >= lag;
    (1..=partitions).filter(divides).find(bears).unwrap_or(partitions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        lag_threshold: 10,
        activation_lag_threshold: 0,
        reset_policy: ResetPolicy::Latest,
        allow_idle_consumers: false,
        exclude_persistent_lag: false,
        scale_to_zero_on_invalid_offset: false,
        limit_to_partitions_with_lag: false,
        ensure_even_distribution: false,
    };

    const EARLIEST: Rules = Rules { reset_policy: ResetPolicy::Earliest, ..RULES };

    fn at(offset: i64) -> Position {
        Position { offset, share_lag: None }
    }

    #[test]
    fn the_lag_of_a_partition() {
        let zero = |rules: Rules| Rules { scale_to_zero_on_invalid_offset: true, ..rules };
        for (what, rules, start, end, committed, lag) in [
            ("records that were not read", RULES, Some(0), 10, Some(4), 6),
            ("all were read", RULES, Some(0), 10, Some(10), 0),
            ("the log was cut back, or the topic made again", RULES, Some(0), 3, Some(10), 0),
            ("retention has deleted records that were not read", RULES, Some(7), 10, Some(4), 3),
            ("retention has deleted them all", RULES, Some(10), 10, Some(4), 0),
            ("no commit, latest", RULES, Some(0), 10, None, 1),
            ("no commit, latest, a log that was never written to", RULES, None, 0, None, 0),
            ("no commit, latest, a log whose records were all deleted", RULES, Some(10), 10, None, 0),
            ("no commit, latest, a log of one record", RULES, Some(9), 10, None, 1),
            ("no commit, latest, an empty log, zero on invalid offset", zero(RULES), Some(0), 0, None, 0),
            ("no commit, latest, zero on invalid offset", zero(RULES), Some(0), 10, None, 0),
            ("no commit, earliest", EARLIEST, Some(0), 10, None, 10),
            ("no commit, earliest, retention has deleted some", EARLIEST, Some(7), 10, None, 3),
            ("no commit, earliest, an empty log", EARLIEST, Some(10), 10, None, 0),
            ("no commit, earliest, zero on invalid offset", zero(EARLIEST), Some(0), 10, None, 0),
            ("zero on invalid offset does not touch a valid one", zero(RULES), Some(0), 10, Some(4), 6),
        ] {
            assert_eq!(partition_lag(&rules, &Offsets { start, end, position: committed.map(at) }), lag, "{what}");
        }
    }

    #[test]
    fn the_lag_of_a_partition_that_a_share_group_reads() {
        for (what, start, end, offset, share_lag, lag) in [
            ("the broker counts what is not acknowledged", 0, 30, 10, 7, 7),
            ("all is acknowledged, and the place is an old one", 0, 30, 0, 0, 0),
            ("all is acknowledged", 0, 30, 30, 0, 0),
            ("records that came after the end was asked for", 0, 30, 30, 3, 3),
            ("records that were not acknowledged are deleted", 25, 30, 10, 20, 5),
            ("and of those that are left some were acknowledged", 25, 30, 10, 2, 2),
            ("all are deleted", 30, 30, 10, 20, 0),
            ("a lag that is none", 0, 30, 10, -3, 0),
        ] {
            let offsets =
                Offsets { start: Some(start), end, position: Some(Position { offset, share_lag: Some(share_lag) }) };
            assert_eq!(partition_lag(&RULES, &offsets), lag, "{what}");
        }
        let not_begun = Offsets { start: Some(0), end: 30, position: None };
        assert_eq!((partition_lag(&RULES, &not_begun), partition_lag(&EARLIEST, &not_begun)), (1, 30));
    }

    #[test]
    fn the_start_is_asked_for_only_where_it_counts() {
        assert!(needs_start(&RULES, 10, Some(at(4))));
        assert!(!needs_start(&RULES, 10, Some(at(10))));
        assert!(needs_start(&RULES, 10, None));
        assert!(needs_start(&EARLIEST, 10, None));
        assert!(!needs_start(&RULES, 0, None), "a log that was never written to");
        assert!(!needs_start(&Rules { scale_to_zero_on_invalid_offset: true, ..EARLIEST }, 10, None));
    }

    fn lags(lags: &[i64]) -> Vec<PartitionLag> {
        lags.iter().map(|lag| PartitionLag { lag: *lag, persistent: false }).collect()
    }

    #[test]
    fn the_sum_is_bounded_by_what_replicas_can_do() {
        let idle = Rules { allow_idle_consumers: true, ..RULES };
        let limited = Rules { limit_to_partitions_with_lag: true, ..RULES };
        let even = Rules { ensure_even_distribution: true, ..RULES };
        for (what, rules, partitions, value) in [
            ("below the bound", RULES, &[5, 7, 0][..], 12),
            ("no more replicas than partitions", RULES, &[500, 0, 0], 30),
            ("unless idle ones are let be", idle, &[500, 0, 0], 500),
            ("no more replicas than partitions with a lag", limited, &[500, 3, 0], 20),
            ("none has a lag", limited, &[0, 0, 0], 0),
            // Six partitions are shared out evenly to 1, 2, 3 or 6.
            ("2 replicas bear 20", even, &[20, 0, 0, 0, 0, 0], 20),
            ("3 replicas, as 2 do not bear 21", even, &[21, 0, 0, 0, 0, 0], 30),
            ("6 replicas, as neither 4 nor 5 divides 6", even, &[31, 0, 0, 0, 0, 0], 60),
            ("6 replicas at most", even, &[900, 0, 0, 0, 0, 0], 60),
            ("no partitions", RULES, &[], 0),
            ("no partitions to share out", even, &[], 0),
        ] {
            assert_eq!(total(&rules, &lags(partitions)).value, value, "{what}");
        }
    }

    #[test]
    fn a_persistent_lag_counts_for_the_activation_alone() {
        let rules = Rules { exclude_persistent_lag: true, ..RULES };
        let mixed = [PartitionLag { lag: 7, persistent: true }, PartitionLag { lag: 2, persistent: false }];
        assert_eq!(total(&rules, &mixed), Total { value: 2, active: true });
        assert_eq!(total(&rules, &mixed[..1]), Total { value: 0, active: true });
        assert_eq!(total(&RULES, &mixed).value, 9);
        let threshold = Rules { activation_lag_threshold: 9, ..rules };
        assert!(!total(&threshold, &mixed).active);
    }

    #[test]
    fn progress_moves_with_polls_and_not_with_questions() {
        let partition: Partition = ("orders".into(), 0);
        let mut progress = Progress::default();
        assert!(!progress.is_stuck(&partition, Some(at(5))));
        progress.polled([(&partition, Some(at(5)))]);
        assert!(!progress.is_stuck(&partition, Some(at(5))), "one poll proves nothing");
        progress.polled([(&partition, Some(at(5)))]);
        for _ in 0..3 {
            assert!(progress.is_stuck(&partition, Some(at(5))), "however often it is asked");
        }
        assert!(!progress.is_stuck(&partition, Some(at(6))), "it has moved since");
        progress.polled([(&partition, Some(at(6)))]);
        assert!(!progress.is_stuck(&partition, Some(at(6))));
        progress.polled([]);
        progress.polled([(&partition, Some(at(6)))]);
        assert!(!progress.is_stuck(&partition, Some(at(6))), "a partition that was away begins anew");
    }

    #[test]
    fn a_share_group_that_acknowledges_records_behind_one_that_it_cannot_moves() {
        let partition: Partition = ("orders".into(), 0);
        let share = |lag| Some(Position { offset: 5, share_lag: Some(lag) });
        let mut progress = Progress::default();
        progress.polled([(&partition, share(9))]);
        progress.polled([(&partition, share(7))]);
        assert!(!progress.is_stuck(&partition, share(7)));
        progress.polled([(&partition, share(8))]);
        assert!(progress.is_stuck(&partition, share(8)), "more records have come and none is acknowledged");
        assert!(!progress.is_stuck(&partition, share(6)));
    }

    proptest! {
        #[test]
        fn a_value_is_never_negative_and_keeps_its_bounds(
            lag_threshold in 1..1_000_i64,
            flags in prop::array::uniform5(any::<bool>()),
            offsets in prop::collection::vec((0..1_000_000_i64, 0..1_000_000_i64, prop::option::of(0..1_000_000_i64)), 0..40),
        ) {
            let [idle, persistent, zero, limited, even] = flags;
            let rules = Rules {
                lag_threshold,
                allow_idle_consumers: idle && !limited,
                exclude_persistent_lag: persistent,
                scale_to_zero_on_invalid_offset: zero,
                limit_to_partitions_with_lag: limited,
                ensure_even_distribution: even && !limited,
                ..EARLIEST
            };
            let lags: Vec<_> = offsets
                .iter()
                .map(|(start, length, committed)| Offsets { start: Some(*start), end: start + length, position: committed.map(at) })
                .map(|offsets| PartitionLag { lag: partition_lag(&rules, &offsets), persistent: false })
                .collect();
            let total = total(&rules, &lags);
            let sum: i64 = lags.iter().map(|lag| lag.lag).sum();
            prop_assert!(lags.iter().all(|lag| lag.lag >= 0));
            prop_assert!(total.value >= 0);
            prop_assert_eq!(total.active, sum > 0);
            if !rules.allow_idle_consumers {
                prop_assert!(total.value <= i64::try_from(lags.len()).unwrap() * lag_threshold);
            }
            if !rules.ensure_even_distribution {
                prop_assert!(total.value <= sum);
            }
        }
    }
}
