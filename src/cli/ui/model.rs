//! What `ebb ui` knows of the cluster, and which of it a page has not seen yet. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use ebb_crds::ScaledObject;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use super::history::History;
use super::problems::Subject;
use super::row::{self, Row};
use super::trail::{Brief, Trail};
use crate::clock;
use crate::kube_api::key::Key;

/// Whether the API server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cluster {
    pub(super) state: &'static str,
    pub(super) message: String,
}

impl Cluster {
    pub(super) fn ok() -> Self {
        Self { state: "ok", message: String::new() }
    }

    pub(super) fn lost(error: &str) -> Self {
        Self { state: "lost", message: format!("The API server does not answer: {error}.") }
    }
}

/// What is known, and a notice of each change.
#[derive(Debug)]
pub(super) struct Model {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    /// Counts the changes.
    revision: u64,
    entries: BTreeMap<Key, Entry>,
    /// Which ScaledObjects have the same target: namespace, kind and name.
    targets: HashMap<(String, String, String), BTreeSet<Key>>,
    trail: Trail,
    cluster: Cluster,
    /// Whether the first lists are complete.
    listed: (bool, bool),
}

/// What is known of one ScaledObject. Its HPA and its decisions may be there before it.
#[derive(Debug, Default)]
struct Entry {
    object: Option<ScaledObject>,
    hpa: Option<HorizontalPodAutoscaler>,
    history: History,
    revision: u64,
}

/// What a page has been sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    rows: HashMap<Key, u64>,
    begun: bool,
}

/// The rows that a page has not seen.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct RowChange {
    /// These are all rows.
    pub(super) reset: bool,
    pub(super) rows: Vec<Row>,
    /// Namespaces and names.
    pub(super) gone: Vec<String>,
}

impl Model {
    pub(super) fn new() -> Self {
        let state = State {
            revision: 0,
            entries: BTreeMap::new(),
            targets: HashMap::new(),
            trail: Trail::waiting(),
            cluster: Cluster::ok(),
            listed: (false, false),
        };
        Self { state: Mutex::new(state), changed: watch::Sender::new(0) }
    }

    /// Is notified of each change.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        state.revision += 1;
        change(&mut state);
        let revision = state.revision;
        drop(state);
        self.changed.send_replace(revision);
    }

    pub(super) fn apply_object(&self, mut object: ScaledObject) {
        object.metadata.managed_fields = None;
        self.change(|state| {
            let key = Key::of(&object);
            state.release_target(&key);
            state.claim_target(&key, &object);
            state.entry(&key).object = Some(object);
        });
    }

    pub(super) fn delete_object(&self, key: &Key) {
        self.change(|state| {
            state.release_target(key);
            state.entry(key).object = None;
            state.forget(key);
        });
    }

    pub(super) fn apply_hpa(&self, mut hpa: HorizontalPodAutoscaler, now: DateTime<Utc>) {
        let Some(key) = owner(&hpa) else { return };
        hpa.metadata.managed_fields = None;
        self.change(|state| {
            let entry = state.entry(&key);
            let before = entry.hpa.as_ref().and_then(row::seen_by);
            let seen = row::seen_by(&hpa);
            // The HPA's status is as old as its last look: only a change of it says something new.
            if let Some(replicas) = seen.filter(|_| seen != before) {
                entry.history.note(now, replicas);
            }
            entry.hpa = Some(hpa);
        });
    }

    pub(super) fn delete_hpa(&self, hpa: &HorizontalPodAutoscaler) {
        let Some(key) = owner(hpa) else { return };
        self.change(|state| {
            state.entry(&key).hpa = None;
            state.forget(&key);
        });
    }

    pub(super) fn apply_decision(&self, brief: &Brief) {
        self.change(|state| state.entry(&brief.key).history.note_change(brief.time, brief.from, brief.to));
    }

    /// The list of ScaledObjects is complete: others have gone.
    pub(super) fn objects_listed(&self, present: &HashSet<Key>) {
        let state = self.state.lock();
        let known = state.entries.iter().filter(|(_, entry)| entry.object.is_some()).map(|(key, _)| key);
        let gone: Vec<_> = known.filter(|key| !present.contains(*key)).cloned().collect();
        drop(state);
        for key in &gone {
            self.delete_object(key);
        }
        self.change(|state| state.listed.0 = true);
    }

    /// The list of HPAs is complete: others have gone.
    pub(super) fn hpas_listed(&self, owners: &HashSet<Key>) {
        self.change(|state| {
            state.listed.1 = true;
            let revision = state.revision;
            for (key, entry) in &mut state.entries {
                if entry.hpa.is_some() && !owners.contains(key) {
                    entry.hpa = None;
                    entry.revision = revision;
                }
            }
        });
    }

    pub(super) fn set_trail(&self, trail: Trail) {
        if self.state.lock().trail != trail {
            self.change(|state| state.trail = trail);
        }
    }

    pub(super) fn set_cluster(&self, cluster: Cluster) {
        if self.state.lock().cluster != cluster {
            self.change(|state| state.cluster = cluster);
        }
    }

    pub(super) fn trail(&self) -> Trail {
        self.state.lock().trail.clone()
    }

    pub(super) fn cluster(&self) -> Cluster {
        self.state.lock().cluster.clone()
    }

    /// Whether the first lists are complete.
    pub(super) fn is_listed(&self) -> bool {
        self.state.lock().listed == (true, true)
    }

    /// The rows that have changed since the last call with the same `sent`.
    pub(super) fn changes(&self, sent: &mut Sent) -> RowChange {
        let (state, now) = (self.state.lock(), clock::now());
        let mut change = RowChange { reset: !sent.begun, ..RowChange::default() };
        sent.begun = true;
        for (key, entry) in &state.entries {
            let Some(object) = &entry.object else { continue };
            if sent.rows.get(key) != Some(&entry.revision) {
                sent.rows.insert(key.clone(), entry.revision);
                change.rows.push(state.row(key, object, entry, now));
            }
        }
        let is_there = |key: &Key| state.entries.get(key).is_some_and(|entry| entry.object.is_some());
        sent.rows.retain(|key, _| {
            let there = is_there(key);
            if !there {
                change.gone.push(key.to_string());
            }
            there
        });
        change
    }

    /// The row, the object and the HPA of one ScaledObject. None: there is none of that name.
    pub(super) fn one(&self, key: &Key) -> Option<(Row, ScaledObject, Option<HorizontalPodAutoscaler>)> {
        let (state, now) = (self.state.lock(), clock::now());
        let entry = state.entries.get(key)?;
        let object = entry.object.as_ref()?;
        Some((state.row(key, object, entry, now), object.clone(), entry.hpa.clone()))
    }

    /// The revision at which what is known of a ScaledObject changed last.
    pub(super) fn revision(&self, key: &Key) -> u64 {
        self.state.lock().entries.get(key).map_or(0, |entry| entry.revision)
    }
}

impl State {
    /// The entry of a key, as changed now.
    fn entry(&mut self, key: &Key) -> &mut Entry {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.revision = self.revision;
        entry
    }

    fn forget(&mut self, key: &Key) {
        if self.entries.get(key).is_some_and(|entry| entry.object.is_none() && entry.hpa.is_none()) {
            self.entries.remove(key);
        }
    }

    fn claim_target(&mut self, key: &Key, object: &ScaledObject) {
        self.targets.entry(target_of(object, key)).or_default().insert(key.clone());
        self.touch_rivals(object, key);
    }

    fn release_target(&mut self, key: &Key) {
        let Some(object) = self.entries.get(key).and_then(|entry| entry.object.clone()) else { return };
        let target = target_of(&object, key);
        if let Some(claims) = self.targets.get_mut(&target) {
            claims.remove(key);
            if claims.is_empty() {
                self.targets.remove(&target);
            }
        }
        self.touch_rivals(&object, key);
    }

    /// The rows of the others that have, or had, the same target.
    fn touch_rivals(&mut self, object: &ScaledObject, key: &Key) {
        let claims = self.targets.get(&target_of(object, key)).cloned().unwrap_or_default();
        for rival in claims.iter().filter(|rival| *rival != key) {
            self.entry(rival);
        }
    }

    fn row(&self, key: &Key, object: &ScaledObject, entry: &Entry, now: DateTime<Utc>) -> Row {
        let claims = self.targets.get(&target_of(object, key));
        let rival =
            claims.and_then(|claims| claims.iter().find(|rival| *rival != key)).map(|rival| rival.name.as_str());
        let subject = Subject { object, hpa: entry.hpa.as_ref(), rival, now };
        Row::of(&subject, &entry.history)
    }
}

fn target_of(object: &ScaledObject, key: &Key) -> (String, String, String) {
    let target = row::target(object);
    (key.namespace.clone(), target.kind, target.name)
}

/// The ScaledObject of an HPA.
pub(super) fn owner(hpa: &HorizontalPodAutoscaler) -> Option<Key> {
    let name = hpa.metadata.labels.as_ref()?.get(ebb_crds::names::SCALED_OBJECT_NAME_LABEL)?;
    Some(Key::new(hpa.metadata.namespace.clone()?, name.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, target: &str) -> ScaledObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"scaleTargetRef": {"name": target}, "triggers": [{"type": "cron", "metadata": {}}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))
        .unwrap()
    }

    fn hpa(object: &str, replicas: i32) -> HorizontalPodAutoscaler {
        serde_json::from_value(json!({
            "metadata": {"name": "hpa", "namespace": "shop", "labels": {"scaledobject.keda.sh/name": object}},
            "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "x"}},
            "status": {"currentReplicas": replicas, "desiredReplicas": replicas},
        }))
        .unwrap()
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn names(change: &RowChange) -> Vec<&str> {
        change.rows.iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn a_page_gets_everything_once_and_then_what_changes() {
        let (model, mut sent) = (Model::new(), Sent::default());
        model.apply_object(object("a", "a"));
        model.apply_object(object("b", "b"));
        let first = model.changes(&mut sent);
        assert!(first.reset);
        assert_eq!(names(&first), ["a", "b"]);
        assert_eq!(model.changes(&mut sent), RowChange::default(), "nothing has changed");
        model.apply_hpa(hpa("b", 3), at(0));
        let second = model.changes(&mut sent);
        assert_eq!((names(&second), second.rows[0].replicas), (vec!["b"], Some(3)));
        model.delete_object(&Key::new("shop", "a"));
        assert_eq!(model.changes(&mut sent), RowChange { gone: vec!["shop/a".to_owned()], ..RowChange::default() });
        assert!(model.changes(&mut Sent::default()).reset, "another page begins with all");
    }

    #[test]
    fn what_a_new_list_lacks_has_gone() {
        let (model, mut sent) = (Model::new(), Sent::default());
        model.apply_object(object("a", "a"));
        model.apply_object(object("b", "b"));
        model.apply_hpa(hpa("b", 3), at(0));
        model.changes(&mut sent);
        model.objects_listed(&HashSet::from([Key::new("shop", "b")]));
        assert_eq!(model.changes(&mut sent).gone, ["shop/a"]);
        assert!(!model.is_listed());
        model.hpas_listed(&HashSet::new());
        assert!(model.is_listed());
        assert_eq!(model.changes(&mut sent).rows[0].wanted, None, "its HPA has gone");
    }

    #[test]
    fn a_decision_is_news_until_the_hpa_sees_something_else() {
        let (model, key) = (Model::new(), Key::new("shop", "a"));
        model.apply_object(object("a", "a"));
        model.apply_hpa(hpa("a", 0), at(0));
        model.apply_decision(&Brief { key: key.clone(), time: at(10), from: Some(0), to: 1 });
        model.apply_hpa(hpa("a", 0), at(12));
        assert_eq!(model.one(&key).unwrap().0.replicas, Some(1), "the HPA has not looked since");
        model.apply_hpa(hpa("a", 4), at(20));
        assert_eq!(model.one(&key).unwrap().0.replicas, Some(4));
    }

    #[test]
    fn two_with_one_target_name_each_other_until_one_goes() {
        let (model, mut sent) = (Model::new(), Sent::default());
        model.apply_object(object("a", "same"));
        model.changes(&mut sent);
        model.apply_object(object("b", "same"));
        let both = model.changes(&mut sent);
        assert_eq!(names(&both), ["a", "b"]);
        assert_eq!(both.rows[0].problems[0].text, "the ScaledObject b scales the same target");
        model.apply_object(object("b", "other"));
        let after = model.changes(&mut sent);
        assert_eq!(names(&after), ["a", "b"]);
        assert!(after.rows.iter().all(|row| row.problems.is_empty()));
    }
}
