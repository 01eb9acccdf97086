use std::sync::Arc;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::utils::Backoff as _;
use kube::runtime::watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;

/// Writes down what it is given.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Index<ConfigMap> for Diary {
    fn apply(&mut self, key: &Key, _: &ConfigMap, source: Source) {
        self.0.lock().push(format!("{} {source:?}", key.name));
    }

    fn delete(&mut self, key: &Key) {
        self.0.lock().push(format!("{} gone", key.name));
    }

    fn synced(&mut self, present: &Relist) {
        self.0.lock().push(format!("synced, late: {}", present.late().count()));
    }
}

fn object(name: &str) -> ConfigMap {
    serde_json::from_value(serde_json::json!({"metadata": {"name": name, "namespace": "shop"}})).unwrap()
}

/// Two watches that show these events, each after that many seconds, and nothing more.
fn watches(script: Vec<(u64, usize, Event<ConfigMap>)>) -> Watches<ConfigMap> {
    let events = futures::stream::iter(script).then(async |(seconds, place, event)| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        (place, event)
    });
    let paths = vec!["/first".to_owned(), "/second".to_owned()];
    Watches { paths, events: events.chain(futures::stream::pending()).boxed() }
}

/// The notes that an index has made within `seconds`.
async fn diary(watches: Watches<ConfigMap>, seconds: u64) -> Vec<String> {
    let diary = Diary::default();
    let feeding = watches.feed(vec![Box::new(diary.clone())]);
    let _ = tokio::time::timeout(Duration::from_secs(seconds), feeding).await;
    std::mem::take(&mut *diary.0.lock())
}

#[test]
fn pauses_double_up_to_the_longest_and_begin_anew_after_success() {
    let mut pauses = Pauses::between(PAUSES);
    let seconds: Vec<_> = pauses.by_ref().take(5).map(|pause| pause.as_secs_f64()).collect();
    assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 4.0]);
    pauses.reset();
    assert_eq!(pauses.next(), Some(PAUSES.0));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_cannot_be_listed_holds_up_the_others_for_the_grace_only() {
    let script = vec![
        (0, 0, Init),
        (0, 1, Init),
        (0, 0, InitApply(object("a"))),
        (0, 0, InitDone),
        (GRACE.as_secs() + 5, 1, InitApply(object("late"))),
        (0, 1, InitDone),
    ];
    let expected = ["a List", "synced, late: 1", "late List", "synced, late: 0"];
    assert_eq!(diary(watches(script.clone()), GRACE.as_secs() - 1).await, expected[..1]);
    assert_eq!(diary(watches(script.clone()), GRACE.as_secs() + 1).await, expected[..2]);
    assert_eq!(diary(watches(script), 60).await, expected);
}

/// The grace is for the start. A namespace whose list fails again when the API server comes back keeps its objects.
#[tokio::test(start_paused = true)]
async fn a_namespace_that_lists_late_keeps_its_last_objects() {
    let begun = Instant::now();
    let script = vec![
        (0, 0, Init),
        (0, 0, InitApply(object("a"))),
        (0, 0, InitDone),
        (0, 1, Init),
        (0, 1, InitApply(object("b"))),
        (0, 1, InitDone),
        // The API server was restarted. It lists the first namespace at once and the second after an hour.
        (60, 0, Init),
        (0, 1, Init),
        (0, 0, InitApply(object("a"))),
        (0, 0, InitDone),
        (3600, 1, Init),
        (0, 1, InitApply(object("new"))),
        (0, 1, InitDone),
        (1, 1, Delete(object("new"))),
    ];
    let all = ["a List", "b List", "synced, late: 0", "a List", "synced, late: 0", "new List", "b gone"];
    let after_restart = diary(watches(script.clone()), 60 + 3599).await;
    assert_eq!(after_restart, all[..5], "nothing of the second namespace has gone");
    let after_list = diary(watches(script), 60 + 3601).await;
    assert_eq!(after_list[..7], all);
    assert!(begun.elapsed() > Duration::from_hours(2));
}

#[tokio::test(start_paused = true)]
async fn objects_are_trimmed_before_an_index_sees_them() {
    let sources = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sources);
    let script = vec![(0, 0, Init), (0, 0, InitApply(object("a"))), (0, 0, Apply(object("b")))];
    let trimmed = watches(script).trimmed(move |object, source| {
        seen.lock().push(source);
        object.metadata.name = object.metadata.name.take().map(|name| name + "-trimmed");
    });
    assert_eq!(diary(trimmed, 1).await, ["a-trimmed List", "b-trimmed Event"]);
    assert_eq!(*sources.lock(), [Source::List, Source::Event]);
}

#[test]
fn only_an_answer_ends_an_interruption() {
    let mut failures = 0;
    let error = || Err(watcher::Error::NoResourceVersion);
    for expected in [1, 2] {
        assert!(logged::<ConfigMap>(error(), "/path", &mut failures).is_none());
        assert_eq!(failures, expected);
    }
    assert!(logged::<ConfigMap>(Ok(Init), "/path", &mut failures).is_some());
    assert_eq!(failures, 2, "the list has only been asked for");
    assert!(logged(Ok(Apply(object("a"))), "/path", &mut failures).is_some());
    assert_eq!(failures, 0);
}

#[tokio::test]
async fn without_namespaces_there_is_nothing_to_follow() {
    let nothing = Watches::<ConfigMap>::new(Vec::new(), &watcher::Config::default());
    assert!(nothing.feed(Vec::new()).now_or_never().is_some());
}
