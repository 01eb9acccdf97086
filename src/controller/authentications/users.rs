//! The ScaledObjects that use each authentication, and the list of them in its status.

use std::collections::{BTreeSet, HashMap};

use ebb_crds::{ScaleTrigger, ScaledObject};
use kube::ResourceExt as _;

use super::AuthKey;
use crate::kube_api::key::Key;

/// Both directions of "uses".
#[derive(Debug, Default)]
pub(super) struct Users {
    uses: HashMap<Key, BTreeSet<AuthKey>>,
    used_by: HashMap<AuthKey, BTreeSet<Key>>,
    /// Names that have stopped using an authentication and that its status may still list.
    former: HashMap<AuthKey, BTreeSet<String>>,
    /// Whether all ScaledObjects have been listed once.
    complete: bool,
}

/// Each change gives the authentications whose users have changed.
impl Users {
    /// A ScaledObject is there.
    pub(super) fn apply(&mut self, user: &Key, object: &ScaledObject) -> BTreeSet<AuthKey> {
        self.set(user, used_by(object))
    }

    /// A ScaledObject has gone.
    pub(super) fn delete(&mut self, user: &Key) -> BTreeSet<AuthKey> {
        self.set(user, BTreeSet::new())
    }

    /// All ScaledObjects have been listed: every status can be written now.
    pub(super) fn synced(&mut self) -> BTreeSet<AuthKey> {
        if std::mem::replace(&mut self.complete, true) {
            return BTreeSet::new();
        }
        self.used_by.keys().cloned().collect()
    }

    /// The users of `key`, in order.
    pub(super) fn of(&self, key: &AuthKey) -> Vec<Key> {
        self.used_by.get(key).into_iter().flatten().cloned().collect()
    }

    /// The list for the status, given its present list. None while not all users are known yet. `all`: every user is
    /// known here; otherwise names that another writer may have put there stay.
    pub(super) fn listed(&self, key: &AuthKey, present: &str, all: bool) -> Option<String> {
        if !self.complete {
            return None;
        }
        let users = self.used_by.get(key).into_iter().flatten().map(|user| user.name.as_str()).collect();
        let former = self.former.get(key);
        let stays = |name: &str| !all && former.is_none_or(|former| !former.contains(name));
        Some(list(present, &users, stays))
    }

    /// Forgets the former users that a status does not list any more. `present` is what it lists, with every write of
    /// Ebb's in it: a write that is not shown yet could list one of them again.
    pub(super) fn settle(&mut self, key: &AuthKey, present: &str) {
        if let Some(former) = self.former.get_mut(key) {
            former.retain(|name| present.split(',').any(|listed| listed == name));
            if former.is_empty() {
                self.former.remove(key);
            }
        }
    }

    /// Forgets the former users of an authentication that is not there.
    pub(super) fn forget_former(&mut self, key: &AuthKey) {
        self.former.remove(key);
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
            self.former.entry(gone.clone()).or_default().insert(user.name.clone());
        }
        for new in &now {
            if let Some(former) = self.former.get_mut(new) {
                former.remove(&user.name);
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
    let references = object.spec.triggers.iter().filter_map(ScaleTrigger::authentication);
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

    /// Users after a first list that was complete, and empty.
    fn listed() -> Users {
        let mut users = Users::default();
        users.synced();
        users
    }

    fn apply(users: &mut Users, object: &ScaledObject) -> BTreeSet<AuthKey> {
        users.apply(&Key::of(object), object)
    }

    #[test]
    fn nothing_is_known_before_the_first_list_is_complete() {
        let mut users = Users::default();
        assert_eq!(apply(&mut users, &object("ns", "a", &[(OWN, "one")])), [own("one")].into());
        assert_eq!(users.listed(&own("one"), "", true), None);
        assert_eq!(users.synced(), [own("one")].into());
        assert_eq!(users.listed(&own("one"), "", true), Some("a".into()));
        assert_eq!(users.listed(&own("unused"), "x", true), Some(String::new()));
        assert_eq!(users.synced(), BTreeSet::new(), "a later list changes nothing by itself");
    }

    #[test]
    fn edits_and_deletions_name_those_whose_users_changed() {
        let mut users = listed();
        apply(&mut users, &object("ns", "a", &[(OWN, "one"), (OWN, "one"), (CLUSTER, "all")]));
        apply(&mut users, &object("ns", "b", &[(OWN, "one")]));
        assert_eq!(users.listed(&own("one"), "", true), Some("a,b".into()));
        let edited = object("ns", "a", &[(OWN, "two"), (CLUSTER, "all")]);
        assert_eq!(apply(&mut users, &edited), [own("one"), own("two")].into());
        assert_eq!(apply(&mut users, &edited), BTreeSet::new());
        assert_eq!(users.listed(&own("one"), "a,b", true), Some("b".into()));
        assert_eq!(users.delete(&Key::new("ns", "a")), [own("two"), cluster("all")].into());
        assert_eq!(users.listed(&cluster("all"), "a", true), Some(String::new()));
        assert_eq!(users.delete(&Key::new("ns", "b")), [own("one")].into());
    }

    #[test]
    fn one_that_is_being_deleted_uses_nothing() {
        let mut users = Users::default();
        let mut object = object("ns", "a", &[(OWN, "one")]);
        apply(&mut users, &object);
        object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(apply(&mut users, &object), [own("one")].into());
        assert!(users.of(&own("one")).is_empty());
    }

    #[test]
    fn names_of_another_ebb_stay_in_a_cluster_wide_list() {
        let mut users = listed();
        apply(&mut users, &object("ns", "mine", &[(CLUSTER, "all")]));
        assert_eq!(users.listed(&cluster("all"), "theirs", false), Some("theirs,mine".into()));
        users.delete(&Key::new("ns", "mine"));
        assert_eq!(users.listed(&cluster("all"), "theirs,mine", false), Some("theirs".into()));
    }

    #[test]
    fn a_former_user_is_remembered_until_the_status_does_not_list_it() {
        let mut users = listed();
        for number in 0..1000 {
            let name = format!("preview-{number}");
            apply(&mut users, &object("ns", &name, &[(CLUSTER, "all")]));
            let present = users.listed(&cluster("all"), "theirs", false).unwrap();
            users.delete(&Key::new("ns", &name));
            users.settle(&cluster("all"), &present);
            assert_eq!(users.listed(&cluster("all"), &present, false), Some("theirs".into()), "it is still listed");
            users.settle(&cluster("all"), "theirs");
            assert!(users.former.is_empty(), "{:?}", users.former);
        }
    }

    #[test]
    fn a_former_user_goes_with_its_authentication() {
        let mut users = listed();
        apply(&mut users, &object("ns", "a", &[(OWN, "one")]));
        users.delete(&Key::new("ns", "a"));
        users.forget_former(&own("one"));
        assert!(users.former.is_empty() && users.used_by.is_empty() && users.uses.is_empty());
    }
}
