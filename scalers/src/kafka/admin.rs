//! The admin calls of librdkafka that the `rdkafka` crate has no safe form of: `ListOffsets`,
//! `ListConsumerGroupOffsets` and `DescribeTopics`.
//!
//! Owns one librdkafka handle and the queue that its answers come back on, and turns both into plain values and
//! futures. The only module with `unsafe`: no pointer leaves it. Must not know what the figures are for.
//!
//! Nothing here blocks but [`Admin::open`] and the drop of an [`Admin`], which start and join librdkafka's threads: both
//! belong on a thread of their own.

mod connect;
mod error;
mod event;
mod handle;
mod options;
mod queue;

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::bindings as sys;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::{Notify, oneshot};

pub(super) use self::error::AdminError;
pub(super) use self::event::Told;
use self::handle::Handle;
use self::options::Options;
use self::queue::Queue;
use super::context::Context;

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
    answers: Queue,
    client: Handle,
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
    pub(super) fn open(config: ClientConfig, context: Context) -> Result<Self, String> {
        let signal = Arc::new(Notify::new());
        let client = Handle::open(config, context, Arc::clone(&signal))?;
        // SAFETY: the client is live, and is dropped after the queue.
        let answers = unsafe { Queue::for_answers(client.native(), signal) };
        Ok(Self { answers, client, waiting: Mutex::default(), next: AtomicUsize::new(1) })
    }

    /// Ends what the client does for its own group. Waits for librdkafka's main thread, no broker.
    ///
    /// # Errors
    /// librdkafka's.
    pub(super) fn close_group(&self) -> Result<(), AdminError> {
        self.client.close()
    }

    /// What librdkafka said went wrong on its connections.
    pub(super) fn context(&self) -> &Context {
        self.client.context()
    }

    /// Begins to consume these partitions.
    ///
    /// # Errors
    /// librdkafka's.
    pub(super) fn assign(&self, partitions: &TopicPartitionList) -> Result<(), AdminError> {
        self.client.assign(partitions)
    }

    /// What the client tells next, for which it waits so long.
    pub(super) fn poll(&self, wait: Duration) -> Option<Told> {
        self.client.poll(wait)
    }

    /// Waits until librdkafka has something to tell.
    pub(super) async fn signalled(&self) {
        self.answers.rung().await;
    }

    /// Hands every answer that has come to who waits for it, and serves the client's own events. Never blocks.
    pub(super) fn dispatch(&self) {
        while self.client.poll(Duration::ZERO).is_some() {}
        while let Some(event) = self.answers.pop(Duration::ZERO) {
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
        unsafe { sys::rd_kafka_ListOffsets(self.client.native(), list.ptr(), options.0, self.answers.native) };
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
            sys::rd_kafka_ListConsumerGroupOffsets(
                self.client.native(),
                &raw mut request,
                1,
                options.0,
                self.answers.native,
            );
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
            sys::rd_kafka_DescribeTopics(self.client.native(), collection, options.0, self.answers.native);
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
                self.client.native(),
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
        let options = Options(unsafe { sys::rd_kafka_AdminOptions_new(self.client.native(), call) });
        options.set_timeout(timeout);
        options
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
