//! Ebb's roles hold the rights that it uses and no others: the audit log has the use of each right.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Result, ensure};
use ebb_tests::audit::{self, Request};
use ebb_tests::ebb::{self, NAMESPACE};
use serde_json::Value;

use crate::beds;

/// A right that a rule of a role gives, for one of its resources and verbs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    group: String,
    /// With its subresource, as in the rule.
    resource: String,
    /// The one object that it is about.
    name: Option<String>,
    /// The one namespace.
    namespace: Option<String>,
}

/// Rights that no request on record needs, but that the API server looks for: an admission plugin,
/// OwnerReferencesPermissionEnforcement, while Ebb makes an HPA; and the right to create an object that is not there
/// yet, for each apply (kubernetes.io, "Server-Side Apply").
const LOOKED_FOR: [(&str, &str); 2] = [("update", "scaledobjects/finalizers"), ("create", "horizontalpodautoscalers")];

/// The group whose rights a standby replica uses at the leader, which are not in the API server's log.
/// `tests/serial/decisions.rs` fails without them.
const AT_THE_LEADER: &str = "decisions.ebb.dev";

impl Right {
    fn used_by(&self, request: &Request) -> bool {
        let resource = match self.resource.strip_prefix("*/") {
            Some(subresource) => request.subresource == subresource,
            None => self.resource == request.path(),
        };
        resource
            && self.verb == request.verb
            && (self.group == "*" || self.group == request.group)
            && self.name.as_ref().is_none_or(|name| *name == request.name)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == request.namespace)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, name, namespace } = self;
        let [name, namespace] = [name, namespace].map(|only| only.as_deref().unwrap_or("any"));
        write!(formatter, "{verb} {resource}.{group} {name} in {namespace}")
    }
}

/// The rights of Ebb's own roles; others of the manifests are the HPA controller's or Kubernetes' own.
fn rights() -> Result<BTreeSet<Right>> {
    let objects = ebb::manifest(ebb::MANIFEST)?;
    let mut rights = BTreeSet::new();
    let roles = |object: &&Value| object["kind"] == "ClusterRole" || object["kind"] == "Role";
    for role in objects.iter().filter(roles).filter(|object| object["metadata"]["name"] == "ebb") {
        let namespace = (role["kind"] == "Role").then(|| NAMESPACE.to_owned());
        for rule in role["rules"].as_array().into_iter().flatten() {
            let mut names: Vec<_> = strings(&rule["resourceNames"]).map(Some).collect();
            if names.is_empty() {
                names.push(None);
            }
            for group in strings(&rule["apiGroups"]) {
                for resource in strings(&rule["resources"]) {
                    for verb in strings(&rule["verbs"]) {
                        rights.extend(names.iter().map(|name| Right {
                            verb: verb.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                            namespace: namespace.clone(),
                        }));
                    }
                }
            }
        }
    }
    ensure!(rights.len() > 20, "the manifest has {} rights only", rights.len());
    Ok(rights)
}

fn strings(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned))
}

#[test]
fn every_right_was_used() -> Result<()> {
    let mut unused = rights()?;
    for bed in beds() {
        for request in audit::requests(&bed)?.iter().filter(|request| request.allowed) {
            unused.retain(|right| !right.used_by(request));
        }
    }
    unused.retain(|right| !LOOKED_FOR.contains(&(right.verb.as_str(), right.resource.as_str())));
    unused.retain(|right| right.group != AT_THE_LEADER);
    let unused: Vec<_> = unused.iter().map(Right::to_string).collect();
    ensure!(unused.is_empty(), "no end-to-end test uses these rights:\n{}", unused.join("\n"));
    Ok(())
}
