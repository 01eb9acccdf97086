//! The watches that keep the model up to date. An interruption is shown on the page, and the watch begins again.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::{ScaledObject, names};
use futures::stream::{self, BoxStream, StreamExt as _};
use futures::{FutureExt as _, Stream, future};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::core::{DynamicObject, NamespaceResourceScope};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::model::{Cluster, Model, owner};
use super::trail::{self, Brief, Trail};
use crate::clock;
use crate::kube_api::key::Key;
use crate::kube_api::watch::Pauses;

/// The shortest and the longest pause before a watch begins again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What a watch shows.
pub(super) type Shown<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;

/// Where to look: all namespaces, or these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places(pub(super) Vec<String>);

impl Places {
    fn apis<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self, client: &Client) -> Vec<Api<K>> {
        match &self.0[..] {
            [] => vec![Api::all(client.clone())],
            some => some.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect(),
        }
    }

    fn decisions(&self, client: &Client) -> Vec<Api<DynamicObject>> {
        match &self.0[..] {
            [] => vec![trail::api(client, None)],
            some => some.iter().map(|namespace| trail::api(client, Some(namespace))).collect(),
        }
    }
}

/// Watches what `api` has, for as long as it is polled.
pub(super) fn shown<K>(api: Api<K>, config: watcher::Config) -> Shown<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let begin = move || watcher(api.clone(), config.clone()).backoff(Pauses::between(PAUSES)).boxed();
    let events = stream::unfold((begin(), begin), |(mut events, begin)| async move {
        let event = events.next().await?;
        // The library asks for the same version again when the answer to the request itself says that it has expired.
        if event.as_ref().is_err_and(is_expired) {
            events = begin();
        }
        Some((event, (events, begin)))
    });
    events.boxed()
}

/// Whether an error says that what was known is of another time: a new list follows, and nothing is amiss.
fn is_expired(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchError(status) | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            status.code == 410
        }
        _ => false,
    }
}

/// Keeps the model up to date. Never ends by itself.
pub(super) async fn run(client: Client, places: Places, model: Arc<Model>) {
    let objects = objects(places.apis(&client), &model).boxed();
    let hpas = hpas(places.apis(&client), &model).boxed();
    let decisions = decisions(places.decisions(&client), &model).boxed();
    future::join3(objects, hpas, decisions).await;
}

/// The keys that the lists of all namespaces have shown.
struct Lists {
    present: Vec<HashSet<Key>>,
    done: Vec<bool>,
}

impl Lists {
    fn new(count: usize) -> Self {
        Self { present: vec![HashSet::new(); count], done: vec![false; count] }
    }

    /// Takes an event of the list at `place`. All keys, if all lists are complete with it.
    fn take<K>(&mut self, place: usize, event: &Event<K>, key: impl Fn(&K) -> Option<Key>) -> Option<HashSet<Key>> {
        match event {
            Event::Init => {
                self.done[place] = false;
                self.present[place].clear();
                None
            }
            Event::InitApply(object) | Event::Apply(object) => {
                self.present[place].extend(key(object));
                None
            }
            Event::Delete(object) => {
                if let Some(key) = key(object) {
                    self.present[place].remove(&key);
                }
                None
            }
            Event::InitDone => {
                self.done[place] = true;
                let complete = self.done.iter().all(|done| *done);
                complete.then(|| self.present.iter().flatten().cloned().collect())
            }
        }
    }
}

/// The events of several watches, with the place of each.
fn all<K>(
    apis: Vec<Api<K>>,
    config: &watcher::Config,
) -> impl Stream<Item = (usize, Result<Event<K>, watcher::Error>)> + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let watches = apis.into_iter().enumerate();
    let watches = watches.map(|(place, api)| shown(api, config.clone()).map(move |event| (place, event)).boxed());
    stream::select_all(watches)
}

async fn objects(apis: Vec<Api<ScaledObject>>, model: &Model) {
    let mut lists = Lists::new(apis.len());
    let mut events = all(apis, &watcher::Config::default());
    while let Some((place, event)) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                model.set_cluster(Cluster::lost(&why(&error)));
                continue;
            }
        };
        // A list begins before the API server has answered.
        if !matches!(event, Event::Init) {
            model.set_cluster(Cluster::ok());
        }
        let complete = lists.take(place, &event, |object| Some(Key::of(object)));
        match event {
            Event::Apply(object) | Event::InitApply(object) => model.apply_object(object),
            Event::Delete(object) => model.delete_object(&Key::of(&object)),
            Event::Init | Event::InitDone => {}
        }
        if let Some(present) = complete {
            model.objects_listed(&present);
        }
    }
}

async fn hpas(apis: Vec<Api<HorizontalPodAutoscaler>>, model: &Model) {
    let mut lists = Lists::new(apis.len());
    let config = watcher::Config::default().labels(names::SCALED_OBJECT_NAME_LABEL);
    let mut events = all(apis, &config);
    while let Some((place, event)) = events.next().await {
        // The watch on ScaledObjects says whether the API server answers. Without the right to see HPAs there are none.
        let Ok(event) = event else {
            model.hpas_listed(&lists.present.iter().flatten().cloned().collect());
            continue;
        };
        let complete = lists.take(place, &event, owner);
        match event {
            Event::Apply(hpa) | Event::InitApply(hpa) => model.apply_hpa(hpa, clock::now()),
            Event::Delete(hpa) => model.delete_hpa(&hpa),
            Event::Init | Event::InitDone => {}
        }
        if let Some(owners) = complete {
            model.hpas_listed(&owners);
        }
    }
}

async fn decisions(apis: Vec<Api<DynamicObject>>, model: &Model) {
    let mut events = all(apis, &watcher::Config::default());
    while let Some((_, event)) = events.next().await {
        match event {
            // Another leader's trail is listed anew.
            Err(error) if is_expired(&error) => {}
            Err(error) => model.set_trail(Trail::of(&error)),
            Ok(Event::Init) => {}
            // What the leader has forgotten was decided all the same.
            Ok(Event::InitDone | Event::Delete(_)) => model.set_trail(Trail::ok()),
            Ok(Event::InitApply(decision) | Event::Apply(decision)) => {
                model.set_trail(Trail::ok());
                if let Some(brief) = Brief::of(&decision) {
                    model.apply_decision(&brief);
                }
            }
        }
    }
}

/// An error without the words that every error of a watch begins with.
fn why(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps)] // An object may have no namespace.
    fn key(name: &&'static str) -> Option<Key> {
        Some(Key::new("shop", *name))
    }

    #[test]
    fn an_expired_version_is_no_failure() {
        let status = |code| kube::core::Status { code, ..Default::default() }.boxed();
        assert!(is_expired(&watcher::Error::WatchError(status(410))));
        assert!(is_expired(&watcher::Error::WatchStartFailed(kube::Error::Api(status(410)))));
        assert!(!is_expired(&watcher::Error::WatchStartFailed(kube::Error::Api(status(503)))));
        assert!(
            !is_expired(&watcher::Error::InitialListFailed(kube::Error::Api(status(410)))),
            "it is listed again anyway"
        );
    }

    #[test]
    fn lists_are_complete_when_each_has_ended() {
        let mut lists = Lists::new(2);
        for (place, event) in
            [(0, Event::Init), (1, Event::Init), (0, Event::InitApply("a")), (1, Event::InitApply("b"))]
        {
            assert_eq!(lists.take(place, &event, key), None);
        }
        assert_eq!(lists.take(0, &Event::InitDone, key), None);
        let both = HashSet::from([Key::new("shop", "a"), Key::new("shop", "b")]);
        assert_eq!(lists.take(1, &Event::InitDone, key), Some(both));
        // One lists again; the other's objects stay.
        lists.take(1, &Event::Init, key);
        lists.take(1, &Event::InitApply("c"), key);
        lists.take(0, &Event::Delete("a"), key);
        lists.take(0, &Event::Apply("d"), key);
        let after = HashSet::from([Key::new("shop", "c"), Key::new("shop", "d")]);
        assert_eq!(lists.take(1, &Event::InitDone, key), Some(after));
    }
}
