//! The authentications among the files: their parameters, their users, and references that lead elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use ebb_crds::{AuthenticationRef, ScaleTrigger, ScaledObject, TriggerAuthenticationSpec};

use super::manifest::{Manifest, Object};
use super::neighbours::{Neighbours, in_another_namespace, may_share};
use crate::review::{AuthParams, Environment, Finding, Readers, may_read, meant_parameter};

const CLUSTER: &str = "ClusterTriggerAuthentication";

/// An authentication among the files.
struct Given {
    cluster: bool,
    /// Empty for one of the cluster, or if none is named.
    namespace: String,
    name: String,
    params: AuthParams,
    spec: TriggerAuthenticationSpec,
}

/// A trigger that refers to an authentication.
struct User {
    /// Namespace and name of the object that has it.
    object: (String, String),
    reference: AuthenticationRef,
    trigger: ScaleTrigger,
}

/// All of them.
pub(super) struct Authentications {
    given: Vec<Given>,
    users: Vec<User>,
}

impl Authentications {
    /// Those among `manifests`, with their users there.
    pub(super) fn of(manifests: &[Manifest]) -> Self {
        let (mut given, mut users) = (Vec::new(), Vec::new());
        for manifest in manifests {
            let triggers = match &manifest.object {
                Some(Object::Authentication { spec, cluster }) => {
                    given.push(Given {
                        cluster: *cluster,
                        namespace: if *cluster { String::new() } else { manifest.namespace.clone() },
                        name: manifest.name.clone(),
                        params: AuthParams::by(spec),
                        spec: (**spec).clone(),
                    });
                    &[][..]
                }
                Some(Object::Scaled(object)) => &object.spec.triggers,
                Some(Object::Job(triggers)) => triggers,
                None => &[],
            };
            users.extend(triggers.iter().filter_map(|trigger| {
                let object = (manifest.namespace.clone(), manifest.name.clone());
                Some(User { object, reference: trigger.authentication().cloned()?, trigger: trigger.clone() })
            }));
        }
        Self { given, users }
    }

    fn find(&self, reference: &AuthenticationRef, namespace: &str) -> Option<&Given> {
        let cluster = reference.kind() == CLUSTER;
        let mut named = self.given.iter().filter(|given| given.name == reference.name && given.cluster == cluster);
        named.find(|given| cluster || may_share(&given.namespace, namespace))
    }

    /// The parameters that an authentication gives to a trigger in `namespace`.
    pub(super) fn params(&self, reference: &AuthenticationRef, namespace: &str) -> AuthParams {
        self.find(reference, namespace).map_or(AuthParams::Anything, |given| given.params.clone())
    }

    /// The specification of the authentication that an object in `namespace` refers to, if it is among the files.
    pub(super) fn spec(&self, reference: &AuthenticationRef, namespace: &str) -> Option<&TriggerAuthenticationSpec> {
        self.find(reference, namespace).map(|given| &given.spec)
    }

    /// The readers of this parameter besides the object `asking`.
    pub(super) fn readers(&self, asking: &(String, String), reference: &AuthenticationRef, parameter: &str) -> Readers {
        let mut users = self.users_of(reference, &asking.0);
        if users.any(|user| user.object != *asking && may_read(&user.trigger, parameter)) {
            return Readers::Others;
        }
        let is_unread = !self.users_of(reference, &asking.0).any(|user| may_read(&user.trigger, parameter));
        if is_unread && self.find(reference, &asking.0).is_some() { Readers::Reported } else { Readers::Nobody }
    }

    /// The triggers that refer to an authentication that is looked for in `namespace`.
    fn users_of(&self, reference: &AuthenticationRef, namespace: &str) -> impl Iterator<Item = &User> {
        let users = self.users.iter().filter(move |user| {
            let there = &user.reference;
            there.name == reference.name && there.kind() == reference.kind()
        });
        users.filter(move |user| reference.kind() == CLUSTER || may_share(&user.object.0, namespace))
    }

    /// References of a ScaledObject to an authentication that the files have in another namespace or of another kind,
    /// and variables that the target's container does not set.
    pub(super) fn references(
        &self,
        object: &ScaledObject,
        namespace: &str,
        environment: &Environment,
        neighbours: &Neighbours,
    ) -> Vec<Finding> {
        let triggers = object.spec.triggers.iter().enumerate();
        let found = triggers.filter_map(|(index, trigger)| {
            let (reference, place) = (trigger.authentication()?, format!("spec.triggers[{index}]"));
            match self.find(reference, namespace) {
                Some(given) => missing_variable(given, environment, &place),
                None => self.misplaced(reference, namespace, &place, neighbours),
            }
        });
        found.collect()
    }

    fn misplaced(
        &self,
        reference: &AuthenticationRef,
        namespace: &str,
        place: &str,
        neighbours: &Neighbours,
    ) -> Option<Finding> {
        let (kind, name) = (reference.kind(), &reference.name);
        let named = || self.given.iter().filter(|given| given.name == *name);
        let other = named().find(|given| given.cluster || may_share(&given.namespace, namespace));
        if let Some(other) = other.filter(|other| other.cluster != (kind == CLUSTER)) {
            let there = if other.cluster { CLUSTER } else { "TriggerAuthentication" };
            let text = format!("among the files {name:?} is a {there}, and no {kind}: write kind: {there}");
            return Some(Finding::warning(format!("{place}.authenticationRef"), text));
        }
        let path = format!("{place}.authenticationRef.name");
        if let Some(there) = named().find(|given| !given.cluster && kind != CLUSTER) {
            return Some(in_another_namespace(&path, &format!("the {kind} {name:?}"), &there.namespace, namespace));
        }
        let other = neighbours.secret_or_map(namespace, name)?;
        // An authentication of the same name may be elsewhere.
        let known: BTreeSet<_> = self.given.iter().map(|given| given.name.as_str()).collect();
        (!known.is_empty()).then(|| {
            let text = format!(
                "among the files {name:?} is a {other}, and no {kind}: give the name of one, such as {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            );
            Finding::warning(path, text)
        })
    }

    /// The parameters of an authentication that none of its users among the files reads.
    pub(super) fn unread(&self, manifest: &Manifest, spec: &TriggerAuthenticationSpec, cluster: bool) -> Vec<Finding> {
        let reference = AuthenticationRef { name: manifest.name.clone(), kind: cluster.then(|| CLUSTER.to_owned()) };
        let users: Vec<_> = self.users_of(&reference, &manifest.namespace).collect();
        let AuthParams::Names(names) = AuthParams::by(spec) else { return Vec::new() };
        if users.is_empty() {
            return Vec::new();
        }
        let places = places(spec);
        let unread = names.iter().filter(|name| !users.iter().any(|user| may_read(&user.trigger, name)));
        let finding = |name: &String| {
            let kinds = users.iter().filter_map(|user| ebb_scalers::kind(&user.trigger.type_));
            let meant = kinds.into_iter().find_map(|kind| meant_parameter(kind, name));
            let meant = meant.filter(|meant| !names.contains(*meant));
            let types: BTreeSet<_> = users.iter().map(|user| user.trigger.type_.as_str()).collect();
            let types = types.into_iter().collect::<Vec<_>>().join(", ");
            let hint = meant.map(|meant| format!(": write {meant}")).unwrap_or_default();
            let text = format!("no trigger that refers to it ({types}) reads the parameter {name:?}{hint}");
            Finding::warning(places.get(name.as_str()).cloned().unwrap_or_else(|| "spec".to_owned()), text)
        };
        unread.map(finding).collect()
    }
}

/// The place of each parameter.
fn places(spec: &TriggerAuthenticationSpec) -> BTreeMap<&str, String> {
    let mut places = BTreeMap::new();
    let mut note = |list: &str, index: usize, parameter| {
        places.entry(parameter).or_insert_with(|| format!("spec.{list}[{index}].parameter"));
    };
    for (list, references) in
        [("secretTargetRef", &spec.secret_target_ref), ("configMapTargetRef", &spec.config_map_target_ref)]
    {
        references.iter().flatten().enumerate().for_each(|(index, entry)| note(list, index, entry.parameter.as_str()));
    }
    spec.env.iter().flatten().enumerate().for_each(|(index, entry)| note("env", index, entry.parameter.as_str()));
    let tokens = spec.bound_service_account_token.iter().flatten().enumerate();
    tokens.for_each(|(index, entry)| note("boundServiceAccountToken", index, entry.parameter.as_str()));
    places
}

/// A variable that the authentication takes from the target's container, and that this does not set.
fn missing_variable(given: &Given, environment: &Environment, place: &str) -> Option<Finding> {
    let own = given.spec.env.iter().flatten().filter(|entry| entry.container_name.as_deref().is_none_or(str::is_empty));
    let (entry, container) = own.into_iter().find_map(|entry| Some((entry, environment.lacks(&entry.name)?)))?;
    let text = format!(
        "{:?} takes the parameter {} from the environment variable {:?}, which the target's container {container:?} does not set",
        given.name, entry.parameter, entry.name
    );
    Some(Finding::warning(format!("{place}.authenticationRef"), text))
}
