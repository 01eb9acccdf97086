//! The admin calls of librdkafka that the `rdkafka` crate has no safe form of: `ListOffsets`,
//! `ListConsumerGroupOffsets` and `DescribeTopics`.
//!
//! Owns one librdkafka handle and the queue that its answers come back on, and turns both into plain values and
//! futures. The only module with `unsafe`: no pointer leaves it. Must not know what the figures are for.
//!
//! Nothing here blocks but [`Admin::open`] and the drop of an [`Admin`], which start and join librdkafka's threads: both
//! belong on a thread of their own.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::{Notify, oneshot};

use super::context::Context;

// The same functions as in `rdkafka-sys`, which gives them a Rust enum as their type of error: a code that this release
// of the library has no name for, sent by a newer broker, would be undefined behaviour there. In C they are plain ints.
unsafe extern "C" {
    fn rd_kafka_event_error(event: *mut sys::rd_kafka_event_t) -> c_int;
    fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> c_int;
    fn rd_kafka_err2str(error: c_int) -> *const c_char;
    fn rd_kafka_err2name(error: c_int) -> *const c_char;
}

/// An error of librdkafka or of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdminError {
    /// Negative for librdkafka's own (`rd_kafka_resp_err_t`), else the code of the Kafka protocol.
    pub(super) code: i32,
    /// What librdkafka says about it.
    pub(super) text: String,
}

impl AdminError {
    /// An answer that makes no sense, or none at all.
    pub(super) fn lost(text: &str) -> Self {
        Self { code: FAIL, text: text.to_owned() }
    }

    /// No answer in time.
    pub(super) fn timed_out() -> Self {
        Self::of_code(TIMED_OUT)
    }

    /// Whether it says something of the way to the brokers, not of what was asked.
    pub(super) fn is_local(&self) -> bool {
        self.code < 0
    }

    /// Whether librdkafka itself has given no answer.
    pub(super) fn is_lost(&self) -> bool {
        self.code == FAIL
    }

    /// Whether no answer came in time.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self.code, TIMED_OUT | TIMED_OUT_QUEUE)
    }

    /// Whether a partition is led by another broker now, or is gone: codes 3, 5, 6 and 74 to 76 of the Kafka protocol.
    pub(super) fn is_moved(&self) -> bool {
        matches!(self.code, 3 | 5 | 6 | 74..=76)
    }

    /// Whether a group has no coordinator at the moment or another than was asked: codes 14 to 16 of the Kafka protocol.
    pub(super) fn is_no_coordinator(&self) -> bool {
        matches!(self.code, 14..=16)
    }

    /// Whether another broker than the group's coordinator was asked: code 16 of the Kafka protocol.
    pub(super) fn is_wrong_coordinator(&self) -> bool {
        self.code == 16
    }

    fn of_code(code: i32) -> Self {
        // SAFETY: both functions take any number and return a string that lives as long as the program.
        let (name, text) = unsafe { (text_of(rd_kafka_err2name(code)), text_of(rd_kafka_err2str(code))) };
        Self { code, text: if text.is_empty() { name } else { text } }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `RD_KAFKA_RESP_ERR__FAIL`.
const FAIL: i32 = -196;
/// `RD_KAFKA_RESP_ERR__TIMED_OUT`.
const TIMED_OUT: i32 = -185;
/// `RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE`.
const TIMED_OUT_QUEUE: i32 = -166;

/// Events of the client itself that are dealt with at one call of [`Admin::dispatch`].
const EVENTS_AT_ONCE: u32 = 16;

/// Which end of a partition's log to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// The first record that is still there.
    Start,
    /// The one after the last that a `read_committed` consumer gets to see: the last stable offset (KIP-98).
    Stable,
}

/// A partition and what was found for it: an offset, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionOffset {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// For a group's offsets −1001 (`RD_KAFKA_OFFSET_INVALID`) where nothing is committed.
    pub(super) offset: Result<i64, AdminError>,
}

/// What a broker says of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicLayout {
    pub(super) name: String,
    /// The partitions and the broker that leads each, none while there is none.
    pub(super) partitions: Result<Vec<(i32, Option<i32>)>, AdminError>,
}

/// A token of SASL/OAUTHBEARER.
pub(super) struct BearerToken<'a> {
    pub(super) value: &'a str,
    /// Whom it names.
    pub(super) principal: &'a str,
    /// When it ends, in milliseconds since 1970.
    pub(super) expires_ms: i64,
    pub(super) extensions: &'a [(String, String)],
}

/// What comes back for a call.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, AdminError>>;
type Teller<T> = oneshot::Sender<Result<T, AdminError>>;

/// Whoever waits for an answer, by what the answer is.
enum Waiting {
    Offsets(Teller<Vec<PartitionOffset>>),
    Group(Teller<Vec<PartitionOffset>>),
    Topics(Teller<Vec<TopicLayout>>),
}

/// One librdkafka client. It is a consumer that consumes nothing and joins no group.
pub(super) struct Admin {
    // Before the client: a queue is given back before the client that it belongs to.
    queue: Queue,
    consumer: BaseConsumer<Context>,
    waiting: Mutex<HashMap<usize, Waiting>>,
    next: AtomicUsize,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("waiting", &self.waiting.lock().len()).finish_non_exhaustive()
    }
}

impl Admin {
    /// A client that has not connected yet. Blocks while certificates are read and threads are started.
    ///
    /// # Errors
    /// What librdkafka finds wrong with the configuration.
    pub(super) fn open(config: &ClientConfig, context: Context) -> Result<Self, String> {
        let mut consumer: BaseConsumer<Context> =
            config.create_with_context(context).map_err(|error| error.to_string())?;
        let signal = Arc::new(Notify::new());
        let ring = Arc::clone(&signal);
        consumer.set_nonempty_callback(move || ring.notify_one());
        let queue = Queue::new(consumer.client().native_ptr(), signal);
        Ok(Self { queue, consumer, waiting: Mutex::default(), next: AtomicUsize::new(1) })
    }

    /// Ends what a consumer does for its own group, for which it would go and look for a coordinator. Waits for
    /// librdkafka's main thread, no broker.
    ///
    /// # Errors
    /// The client has no group.
    pub(super) fn close_group(&self) -> Result<(), String> {
        self.consumer.close_queue().map_err(|error| error.to_string())?;
        while !self.consumer.closed() {
            let _ = self.consumer.poll(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What librdkafka said went wrong on its connections.
    pub(super) fn context(&self) -> &Context {
        self.consumer.context()
    }

    /// The consumer, for a look into a log.
    pub(super) fn consumer(&self) -> &BaseConsumer<Context> {
        &self.consumer
    }

    /// Waits until librdkafka has something to tell.
    pub(super) async fn signalled(&self) {
        self.queue.signal.notified().await;
    }

    /// Hands every answer that has come to who waits for it, and serves the client's own events. Never blocks.
    pub(super) fn dispatch(&self) {
        // Logs and errors of connections, which the context takes. `poll` does not tell an empty queue from an event that
        // it has dealt with, so it is asked a few times; what is left waits for the next call.
        for _ in 0..EVENTS_AT_ONCE {
            let _ = self.consumer.poll(Duration::ZERO);
        }
        while let Some(event) = self.queue.pop() {
            let Some(waiting) = self.waiting.lock().remove(&event.request()) else { continue };
            // Who has given up needs no answer.
            match waiting {
                Waiting::Offsets(teller) => drop(teller.send(event.offsets())),
                Waiting::Group(teller) => drop(teller.send(event.group_offsets())),
                Waiting::Topics(teller) => drop(teller.send(event.topics())),
            }
        }
    }

    /// One end of each partition. Partitions must differ; librdkafka sends one request to each of their leaders.
    pub(super) fn list_offsets<'a>(
        &self,
        partitions: impl IntoIterator<Item = (&'a str, i32)>,
        end: End,
        timeout: Duration,
    ) -> Answer<Vec<PartitionOffset>> {
        let offset = match end {
            End::Start => Offset::Beginning,
            End::Stable => Offset::End,
        };
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            // Offsets of these two kinds are always accepted.
            let _ = list.add_partition_offset(topic, partition, offset);
        }
        let (teller, answer) = oneshot::channel();
        let options = self.options(sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout);
        options.read_committed();
        self.enlist(&options, Waiting::Offsets(teller));
        // SAFETY: all four pointers are live: the client and the queue as long as `self`, the list and the options until
        // the end of this function. librdkafka copies the list and the options before it returns.
        unsafe { sys::rd_kafka_ListOffsets(self.client(), list.ptr(), options.0, self.queue.native) };
        answer
    }

    /// What a consumer group has committed: for these partitions, which must differ, or for all that it has.
    pub(super) fn group_offsets(
        &self,
        group: &CStr,
        partitions: Option<&[(Arc<str>, i32)]>,
        timeout: Duration,
    ) -> Answer<Vec<PartitionOffset>> {
        let list = partitions.map(|partitions| {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for (topic, partition) in partitions {
                list.add_partition(topic, *partition);
            }
            list
        });
        let (teller, answer) = oneshot::channel();
        let options = self.options(sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout);
        self.enlist(&options, Waiting::Group(teller));
        // SAFETY: the client, the queue, the options and the list are live as in `list_offsets`. The request object is
        // made from copies of the group's name and the list (a null list stands for all partitions), is copied by the
        // call and destroyed exactly once after it.
        unsafe {
            let mut request = sys::rd_kafka_ListConsumerGroupOffsets_new(
                group.as_ptr(),
                list.as_ref().map_or(ptr::null(), |list| list.ptr().cast_const()),
            );
            sys::rd_kafka_ListConsumerGroupOffsets(self.client(), &raw mut request, 1, options.0, self.queue.native);
            sys::rd_kafka_ListConsumerGroupOffsets_destroy(request);
        }
        answer
    }

    /// The partitions of these topics and their leaders. Names must differ.
    pub(super) fn describe_topics(&self, names: &[CString], timeout: Duration) -> Answer<Vec<TopicLayout>> {
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let (teller, answer) = oneshot::channel();
        let options = self.options(sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout);
        self.enlist(&options, Waiting::Topics(teller));
        // SAFETY: the client, the queue and the options are live as in `list_offsets`. The collection copies the names,
        // which outlive it in `names`, is copied by the call and destroyed exactly once after it.
        unsafe {
            let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            sys::rd_kafka_DescribeTopics(self.client(), collection, options.0, self.queue.native);
            sys::rd_kafka_TopicCollection_destroy(collection);
        }
        answer
    }

    /// Shows this token (SASL/OAUTHBEARER, RFC 7628, with the extensions of KIP-342) at every handshake from now on.
    ///
    /// # Errors
    /// What librdkafka finds wrong with it.
    pub(super) fn set_token(&self, token: &BearerToken<'_>) -> Result<(), String> {
        let unfit = |_| "a token, client id or extension that holds a null character".to_owned();
        let (value, principal) =
            (CString::new(token.value).map_err(unfit)?, CString::new(token.principal).map_err(unfit)?);
        let words = token.extensions.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        let words = words.map(CString::new).collect::<Result<Vec<_>, _>>().map_err(unfit)?;
        let mut pointers: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
        let mut text = [0; 256];
        // SAFETY: the client is live; the token, the principal and the extensions are C strings that outlive the call,
        // which copies them; it writes at most the given length of an error text and ends it with a null.
        unsafe {
            let refused = sys::rd_kafka_oauthbearer_set_token(
                self.client(),
                value.as_ptr(),
                token.expires_ms,
                principal.as_ptr(),
                pointers.as_mut_ptr(),
                pointers.len(),
                text.as_mut_ptr(),
                text.len(),
            );
            match refused {
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
                _ => Err(text_of(text.as_ptr())),
            }
        }
    }

    /// Gives a call its number, by which its answer finds who waits. Who has given up is forgotten.
    fn enlist(&self, options: &Options, waiting: Waiting) {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(request, waiting);
        options.set_request(request);
    }

    fn options(&self, call: sys::rd_kafka_admin_op_t, timeout: Duration) -> Options {
        // SAFETY: the client is live. The options do not refer to it after they are made.
        let options = Options(unsafe { sys::rd_kafka_AdminOptions_new(self.client(), call) });
        options.set_timeout(timeout);
        options
    }

    fn client(&self) -> *mut sys::rd_kafka_t {
        self.consumer.client().native_ptr()
    }
}

/// The queue that answers come back on. It rings `signal` when it is no longer empty.
struct Queue {
    native: *mut sys::rd_kafka_queue_t,
    signal: Arc<Notify>,
}

// SAFETY: librdkafka's queues may be used from any thread, also at the same time (INTRODUCTION.md, "Threads and callbacks").
unsafe impl Send for Queue {}
// SAFETY: as for Send.
unsafe impl Sync for Queue {}

impl Queue {
    fn new(client: *mut sys::rd_kafka_t, signal: Arc<Notify>) -> Self {
        // SAFETY: the client is live and outlives the queue, which `Admin` drops first. The callback's argument is the
        // inside of `signal`, which lives as long as the queue: `Drop` takes the callback off before.
        let native = unsafe { sys::rd_kafka_queue_new(client) };
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(native, Some(ring), Arc::as_ptr(&signal).cast_mut().cast::<c_void>());
        }
        Self { native, signal }
    }

    fn pop(&self) -> Option<Event> {
        // SAFETY: the queue is live. An event that comes from it is the caller's, who destroys it: `Event` does.
        let event = unsafe { sys::rd_kafka_queue_poll(self.native, 0) };
        (!event.is_null()).then_some(Event(event))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is live and nobody else has it. librdkafka calls the callback with the queue's lock held and
        // takes it off under the same lock, so that none is running or will run after the first call.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.native, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.native);
        }
    }
}

/// Called by librdkafka on one of its threads when an empty queue gets its first event.
unsafe extern "C" fn ring(_client: *mut sys::rd_kafka_t, signal: *mut c_void) {
    // SAFETY: `Queue` gave the pointer to its `signal`, shared, and keeps that alive while the callback is set.
    let signal = unsafe { &*signal.cast_const().cast::<Notify>() };
    signal.notify_one();
}

/// The options of one call.
struct Options(*mut sys::rd_kafka_AdminOptions_t);

impl Options {
    fn set_timeout(&self, timeout: Duration) {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        let mut text = [0; 128];
        // SAFETY: the options are live; librdkafka writes at most the given length of an error text. The only error is a
        // time beyond an hour, with which the default of a minute stays in force. Its value is an enum of known codes.
        unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(self.0, millis, text.as_mut_ptr(), text.len()) };
    }

    /// Asks for the last stable offset instead of the high watermark.
    fn read_committed(&self) {
        let level = sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
        // SAFETY: the options are live. An error, which is the caller's to destroy, comes only for calls that know no
        // isolation; `rd_kafka_error_destroy` takes null.
        unsafe { sys::rd_kafka_error_destroy(sys::rd_kafka_AdminOptions_set_isolation_level(self.0, level)) };
    }

    fn set_request(&self, request: usize) {
        // SAFETY: the options are live. The number travels as a pointer that nobody follows.
        unsafe { sys::rd_kafka_AdminOptions_set_opaque(self.0, ptr::without_provenance_mut(request)) };
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: they were made by `rd_kafka_AdminOptions_new` and are destroyed once, here.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) };
    }
}

/// One answer. Everything that is read from it is copied before it is destroyed.
struct Event(*mut sys::rd_kafka_event_t);

impl Event {
    fn request(&self) -> usize {
        // SAFETY: the event is live; the pointer is the number that `set_request` put there.
        unsafe { sys::rd_kafka_event_opaque(self.0) }.addr()
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

    fn offsets(&self) -> Result<Vec<PartitionOffset>, AdminError> {
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

    fn group_offsets(&self) -> Result<Vec<PartitionOffset>, AdminError> {
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

    fn topics(&self) -> Result<Vec<TopicLayout>, AdminError> {
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
unsafe fn error_of(error: *const sys::rd_kafka_error_t) -> Result<(), AdminError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: what the caller promises; the text lives as long as the error and is copied.
    match unsafe { rd_kafka_error_code(error) } {
        0 => Ok(()),
        code => Err(AdminError { code, text: unsafe { text_of(sys::rd_kafka_error_string(error)) } }),
    }
}

/// # Safety
/// `text` is null, or a C string that lives during the call.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: what the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
