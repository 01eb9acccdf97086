//! The events of a watch: the kept decisions, and then the new ones, until the term of leadership ends.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream, Stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::table::{self, Include};
use super::version::Version;
use super::{DecisionSource, Item, document};
use crate::metrics_api::status::Failure;

/// How often a watch looks whether this replica still leads.
const LOOK: Duration = Duration::from_secs(1);
/// The interval of bookmarks, which give the present version to a client that asks for them.
const BOOKMARK: Duration = Duration::from_mins(1);

/// The form of the objects in the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Decisions.
    Objects,
    /// Tables of one row.
    Tables(Include),
}

/// The request of a client that watches.
pub(super) struct Request {
    pub(super) filter: Filter,
    pub(super) form: Form,
    /// The term that the watch belongs to.
    pub(super) epoch: u32,
    /// Decisions up to this number are known to the client.
    pub(super) known: u64,
    /// The client wants a bookmark after the decisions that are kept.
    pub(super) initial: bool,
    pub(super) bookmarks: bool,
    pub(super) limit: Duration,
}

/// A watch under way.
struct Watch {
    source: Arc<dyn DecisionSource>,
    request: Request,
    /// Decisions that are kept and not sent yet.
    kept: VecDeque<Item>,
    /// The numbers of those that were sent, which may come again.
    sent: HashSet<u64>,
    live: BoxStream<'static, Option<Item>>,
    has_columns: bool,
    /// The bookmark after the kept decisions was sent, or none is wanted.
    is_initial_sent: bool,
    last: u64,
    ends: Instant,
    bookmark: Instant,
    stop: CancellationToken,
    is_over: bool,
}

/// The only event of a watch that cannot begin, as a line of JSON.
pub(super) fn error(failure: Failure) -> String {
    json!({"type": "ERROR", "object": failure.document()}).to_string() + "\n"
}

/// The events of a watch, a line of JSON each.
pub(super) fn events(
    source: Arc<dyn DecisionSource>,
    request: Request,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    // First: a decision that is made meanwhile is in one of the two at least.
    let live = source.follow();
    let snapshot = source.snapshot(request.filter.namespace());
    let fits = |item: &Item| item.number > request.known && request.filter.matches(item);
    let kept: VecDeque<Item> = snapshot.items.into_iter().filter(fits).collect();
    let sent = kept.iter().map(|item| item.number).collect();
    let now = Instant::now();
    let watch = Watch {
        kept,
        sent,
        live,
        has_columns: false,
        is_initial_sent: !request.initial,
        last: snapshot.number.max(request.known),
        ends: now + request.limit,
        bookmark: now + BOOKMARK,
        stop,
        is_over: false,
        source,
        request,
    };
    stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        let mut text = event.to_string();
        text.push('\n');
        Some((Ok(Bytes::from(text)), watch))
    })
}

impl Watch {
    async fn next(&mut self) -> Option<Value> {
        if self.is_over {
            return None;
        }
        if let Some(item) = self.kept.pop_front() {
            return Some(self.added(&item));
        }
        if !self.is_initial_sent {
            self.is_initial_sent = true;
            return Some(self.bookmarked(true));
        }
        loop {
            let look = Instant::now() + LOOK;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                item = self.live.next() => match item {
                    None => return None,
                    Some(None) => return Some(self.expired("the watch was too slow and has missed decisions")),
                    Some(Some(item)) => {
                        let is_new = item.number > self.request.known && !self.sent.remove(&item.number);
                        if is_new && self.request.filter.matches(&item) {
                            self.last = self.last.max(item.number);
                            return Some(self.added(&item));
                        }
                    }
                },
                () = sleep_until(look.min(self.ends)) => {}
            }
            if self.source.epoch() != Some(self.request.epoch) {
                return Some(self.expired("another replica leads now, and knows other decisions"));
            }
            let now = Instant::now();
            if now >= self.ends {
                return None;
            }
            if self.request.bookmarks && now >= self.bookmark {
                self.bookmark = now + BOOKMARK;
                return Some(self.bookmarked(false));
            }
        }
    }

    fn added(&mut self, item: &Item) -> Value {
        let epoch = self.request.epoch;
        let object = match self.request.form {
            Form::Objects => document(item, epoch),
            Form::Tables(include) => {
                let columns = (!std::mem::replace(&mut self.has_columns, true)).then(table::columns);
                let version = Version { epoch, number: item.number }.to_string();
                table::table(&version, columns, &[table::row(item, epoch, include)])
            }
        };
        json!({"type": "ADDED", "object": object})
    }

    fn bookmarked(&self, initial: bool) -> Value {
        let version = Version { epoch: self.request.epoch, number: self.last }.to_string();
        let mut metadata = json!({"resourceVersion": version});
        if initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.request.form {
            Form::Objects => super::bookmark(&metadata),
            Form::Tables(_) => {
                let row = json!({"cells": [], "object": super::bookmark(&metadata)});
                table::table(&version, Some(table::columns()), &[row])
            }
        };
        json!({"type": "BOOKMARK", "object": object})
    }

    fn expired(&mut self, why: &str) -> Value {
        self.is_over = true;
        json!({"type": "ERROR", "object": Failure::expired(why).document()})
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::item;
    use super::*;
    use crate::metrics_api::testing::Decided;

    fn request(known: u64) -> Request {
        Request {
            filter: Filter::new("shop", "", "").unwrap(),
            form: Form::Objects,
            epoch: 7,
            known,
            initial: false,
            bookmarks: false,
            limit: Duration::from_mins(5),
        }
    }

    struct Watching(BoxStream<'static, Result<Bytes, Infallible>>);

    impl Watching {
        fn begin(source: &Arc<Decided>, request: Request) -> Self {
            let source: Arc<dyn DecisionSource> = Arc::clone(source) as _;
            Self(events(source, request, CancellationToken::new()).boxed())
        }

        /// The next event: its type and its subject.
        async fn next(&mut self) -> Option<(String, String)> {
            let line = self.0.next().await?.unwrap();
            let event: Value = serde_json::from_slice(&line).unwrap();
            let object = &event["object"];
            let about = [&object["metadata"]["name"], &object["reason"], &object["kind"]];
            let about = about.into_iter().find_map(Value::as_str).unwrap_or_default();
            Some((event["type"].as_str().unwrap().to_owned(), about.to_owned()))
        }
    }

    fn added(name: &str) -> (String, String) {
        ("ADDED".to_owned(), name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn kept_decisions_come_first_and_new_ones_follow_once_each() {
        let source = Arc::new(Decided::default());
        for (number, namespace) in [(1, "shop"), (2, "other"), (3, "shop")] {
            source.decide(item(number, namespace, "app"));
        }
        let mut watching = Watching::begin(&source, request(1));
        // It is made before the watch has sent the kept decisions.
        source.decide(item(4, "shop", "app"));
        source.decide(item(5, "other", "app"));
        assert_eq!(watching.next().await, Some(added("app-3")));
        assert_eq!(watching.next().await, Some(added("app-4")));
        source.decide(item(6, "shop", "web"));
        assert_eq!(watching.next().await, Some(added("web-6")));
    }

    #[tokio::test(start_paused = true)]
    async fn another_term_of_leadership_ends_it_with_expired() {
        let source = Arc::new(Decided::default());
        let mut watching = Watching::begin(&source, request(0));
        *source.epoch.lock() = None;
        assert_eq!(watching.next().await, Some(("ERROR".to_owned(), "Expired".to_owned())));
        assert_eq!(watching.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_too_slow_lists_anew() {
        let source = Arc::new(Decided::default());
        let mut watching = Watching::begin(&source, request(0));
        for number in 1..=40 {
            source.decide(item(number, "shop", "app"));
        }
        assert_eq!(watching.next().await, Some(("ERROR".to_owned(), "Expired".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_as_long_as_the_client_asks_for() {
        let source = Arc::new(Decided::default());
        let begun = Instant::now();
        let mut watching = Watching::begin(&source, Request { bookmarks: true, ..request(0) });
        let mut bookmarks = 0;
        while let Some((kind, _)) = watching.next().await {
            assert_eq!(kind, "BOOKMARK");
            bookmarks += 1;
        }
        assert_eq!(bookmarks, 4);
        assert!(begun.elapsed() <= Duration::from_mins(5) + LOOK, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_can_ask_for_the_end_of_what_is_kept() {
        let source = Arc::new(Decided::default());
        source.decide(item(1, "shop", "app"));
        let mut watching = Watching::begin(&source, Request { initial: true, ..request(0) });
        assert_eq!(watching.next().await, Some(added("app-1")));
        assert_eq!(watching.next().await, Some(("BOOKMARK".to_owned(), "ScalingDecision".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_table_has_columns() {
        let source = Arc::new(Decided::default());
        for number in [1, 2] {
            source.decide(item(number, "shop", "app"));
        }
        let source: Arc<dyn DecisionSource> = source;
        let request = Request { form: Form::Tables(Include::Metadata), ..request(0) };
        let lines: Vec<_> = events(source, request, CancellationToken::new()).take(2).collect().await;
        let columns = |line: &Result<Bytes, Infallible>| {
            let event: Value = serde_json::from_slice(line.as_ref().unwrap()).unwrap();
            event["object"]["columnDefinitions"].as_array().unwrap().len()
        };
        assert_eq!((columns(&lines[0]) > 5, columns(&lines[1])), (true, 0));
    }
}
