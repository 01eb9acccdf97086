//! `Fetch`: what is in a log.

use super::api::Request;
use super::batches::Aborted;
use super::codec::{Malformed, Reader, Writer};
use super::error::Code;
use super::offsets::{NO_REPLICA, READ_COMMITTED};

/// Bytes of each partition: the first batch comes whole, however long it is (KIP-74), and no more than that is wanted.
const FEW: i32 = 4 << 10;

/// What a `read_committed` consumer would be sent from these offsets on. The broker waits for nothing.
pub(in crate::kafka) struct Fetch<'a> {
    pub(super) topic: &'a str,
    /// Partitions and offsets.
    pub(super) from: &'a [(i32, i64)],
}

/// What there is in a partition.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Fetched {
    pub(in crate::kafka) partition: i32,
    pub(in crate::kafka) log: Result<Piece, Code>,
}

/// A piece of a log.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Piece {
    /// The offset up to which a `read_committed` consumer may read.
    pub(in crate::kafka) stable: i64,
    pub(in crate::kafka) aborted: Vec<Aborted>,
    /// Batches of records, of which the last may be cut off.
    pub(in crate::kafka) batches: Vec<u8>,
}

impl Request for Fetch<'_> {
    const KEY: i16 = 1;
    const NAME: &'static str = "Fetch";
    /// A batch comes whole, and may be as long as the topic lets it.
    const LONGEST: usize = 100_000_000;
    type Answer = Vec<Fetched>;

    fn version(&self) -> i16 {
        4
    }

    fn write(&self, to: &mut Writer) {
        to.i32(NO_REPLICA);
        // max_wait_ms, min_bytes, max_bytes
        to.i32(0);
        to.i32(0);
        to.i32(FEW.saturating_mul(i32::try_from(self.from.len()).unwrap_or(i32::MAX)));
        to.i8(READ_COMMITTED);
        to.array([self.topic].into_iter(), |to, topic| {
            to.string(topic);
            to.array(self.from.iter(), |to, (partition, offset)| {
                to.i32(*partition);
                to.i64(*offset);
                to.i32(FEW);
            });
        });
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let _throttle_time_ms = from.i32()?;
        let topics = from.array(|from| {
            let _topic = from.string()?;
            from.array(|from| {
                let (partition, checked) = (from.i32()?, Code::check(from.i16()?));
                let (_high_watermark, stable) = (from.i64()?, from.i64()?);
                let aborted = from.array(|from| Ok(Aborted { producer: from.i64()?, first: from.i64()? }))?;
                let batches = from.bytes()?.to_vec();
                Ok(Fetched { partition, log: checked.map(|()| Piece { stable, aborted, batches }) })
            })
        })?;
        Ok(topics.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_log_is_read() {
        let mut answer = Writer::default();
        answer.i32(0);
        answer.array([()].into_iter(), |to, ()| {
            to.string("orders");
            to.array([(0, 0), (1, 1)].into_iter(), |to, (partition, code)| {
                to.i32(partition);
                to.i16(code);
                to.i64(9);
                to.i64(7);
                to.array([(4, 5)].into_iter(), |to, (producer, first)| {
                    to.i64(producer);
                    to.i64(first);
                });
                to.bytes(b"batches");
            });
        });
        let frame = answer.framed();
        let question = Fetch { topic: "orders", from: &[(0, 3), (1, 3)] };
        let read = question.read(&mut Reader::new(&frame[4..])).unwrap();
        let piece = Piece { stable: 7, aborted: vec![Aborted { producer: 4, first: 5 }], batches: b"batches".to_vec() };
        assert_eq!(read[0], Fetched { partition: 0, log: Ok(piece) });
        assert_eq!(read[1], Fetched { partition: 1, log: Err(Code::OFFSET_OUT_OF_RANGE) });
        for end in 4..frame.len() {
            assert!(question.read(&mut Reader::new(&frame[4..end])).is_err(), "it ends at {end}");
        }
    }
}
