//! The search for broken rules in the records of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use chrono::TimeDelta;
use ebb_tests::audit::{self, Request};
use ebb_tests::bed::Bed;

use crate::app::App;
use crate::faults::{Fault, Span};

/// A count that was set with messages in the queue for so long came from no reading that was true: it is longer than a
/// pollingInterval with the answer to it, and than a holder of the lease may write after it last renewed it.
const STALE: TimeDelta = TimeDelta::seconds(7);
/// A part that has been away for so long has not been read meanwhile.
const UNREAD: TimeDelta = TimeDelta::seconds(5);

/// The writes that the API server has accepted from Ebb, in the order in which it was asked.
pub(crate) fn accepted(bed: &Bed) -> Result<Vec<Request>> {
    let mut writes: Vec<_> = audit::writes(bed)?.into_iter().filter(|write| write.accepted).collect();
    writes.sort_by_key(|write| write.received);
    Ok(writes)
}

/// Everything that was wrong, in words.
pub(crate) fn broken(apps: &[Arc<App>], namespace: &str, writes: &[Request], spans: &[Span]) -> Vec<String> {
    let by_name: BTreeMap<&str, &App> = apps.iter().map(|app| (app.name.as_str(), &**app)).collect();
    let mut broken = Vec::new();
    for write in writes.iter().filter(|write| write.namespace == namespace) {
        let (Some(replicas), Some(app)) = (write.replicas(), by_name.get(write.name.as_str())) else { continue };
        let at = write.received.format("%H:%M:%S%.3f");
        if replicas < 0 || replicas > i64::from(app.most()) {
            broken.push(format!("{at} {}: {replicas} replicas, of at most {}", app.name, app.most()));
        }
        if replicas > 0 {
            continue;
        }
        if app.backlog.waited_throughout(write.received - STALE, write.received) {
            broken.push(format!("{at} {}: to zero while its queue had messages", app.name));
        }
        let unread = |span: &&Span| {
            span.fault == Fault::Away(app.part) && span.begin + UNREAD < write.received && write.received < span.end
        };
        if let Some(span) = spans.iter().find(unread) {
            broken.push(format!("{at} {}: to zero while {}", app.name, span.fault));
        }
    }
    broken.extend(two_writers(writes));
    broken
}

/// Writes of a replica that came in after another had been given the lease.
fn two_writers(writes: &[Request]) -> Vec<String> {
    let mut broken = Vec::new();
    // The holders of the lease and the times of their terms, by their own successful writes of it.
    let mut terms: Vec<&Request> =
        writes.iter().filter(|write| write.holder().is_some_and(|holder| !holder.is_empty())).collect();
    terms.sort_by_key(|term| term.answered);
    terms.dedup_by(|later, earlier| later.who == earlier.who);
    for write in writes.iter().filter(|write| write.is_the_holders()) {
        let term = terms.iter().rev().find(|term| term.answered < write.received);
        let Some(term) = term.filter(|term| term.who != write.who) else { continue };
        let at = write.received.format("%H:%M:%S%.3f");
        let since = (write.received - term.answered).as_seconds_f64();
        broken.push(format!("{at} {}: by another than the holder of the lease since {since:.3} s", write.display()));
    }
    broken
}

/// How often the lease went from one replica to another.
pub(crate) fn handovers(writes: &[Request]) -> usize {
    let mut holders: Vec<&str> =
        writes.iter().filter_map(Request::holder).filter(|holder| !holder.is_empty()).collect();
    holders.dedup();
    holders.len().saturating_sub(1)
}
