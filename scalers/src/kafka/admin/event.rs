//! What librdkafka hands out: answers to calls, records, and what a client tells of itself.

use std::ffi::c_int;
use std::ptr;

use rdkafka::bindings as sys;

use super::error::{AdminError, rd_kafka_error_code, rd_kafka_event_error};
use super::{PartitionOffset, TopicLayout, text_of};

/// An answer, or what the client tells of itself. Everything that is read from it is copied before it is destroyed.
pub(super) struct Event(pub(super) *mut sys::rd_kafka_event_t);

/// What a consumer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) enum Told {
    /// A record of this partition, at this offset.
    Record(i32, i64),
    /// That the end of this partition is reached.
    End(i32),
    /// That something went wrong, on the way to a broker or there.
    Failed(AdminError),
    /// A line for the log: the facility and the text.
    Log(String, String),
    /// Something that needs no answer.
    Other,
}

/// `RD_KAFKA_RESP_ERR__PARTITION_EOF`.
const PARTITION_END: i32 = -191;

impl Event {
    pub(super) fn request(&self) -> usize {
        // SAFETY: the event is live; the pointer is the number that `set_request` put there.
        unsafe { sys::rd_kafka_event_opaque(self.0) }.addr()
    }

    /// What the client tells of itself and of what it consumes.
    pub(super) fn told(&self) -> Told {
        // SAFETY: the event is live. A record and a log line live as long as it; a partition is made for the caller, who
        // gives it back; each is null, or is not given, where there is none.
        unsafe {
            match sys::rd_kafka_event_type(self.0) {
                sys::RD_KAFKA_EVENT_FETCH => {
                    let record = sys::rd_kafka_event_message_next(self.0);
                    if record.is_null() { Told::Other } else { Told::Record((*record).partition, (*record).offset) }
                }
                sys::RD_KAFKA_EVENT_ERROR => match self.check() {
                    Ok(()) => Told::Other,
                    Err(error) if error.code == PARTITION_END => {
                        let place = sys::rd_kafka_event_topic_partition(self.0);
                        if place.is_null() {
                            return Told::Other;
                        }
                        let partition = (*place).partition;
                        sys::rd_kafka_topic_partition_destroy(place);
                        Told::End(partition)
                    }
                    Err(error) => Told::Failed(error),
                },
                sys::RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut text, mut level) = (ptr::null(), ptr::null(), 0);
                    match sys::rd_kafka_event_log(self.0, &raw mut facility, &raw mut text, &raw mut level) {
                        0 => Told::Log(text_of(facility), text_of(text)),
                        _ => Told::Other,
                    }
                }
                _ => Told::Other,
            }
        }
    }

    fn check(&self) -> Result<(), AdminError> {
        // SAFETY: the event is live, and so is the text, which is copied at once.
        unsafe {
            match rd_kafka_event_error(self.0) {
                0 => Ok(()),
                code => Err(AdminError { code, text: text_of(sys::rd_kafka_event_error_string(self.0)) }),
            }
        }
    }

    pub(super) fn offsets(&self) -> Result<Vec<PartitionOffset>, AdminError> {
        self.check()?;
        // SAFETY: the event is live; its result, the array of `count` pointers and what they point to live as long as
        // it. librdkafka gives null where the event is of another kind.
        unsafe {
            let result = sys::rd_kafka_event_ListOffsets_result(self.0);
            if result.is_null() {
                return Err(AdminError::lost("the answer holds no offsets"));
            }
            let mut count = 0;
            let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            let infos = slice(infos.cast_const(), count);
            Ok(infos.iter().map(|info| partition(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*info))).collect())
        }
    }

    pub(super) fn group_offsets(&self) -> Result<Vec<PartitionOffset>, AdminError> {
        self.check()?;
        // SAFETY: as in `offsets`. A group's list of partitions is an array of `cnt` elements, or null for none.
        unsafe {
            let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(self.0);
            if result.is_null() {
                return Err(AdminError::lost("the answer holds no offsets of a group"));
            }
            let mut count = 0;
            let groups = sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
            let mut offsets = Vec::new();
            for group in slice(groups.cast_const(), count) {
                error_of(sys::rd_kafka_group_result_error(*group))?;
                let list = sys::rd_kafka_group_result_partitions(*group);
                if !list.is_null() {
                    let elements = slice((*list).elems.cast_const(), usize::try_from((*list).cnt).unwrap_or(0));
                    offsets.extend(elements.iter().map(|element| partition(element)));
                }
            }
            Ok(offsets)
        }
    }

    pub(super) fn topics(&self) -> Result<Vec<TopicLayout>, AdminError> {
        self.check()?;
        // SAFETY: as in `offsets`. A partition's leader is null while there is none.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(self.0);
            if result.is_null() {
                return Err(AdminError::lost("the answer holds no topics"));
            }
            let mut count = 0;
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            let described = slice(topics.cast_const(), count).iter().map(|topic| {
                let mut count = 0;
                let partitions = sys::rd_kafka_TopicDescription_partitions(*topic, &raw mut count);
                let partitions = slice(partitions.cast_const(), count).iter().map(|info| {
                    let leader = sys::rd_kafka_TopicPartitionInfo_leader(*info);
                    let leader = (!leader.is_null()).then(|| sys::rd_kafka_Node_id(leader)).filter(|id| *id >= 0);
                    (sys::rd_kafka_TopicPartitionInfo_partition(*info), leader)
                });
                let partitions = partitions.collect();
                TopicLayout {
                    name: text_of(sys::rd_kafka_TopicDescription_name(*topic)),
                    partitions: error_of(sys::rd_kafka_TopicDescription_error(*topic)).map(|()| partitions),
                }
            });
            Ok(described.collect())
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it came from the queue and is destroyed once, here; nothing that was read from it is kept.
        unsafe { sys::rd_kafka_event_destroy(self.0) };
    }
}

/// # Safety
/// `first` is null, or points to `count` elements that live and do not change for as long as the slice is used.
unsafe fn slice<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: what the caller promises.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// # Safety
/// `element` points to a partition that lives during the call.
unsafe fn partition(element: *const sys::rd_kafka_topic_partition_t) -> PartitionOffset {
    // SAFETY: what the caller promises. The code of the error is read as the int that it is in C, as it may be one that
    // the enum of the bindings does not have.
    unsafe {
        let code = (&raw const (*element).err).cast::<c_int>().read();
        PartitionOffset {
            topic: text_of((*element).topic),
            partition: (*element).partition,
            offset: if code == 0 { Ok((*element).offset) } else { Err(AdminError::of_code(code)) },
        }
    }
}

/// # Safety
/// `error` is null, or an error that lives during the call.
pub(super) unsafe fn error_of(error: *const sys::rd_kafka_error_t) -> Result<(), AdminError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: what the caller promises; the text lives as long as the error and is copied.
    match unsafe { rd_kafka_error_code(error) } {
        0 => Ok(()),
        code => Err(AdminError { code, text: unsafe { text_of(sys::rd_kafka_error_string(error)) } }),
    }
}
