//! `Metadata`: the brokers, and the partitions of topics.

use super::address::Address;
use super::api::Request;
use super::codec::{Malformed, Reader, Writer};
use super::error::Code;

/// As many brokers as a cluster may have: Ebb connects to each that leads a partition.
const MOST_BROKERS: usize = 500;

/// A broker's description of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) struct DescribedTopic {
    pub(in crate::kafka) name: String,
    /// The partitions and the broker that leads each, none while there is none.
    pub(in crate::kafka) partitions: Result<Vec<(i32, Option<i32>)>, Code>,
}

/// Where all brokers are, and the partitions of these topics. None is made by being asked for.
pub(in crate::kafka) struct Metadata<'a, N> {
    pub(super) topics: &'a [N],
}

/// The answer to it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) struct ClusterMetadata {
    /// By their numbers.
    pub(super) brokers: Vec<(i32, Address)>,
    pub(super) topics: Vec<DescribedTopic>,
}

impl<N: AsRef<str>> Request for Metadata<'_, N> {
    const KEY: i16 = 3;
    const NAME: &'static str = "Metadata";
    type Answer = ClusterMetadata;

    fn version(&self) -> i16 {
        4
    }

    fn write(&self, to: &mut Writer) {
        to.array(self.topics.iter(), |to, name| to.string(name.as_ref()));
        // allow_auto_topic_creation
        to.flag(false);
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<ClusterMetadata, Malformed> {
        let _throttle_time_ms = from.i32()?;
        let brokers = from.array(|from| {
            let (number, host, port) = (from.i32()?, from.string()?, from.i32()?);
            // The rack.
            from.skip_string()?;
            Ok((number, Address::of(host, port)))
        })?;
        // The cluster's id.
        from.skip_string()?;
        let _controller = from.i32()?;
        let topics = from.array(topic)?;
        let brokers = brokers.into_iter().filter_map(|(number, address)| Some((number, address?)));
        Ok(ClusterMetadata { brokers: brokers.take(MOST_BROKERS).collect(), topics })
    }
}

fn topic(from: &mut Reader<'_>) -> Result<DescribedTopic, Malformed> {
    let checked = Code::check(from.i16()?);
    let name = from.string()?;
    let _is_internal = from.flag()?;
    let partitions = from.array(|from| {
        // The error of a partition is a missing leader or an unavailable replica.
        let _error = from.i16()?;
        let (number, leader) = (from.i32()?, from.i32()?);
        // The replicas, and those that are in sync.
        from.each(|from| from.i32().map(drop))?;
        from.each(|from| from.i32().map(drop))?;
        Ok((number, (leader >= 0).then_some(leader)))
    })?;
    Ok(DescribedTopic { name, partitions: checked.map(|()| partitions) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_partitions_and_what_is_missing_are_read() {
        let mut answer = Writer::default();
        answer.i32(0);
        answer.array([(1, "one", 9092), (2, "two", 70_000)].into_iter(), |to, (number, host, port)| {
            to.i32(number);
            to.string(host);
            to.i32(port);
            to.i16(-1);
        });
        answer.i16(-1);
        answer.i32(1);
        answer.array([("orders", 0), ("gone", 3)].into_iter(), |to, (name, error)| {
            to.i16(error);
            to.string(name);
            to.flag(false);
            let partitions: &[(i32, i32)] = if error == 0 { &[(0, 1), (1, -1)] } else { &[] };
            to.array(partitions.iter(), |to, (number, leader)| {
                to.i16(if *leader < 0 { 5 } else { 0 });
                to.i32(*number);
                to.i32(*leader);
                to.array([1, 2].into_iter(), Writer::i32);
                to.array([1].into_iter(), Writer::i32);
            });
        });
        let frame = answer.framed();
        let question = Metadata { topics: &["orders", "gone"] };
        let ClusterMetadata { brokers, topics } = question.read(&mut Reader::new(&frame[4..])).unwrap();
        assert_eq!(brokers, [(1, Address::of("one".into(), 9092).unwrap())], "70000 is no port");
        assert_eq!(topics[0].partitions, Ok(vec![(0, Some(1)), (1, None)]));
        assert_eq!(topics[1].partitions, Err(Code::check(3).unwrap_err()));
        for end in 4..frame.len() {
            assert!(question.read(&mut Reader::new(&frame[4..end])).is_err(), "it ends at {end}");
        }
    }
}
