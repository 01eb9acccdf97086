//! The requests of a contender to the API server, by verb and code: from the API server's audit log, which knows the
//! client.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ebb_tests::audit::Request;

/// From when to when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The first moment.
    pub(crate) from: DateTime<Utc>,
    /// The first moment after it.
    pub(crate) to: DateTime<Utc>,
}

/// How many requests of a user came in, by verb and code. A watch counts when it begins.
pub(crate) fn by_verb_and_code(requests: &[Request], user: &str, span: Span) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let ours = request.user == user && (span.from..span.to).contains(&request.received);
        let the_end_of_a_watch = request.verb == "watch" && request.code == 200 && !request.open;
        if ours && !the_end_of_a_watch {
            *counts.entry(format!("{} {}", request.verb, request.code)).or_default() += 1;
        }
    }
    counts
}

/// When a user last changed an object. A Lease that is renewed is no change, nor is a question that has the
/// form of one.
pub(crate) fn last_write(requests: &[Request], user: &str) -> Option<DateTime<Utc>> {
    let changes = requests
        .iter()
        .filter(|one| one.user == user && one.is_write() && !one.is_question() && one.resource != "leases");
    changes.map(|change| change.received).max()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn request(user: &str, verb: &str, code: u16, open: bool, second: i64) -> Request {
        let received = DateTime::from_timestamp(second, 0).unwrap();
        Request {
            received,
            answered: received,
            code,
            open,
            accepted: true,
            allowed: true,
            user: user.to_owned(),
            who: String::new(),
            verb: verb.to_owned(),
            group: String::new(),
            resource: "pods".to_owned(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            body: Value::Null,
        }
    }

    #[test]
    fn requests_of_a_user_and_a_span_count_once() {
        let all = [
            request("ebb", "watch", 200, true, 10),
            request("ebb", "watch", 200, false, 10),
            request("ebb", "watch", 410, false, 11),
            request("ebb", "patch", 200, false, 12),
            request("ebb", "patch", 200, false, 13),
            request("ebb", "patch", 409, false, 13),
            request("other", "patch", 200, false, 13),
            request("ebb", "patch", 200, false, 9),
            request("ebb", "patch", 200, false, 20),
        ];
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let counts = by_verb_and_code(&all, "ebb", Span { from: at(10), to: at(20) });
        let counts: Vec<_> = counts.iter().map(|(what, count)| (what.as_str(), *count)).collect();
        assert_eq!(counts, [("patch 200", 2), ("patch 409", 1), ("watch 200", 1), ("watch 410", 1)]);
    }

    #[test]
    fn questions_and_leases_are_no_changes() {
        let about = |resource: &str, verb: &str, second| {
            let resource = resource.to_owned();
            Request { resource, ..request("ebb", verb, 201, false, second) }
        };
        let all = [
            about("horizontalpodautoscalers", "create", 10),
            about("events", "create", 12),
            about("events", "list", 13),
            about("leases", "update", 14),
            about("subjectaccessreviews", "create", 15),
            request("other", "patch", 200, false, 16),
        ];
        assert_eq!(last_write(&all, "ebb"), DateTime::from_timestamp(12, 0));
        assert_eq!(last_write(&all, "nobody"), None);
    }
}
