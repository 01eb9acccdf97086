//! A client that lists all ScaledObjects twice a second, which an API server on two cores cannot keep up with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ebb_tests::audit::Request;
use ebb_tests::wait::secs;
use http::Request as HttpRequest;
use kube::Client;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use crate::requests::Span;

/// Between the beginnings of two lists.
const APART: Duration = Duration::from_millis(500);
/// The most lists that wait for their answers. A client has a timeout; without one the lists would pile up in
/// this program.
const OPEN: usize = 40;
/// The resource.
const PATH: &str = "/apis/keda.sh/v1alpha1/scaledobjects";
/// How long one list may take.
const WAIT_LIMIT: Duration = secs(60);

/// The lists of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lists {
    /// How many were answered.
    pub(crate) answered: u64,
    /// How many failed, or were left out because too many were open.
    pub(crate) failed: u64,
}

/// Lists for `span`. Each list begins on time, however long the one before it takes.
pub(crate) async fn list_for(client: &Client, span: Duration) -> Result<Lists> {
    let (answered, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let open = Arc::new(Semaphore::new(OPEN));
    let (mut ticks, end) = (interval(APART), Instant::now() + span);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while Instant::now() < end {
        ticks.tick().await;
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else {
            failed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (client, answered, failed) = (client.clone(), Arc::clone(&answered), Arc::clone(&failed));
        let request = HttpRequest::get(PATH).body(Vec::new()).context("the request for a list")?;
        tokio::spawn(async move {
            // The answer is read to its end, as kubectl does.
            let listed = tokio::time::timeout(WAIT_LIMIT, client.request_text(request)).await;
            let counter = if matches!(listed, Ok(Ok(_))) { answered } else { failed };
            counter.fetch_add(1, Ordering::Relaxed);
            drop(place);
        });
    }
    Ok(Lists { answered: answered.load(Ordering::Relaxed), failed: failed.load(Ordering::Relaxed) })
}

/// How many statuses a user wrote in a span, and how many of them say of a ScaledObject that it is not ready.
pub(crate) fn statuses_written(requests: &[Request], user: &str, span: Span) -> (u64, u64) {
    let written = requests.iter().filter(|one| {
        let is_status = one.resource == "scaledobjects" && one.subresource == "status";
        one.user == user && is_status && one.is_write() && (span.from..span.to).contains(&one.received)
    });
    written.fold((0, 0), |(all, unready), one| (all + 1, unready + u64::from(is_unready(one))))
}

fn is_unready(request: &Request) -> bool {
    let conditions = request.body["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] != "True"))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_are_counted_by_user_and_span() {
        let write = |user: &str, second, ready: &str| {
            let received = DateTime::from_timestamp(second, 0).unwrap();
            Request {
                received,
                answered: received,
                code: 200,
                open: false,
                accepted: true,
                allowed: true,
                user: user.to_owned(),
                who: String::new(),
                verb: "patch".to_owned(),
                group: "keda.sh".to_owned(),
                resource: "scaledobjects".to_owned(),
                subresource: "status".to_owned(),
                namespace: String::new(),
                name: String::new(),
                body: json!({"status": {"conditions": [{"type": "Ready", "status": ready}]}}),
            }
        };
        let all = [
            write("ebb", 1, "False"),
            write("ebb", 10, "True"),
            write("ebb", 11, "Unknown"),
            write("other", 12, "False"),
            write("ebb", 20, "False"),
        ];
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        assert_eq!(statuses_written(&all, "ebb", Span { from: at(10), to: at(20) }), (2, 1));
    }
}
