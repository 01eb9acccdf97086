//! The options of a call.

use std::ffi::c_int;
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;

/// The options of one call.
pub(super) struct Options(pub(super) *mut sys::rd_kafka_AdminOptions_t);

impl Options {
    pub(super) fn set_timeout(&self, timeout: Duration) {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        let mut text = [0; 128];
        // SAFETY: the options are live; librdkafka writes at most the given length of an error text. The only error is a
        // time beyond an hour, with which the default of a minute stays in force. Its value is an enum of known codes.
        unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(self.0, millis, text.as_mut_ptr(), text.len()) };
    }

    /// Asks for the last stable offset instead of the high watermark.
    pub(super) fn read_committed(&self) {
        let level = sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
        // SAFETY: the options are live. An error, which is the caller's to destroy, comes only for calls that know no
        // isolation; `rd_kafka_error_destroy` takes null.
        unsafe { sys::rd_kafka_error_destroy(sys::rd_kafka_AdminOptions_set_isolation_level(self.0, level)) };
    }

    pub(super) fn set_request(&self, request: usize) {
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
