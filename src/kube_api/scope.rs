//! The part of the cluster that is served: the namespaces, and the labels of objects in them.
//!
//! Owns the reading of `WATCH_NAMESPACE` and of the label selectors. Every watch is within a [`Scope`]: nothing outside
//! of it is listed, served or answered for.

use std::collections::BTreeMap;

use kube::core::NamespaceResourceScope;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};

use super::selector::Selector;

/// The part of the cluster that is served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The namespaces, each once. None named: all of them.
    pub namespaces: Namespaces,
    /// The labels of served ScaledObjects. Empty: all.
    pub objects: Labels,
    /// The labels of served TriggerAuthentications and ClusterTriggerAuthentications. Empty: all.
    pub authentications: Labels,
}

/// `WATCH_NAMESPACE`: namespaces, or none for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces(Vec<String>);

/// A label selector in Kubernetes' notation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Option<String>);

impl Scope {
    /// An interface to each namespace's objects of one kind, or one to all.
    pub(crate) fn apis<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        if self.namespaces.0.is_empty() {
            return vec![Api::all(client.clone())];
        }
        self.namespaces.0.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect()
    }

    /// Whether objects of this namespace are served.
    pub(crate) fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.0.is_empty() || self.namespaces.0.iter().any(|served| served == namespace)
    }

    /// Whether every ScaledObject that may use an authentication is served here. `cluster`: one of the
    /// cluster-wide kind.
    pub(crate) fn knows_all_users(&self, cluster: bool) -> bool {
        self.objects.0.is_none() && (self.namespaces.0.is_empty() || !cluster)
    }
}

impl Namespaces {
    /// Reads names that are separated by commas.
    ///
    /// # Errors
    /// One of them is no name of a namespace.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut namespaces = Vec::new();
        for name in unquoted(text).split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !is_label(name) {
                return Err(format!(
                    "{name:?} is no name of a namespace: give names of lower-case letters, digits and '-', separated by commas, or nothing for all namespaces"
                ));
            }
            if !namespaces.iter().any(|known| known == name) {
                namespaces.push(name.to_owned());
            }
        }
        Ok(Self(namespaces))
    }

    /// Their names. None: all namespaces.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}

impl Labels {
    /// Reads a selector such as `team=a,tier in (gold,silver)`; an empty one selects everything.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = unquoted(text);
        if text.is_empty() {
            return Ok(Self(None));
        }
        Selector::parse(text).map_err(|error| {
            format!("{error}: give a label selector such as team=a, tier in (gold,silver) or !canary")
        })?;
        Ok(Self(Some(text.to_owned())))
    }

    /// Whether it selects an object with these labels.
    pub(crate) fn select(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.as_deref().is_none_or(|text| Selector::parse(text).is_ok_and(|selector| selector.selects(labels)))
    }

    /// The selector, if it restricts anything.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// A watch on the selected objects.
    pub(crate) fn watch(&self) -> watcher::Config {
        match &self.0 {
            Some(labels) => watcher::Config::default().labels(labels),
            None => watcher::Config::default(),
        }
    }
}

/// As KEDA reads them: a value of two quotation marks is empty.
fn unquoted(text: &str) -> &str {
    if text == "\"\"" { "" } else { text.trim() }
}

/// Whether `name` is a DNS label (RFC 1123), as names of namespaces are.
fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 63 && name.chars().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_none_one_or_several() {
        let cases: [(_, &[&str]); 7] = [
            ("", &[]),
            ("\"\"", &[]),
            ("  ", &[]),
            ("shop", &["shop"]),
            ("shop,team-b", &["shop", "team-b"]),
            (" shop , team-b,", &["shop", "team-b"]),
            ("a,b,a", &["a", "b"]),
        ];
        for (text, expected) in cases {
            assert_eq!(Namespaces::parse(text).unwrap().0, expected, "{text:?}");
        }
        for text in ["Shop", "a b", "a;b", "-a", "a-", "a.b", "a,ü", &"x".repeat(64)] {
            let error = Namespaces::parse(text).unwrap_err();
            assert!(error.contains("is no name of a namespace"), "{text:?}: {error}");
        }
    }

    #[test]
    fn selectors_are_kubernetes_own() {
        for text in ["", "\"\"", "team=a", "team == a, tier in (gold, silver)", "!canary", "team!=b", "tier notin (x)"]
        {
            let labels = Labels::parse(text).unwrap();
            assert_eq!(labels.get().is_some(), text.len() > 2, "{text:?}");
        }
        for text in ["=a", "team in a", "a b", "team=a=b", "tier in ()x", "-x=y"] {
            let error = Labels::parse(text).unwrap_err();
            assert!(error.contains("give a label selector"), "{text:?}: {error}");
        }
    }

    #[test]
    fn who_uses_an_authentication_is_known_where_all_that_may_are_served() {
        let scope = |namespaces: &str, labels: &str| Scope {
            namespaces: Namespaces::parse(namespaces).unwrap(),
            objects: Labels::parse(labels).unwrap(),
            authentications: Labels::default(),
        };
        for (namespaces, labels, own, cluster) in
            [("", "", true, true), ("a,b", "", true, false), ("", "x=y", false, false), ("a", "x=y", false, false)]
        {
            let scope = scope(namespaces, labels);
            let known = (scope.knows_all_users(false), scope.knows_all_users(true));
            assert_eq!(known, (own, cluster), "{namespaces:?} {labels:?}");
        }
    }
}
