//! The admission webhook: the API server calls it before it stores a ScaledObject or an authentication.
//!
//! This module reads what a review needs besides the object: the other ScaledObjects, HPAs that do not belong to Ebb,
//! and the requests of the target's containers. [`crate::review`] finds the mistakes in the object itself. An object
//! that cannot be reviewed is accepted.

mod kinds;
mod requests;
mod review;
mod server;
mod unmanaged_hpas;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ebb_crds::{AuthenticationRef, ScaledObject, TriggerAuthenticationSpec, names};
use ebb_scalers::pool::ClientPools;
use kube::runtime::reflector::Store;
use kube::{Client, Resource as _, ResourceExt as _};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kube_api::key::Key;
use crate::kube_api::scale::Targets;
use crate::kube_api::scope::Scope;
use crate::review::{self as rules, AuthParams, Environment, Finding, Readers, ReviewContext};
use crate::store::watched_object::WatchedObject;
use crate::telemetry::metrics::Metrics;
use ebb_plan::hpa;
use review::{Request, Verdict};
pub use server::{router, serve};
pub use unmanaged_hpas::UnmanagedHpas;

/// The maximum of namespaces with their own series. Anyone who reaches the port may name any number of namespaces.
const MOST_NAMESPACES: usize = 10_000;

/// Finds the parameters that an authentication gives to the triggers of a namespace, as far as they are known.
pub type GivenBy = Box<dyn Fn(&AuthenticationRef, &str) -> AuthParams + Send + Sync>;

/// Finds the ScaledObjects that refer to an authentication of a namespace.
pub type UsersOf = Box<dyn Fn(&AuthenticationRef, &str) -> Vec<Key> + Send + Sync>;

/// The sources of a review.
pub struct Admission {
    /// The ScaledObjects of the cluster.
    pub objects: Store<WatchedObject>,
    /// The HPAs that do not belong to Ebb.
    pub foreign: Arc<UnmanagedHpas>,
    /// The parameters that authentications give.
    pub given: GivenBy,
    /// The users of authentications.
    pub users: UsersOf,
    /// Finds the target's kind.
    pub client: Client,
    /// Reads the target's pod template.
    pub targets: Targets,
    /// Builds triggers. A review never reads them.
    pub brokers: ClientPools,
    /// The objects that this Ebb serves. It accepts all others without a review.
    pub scope: Scope,
    /// Whether a warning refuses the object.
    pub strict: bool,
    /// The series that count reviews.
    pub metrics: Arc<Metrics>,
    /// The namespaces with their own series.
    pub counted: Mutex<HashSet<String>>,
}

impl Admission {
    /// Reviews an object of this kind.
    async fn review(&self, kind: Kind, request: &Request) -> Verdict {
        if !request.is_news() {
            return Verdict::default();
        }
        let findings = match kind {
            Kind::ScaledObject => self.scaled_object(request).await,
            Kind::Authentication { cluster } => Self::authentication(&request.object, cluster),
        };
        let verdict = Verdict::of(&findings, self.strict);
        if matches!(kind, Kind::ScaledObject) {
            self.count(request, &findings);
        }
        verdict
    }

    async fn scaled_object(&self, request: &Request) -> Vec<Finding> {
        let Some(mut object) = parsed::<ScaledObject>(&request.object) else { return Vec::new() };
        let namespace = request.namespace.clone();
        if !self.scope.has_namespace(&namespace) || !self.scope.objects.select(object.labels()) {
            return Vec::new();
        }
        object.metadata.namespace = Some(namespace.clone());
        let mut found = self.of_itself(&object, &namespace);
        found.extend(kinds::unknown(&self.client, &object.spec.scale_target_ref).await);
        found.extend(requests::missing(&self.client, &self.targets, &object, &namespace).await);
        if keeps_names(request, &object) {
            found = found.into_iter().map(Finding::of_names_that_stay).collect();
        }
        found
    }

    /// The findings that need no question to the API server.
    fn of_itself(&self, object: &ScaledObject, namespace: &str) -> Vec<Finding> {
        let given = |reference: &AuthenticationRef| (self.given)(reference, namespace);
        let key = Key::of(object);
        let readers = |reference: &AuthenticationRef, parameter: &str| {
            if self.read_elsewhere(&key, reference, parameter) { Readers::Others } else { Readers::Nobody }
        };
        let context = ReviewContext {
            given: &given,
            readers: &readers,
            // The target may be part of the same apply and come later.
            environment: &Environment::Unknown,
            brokers: &self.brokers,
        };
        // A bug in a check must not block any change.
        let found = catch_unwind(AssertUnwindSafe(|| {
            let mut found = rules::scaled_object(object, &context);
            found.extend(self.clash(object, namespace));
            found
        }));
        found.unwrap_or_else(|_| {
            tracing::error!(namespace, name = object.name_any(), "a review has panicked; please report it");
            Vec::new()
        })
    }

    /// Whether a trigger of another ScaledObject than `asking` may read this parameter of an authentication.
    fn read_elsewhere(&self, asking: &Key, reference: &AuthenticationRef, parameter: &str) -> bool {
        let users = (self.users)(reference, &asking.namespace);
        users.iter().filter(|user| *user != asking).any(|user| {
            let is_user = |object: &WatchedObject| Key::of(object) == *user;
            let Some(object) = self.objects.find(is_user).and_then(|object| object.open().ok()) else { return true };
            let same = |other: &AuthenticationRef| other.name == reference.name && other.kind() == reference.kind();
            let mut triggers = object.spec.triggers.iter();
            triggers.any(|trigger| trigger.authentication().is_some_and(same) && rules::may_read(trigger, parameter))
        })
    }

    fn authentication(object: &Value, cluster: bool) -> Vec<Finding> {
        let spec = parsed::<TriggerAuthenticationSpec>(&object["spec"]);
        spec.map(|spec| rules::authentication(&spec, cluster)).unwrap_or_default()
    }

    /// Finds another object that scales the same workload, or has an HPA of the same name (KEDA's
    /// `verifyScaledObjects`, `verifyHpas`).
    fn clash(&self, object: &ScaledObject, namespace: &str) -> Option<Finding> {
        let (target, name, hpa) = (&object.spec.scale_target_ref, object.name_any(), hpa::name(object));
        let kind = rules::kind_of(target);
        let is_other = |other: &WatchedObject| {
            other.meta().namespace.as_deref() == Some(namespace)
                && other.meta().name.as_deref() != Some(&name)
                && other.meta().deletion_timestamp.is_none()
        };
        if let Some(other) = self.objects.find(|other| is_other(other) && other.scales(&kind, &target.name)) {
            return Some(rules::taken(target, "ScaledObject", &other.name_any()));
        }
        if let Some(other) = self.objects.find(|other| is_other(other) && other.has_hpa(&hpa)) {
            return Some(rules::hpa_taken(&hpa, &other.name_any()));
        }
        let taken_over =
            object.annotations().get(names::TRANSFER_HPA_OWNERSHIP_ANNOTATION).is_some_and(|yes| yes == "true");
        let foreign = self.foreign.scaling(namespace, (&kind, &target.name), &name)?;
        if !taken_over {
            return Some(rules::taken(target, "hpa", &foreign));
        }
        // As in KEDA, the default name is not enough: a ScaledObject that takes over an HPA must name it.
        let named = object.spec.hpa_config().and_then(|config| config.name());
        (named != Some(foreign.as_str())).then(|| rules::unnamed(target, &foreign))
    }

    fn count(&self, request: &Request, findings: &[Finding]) {
        let mut counted = self.counted.lock();
        let room = counted.len() < MOST_NAMESPACES;
        let known = counted.contains(&request.namespace) || room && counted.insert(request.namespace.clone());
        let namespace = if known { request.namespace.as_str() } else { "" };
        let refused = findings.iter().filter(|finding| finding.refuses(self.strict));
        self.metrics.reviewed(namespace, request.action(), refused.map(|finding| finding.reason));
    }
}

/// The identity of an object.
#[derive(Debug, Clone, Copy)]
enum Kind {
    ScaledObject,
    Authentication { cluster: bool },
}

/// Whether an update keeps the name of the HPA. The name of a ScaledObject never changes.
fn keeps_names(request: &Request, object: &ScaledObject) -> bool {
    let before = || parsed::<ScaledObject>(&request.old_object);
    request.operation == "UPDATE" && before().is_some_and(|before| hpa::name(&before) == hpa::name(object))
}

/// Parses an object. An object that the schema admits can be parsed; any other is left to later checks.
fn parsed<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

#[cfg(test)]
mod keda_cases;
#[cfg(test)]
mod tests;
