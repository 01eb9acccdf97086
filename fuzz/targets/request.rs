//! Any bytes that an unauthenticated connection may send to the external metrics API: whole answers, or the
//! connection's end.
//!
//! The first letter chooses the protocol: `2` for HTTP/2, anything else for HTTP/1.1.
#![no_main]

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use chrono::DateTime;
use ebb::metrics_api::fuzzing::OpenApi;
use ebb::metrics_api::{MetricError, MetricSource, MetricValue};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

/// A value for short names, and every kind of error for others.
struct Metrics;

#[async_trait]
impl MetricSource for Metrics {
    async fn value(&self, _: &str, scaled_object: &str, metric: &str) -> Result<MetricValue, MetricError> {
        match metric.len() % 4 {
            0 => Err(MetricError::NotFound(format!("{scaled_object} has no {metric}"))),
            1 => Err(MetricError::Failed(metric.to_owned())),
            2 => Ok(MetricValue { value: f64::NAN, timestamp: DateTime::UNIX_EPOCH }),
            _ => Ok(MetricValue { value: 2.5, timestamp: DateTime::UNIX_EPOCH }),
        }
    }
}

/// A runtime on this thread, whose clock a connection's limits need, and the API.
struct World(Runtime, OpenApi);

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    World(runtime.expect("no runtime"), OpenApi::new(Arc::new(Metrics)))
});

fuzz_target!(|sent: &[u8]| {
    let World(runtime, api) = &*WORLD;
    let Some((protocol, sent)) = sent.split_first() else { return };
    let answers = runtime.block_on(api.answer(sent, *protocol == b'2'));
    if *protocol != b'2' {
        check(&answers);
    }
});

/// The first answer is whole, and says something of what was asked.
fn check(answers: &[u8]) {
    if answers.is_empty() {
        return;
    }
    let end = answers.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end");
    let head = String::from_utf8_lossy(&answers[..end]).to_lowercase();
    let code = head.strip_prefix("http/1.1 ").or_else(|| head.strip_prefix("http/1.0 ")).expect("a status line");
    assert!(["200", "304", "400", "401", "404", "405", "406", "414", "431", "500"].contains(&&code[..3]), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let is_json = head.lines().any(|line| line.starts_with("content-type: application/json"));
    let body = &answers[end + 4..];
    // The answer to HEAD has a length and no body.
    if let Some(length) = length.filter(|length| is_json && *length > 0 && *length <= body.len()) {
        let json: serde_json::Value = serde_json::from_slice(&body[..length]).expect("JSON");
        assert!(json["kind"].is_string() || json["openapi"].is_string() || json["swagger"].is_string() || json["paths"].is_object() || json["major"].is_string(), "{json}");
    }
}
