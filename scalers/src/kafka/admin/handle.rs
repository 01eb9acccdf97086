//! A librdkafka client of the kind that consumes.
//!
//! It is made here and not by the `rdkafka` crate's consumers, as those leave no way to set what connects its sockets.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::Client;
use rdkafka::types::RDKafkaType;
use rdkafka::{ClientConfig, TopicPartitionList};
use tokio::sync::Notify;

use super::super::context::Context;
use super::connect::connect;
use super::error::AdminError;
use super::event::{Told, error_of};
use super::queue::Queue;

/// How long to wait for an event that tells of a client's end.
const CLOSING: Duration = Duration::from_millis(10);

/// A client and the queue on which it tells of itself.
pub(super) struct Handle {
    // Before the client: a queue is given back before the client that it belongs to.
    queue: Queue,
    client: Client<Context>,
}

impl Handle {
    /// A client that has not connected yet. Blocks while certificates are read and threads are started.
    ///
    /// # Errors
    /// What librdkafka finds wrong with the configuration.
    pub(super) fn open(mut config: ClientConfig, context: Context, signal: Arc<Notify>) -> Result<Self, String> {
        // Without a group nothing can be consumed; and where another group's coordinator has moved, librdkafka tells the
        // client's own group to look for another, and ends the process if there is none
        // (github.com/confluentinc/librdkafka/issues/5040).
        config.set("group.id", "ebb");
        let native = config.create_native_config().map_err(|error| error.to_string())?;
        let events = sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH;
        // SAFETY: the configuration is live. `connect` is given the configuration's opaque, which is set to the context by
        // `Client::new`; the client gives up the context after librdkafka's threads have ended.
        unsafe {
            sys::rd_kafka_conf_set_events(native.ptr(), events);
            sys::rd_kafka_conf_set_connect_cb(native.ptr(), Some(connect));
        }
        let client = Client::new(&config, native, RDKafkaType::RD_KAFKA_CONSUMER, context);
        let client = client.map_err(|error| error.to_string())?;
        // SAFETY: the client is live, and is dropped after the queue.
        let queue = unsafe { Queue::of_consumer(client.native_ptr(), signal) };
        Ok(Self { queue: queue.ok_or("librdkafka has no queue for a consumer")?, client })
    }

    /// The client itself, as long as `self`.
    pub(super) fn native(&self) -> *mut sys::rd_kafka_t {
        self.client.native_ptr()
    }

    pub(super) fn context(&self) -> &Context {
        self.client.context()
    }

    /// What the client tells next, for which it waits so long. Its errors are the context's, too.
    pub(super) fn poll(&self, wait: Duration) -> Option<Told> {
        let told = self.queue.pop(wait)?.told();
        match &told {
            // What matters in it reaches users through the errors of their triggers.
            Told::Log(facility, text) => tracing::debug!(facility, message = text.trim(), "librdkafka"),
            Told::Failed(error) => self.context().failed(error),
            Told::Record(..) | Told::End(_) | Told::Other => {}
        }
        Some(told)
    }

    /// Begins to consume these partitions and no others.
    ///
    /// # Errors
    /// librdkafka's.
    pub(super) fn assign(&self, partitions: &TopicPartitionList) -> Result<(), AdminError> {
        // SAFETY: the client and the list are live; librdkafka copies the list.
        let refused = unsafe { sys::rd_kafka_assign(self.native(), partitions.ptr()) };
        match refused {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(AdminError::of_code(code as i32)),
        }
    }

    /// Ends what a consumer does for its own group, for which it would go and look for a coordinator. Waits for
    /// librdkafka's main thread, no broker.
    ///
    /// # Errors
    /// librdkafka's.
    pub(super) fn close(&self) -> Result<(), AdminError> {
        if self.closed() {
            return Ok(());
        }
        // SAFETY: the client and its queue are live. An error is the caller's to give back; giving back none is no error.
        unsafe {
            let error = sys::rd_kafka_consumer_close_queue(self.native(), self.queue.native);
            let refused = error_of(error);
            sys::rd_kafka_error_destroy(error);
            refused?;
        }
        while !self.closed() {
            let _ = self.poll(CLOSING);
        }
        Ok(())
    }

    fn closed(&self) -> bool {
        // SAFETY: the client is live.
        unsafe { sys::rd_kafka_consumer_closed(self.native()) == 1 }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "a client for Kafka did not close");
        }
    }
}
