//! `ListOffsets` and `OffsetFetch`: the ends of logs, and the committed offsets of groups.

use std::sync::Arc;

use super::api::Request;
use super::codec::{Malformed, Reader, Writer};
use super::error::Code;

/// The isolation level of consumers that get records of no open and of no aborted transaction (KIP-98).
pub(super) const READ_COMMITTED: i8 = 1;
/// The replica that a client is: none.
pub(super) const NO_REPLICA: i32 = -1;

/// The end of a partition's log to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::kafka) enum End {
    /// The first record that is still there.
    Start,
    /// The one after the last that a `read_committed` consumer gets to see: the last stable offset (KIP-98).
    LastStable,
}

/// A partition and its answer: an offset, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) struct PartitionOffset {
    pub(in crate::kafka) topic: Arc<str>,
    pub(in crate::kafka) partition: i32,
    /// For a group's offsets -1 where nothing is committed.
    pub(in crate::kafka) offset: Result<i64, Code>,
}

/// A topic's name and a partition's number.
pub(in crate::kafka) type Partition = (Arc<str>, i32);

/// Writes an array of topics, each with its partitions.
fn write_partitions(to: &mut Writer, partitions: &[Partition], write: impl Fn(&mut Writer, i32)) {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort_unstable();
    let topics: Vec<_> = sorted.chunk_by(|one, other| one.0 == other.0).collect();
    to.array(topics.into_iter(), |to, partitions| {
        to.string(&partitions[0].0);
        to.array(partitions.iter(), |to, (_, partition)| write(to, *partition));
    });
}

/// Reads an array of topics, each with its partitions.
fn read_partitions(
    from: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<(i32, Result<i64, Code>), Malformed>,
) -> Result<Vec<PartitionOffset>, Malformed> {
    // They are counted first, so that they are kept once.
    let (mut ahead, mut count) = (*from, 0);
    ahead.each(|from| {
        from.skip_string()?;
        from.each(|from| {
            count += 1;
            read(from).map(drop)
        })
    })?;
    let mut partitions = from.room_for(count)?;
    from.each(|from| {
        let topic: Arc<str> = from.string()?.into();
        from.each(|from| {
            let (partition, offset) = read(from)?;
            partitions.push(PartitionOffset { topic: Arc::clone(&topic), partition, offset });
            Ok(())
        })
    })?;
    Ok(partitions)
}

/// One end of each of these partitions, which the broker that is asked is to lead.
pub(in crate::kafka) struct ListOffsets<'a> {
    pub(super) partitions: &'a [Partition],
    pub(super) end: End,
}

impl Request for ListOffsets<'_> {
    const KEY: i16 = 2;
    const NAME: &'static str = "ListOffsets";
    type Answer = Vec<PartitionOffset>;

    fn version(&self) -> i16 {
        2
    }

    fn write(&self, to: &mut Writer) {
        // The number in the place of a timestamp.
        let end = match self.end {
            End::LastStable => -1,
            End::Start => -2,
        };
        to.i32(NO_REPLICA);
        to.i8(READ_COMMITTED);
        write_partitions(to, self.partitions, |to, partition| {
            to.i32(partition);
            to.i64(end);
        });
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let _throttle_time_ms = from.i32()?;
        read_partitions(from, |from| {
            let (partition, checked) = (from.i32()?, Code::check(from.i16()?));
            let (_timestamp, offset) = (from.i64()?, from.i64()?);
            match checked {
                Ok(()) if offset < 0 => Err(Malformed("an offset is negative")),
                checked => Ok((partition, checked.map(|()| offset))),
            }
        })
    }
}

/// Asks for the offsets that a group has committed: for these partitions, or for all that it has.
pub(in crate::kafka) struct OffsetFetch<'a> {
    pub(super) group: &'a str,
    pub(super) partitions: Option<&'a [Partition]>,
}

impl Request for OffsetFetch<'_> {
    const KEY: i16 = 9;
    const NAME: &'static str = "OffsetFetch";
    type Answer = Result<Vec<PartitionOffset>, Code>;

    fn version(&self) -> i16 {
        2
    }

    fn write(&self, to: &mut Writer) {
        to.string(self.group);
        match self.partitions {
            Some(partitions) => write_partitions(to, partitions, Writer::i32),
            None => to.no_array(),
        }
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let offsets = read_partitions(from, |from| {
            let (partition, offset) = (from.i32()?, from.i64()?);
            // The metadata.
            from.skip_string()?;
            let checked = Code::check(from.i16()?);
            Ok((partition, checked.map(|()| offset)))
        })?;
        Ok(Code::check(from.i16()?).map(|()| offsets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions() -> Vec<Partition> {
        vec![("b".into(), 0), ("a".into(), 1), ("b".into(), 2)]
    }

    #[test]
    fn partitions_of_a_topic_are_asked_for_together() {
        let mut writer = Writer::default();
        OffsetFetch { group: "g", partitions: Some(&partitions()) }.write(&mut writer);
        let topics = b"\0\0\0\x02\0\x01a\0\0\0\x01\0\0\0\x01\0\x01b\0\0\0\x02\0\0\0\0\0\0\0\x02";
        assert_eq!(writer.framed()[4..], [&b"\0\x01g"[..], topics].concat());
    }

    #[test]
    fn no_list_of_partitions_stands_for_all() {
        let mut writer = Writer::default();
        OffsetFetch { group: "g", partitions: None }.write(&mut writer);
        assert_eq!(writer.framed()[4..], *b"\0\x01g\xff\xff\xff\xff");
    }

    #[test]
    fn offsets_are_read_and_so_is_why_there_are_none() {
        let mut answer = Writer::default();
        answer.i32(0);
        answer.array(
            [(0, 0, 42), (1, 6, -1)].into_iter().map(|one| ("a", one)),
            |to, (topic, (partition, code, offset))| {
                to.string(topic);
                to.array([()].into_iter(), |to, ()| {
                    to.i32(partition);
                    to.i16(code);
                    to.i64(-1);
                    to.i64(offset);
                });
            },
        );
        let frame = answer.framed();
        let question = ListOffsets { partitions: &partitions(), end: End::LastStable };
        let read = question.read(&mut Reader::new(&frame[4..])).unwrap();
        let offset = |place: usize| (read[place].partition, read[place].offset);
        assert_eq!((offset(0), offset(1)), ((0, Ok(42)), (1, Err(Code::check(6).unwrap_err()))));
        for end in 4..frame.len() {
            assert!(question.read(&mut Reader::new(&frame[4..end])).is_err(), "it ends at {end}");
        }
    }

    #[test]
    fn a_group_that_may_not_be_read_is_told() {
        let refused = OffsetFetch { group: "g", partitions: None }.read(&mut Reader::new(b"\0\0\0\0\0\x1e"));
        assert_eq!(refused.unwrap().unwrap_err().to_string(), "group authorization failed (Kafka error 30)");
    }
}
