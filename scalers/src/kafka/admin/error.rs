//! What went wrong: librdkafka's own errors and those of brokers.

use std::ffi::{c_char, c_int};
use std::fmt;

use rdkafka::bindings as sys;

use super::text_of;

// The same functions as in `rdkafka-sys`, which gives them a Rust enum as their type of error: a code that this release
// of the library has no name for, sent by a newer broker, would be undefined behaviour there. In C they are plain ints.
unsafe extern "C" {
    pub(super) fn rd_kafka_event_error(event: *mut sys::rd_kafka_event_t) -> c_int;
    pub(super) fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> c_int;
    fn rd_kafka_err2str(error: c_int) -> *const c_char;
    fn rd_kafka_err2name(error: c_int) -> *const c_char;
}

/// An error of librdkafka or of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) struct AdminError {
    /// Negative for librdkafka's own (`rd_kafka_resp_err_t`), else the code of the Kafka protocol.
    pub(in crate::kafka) code: i32,
    /// What librdkafka says about it.
    pub(in crate::kafka) text: String,
}

impl AdminError {
    /// An answer that makes no sense, or none at all.
    pub(in crate::kafka) fn lost(text: &str) -> Self {
        Self { code: FAIL, text: text.to_owned() }
    }

    /// No answer in time.
    pub(in crate::kafka) fn timed_out() -> Self {
        Self::of_code(TIMED_OUT)
    }

    /// Whether it says something of the way to the brokers, not of what was asked.
    pub(in crate::kafka) fn is_local(&self) -> bool {
        self.code < 0
    }

    /// Whether librdkafka itself has given no answer.
    pub(in crate::kafka) fn is_lost(&self) -> bool {
        self.code == FAIL
    }

    /// Whether no answer came in time.
    pub(in crate::kafka) fn is_timeout(&self) -> bool {
        matches!(self.code, TIMED_OUT | TIMED_OUT_QUEUE)
    }

    /// Whether a partition is led by another broker now, or is gone: codes 3, 5, 6 and 74 to 76 of the Kafka protocol.
    pub(in crate::kafka) fn is_moved(&self) -> bool {
        matches!(self.code, 3 | 5 | 6 | 74..=76)
    }

    /// Whether a group has no coordinator at the moment or another than was asked: codes 14 to 16 of the Kafka protocol.
    pub(in crate::kafka) fn is_no_coordinator(&self) -> bool {
        matches!(self.code, 14..=16)
    }

    /// Whether another broker than the group's coordinator was asked: code 16 of the Kafka protocol.
    pub(in crate::kafka) fn is_wrong_coordinator(&self) -> bool {
        self.code == 16
    }

    pub(super) fn of_code(code: i32) -> Self {
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
