//! What librdkafka tells between calls: logs, and errors of connections.

use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientContext, Statistics};

/// One client's ear.
#[derive(Debug, Default)]
pub(super) struct Context {
    trouble: Mutex<Option<String>>,
}

impl Context {
    /// Why the last connection failed, since the last call of [`Context::forget_trouble`].
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// A broker has answered.
    pub(super) fn forget_trouble(&self) {
        *self.trouble.lock() = None;
    }
}

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters in them reaches users through the errors of their triggers.
        tracing::debug!(facility, message, "librdkafka");
    }

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let mut trouble = self.trouble.lock();
        // That all brokers are down says less than why the last of them is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) || trouble.is_none() {
            *trouble = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Context {}
