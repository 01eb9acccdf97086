//! The time at the beginning of a line, in zap's encodings.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::Time;
use crate::clock;

/// Writes the time of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timer(Option<Time>);

impl Timer {
    /// Without an encoding: RFC 3339 with microseconds.
    pub(super) fn new(encoding: Option<Time>) -> Self {
        Self(encoding)
    }

    /// The time as JSON: a number if zap writes one.
    pub(super) fn value(self, now: DateTime<Utc>) -> Value {
        // As in zap, a double loses part of a nanosecond, which is below the precision of a clock.
        #[allow(clippy::cast_precision_loss)]
        let nanoseconds = now.timestamp_nanos_opt().unwrap_or_default() as f64;
        match self.0 {
            None => now.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
            Some(Time::Epoch) => (nanoseconds / 1e9).into(),
            Some(Time::Millis) => (nanoseconds / 1e6).into(),
            Some(Time::Nano) => now.timestamp_nanos_opt().unwrap_or_default().into(),
            Some(Time::Iso8601) => now.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into(),
            Some(Time::Rfc3339) => now.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
            Some(Time::Rfc3339Nano) => {
                let text = now.to_rfc3339_opts(SecondsFormat::Nanos, true);
                let (seconds, fraction) = text.trim_end_matches('Z').split_once('.').unwrap_or((&text, ""));
                match fraction.trim_end_matches('0') {
                    "" => format!("{seconds}Z").into(),
                    fraction => format!("{seconds}.{fraction}Z").into(),
                }
            }
        }
    }
}

impl FormatTime for Timer {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        match self.value(clock::now()) {
            Value::String(text) => writer.write_str(&text),
            number => write!(writer, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_zaps() {
        let at: DateTime<Utc> = "2026-01-02T15:04:05.060700Z".parse().unwrap();
        for (encoding, expected) in [
            (None, json!("2026-01-02T15:04:05.060700Z")),
            (Some(Time::Epoch), json!(1_767_366_245.060_7)),
            (Some(Time::Millis), json!(1_767_366_245_060.7)),
            (Some(Time::Nano), json!(1_767_366_245_060_700_000_i64)),
            (Some(Time::Iso8601), json!("2026-01-02T15:04:05.060Z")),
            (Some(Time::Rfc3339), json!("2026-01-02T15:04:05Z")),
            (Some(Time::Rfc3339Nano), json!("2026-01-02T15:04:05.0607Z")),
        ] {
            assert_eq!(Timer::new(encoding).value(at), expected, "{encoding:?}");
        }
        let whole: DateTime<Utc> = "2026-01-02T15:04:05Z".parse().unwrap();
        assert_eq!(Timer::new(Some(Time::Rfc3339Nano)).value(whole), json!("2026-01-02T15:04:05Z"));
    }
}
