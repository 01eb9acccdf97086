//! The objects that the watches on a kind have shown, and the deletions that follow from a new list. Pure: events in,
//! changes out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kube::Resource;
use kube::runtime::watcher::Event;

use super::Source;
use crate::kube_api::key::Key;

/// The keys of the objects that are there, for each namespace that is watched.
#[derive(Debug)]
pub struct Relist {
    places: Vec<Place>,
    /// Whether the first list of every namespace is waited for.
    patient: bool,
    synced: bool,
}

/// The objects that one watch has shown.
#[derive(Debug, Default)]
struct Place {
    /// The number of the list that is under way or was complete last.
    round: u64,
    /// Whether a list has been complete.
    listed: bool,
    /// The keys of the objects that are there, and the round in which each was last shown.
    present: HashMap<Key, u64>,
}

/// The change of the indexes that follows from an event.
#[derive(Debug, PartialEq)]
pub(super) enum Change<K> {
    /// An object is there.
    Apply(Key, K, Source),
    /// The object under this key has gone.
    Delete(Key),
    /// The indexes are complete.
    Synced,
}

impl Relist {
    /// Nothing is there yet. The events come from this many watches.
    pub(crate) fn new(watches: usize) -> Self {
        Self { places: (0..watches).map(|_| Place::default()).collect(), patient: true, synced: false }
    }

    /// Takes an event of the watch at `place`.
    pub(super) fn take<K: Resource<DynamicType = ()>>(&mut self, place: usize, event: Event<K>) -> Vec<Change<K>> {
        let Some(watch) = self.places.get_mut(place) else { return Vec::new() };
        match event {
            Event::Init => {
                watch.round += 1;
                Vec::new()
            }
            Event::InitApply(object) => vec![watch.show(object, Source::List)],
            Event::Apply(object) => vec![watch.show(object, Source::Event)],
            Event::Delete(object) => {
                let key = Key::of(&object);
                watch.present.remove(&key);
                vec![Change::Delete(key)]
            }
            Event::InitDone => {
                let gone = watch.end_list();
                if !gone.is_empty() {
                    tracing::info!(kind = %K::kind(&()), gone = gone.len(), "a new list shows that objects have gone without an event");
                }
                gone.into_iter().map(Change::Delete).chain(self.sync()).collect()
            }
        }
    }

    /// Goes on with the namespaces that are listed, now if there is one, or as soon as there is.
    pub(super) fn stop_waiting<K>(&mut self) -> Option<Change<K>> {
        self.patient = false;
        if self.synced { None } else { self.sync() }
    }

    /// The places of the watches whose first list is not complete.
    pub(super) fn late(&self) -> impl Iterator<Item = usize> {
        self.places.iter().enumerate().filter(|(_, watch)| !watch.listed).map(|(place, _)| place)
    }

    /// Whether there is an object under this key.
    pub fn contains(&self, key: &Key) -> bool {
        self.places.iter().any(|watch| watch.present.contains_key(key))
    }

    fn sync<K>(&mut self) -> Option<Change<K>> {
        let enough =
            if self.patient { self.late().next().is_none() } else { self.places.iter().any(|watch| watch.listed) };
        self.synced |= enough;
        self.synced.then_some(Change::Synced)
    }
}

impl Place {
    fn show<K: Resource<DynamicType = ()>>(&mut self, object: K, source: Source) -> Change<K> {
        let round = self.round;
        let key = match self.present.entry(Key::of(&object)) {
            Entry::Occupied(mut known) => {
                known.insert(round);
                known.key().clone()
            }
            Entry::Vacant(new) => {
                let key = new.key().clone();
                new.insert(round);
                key
            }
        };
        Change::Apply(key, object, source)
    }

    /// Takes the list that is under way for complete. Gives the keys of objects that neither it nor an event since its
    /// beginning showed.
    fn end_list(&mut self) -> Vec<Key> {
        self.listed = true;
        let round = self.round;
        self.present.extract_if(|_, shown| *shown != round).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests;
