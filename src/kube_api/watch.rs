//! The driver of all watches: it keeps the keys of present objects, turns lists into deletions, and feeds indexes.
//!
//! A watch begins with a list, and lists again after an interruption. An index never sees that. It is given each object
//! that is there, the key of each object that has gone, and a notice when it is complete. Each namespace has a watch of
//! its own and lists on its own, so that a namespace that cannot be listed keeps its last objects and holds up no
//! other.

mod pauses;
mod relist;

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::kube_api::key::Key;
pub use pauses::Pauses;
use relist::Change;
pub use relist::Relist;

/// The shortest and the longest pause between two attempts. The library's own longest is half a minute, in which an
/// API server that is back has work for Ebb.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// Objects in one answer of a list. The client holds a whole page, with unused fields, before it gives out the first
/// object.
const PAGE: u32 = 50;
/// How long indexes wait for the first list of every namespace before they go on with the namespaces that are listed.
const GRACE: Duration = Duration::from_secs(10);

/// How a watch has shown an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In a list. The object is as it is now, even where its `resourceVersion` is older than one seen before: the API
    /// server's store may have been restored from a backup.
    List,
    /// In an event. Another answer of the API server may have shown something newer.
    Event,
}

impl Source {
    fn of<K>(event: &Event<K>) -> Self {
        if matches!(event, Event::InitApply(_)) { Self::List } else { Self::Event }
    }
}

/// Something that follows the objects of one kind. Every call may be repeated.
pub trait Index<K>: Send {
    /// An object is there: a new one, a changed one, or the same as before.
    fn apply(&mut self, key: &Key, object: &K, source: Source);

    /// An object has gone.
    fn delete(&mut self, key: &Key);

    /// All objects of the namespaces that are listed have been applied, and `present` has their keys. It is called
    /// after the first lists, and again after each later list.
    fn synced(&mut self, present: &Relist) {
        let _ = present;
    }
}

/// The watches on one kind, one for each namespace.
pub struct Watches<K> {
    /// The paths of the watched kinds, for the log.
    paths: Vec<String>,
    /// The events of all watches, with the place of the watch in `paths`.
    events: BoxStream<'static, (usize, Event<K>)>,
}

impl<K> Watches<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// Watches the objects of `apis`. Requests begin with [`Watches::feed`].
    pub fn new(apis: Vec<Api<K>>, config: &watcher::Config) -> Self {
        let paths = apis.iter().map(|api| api.resource_url().to_owned()).collect();
        let watches = apis.into_iter().enumerate();
        let watches = watches.map(|(place, api)| single(api, config.clone()).map(move |event| (place, event)).boxed());
        Self { paths, events: select_all(watches).boxed() }
    }
}

impl<K: Resource<DynamicType = ()> + Send + 'static> Watches<K> {
    /// Changes each object before any index sees it.
    #[must_use]
    pub fn trimmed(self, mut trim: impl FnMut(&mut K, Source) + Send + 'static) -> Self {
        let events = self.events.map(move |(place, event)| {
            let source = Source::of(&event);
            (place, event.modify(|object| trim(object, source)))
        });
        Self { events: events.boxed(), ..self }
    }

    /// Feeds the indexes, one after the other with each change, for as long as it is polled.
    pub async fn feed(self, mut indexes: Vec<Box<dyn Index<K>>>) {
        let Self { paths, mut events } = self;
        let mut relist = Relist::new(paths.len());
        let grace = tokio::time::sleep(GRACE);
        tokio::pin!(grace);
        let (mut waits, mut first) = (true, true);
        loop {
            let changes = tokio::select! {
                event = events.next() => match event {
                    Some((place, event)) => relist.take(place, event),
                    None => return,
                },
                () = &mut grace, if waits => {
                    waits = false;
                    relist.stop_waiting().into_iter().collect()
                }
            };
            for change in changes {
                if matches!(change, Change::Synced) && std::mem::take(&mut first) {
                    warn_of_late(&paths, &relist);
                }
                pass_on(&change, &mut indexes, &relist);
            }
        }
    }
}

fn pass_on<K>(change: &Change<K>, indexes: &mut [Box<dyn Index<K>>], present: &Relist) {
    for index in indexes {
        match change {
            Change::Apply(key, object, source) => index.apply(key, object, *source),
            Change::Delete(key) => index.delete(key),
            Change::Synced => index.synced(present),
        }
    }
}

fn warn_of_late(paths: &[String], relist: &Relist) {
    let late: Vec<_> = relist.late().map(|place| paths[place].as_str()).collect();
    if !late.is_empty() {
        tracing::warn!(late = late.join(", "), "some namespaces cannot be listed yet; the others are served");
    }
}

/// Watches the objects of `api`. An error is logged when an interruption begins, and never yielded: no index can do
/// anything about it.
fn single<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = Event<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let path = api.resource_url().to_owned();
    let mut failures = 0_u32;
    let events = watcher(api, config.page_size(PAGE)).backoff(Pauses::between(PAUSES));
    events.filter_map(move |event| std::future::ready(logged(event, &path, &mut failures)))
}

/// The event, if it is none of a failure. The log has the first of several failures in a row, and their count when an
/// object or a whole list comes again.
fn logged<K>(event: Result<Event<K>, watcher::Error>, path: &str, failures: &mut u32) -> Option<Event<K>> {
    match event {
        Ok(event) => {
            // A list begins before the API server has answered.
            if *failures > 0 && !matches!(event, Event::Init) {
                tracing::info!(path, failures, "the watch has begun again");
                *failures = 0;
            }
            Some(event)
        }
        Err(error) => {
            if *failures == 0 {
                tracing::warn!(path, %error, "a watch was interrupted; Ebb begins it again until the API server answers");
            }
            *failures = failures.saturating_add(1);
            None
        }
    }
}

#[cfg(test)]
mod tests;
