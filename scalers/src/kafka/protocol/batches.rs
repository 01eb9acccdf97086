//! Batches of records, as they are in a log (kafka.apache.org/documentation, "Record Batch"). Pure.
//!
//! Only whether there is a record for a consumer, and where, is read; nothing is decompressed.

use super::codec::{Malformed, Reader};

/// The present format of batches.
const MAGIC: i8 = 2;
/// The bits of a batch's attributes for how it is compressed, for a transaction's, and for a marker in place of
/// records.
const COMPRESSION: i16 = 0b111;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
/// The kind of the marker that ends an aborted transaction.
const ABORT: i16 = 0;

/// A transaction that was aborted, and its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) struct Aborted {
    pub(super) producer: i64,
    pub(super) first: i64,
}

/// The finding of a scan of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) enum BatchScan {
    /// A record that a `read_committed` consumer gets, at this offset or after it.
    Record(i64),
    /// Nothing for it, and the log goes on at this offset.
    NothingBefore(i64),
}

/// Whether there is a record for a consumer that reads from the offset `from` on. An unreadable batch counts as one.
pub(in crate::kafka) fn look(batches: &[u8], aborted: &[Aborted], from: i64) -> BatchScan {
    let mut reader = Reader::new(batches);
    let mut next = from;
    let mut open: Vec<Aborted> = aborted.to_vec();
    open.sort_unstable_by_key(|aborted| aborted.first);
    // The last batch may be cut off: where it begins is enough.
    while let Ok(batch) = Batch::read(&mut reader) {
        if batch.last < from {
            continue;
        }
        match batch.first_record(&mut open, from) {
            Some(offset) => return BatchScan::Record(offset),
            None => next = next.max(batch.last.saturating_add(1)),
        }
    }
    BatchScan::NothingBefore(next)
}

struct Batch<'a> {
    first: i64,
    last: i64,
    /// None for those of the formats before, which have no transactions.
    attributes: Option<i16>,
    producer: i64,
    count: i32,
    records: Reader<'a>,
}

impl<'a> Batch<'a> {
    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (first, length) = (from.i64()?, from.i32()?);
        let length = usize::try_from(length).map_err(|_| Malformed("a batch has a negative length"))?;
        let mut batch = Reader::new(from.take_most(length));
        let _leader_epoch = batch.i32()?;
        if batch.i8()? != MAGIC {
            return Ok(Self { first, last: first, attributes: None, producer: -1, count: 1, records: batch });
        }
        let _checksum = batch.i32()?;
        let (attributes, last) = (batch.i16()?, batch.i32()?);
        let (_first_time, _last_time) = (batch.i64()?, batch.i64()?);
        let (producer, _epoch, _sequence, count) = (batch.i64()?, batch.i16()?, batch.i32()?, batch.i32()?);
        let last = first.saturating_add(last.max(0).into());
        Ok(Self { first, last, attributes: Some(attributes), producer, count, records: batch })
    }

    /// The offset of the first record that a consumer gets, not before `from`. `open` are the aborted transactions
    /// whose end has not come yet.
    fn first_record(&self, open: &mut Vec<Aborted>, from: i64) -> Option<i64> {
        let Some(attributes) = self.attributes else { return Some(self.first.max(from)) };
        let ours = |aborted: &Aborted| aborted.producer == self.producer && aborted.first <= self.last;
        if attributes & CONTROL != 0 {
            if self.marker() == Ok(ABORT)
                && let Some(ended) = open.iter().position(ours)
            {
                open.remove(ended);
            }
            return None;
        }
        let is_aborted = attributes & TRANSACTIONAL != 0 && open.iter().any(ours);
        if is_aborted || self.count <= 0 {
            // A batch whose records were all compacted away may stay for its producer's sake.
            return None;
        }
        if self.first >= from || attributes & COMPRESSION != 0 {
            return Some(self.first.max(from));
        }
        // The batch holds records that the consumer has read, and may hold more: compaction takes away records, and
        // leaves the others' offsets.
        self.first_offset_from(from).unwrap_or(Some(from))
    }

    /// The kind of a marker.
    fn marker(&self) -> Result<i16, Malformed> {
        let mut record = self.records;
        let (_length, _attributes) = (record.varint()?, record.i8()?);
        let (_time, _offset, _key_length) = (record.varint()?, record.varint()?, record.varint()?);
        let _version = record.i16()?;
        record.i16()
    }

    /// The offset of the first of its records that does not lie before this one.
    fn first_offset_from(&self, from: i64) -> Result<Option<i64>, Malformed> {
        let mut records = self.records;
        while records.left() > 0 {
            let length = usize::try_from(records.varint()?).map_err(|_| Malformed("a record has a negative length"))?;
            let mut record = Reader::new(records.take(length)?);
            let (_attributes, _time) = (record.i8()?, record.varint()?);
            let offset = self.first.saturating_add(record.varint()?);
            if offset >= from {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::codec::Writer;
    use super::*;

    /// Not of a transaction, and not compressed.
    const PLAIN: i16 = 0;
    const GZIP: i16 = 1;

    fn varint(to: &mut Writer, value: i64) {
        let mut folded = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while folded > 0x7f {
            to.i8(folded.to_le_bytes()[0].cast_signed() | i8::MIN);
            folded >>= 7;
        }
        to.i8(folded.to_le_bytes()[0].cast_signed());
    }

    /// A batch with records at these offsets, whose keys are a marker's kind.
    fn batch(attributes: i16, producer: i64, (first, last): (i64, i64), offsets: &[i64], kind: i16) -> Vec<u8> {
        let mut batch = Writer::default();
        batch.i32(0);
        batch.i8(MAGIC);
        batch.i32(0);
        batch.i16(attributes);
        batch.i32((last - first).try_into().unwrap());
        batch.i64(0);
        batch.i64(0);
        batch.i64(producer);
        batch.i16(0);
        batch.i32(0);
        batch.i32(offsets.len().try_into().unwrap());
        for offset in offsets {
            let mut record = Writer::default();
            record.i8(0);
            varint(&mut record, 0);
            varint(&mut record, offset - first);
            varint(&mut record, 4);
            record.i16(0);
            record.i16(kind);
            let record = record.framed()[4..].to_vec();
            varint(&mut batch, record.len().try_into().unwrap());
            for byte in record {
                batch.i8(byte.cast_signed());
            }
        }
        let mut whole = Writer::default();
        whole.i64(first);
        whole.bytes(&batch.framed()[4..]);
        whole.framed()[4..].to_vec()
    }

    fn records(attributes: i16, producer: i64, first: i64, last: i64) -> Vec<u8> {
        batch(attributes, producer, (first, last), &(first..=last).collect::<Vec<_>>(), 0)
    }

    fn marker(producer: i64, at: i64, kind: i16) -> Vec<u8> {
        batch(TRANSACTIONAL | CONTROL, producer, (at, at), &[at], kind)
    }

    #[test]
    fn the_first_record_is_found() {
        let log = [records(PLAIN, -1, 0, 4), records(PLAIN, -1, 5, 9)].concat();
        for (from, held) in [
            (0, BatchScan::Record(0)),
            (3, BatchScan::Record(3)),
            (5, BatchScan::Record(5)),
            (9, BatchScan::Record(9)),
            (10, BatchScan::NothingBefore(10)),
            (42, BatchScan::NothingBefore(42)),
        ] {
            assert_eq!(look(&log, &[], from), held, "from {from}");
        }
        assert_eq!(look(&[], &[], 3), BatchScan::NothingBefore(3));
    }

    #[test]
    fn what_was_compacted_away_is_no_record() {
        let gone = batch(PLAIN, -1, (0, 9), &[], 0);
        assert_eq!(look(&gone, &[], 0), BatchScan::NothingBefore(10));
        let few = batch(PLAIN, -1, (0, 9), &[2, 7], 0);
        assert_eq!(look(&few, &[], 3), BatchScan::Record(7));
        assert_eq!(look(&few, &[], 8), BatchScan::NothingBefore(10));
        let compressed = batch(GZIP, -1, (0, 9), &[2, 7], 0);
        assert_eq!(look(&compressed, &[], 8), BatchScan::Record(8), "that is not looked into");
    }

    #[test]
    fn markers_and_aborted_records_are_nothing_for_a_consumer() {
        let committed = [records(TRANSACTIONAL, 7, 0, 1), marker(7, 2, 1)].concat();
        assert_eq!(look(&committed, &[], 0), BatchScan::Record(0));
        assert_eq!(look(&committed, &[], 2), BatchScan::NothingBefore(3), "a marker is no record");

        let aborted = [records(TRANSACTIONAL, 7, 0, 1), marker(7, 2, ABORT)].concat();
        let list = [Aborted { producer: 7, first: 0 }];
        assert_eq!(look(&aborted, &list, 0), BatchScan::NothingBefore(3));
        assert_eq!(look(&aborted, &list, 1), BatchScan::NothingBefore(3), "from within the transaction");

        let then = [aborted.clone(), records(TRANSACTIONAL, 7, 3, 3), marker(7, 4, 1)].concat();
        assert_eq!(look(&then, &list, 0), BatchScan::Record(3), "the producer's next transaction");
        let again = [then, records(TRANSACTIONAL, 7, 5, 5), marker(7, 6, ABORT)].concat();
        let lists = [Aborted { producer: 7, first: 5 }, Aborted { producer: 7, first: 0 }];
        assert_eq!(look(&again, &lists, 0), BatchScan::Record(3), "whatever the order of the list");
        assert_eq!(look(&again, &lists, 4), BatchScan::NothingBefore(7));

        let beside = [records(TRANSACTIONAL, 7, 0, 0), records(TRANSACTIONAL, 8, 1, 1), marker(7, 2, ABORT)].concat();
        assert_eq!(look(&beside, &list, 0), BatchScan::Record(1), "another producer's");
        let mixed = [records(TRANSACTIONAL, 7, 0, 0), records(PLAIN, 7, 1, 1), marker(7, 2, ABORT)].concat();
        assert_eq!(look(&mixed, &list, 0), BatchScan::Record(1), "not of a transaction");
    }

    #[test]
    fn the_last_batch_may_be_cut_off() {
        let log = [batch(PLAIN, -1, (0, 4), &[], 0), records(PLAIN, -1, 5, 9)].concat();
        for end in 0..log.len() {
            let held = match end {
                ..61 => BatchScan::NothingBefore(0),
                61..122 => BatchScan::NothingBefore(5),
                _ => BatchScan::Record(5),
            };
            assert_eq!(look(&log[..end], &[], 0), held, "cut off at {end}");
        }
        assert_eq!(look(&log[..130], &[], 7), BatchScan::Record(7), "what it holds cannot be seen");
    }

    #[test]
    fn a_format_that_is_older_counts_as_a_record() {
        let mut old = records(PLAIN, -1, 5, 5);
        old[16] = 1;
        assert_eq!(look(&old, &[], 3), BatchScan::Record(5));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(batches: Vec<u8>, from in 0..1_000_i64) {
            match look(&batches, &[Aborted { producer: 1, first: 2 }], from) {
                BatchScan::Record(offset) | BatchScan::NothingBefore(offset) => prop_assert!(offset >= from),
            }
        }
    }
}
