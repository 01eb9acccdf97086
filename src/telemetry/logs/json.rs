//! The JSON format of the logs: one object per line, with the keys of KEDA's logs, so that programs that read
//! those still work.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::time::Timer;
use crate::clock;

/// Formats a line: `level`, `ts`, `logger`, `msg`, and then the fields of the event.
#[derive(Debug)]
pub(super) struct JsonLines {
    pub(super) timer: Timer,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = line(*metadata.level(), self.timer.value(clock::now()), metadata.target(), fields);
        writeln!(writer, "{line}")
    }
}

/// The keys in zap's order.
fn line(level: Level, time: Value, logger: &str, fields: Fields) -> String {
    let level = match level {
        Level::ERROR => "error",
        // KEDA never logs at warn, but zap has this level.
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    };
    let first =
        [("level", level.into()), ("ts", time), ("logger", logger.into()), ("msg", Value::String(fields.message))];
    let own = |key: &String| !matches!(key.as_str(), "level" | "ts" | "logger" | "msg");
    let others = fields.others.iter().filter(|(key, _)| own(key)).map(|(key, value)| (key.as_str(), value));
    let pairs: Vec<_> = first
        .iter()
        .map(|(key, value)| (*key, value))
        .chain(others)
        .map(|(key, value)| format!("{}:{value}", Value::from(key)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

/// The message and the fields of an event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // A name such as `r#type` is a raw identifier of Rust.
        let name = field.name().trim_start_matches("r#");
        match value {
            Value::String(text) if name == "message" => self.message = text,
            value => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::json;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::telemetry::logs::Time;

    /// The written text.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Page {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_has_zaps_keys_in_zaps_order() {
        let page = Page::default();
        let logs = tracing_subscriber::fmt()
            .with_writer(page.clone())
            .event_format(JsonLines { timer: Timer::new(Some(Time::Nano)) })
            .finish();
        tracing::subscriber::with_default(logs, || {
            let error = "no \"such\" queue\n";
            tracing::warn!(scaled_object = %"ns/app", error, tries = 3, late = 0.5, level = "none", "cannot be {}", "read");
        });
        let text = String::from_utf8(page.0.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("{\"level\":\"warn\",\"ts\":1"), "{text}");
        let mut line: Value = serde_json::from_str(&text).unwrap();
        assert!(line["ts"].take().is_i64());
        let expected = json!({
            "level": "warn", "ts": null, "logger": "ebb::telemetry::logs::json::tests", "msg": "cannot be read",
            "scaled_object": "ns/app", "error": "no \"such\" queue\n", "tries": 3, "late": 0.5,
        });
        assert_eq!(line, expected);
    }
}
