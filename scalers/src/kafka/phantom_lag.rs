//! Phantom lag: offsets between a group's committed offset and a log's end that hold no record for a consumer. Pure.
//!
//! The markers of transactions, and records of transactions that were aborted, take up offsets that no `read_committed`
//! consumer is ever given (KIP-98). A group that has read everything before them may stay there without an end, with a
//! lag that nobody can work off. Where a group stands still the log itself is asked, once for each place.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::protocol::Partition;

/// How long a group must stand still with a lag before the log is asked about it. A group that moves needs no look.
const STILL: Duration = Duration::from_secs(5);

/// How long a record that was found holds its partition's lag: compaction may have taken it away since.
const FOUND_AGE: Duration = Duration::from_mins(5);

/// The content of a log from some offset on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record that consumers get, at this offset.
    Record(i64),
    /// Nothing for consumers before this offset.
    NothingBefore(i64),
}

/// How a partition's lag counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it is.
    Counts,
    /// Not counted: there is nothing to read.
    NoRecords,
    /// As it is, unless the log holds nothing from this offset on.
    AskFrom(i64),
}

/// The place of the group in each partition, and the log's content there.
#[derive(Debug, Default)]
pub(super) struct Standing {
    places: HashMap<Partition, Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    committed: i64,
    /// When the group was first seen there; none if it has always been there, as far as is known.
    since: Option<Instant>,
    /// The log's content from there on, and when it was read.
    found: Option<(Found, Instant)>,
}

impl Standing {
    /// How the lag of a partition counts whose group has committed `committed`, below `end`.
    pub(super) fn verdict(&mut self, partition: &Partition, committed: i64, end: i64, now: Instant) -> Verdict {
        let place = match self.places.get_mut(partition) {
            Some(place) if place.committed == committed => place,
            Some(place) => {
                let ahead = place.found.filter(|(found, _)| matches!(found, Found::Record(at) if *at >= committed));
                *place = Place { committed, since: Some(now), found: ahead };
                place
            }
            None => {
                let place = Place { committed, since: None, found: None };
                self.places.entry(partition.clone()).or_insert(place)
            }
        };
        match place.found {
            Some((Found::Record(_), at)) if now.saturating_duration_since(at) > FOUND_AGE => {
                Verdict::AskFrom(committed)
            }
            Some((Found::Record(_), _)) => Verdict::Counts,
            Some((Found::NothingBefore(offset), _)) if offset >= end => Verdict::NoRecords,
            Some((Found::NothingBefore(offset), _)) => Verdict::AskFrom(offset.max(committed)),
            None if place.since.is_some_and(|since| now.saturating_duration_since(since) < STILL) => Verdict::Counts,
            None => Verdict::AskFrom(committed),
        }
    }

    /// Notes the content of the log from the offset on that [`Verdict::AskFrom`] named.
    pub(super) fn found(&mut self, partition: &Partition, committed: i64, found: Found, now: Instant) {
        if let Some(place) = self.places.get_mut(partition).filter(|place| place.committed == committed) {
            place.found = Some((found, now));
        }
    }

    /// A partition without a lag. How long its group has been there counts for the next record.
    pub(super) fn caught_up(&mut self, partition: &Partition, committed: i64, now: Instant) {
        if let Some(place) = self.places.get_mut(partition) {
            let since = if place.committed == committed { place.since } else { Some(now) };
            *place = Place { committed, since, found: None };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        ("orders".into(), 0)
    }

    #[test]
    fn a_group_that_moves_is_never_asked_about() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.verdict(&partition(), 0, 10, now);
        for second in 1..60 {
            let (committed, now) = (second, now + Duration::from_secs(u64::try_from(second).unwrap()));
            assert_eq!(standing.verdict(&partition(), committed, 100, now), Verdict::Counts);
        }
    }

    #[test]
    fn one_that_stands_still_is_asked_about_once() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        assert_eq!(standing.verdict(&partition(), 4, 10, now), Verdict::AskFrom(4), "it may have stood there before");
        standing.found(&partition(), 4, Found::Record(7), now);
        assert_eq!(standing.verdict(&partition(), 4, 10, now), Verdict::Counts);
        assert_eq!(standing.verdict(&partition(), 4, 99, now), Verdict::Counts, "more records change nothing");
        let later = now + FOUND_AGE * 2;
        assert_eq!(standing.verdict(&partition(), 4, 99, later), Verdict::AskFrom(4), "it may be compacted away");
        assert_eq!(standing.verdict(&partition(), 6, 99, now + STILL * 2), Verdict::Counts, "record 7 is ahead yet");
        assert_eq!(standing.verdict(&partition(), 8, 99, now), Verdict::Counts, "it has just moved");
        assert_eq!(standing.verdict(&partition(), 8, 99, now + STILL), Verdict::AskFrom(8));
    }

    #[test]
    fn where_there_is_nothing_only_what_is_new_is_asked_about() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.verdict(&partition(), 4, 5, now);
        standing.found(&partition(), 4, Found::NothingBefore(5), now);
        assert_eq!(standing.verdict(&partition(), 4, 5, now), Verdict::NoRecords);
        assert_eq!(standing.verdict(&partition(), 4, 9, now), Verdict::AskFrom(5), "the log has grown");
        standing.found(&partition(), 4, Found::NothingBefore(9), now);
        assert_eq!(standing.verdict(&partition(), 4, 9, now), Verdict::NoRecords);
    }

    #[test]
    fn one_that_has_caught_up_long_ago_is_asked_about_at_the_next_record() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.verdict(&partition(), 4, 10, now);
        standing.verdict(&partition(), 9, 10, now);
        standing.caught_up(&partition(), 10, now);
        assert_eq!(standing.verdict(&partition(), 10, 11, now), Verdict::Counts, "it has moved just now");
        standing.caught_up(&partition(), 10, now + STILL);
        assert_eq!(standing.verdict(&partition(), 10, 11, now + STILL), Verdict::AskFrom(10));
    }

    #[test]
    fn an_answer_about_another_place_is_not_taken() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.verdict(&partition(), 4, 10, now);
        standing.verdict(&partition(), 5, 10, now);
        standing.found(&partition(), 4, Found::NothingBefore(10), now);
        assert_eq!(standing.verdict(&partition(), 5, 10, now), Verdict::Counts);
    }
}
