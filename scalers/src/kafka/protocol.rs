//! The part of the Kafka protocol that readings need, and the connections that it is spoken over.
//!
//! Owns: requests and answers ([`api`] and its neighbours), one [`connection`] for each broker, and the leaders and
//! coordinators of a [`cluster`]. Must not know what a lag is. It trusts no answer: a user of Ebb may name a broker
//! that lies.

mod address;
mod api;
mod batches;
mod cluster;
mod codec;
mod compact;
mod connection;
mod coordinator;
mod error;
mod fetch;
mod metadata;
mod offsets;
mod sasl;
mod scram;
mod share;

pub(super) use address::Address;
pub(super) use batches::{BatchScan, look};
pub(super) use cluster::{ANSWER, Cluster};
pub(super) use error::{Code, Fault};
pub(super) use fetch::FetchedLog;
pub(super) use offsets::{End, Partition, PartitionOffset};
pub(super) use share::{ShareOffset, SharePartition};

/// Reads bytes as every kind of answer: the first of them says which.
#[cfg(fuzzing)]
pub(super) fn read_any_answer(bytes: &[u8]) {
    use api::{ApiVersions, Request as _, SaslAuthenticate, SaslHandshake};

    let Some((kind, answer)) = bytes.split_first() else { return };
    let mut reader = codec::Reader::new(answer);
    let from = &mut reader;
    let group = "group";
    match kind % 10 {
        0 => drop(ApiVersions.read(from)),
        1 => drop(SaslHandshake { mechanism: "PLAIN" }.read(from)),
        2 => drop(SaslAuthenticate { bytes: &[], version: 1 }.read(from)),
        3 => drop(metadata::Metadata::<&str> { topics: &[] }.read(from)),
        4 => drop(offsets::ListOffsets { partitions: &[], end: End::LastStable }.read(from)),
        5 => drop(offsets::OffsetFetch { group, partitions: None }.read(from)),
        6 => drop(coordinator::FindCoordinator { group }.read(from)),
        8 => drop(share::DescribeShareGroupOffsets { group, version: 1 }.read(from)),
        7 => {
            if let Ok(Ok(piece)) = (fetch::Fetch { topic: "", partition: 0, from: 0 }).read(from) {
                look_from(&piece.batches, &piece.aborted);
            }
        }
        _ => look_from(answer, &[]),
    }
}

#[cfg(fuzzing)]
fn look_from(batches: &[u8], aborted: &[batches::Aborted]) {
    for from in [0, 3, i64::MAX] {
        let (BatchScan::Record(offset) | BatchScan::NothingBefore(offset)) = look(batches, aborted, from);
        assert!(offset >= from, "{offset} lies before {from}");
    }
}
