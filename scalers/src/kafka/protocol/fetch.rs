//! `Fetch`: the records of a log.

use super::api::Request;
use super::batches::Aborted;
use super::codec::{Malformed, Reader, Writer};
use super::error::Code;
use super::offsets::{NO_REPLICA, READ_COMMITTED};

/// Bytes that are asked for and read. The first batch comes whole, however long it is (KIP-74); more of it than where
/// it begins is not needed.
const FEW: i32 = 64 << 10;

/// Asks for the records that a `read_committed` consumer would be sent from this offset on. The broker waits for no
/// others.
pub(in crate::kafka) struct Fetch<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) from: i64,
}

/// A piece of a log.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) struct FetchedLog {
    /// The offset up to which a `read_committed` consumer may read.
    pub(in crate::kafka) stable: i64,
    pub(in crate::kafka) aborted: Vec<Aborted>,
    /// Batches of records. The last may be cut off.
    pub(in crate::kafka) batches: Vec<u8>,
}

impl Request for Fetch<'_> {
    const KEY: i16 = 1;
    const NAME: &'static str = "Fetch";
    /// A topic may let a batch be as long as this.
    const LONGEST: usize = 100_000_000;
    const READ: usize = FEW as usize;
    type Answer = Result<FetchedLog, Code>;

    fn version(&self) -> i16 {
        4
    }

    fn write(&self, to: &mut Writer) {
        to.i32(NO_REPLICA);
        // max_wait_ms, min_bytes, max_bytes
        to.i32(0);
        to.i32(0);
        to.i32(FEW);
        to.i8(READ_COMMITTED);
        to.array([self.topic].into_iter(), |to, topic| {
            to.string(topic);
            to.array([self.partition].into_iter(), |to, partition| {
                to.i32(partition);
                to.i64(self.from);
                to.i32(FEW);
            });
        });
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let _throttle_time_ms = from.i32()?;
        let topics = from.i32()?;
        from.skip_string()?;
        let (partitions, _partition) = (from.i32()?, from.i32()?);
        if (topics, partitions) != (1, 1) {
            return Err(Malformed("it is not about the one partition"));
        }
        let checked = Code::check(from.i16()?);
        let (_high_watermark, stable) = (from.i64()?, from.i64()?);
        let aborted = from.array(|from| Ok(Aborted { producer: from.i64()?, first: from.i64()? }))?;
        let length = usize::try_from(from.i32()?).unwrap_or(0);
        let batches = from.take_most(length).to_vec();
        Ok(checked.map(|()| FetchedLog { stable, aborted, batches }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i16) -> Vec<u8> {
        let mut answer = Writer::default();
        answer.i32(0);
        answer.array(["orders"].into_iter(), |to, topic| {
            to.string(topic);
            to.array([0].into_iter(), |to, partition| {
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
        answer.framed()[4..].to_vec()
    }

    fn read(answer: &[u8]) -> Result<Result<FetchedLog, Code>, Malformed> {
        Fetch { topic: "orders", partition: 0, from: 3 }.read(&mut Reader::new(answer))
    }

    #[test]
    fn a_piece_of_a_log_is_read() {
        let whole = answer(0);
        let piece = |batches: &[u8]| FetchedLog {
            stable: 7,
            aborted: vec![Aborted { producer: 4, first: 5 }],
            batches: batches.to_vec(),
        };
        assert_eq!(read(&whole), Ok(Ok(piece(b"batches"))));
        assert_eq!(read(&whole[..whole.len() - 3]), Ok(Ok(piece(b"batc"))), "cut off");
        assert_eq!(read(&answer(1)), Ok(Err(Code::OFFSET_OUT_OF_RANGE)));
        for end in 0..whole.len() - 7 {
            assert!(read(&whole[..end]).is_err(), "it ends at {end}");
        }
    }
}
