//! Which ScaledObject uses which authentication, and how a status lists them.

use std::collections::{BTreeSet, HashMap, HashSet};

use ebb_crds::ScaledObject;
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;

use super::AuthKey;
use crate::key::Key;

/// Both directions of "uses".
#[derive(Debug, Default)]
pub(super) struct Users {
    uses: HashMap<Key, BTreeSet<AuthKey>>,
    used_by: HashMap<AuthKey, BTreeSet<Key>>,
    /// Names that have stopped using one since Ebb runs.
    left: HashMap<AuthKey, BTreeSet<String>>,
    /// Those seen in a list that is under way.
    seen: HashSet<Key>,
    /// Whether all ScaledObjects have been listed once.
    complete: bool,
}

impl Users {
    /// Takes what the watch on ScaledObjects says, and gives the authentications whose users are others now.
    pub(super) fn note(&mut self, event: &Event<ScaledObject>) -> BTreeSet<AuthKey> {
        match event {
            Event::Init => {
                self.seen.clear();
                BTreeSet::new()
            }
            Event::InitApply(object) => {
                self.seen.insert(Key::of(object));
                self.set(&Key::of(object), used_by(object))
            }
            Event::Apply(object) => self.set(&Key::of(object), used_by(object)),
            Event::Delete(object) => self.set(&Key::of(object), BTreeSet::new()),
            Event::InitDone => {
                let gone: Vec<_> = self.uses.keys().filter(|key| !self.seen.contains(key)).cloned().collect();
                self.seen.clear();
                let mut affected: BTreeSet<_> = gone.iter().flat_map(|key| self.set(key, BTreeSet::new())).collect();
                if !std::mem::replace(&mut self.complete, true) {
                    affected.extend(self.used_by.keys().cloned());
                }
                affected
            }
        }
    }

    /// Who uses `key`, in order.
    pub(super) fn of(&self, key: &AuthKey) -> Vec<Key> {
        self.used_by.get(key).into_iter().flatten().cloned().collect()
    }

    /// What the status is to list, given what it lists now. None while not all users are known yet. `all` says that
    /// every user is known here; else names that somebody else may have put there are left alone.
    pub(super) fn listed(&self, key: &AuthKey, present: &str, all: bool) -> Option<String> {
        if !self.complete {
            return None;
        }
        let users = self.used_by.get(key).into_iter().flatten().map(|user| user.name.as_str()).collect();
        let left = self.left.get(key);
        let stays = |name: &str| !all && left.is_none_or(|left| !left.contains(name));
        Some(list(present, &users, stays))
    }

    fn set(&mut self, user: &Key, now: BTreeSet<AuthKey>) -> BTreeSet<AuthKey> {
        let before = self.uses.remove(user).unwrap_or_default();
        let affected: BTreeSet<_> = before.symmetric_difference(&now).cloned().collect();
        for gone in before.difference(&now) {
            if let Some(users) = self.used_by.get_mut(gone) {
                users.remove(user);
                if users.is_empty() {
                    self.used_by.remove(gone);
                }
            }
            self.left.entry(gone.clone()).or_default().insert(user.name.clone());
        }
        for new in &now {
            if let Some(left) = self.left.get_mut(new) {
                left.remove(&user.name);
            }
            self.used_by.entry(new.clone()).or_default().insert(user.clone());
        }
        if !now.is_empty() {
            self.uses.insert(user.clone(), now);
        }
        affected
    }
}

fn used_by(object: &ScaledObject) -> BTreeSet<AuthKey> {
    if object.metadata.deletion_timestamp.is_some() {
        return BTreeSet::new();
    }
    let namespace = object.namespace().unwrap_or_default();
    let references = object.spec.triggers.iter().filter_map(|trigger| trigger.authentication_ref.as_ref());
    references.filter_map(|reference| AuthKey::of(reference, &namespace)).collect()
}

/// KEDA's list: names without their namespaces, separated by commas; new ones come last.
fn list(present: &str, users: &BTreeSet<&str>, stays: impl Fn(&str) -> bool) -> String {
    let mut names: Vec<&str> = Vec::new();
    let kept = present.split(',').filter(|name| !name.is_empty() && (users.contains(name) || stays(name)));
    for name in kept.chain(users.iter().copied()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(namespace: &str, name: &str, references: &[(&str, &str)]) -> ScaledObject {
        let triggers: Vec<_> = references
            .iter()
            .map(|(kind, name)| json!({"type": "cron", "metadata": {}, "authenticationRef": {"kind": kind, "name": name}}))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"scaleTargetRef": {"name": name}, "triggers": triggers},
        }))
        .unwrap()
    }

    fn own(name: &str) -> AuthKey {
        AuthKey { cluster: false, namespace: "ns".into(), name: name.into() }
    }

    fn cluster(name: &str) -> AuthKey {
        AuthKey { cluster: true, namespace: String::new(), name: name.into() }
    }

    const OWN: &str = "TriggerAuthentication";
    const CLUSTER: &str = "ClusterTriggerAuthentication";

    #[test]
    fn a_list_keeps_its_order_and_takes_new_names_at_the_end() {
        let cases: [(_, &[&str], &[&str], _); 7] = [
            ("", &[], &[], ""),
            ("", &["b", "a"], &[], "a,b"),
            ("b", &["a", "b"], &[], "b,a"),
            ("c,b,a", &["a", "c"], &[], "c,a"),
            ("gone", &[], &[], ""),
            ("other,a", &["a"], &["other"], "other,a"),
            ("a,a,,b", &["a", "b"], &[], "a,b"),
        ];
        for (present, users, others, expected) in cases {
            let users = users.iter().copied().collect();
            let listed = list(present, &users, |name| others.contains(&name));
            assert_eq!(listed, expected, "{present:?} with {users:?}");
        }
    }

    #[test]
    fn nothing_is_known_before_the_first_list_is_complete() {
        let mut users = Users::default();
        users.note(&Event::Init);
        assert_eq!(users.note(&Event::InitApply(object("ns", "a", &[(OWN, "one")]))), [own("one")].into());
        assert_eq!(users.listed(&own("one"), "", true), None);
        assert_eq!(users.note(&Event::InitDone), [own("one")].into());
        assert_eq!(users.listed(&own("one"), "", true), Some("a".into()));
        assert_eq!(users.listed(&own("unused"), "x", true), Some(String::new()));
    }

    #[test]
    fn edits_and_deletions_name_those_whose_users_changed() {
        let mut users = Users::default();
        users.note(&Event::Init);
        users.note(&Event::InitDone);
        users.note(&Event::Apply(object("ns", "a", &[(OWN, "one"), (OWN, "one"), (CLUSTER, "all")])));
        users.note(&Event::Apply(object("ns", "b", &[(OWN, "one")])));
        assert_eq!(users.listed(&own("one"), "", true), Some("a,b".into()));
        let edited = Event::Apply(object("ns", "a", &[(OWN, "two"), (CLUSTER, "all")]));
        assert_eq!(users.note(&edited), [own("one"), own("two")].into());
        assert_eq!(users.note(&edited), BTreeSet::new());
        assert_eq!(users.listed(&own("one"), "a,b", true), Some("b".into()));
        let deleted = Event::Delete(object("ns", "a", &[]));
        assert_eq!(users.note(&deleted), [own("two"), cluster("all")].into());
        assert_eq!(users.listed(&cluster("all"), "a", true), Some(String::new()));
        users.note(&Event::Init);
        assert_eq!(users.note(&Event::InitDone), [own("one")].into(), "b went while the watch was interrupted");
    }

    #[test]
    fn one_that_is_being_deleted_uses_nothing() {
        let mut users = Users::default();
        let mut object = object("ns", "a", &[(OWN, "one")]);
        users.note(&Event::Apply(object.clone()));
        object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(users.note(&Event::Apply(object)), [own("one")].into());
        assert!(users.of(&own("one")).is_empty());
    }

    #[test]
    fn names_of_another_ebb_stay_in_a_cluster_wide_list() {
        let mut users = Users::default();
        users.note(&Event::Init);
        users.note(&Event::InitApply(object("ns", "mine", &[(CLUSTER, "all")])));
        users.note(&Event::InitDone);
        assert_eq!(users.listed(&cluster("all"), "theirs", false), Some("theirs,mine".into()));
        users.note(&Event::Delete(object("ns", "mine", &[])));
        assert_eq!(users.listed(&cluster("all"), "theirs,mine", false), Some("theirs".into()));
    }
}
