//! The limits of the memory for a cluster's metadata: partitions of topics, and connections to the brokers that it
//! names.
//!
//! A user may name a broker that lies, and its metadata is kept for as long as a trigger is there. Metadata of a usual
//! size is always kept. Memory for more comes out of a pool that all clusters share, and an empty pool is an error.

use crate::net::budget::{Budget, Reservation};

/// The most partitions of a topic that are looked at.
const MOST_PARTITIONS: usize = 10_000;
/// The most partitions that a group may have committed to whose triggers name no topic: each may be a topic's own.
pub(super) const MOST_COMMITTED: usize = 2_000;
/// The most partitions of a usual topic.
const FEW_PARTITIONS: usize = 500;
/// The memory for one partition, in bytes: its leader, both ends of its log, the offset of each group, and unused space
/// in the tables.
const PARTITION: usize = 384;
/// The most connections of a usual client.
const FEW_CONNECTIONS: usize = 32;
/// The memory for one connection besides answers, in bytes.
const CONNECTION: usize = 16 << 10;

/// Checks how many partitions the topics of one trigger have together: a reading takes some memory for each.
///
/// # Errors
/// They are too many.
pub(super) fn check_trigger(partitions: usize) -> Result<(), String> {
    if partitions <= MOST_PARTITIONS {
        return Ok(());
    }
    Err(format!(
        "they have {partitions} partitions together, and {MOST_PARTITIONS} are the most that one trigger looks at: name \
         fewer topics"
    ))
}

/// Reserved memory for metadata. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    _reserved: Option<Reservation>,
}

impl Room {
    /// Memory for `partitions` partitions of one topic.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn for_partitions(partitions: usize, budget: &Budget) -> Result<Self, String> {
        if partitions > MOST_PARTITIONS {
            return Err(format!(
                "it has {partitions} partitions, and {MOST_PARTITIONS} are the most that Ebb looks at"
            ));
        }
        Self::beyond(partitions > FEW_PARTITIONS, partitions * PARTITION, budget).ok_or_else(|| {
            format!(
                "it has {partitions} partitions, and other topics of more than {FEW_PARTITIONS} have taken all memory for \
                 such"
            )
        })
    }

    /// Memory for one more connection of a client that has `connections`.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn for_connection(connections: usize, budget: &Budget) -> Result<Self, String> {
        Self::beyond(connections > FEW_CONNECTIONS, CONNECTION, budget).ok_or_else(|| {
            format!(
                "it is one of {connections} brokers of its cluster, and others have taken all memory for connections to more \
                 than {FEW_CONNECTIONS}"
            )
        })
    }

    fn beyond(more: bool, bytes: usize, budget: &Budget) -> Option<Self> {
        if !more {
            return Some(Self { _reserved: None });
        }
        budget.keep(bytes).map(|reserved| Self { _reserved: Some(reserved) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_topics_have_room_in_any_case_and_large_ones_while_there_is_some() {
        let budget = Budget::default();
        let error = Room::for_partitions(MOST_PARTITIONS + 1, &budget).unwrap_err();
        assert!(error.contains("10001 partitions"), "{error}");
        let mut large: Vec<_> = (0..100).map_while(|_| Room::for_partitions(MOST_PARTITIONS, &budget).ok()).collect();
        assert!((2..20).contains(&large.len()), "{}", large.len());
        assert!((0..100_000).all(|_| Room::for_partitions(FEW_PARTITIONS, &budget).is_ok()));
        large.pop();
        assert!(Room::for_partitions(MOST_PARTITIONS, &budget).is_ok());
    }

    #[test]
    fn a_trigger_has_so_many_partitions_and_no_more() {
        assert_eq!(check_trigger(MOST_PARTITIONS), Ok(()));
        let error = check_trigger(MOST_PARTITIONS + 1).unwrap_err();
        assert!(error.contains("10001 partitions together"), "{error}");
    }

    #[test]
    fn usual_clusters_have_room_in_any_case_and_large_ones_while_there_is_some() {
        let budget = Budget::default();
        let many: Vec<_> = (0..1_000_000).map_while(|_| Room::for_connection(500, &budget).ok()).collect();
        assert!((1_000..5_000).contains(&many.len()), "{}", many.len());
        assert!(Room::for_connection(33, &budget).is_err() && Room::for_connection(32, &budget).is_ok());
    }
}
