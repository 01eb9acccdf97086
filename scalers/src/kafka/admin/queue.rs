//! Queues on which librdkafka hands out events, and the bell that tells of the first.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use tokio::sync::Notify;

use super::event::Event;

/// A queue of librdkafka's. It rings `signal` when it is no longer empty.
pub(super) struct Queue {
    pub(super) native: *mut sys::rd_kafka_queue_t,
    signal: Arc<Notify>,
}

// SAFETY: librdkafka's queues may be used from any thread, also at the same time (INTRODUCTION.md, "Threads and callbacks").
unsafe impl Send for Queue {}
// SAFETY: as for Send.
unsafe impl Sync for Queue {}

impl Queue {
    /// One for answers to what is asked of this client.
    ///
    /// # Safety
    /// The client is live, and outlives the queue.
    pub(super) unsafe fn for_answers(client: *mut sys::rd_kafka_t, signal: Arc<Notify>) -> Self {
        // SAFETY: what the caller promises.
        unsafe { Self::ringing(sys::rd_kafka_queue_new(client), signal) }
    }

    /// The one on which the client, a consumer, tells of itself and of what it consumes. None for one without a group.
    ///
    /// # Safety
    /// The client is live, and outlives the queue.
    pub(super) unsafe fn of_consumer(client: *mut sys::rd_kafka_t, signal: Arc<Notify>) -> Option<Self> {
        // SAFETY: what the caller promises; from the first call on the client's own events are on this queue too.
        unsafe {
            sys::rd_kafka_poll_set_consumer(client);
            let native = sys::rd_kafka_queue_get_consumer(client);
            (!native.is_null()).then(|| Self::ringing(native, signal))
        }
    }

    /// # Safety
    /// `native` is live and the caller's to give back, and its client outlives it.
    unsafe fn ringing(native: *mut sys::rd_kafka_queue_t, signal: Arc<Notify>) -> Self {
        // SAFETY: the callback's argument is the inside of `signal`, which lives as long as the queue: `Drop` takes the
        // callback off before.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(native, Some(ring), Arc::as_ptr(&signal).cast_mut().cast::<c_void>());
        }
        Self { native, signal }
    }

    /// The next event, for which it waits so long.
    pub(super) fn pop(&self, wait: Duration) -> Option<Event> {
        let millis = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue is live. An event that comes from it is the caller's, who destroys it: `Event` does.
        let event = unsafe { sys::rd_kafka_queue_poll(self.native, millis) };
        (!event.is_null()).then_some(Event(event))
    }

    /// Waits until it has rung.
    pub(super) async fn rung(&self) {
        self.signal.notified().await;
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
