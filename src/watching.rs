//! Watches that outlive the API server: interrupted ones are taken up again within seconds, and nobody downstream
//! hears of it.

mod merged;

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// The shortest and the longest pause between two attempts. The library's own longest is half a minute, in which an
/// API server that is back has work for Ebb.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// Objects in one answer of a list. A page is held as a whole, with fields that nobody wants, before the first of its
/// objects is looked at.
const PAGE: u32 = 50;

/// What a watch gives. It never is an error; the type is the one that reflectors take.
pub type Events<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;

/// Watches what all of `apis` have, one for each namespace, as if it were one watch.
pub fn watch<K>(apis: Vec<Api<K>>, config: watcher::Config) -> Events<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut apis = apis;
    match apis.pop() {
        Some(only) if apis.is_empty() => single(only, config).boxed(),
        Some(last) => {
            apis.push(last);
            let names = apis.iter().map(|api| api.resource_url().to_owned()).collect();
            let watch = move |place: usize| single(apis[place].clone(), config.clone()).boxed();
            merged::merged(names, watch).map(Ok).boxed()
        }
        None => futures::stream::pending().boxed(),
    }
}

/// Watches what `api` has. Errors are logged and never yielded: an error that reached the controller would hold up all
/// of its watches.
fn single<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config.page_size(PAGE)).backoff(Pauses::default()).filter_map(async |event| {
        event.inspect_err(|error| tracing::warn!(%error, kind = %K::kind(&()), "a watch was interrupted")).ok().map(Ok)
    })
}

/// Doubles from the shortest pause to the longest.
#[derive(Debug, Default)]
struct Pauses(Option<Duration>);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0.map_or(PAUSES.0, |last| (last * 2).min(PAUSES.1));
        self.0 = Some(pause);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_success() {
        let mut pauses = Pauses::default();
        let seconds: Vec<_> = pauses.by_ref().take(5).map(|pause| pause.as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 4.0]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(PAUSES.0));
    }
}
