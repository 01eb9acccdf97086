//! `DescribeShareGroupOffsets`: the offsets that share groups have read (KIP-932), and their lag (KIP-1226).

use std::sync::Arc;

use super::api::{Request, Versions};
use super::codec::{Malformed, Reader, Writer};
use super::compact;
use super::error::Code;

/// Asks for all partitions that a share group has begun to read. Answers hold no partition for a group of another type.
///
/// The request names no partitions on purpose: a broker that is asked about named ones looks for their state for every
/// type of group, and creates its internal topic for such states.
pub(in crate::kafka) struct DescribeShareGroupOffsets<'a> {
    pub(super) group: &'a str,
    pub(super) version: i16,
}

/// The offset that a share group has read of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) struct SharePartition {
    pub(in crate::kafka) topic: Arc<str>,
    pub(in crate::kafka) partition: i32,
    pub(in crate::kafka) read: Result<Option<ShareOffset>, Code>,
}

/// A share group's place in a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) struct ShareOffset {
    /// The group has read all records before it, and maybe later ones.
    pub(in crate::kafka) start: i64,
    /// How many records are not acknowledged; none where the broker does not count them (before Kafka 4.2).
    pub(in crate::kafka) lag: Option<i64>,
}

impl DescribeShareGroupOffsets<'_> {
    /// The version to ask a broker in that knows these: none if it knows no such request.
    pub(super) fn version_for(versions: &Versions) -> Option<i16> {
        let (oldest, newest) = versions.get(&Self::KEY)?;
        [1, 0].into_iter().find(|version| (*oldest..=*newest).contains(version))
    }
}

impl Request for DescribeShareGroupOffsets<'_> {
    const KEY: i16 = 90;
    const NAME: &'static str = "DescribeShareGroupOffsets";
    /// Why the broker does not say, or the partitions.
    type Answer = Result<Vec<SharePartition>, Code>;

    fn version(&self) -> i16 {
        self.version
    }

    fn write(&self, to: &mut Writer) {
        // The header of flexible versions ends with tagged fields.
        compact::write_no_tags(to);
        // One group.
        compact::write_length(to, 2);
        compact::write_text(to, self.group);
        // Null: all topics.
        compact::write_length(to, 0);
        compact::write_no_tags(to);
        compact::write_no_tags(to);
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        compact::skip_tags(from)?;
        let _throttle_time_ms = from.i32()?;
        if compact::array_length(from)? != 1 {
            return Err(Malformed("it is not about one group"));
        }
        let answer = self.read_group(from)?;
        compact::skip_tags(from)?;
        Ok(answer)
    }
}

impl DescribeShareGroupOffsets<'_> {
    fn read_group(&self, from: &mut Reader<'_>) -> Result<Result<Vec<SharePartition>, Code>, Malformed> {
        compact::skip_text(from)?;
        let topics: Vec<Vec<SharePartition>> = compact::array(from, |from| {
            let topic: Arc<str> = compact::text(from)?.into();
            let _id = from.take(16)?;
            let partitions = compact::array(from, |from| self.read_partition(&topic, from))?;
            compact::skip_tags(from)?;
            Ok(partitions)
        })?;
        let checked = Code::check(from.i16()?);
        compact::skip_text(from)?;
        compact::skip_tags(from)?;
        let count = topics.iter().map(Vec::len).sum();
        let mut partitions = from.room_for(count)?;
        partitions.extend(topics.into_iter().flatten());
        Ok(checked.map(|()| partitions))
    }

    fn read_partition(&self, topic: &Arc<str>, from: &mut Reader<'_>) -> Result<SharePartition, Malformed> {
        let (partition, start) = (from.i32()?, from.i64()?);
        let _leader_epoch = from.i32()?;
        let lag = if self.version > 0 { from.i64()? } else { -1 };
        let checked = Code::check(from.i16()?);
        compact::skip_text(from)?;
        compact::skip_tags(from)?;
        let offset = (start >= 0).then_some(ShareOffset { start, lag: (lag >= 0).then_some(lag) });
        Ok(SharePartition { topic: Arc::clone(topic), partition, read: checked.map(|()| offset) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: i16, code: i16, partitions: &[(i64, i64, i16)]) -> Vec<u8> {
        let mut to = Writer::default();
        compact::write_no_tags(&mut to);
        to.i32(0);
        compact::write_length(&mut to, 2);
        compact::write_text(&mut to, "g");
        compact::write_length(&mut to, if partitions.is_empty() { 1 } else { 2 });
        if !partitions.is_empty() {
            compact::write_text(&mut to, "orders");
            to.raw(&[7; 16]);
            compact::write_length(&mut to, u32::try_from(partitions.len()).unwrap() + 1);
            for (number, (start, lag, code)) in (0..).zip(partitions) {
                to.i32(number);
                to.i64(*start);
                to.i32(3);
                if version > 0 {
                    to.i64(*lag);
                }
                to.i16(*code);
                compact::write_length(&mut to, 0);
                compact::write_no_tags(&mut to);
            }
            compact::write_no_tags(&mut to);
        }
        to.i16(code);
        compact::write_length(&mut to, 0);
        compact::write_no_tags(&mut to);
        compact::write_no_tags(&mut to);
        to.framed().split_off(4)
    }

    fn read(version: i16, bytes: &[u8]) -> Result<Result<Vec<SharePartition>, Code>, Malformed> {
        DescribeShareGroupOffsets { group: "g", version }.read(&mut Reader::new(bytes))
    }

    #[test]
    fn all_partitions_of_one_group_are_asked_for() {
        let frame = DescribeShareGroupOffsets { group: "g", version: 1 }.frame(7);
        assert_eq!(frame, b"\0\0\0\x14\0\x5a\0\x01\0\0\0\x07\0\x03ebb\0\x02\x02g\0\0\0");
    }

    #[test]
    fn offsets_and_lags_are_read_and_so_is_why_there_are_none() {
        let bytes = answer(1, 0, &[(4, 2, 0), (-1, -1, 0), (-1, -1, 29)]);
        let found = read(1, &bytes).unwrap().unwrap();
        let reads: Vec<_> = found.iter().map(|one| (&*one.topic, one.partition, one.read)).collect();
        let refused = Code::check(29).unwrap_err();
        let first = ShareOffset { start: 4, lag: Some(2) };
        assert_eq!(reads, [("orders", 0, Ok(Some(first))), ("orders", 1, Ok(None)), ("orders", 2, Err(refused))]);
        for end in 0..bytes.len() {
            assert!(read(1, &bytes[..end]).is_err(), "it ends at {end}");
        }
        let old = read(0, &answer(0, 0, &[(4, 2, 0)])).unwrap().unwrap();
        assert_eq!(old[0].read, Ok(Some(ShareOffset { start: 4, lag: None })));
    }

    #[test]
    fn a_group_of_another_type_has_no_partitions() {
        assert_eq!(read(1, &answer(1, 0, &[])), Ok(Ok(vec![])));
        assert_eq!(read(1, &answer(1, 69, &[])), Ok(Err(Code::check(69).unwrap_err())));
    }

    #[test]
    fn only_announced_versions_are_asked_in() {
        let version = |range| DescribeShareGroupOffsets::version_for(&Versions::from([(90, range)]));
        assert_eq!(
            [version((0, 0)), version((0, 1)), version((0, 7)), version((1, 1))],
            [Some(0), Some(1), Some(1), Some(1)]
        );
        assert_eq!(version((2, 3)), None);
        assert_eq!(DescribeShareGroupOffsets::version_for(&Versions::from([(9, (0, 9))])), None);
    }
}
