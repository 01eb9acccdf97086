use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::runtime::watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
use proptest::prelude::*;

use super::*;

/// An object of the namespace `place`, in its `version`th state.
fn object(place: usize, name: &str, version: u32) -> ConfigMap {
    serde_json::from_value(serde_json::json!({
        "metadata": {"namespace": place.to_string(), "name": name, "resourceVersion": version.to_string()},
    }))
    .unwrap()
}

/// The changes of an event, in short: `+a` for an object that is there, `-a` for one that has gone, `synced`.
fn took(relist: &mut Relist, place: usize, event: Event<ConfigMap>) -> Vec<String> {
    let mut changes: Vec<_> = relist.take(place, event).into_iter().map(short).collect();
    // Those that go with one list go in any order.
    changes.sort();
    changes
}

fn short(change: Change<ConfigMap>) -> String {
    match change {
        Change::Apply(key, _, Source::List) => format!("+{} of a list", key.name),
        Change::Apply(key, _, Source::Event) => format!("+{}", key.name),
        Change::Delete(key) => format!("-{}", key.name),
        Change::Synced => "synced".to_owned(),
    }
}

#[test]
fn a_list_says_what_has_gone() {
    let mut relist = Relist::new(1);
    let mut take = |event| took(&mut relist, 0, event);
    assert!(take(Init).is_empty());
    assert_eq!(take(InitApply(object(0, "a", 1))), ["+a of a list"]);
    assert_eq!(take(InitApply(object(0, "b", 1))), ["+b of a list"]);
    assert_eq!(take(InitDone), ["synced"]);
    assert_eq!(take(Apply(object(0, "c", 2))), ["+c"]);
    assert_eq!(take(Delete(object(0, "a", 2))), ["-a"]);
    // This list breaks off, and the next one is complete.
    assert!(take(Init).is_empty());
    assert_eq!(take(InitApply(object(0, "d", 3))), ["+d of a list"]);
    assert!(take(Init).is_empty());
    assert_eq!(take(InitApply(object(0, "b", 4))), ["+b of a list"]);
    assert_eq!(take(InitDone), ["-c", "-d", "synced"]);
    assert!(relist.contains(&Key::new("0", "b")) && !relist.contains(&Key::new("0", "c")));
}

#[test]
fn a_namespace_that_lists_again_or_late_changes_nothing_of_the_others() {
    let mut relist = Relist::new(2);
    let mut take = |place, event| took(&mut relist, place, event);
    take(0, Init);
    take(1, Init);
    take(0, InitApply(object(0, "a", 1)));
    assert!(take(0, InitDone).is_empty(), "the other namespace is waited for");
    take(1, InitApply(object(1, "b", 1)));
    assert_eq!(take(1, InitDone), ["synced"]);
    // The API server comes back, and refuses the list of the second namespace for as long as it likes.
    take(0, Init);
    for _ in 0..3 {
        take(1, Init);
    }
    assert_eq!(take(0, InitDone), ["-a", "synced"]);
    assert!(relist.contains(&Key::new("1", "b")), "it keeps its last objects");
    assert_eq!(took(&mut relist, 1, InitDone), ["-b", "synced"]);
}

#[test]
fn a_namespace_that_cannot_be_listed_is_waited_for_until_the_grace_is_over() {
    let mut relist = Relist::new(2);
    took(&mut relist, 0, InitDone);
    assert_eq!(relist.stop_waiting::<ConfigMap>(), Some(Change::Synced));
    assert_eq!(relist.late().collect::<Vec<_>>(), [1]);
    assert_eq!(relist.stop_waiting::<ConfigMap>(), None, "once");
    assert_eq!(took(&mut relist, 1, InitApply(object(1, "late", 1))), ["+late of a list"]);
    assert_eq!(took(&mut relist, 1, InitDone), ["synced"]);

    let mut relist = Relist::new(2);
    assert_eq!(relist.stop_waiting::<ConfigMap>(), None, "no namespace is listed");
    assert_eq!(took(&mut relist, 1, InitDone), ["synced"], "one is enough after the grace");
}

/// The objects of one namespace by the plain reading of its events.
#[derive(Debug, Default)]
struct Model {
    /// The last complete list, and the events after it.
    complete: BTreeMap<String, String>,
    /// The list that is under way, and the events since it began.
    listing: Option<BTreeMap<String, String>>,
}

impl Model {
    fn take(&mut self, event: &Event<ConfigMap>) {
        let entry = |object: &ConfigMap| (object.name_any(), object.resource_version().unwrap());
        match event {
            Init => self.listing = Some(BTreeMap::new()),
            InitApply(object) => self.listing.as_mut().unwrap_or(&mut self.complete).extend([entry(object)]),
            InitDone => self.complete = self.listing.take().unwrap_or_else(|| std::mem::take(&mut self.complete)),
            Apply(object) => [Some(&mut self.complete), self.listing.as_mut()]
                .into_iter()
                .flatten()
                .for_each(|objects| objects.extend([entry(object)])),
            Delete(object) => {
                [Some(&mut self.complete), self.listing.as_mut()].into_iter().flatten().for_each(|objects| {
                    objects.remove(&object.name_any());
                });
            }
        }
    }
}

/// An event of one of three namespaces. Its version is the place in the history.
fn any_event() -> impl Strategy<Value = (usize, u8, &'static str)> {
    (0_usize..3, 0_u8..5, proptest::sample::select(vec!["a", "b", "c", "d"]))
}

proptest! {
    #[test]
    fn an_index_holds_what_the_last_complete_list_and_the_events_after_it_say(
        history in proptest::collection::vec(any_event(), 0..80),
    ) {
        let mut relist = Relist::new(3);
        let mut models: [Model; 3] = Default::default();
        let mut index: BTreeMap<Key, String> = BTreeMap::new();
        for (version, (place, kind, name)) in history.into_iter().enumerate() {
            let object = object(place, name, u32::try_from(version).unwrap());
            let event = match kind {
                0 => Init,
                1 => InitApply(object),
                2 => InitDone,
                3 => Apply(object),
                _ => Delete(object),
            };
            models[place].take(&event);
            for change in relist.take(place, event) {
                match change {
                    Change::Apply(key, object, _) => drop(index.insert(key, object.resource_version().unwrap())),
                    Change::Delete(key) => drop(index.remove(&key)),
                    Change::Synced => {}
                }
            }
            let keys: BTreeSet<_> = index.keys().cloned().collect();
            prop_assert!(keys.iter().all(|key| relist.contains(key)));
            prop_assert_eq!(keys.len(), relist.places.iter().map(|watch| watch.present.len()).sum::<usize>());
            for (place, model) in models.iter().enumerate() {
                let held = index.iter().filter(|(key, _)| key.namespace == place.to_string());
                let held: BTreeMap<_, _> = held.map(|(key, version)| (key.name.clone(), version.clone())).collect();
                match &model.listing {
                    None => prop_assert_eq!(&held, &model.complete),
                    // Nothing is deleted until the list is complete.
                    Some(listing) => prop_assert!(
                        model.complete.keys().chain(listing.keys()).all(|name| held.contains_key(name))
                    ),
                }
            }
        }
    }
}
