//! The parameters that a trigger gets from a TriggerAuthentication or ClusterTriggerAuthentication (keda.sh/docs,
//! "Authentication").
//!
//! The sources are merged in KEDA's order, and a later one wins: env, configMapTargetRef, secretTargetRef,
//! boundServiceAccountToken, oauth2. A filePath replaces all others.

pub(super) mod file;
mod oauth2;
pub(super) mod token;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use ebb_crds::{
    AuthenticationRef, ClusterTriggerAuthentication, ScaleTrigger, TriggerAuthentication, TriggerAuthenticationSpec,
};
use kube::Api;
use kube::api::ListParams;
use serde::de::DeserializeOwned;

use super::authentications::{AuthKey, Authentications};
use super::environment;
use super::lookup::{Lookup, LookupError, object_name};
use ebb_plan::authentication;
use ebb_plan::environment::PodTemplate;

/// Where references of one ScaledObject's triggers are looked up.
pub(super) struct ResolveContext<'a> {
    /// The ScaledObject's namespace.
    pub(super) namespace: &'a str,
    /// The namespace of the Secrets and ConfigMaps of ClusterTriggerAuthentications: Ebb's own.
    pub(super) cluster_namespace: &'a str,
    /// The target's pods, if anything asks for them.
    pub(super) pod: Option<&'a PodTemplate>,
    /// `envSourceContainerName`.
    pub(super) container: Option<&'a str>,
    pub(super) lookup: &'a Lookup<'a>,
}

/// An authentication that a trigger refers to.
pub(super) struct Authentication {
    display: String,
    spec: Arc<TriggerAuthenticationSpec>,
    cluster: bool,
}

impl Authentication {
    /// Takes it from those that are known, else fetches it: its watch may be behind.
    pub(super) async fn fetch(
        reference: &AuthenticationRef,
        namespace: &str,
        known: &Authentications,
        lookup: &Lookup<'_>,
    ) -> Result<Self, LookupError> {
        let Some(key) = AuthKey::of(reference, namespace) else {
            return Err(LookupError::Wrong(format!(
                "authenticationRef.kind {:?} is unknown: it must be TriggerAuthentication or ClusterTriggerAuthentication",
                reference.kind()
            )));
        };
        let (cluster, name) = (key.cluster, &reference.name);
        let display = format!("{} {name:?}", reference.kind());
        if let Some(spec) = known.spec(&key) {
            return Ok(Self { display, spec, cluster });
        }
        object_name(&display, name)?;
        let client = lookup.client().clone();
        let failed = |cause| LookupError::Api { what: format!("cannot read {display}"), cause: Arc::new(cause) };
        let selector = known.selector();
        let spec = if cluster {
            let api: Api<ClusterTriggerAuthentication> = Api::all(client);
            named(&api, name, selector).await.map_err(failed)?.map(|found| found.spec.0)
        } else {
            let api: Api<TriggerAuthentication> = Api::namespaced(client, namespace);
            named(&api, name, selector).await.map_err(failed)?.map(|found| found.spec)
        };
        let place = if cluster { String::new() } else { format!(" in namespace {namespace:?}") };
        match (spec, selector) {
            (Some(spec), _) => Ok(Self { display, spec: Arc::new(spec), cluster }),
            (None, None) => Err(LookupError::Missing(format!("{display} not found{place}"))),
            (None, Some(selector)) => Err(LookupError::Missing(format!(
                "{display} not found{place} among those that WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH ({selector}) selects"
            ))),
        }
    }

    /// Whether it refers to the target's environment.
    pub(super) fn needs_pod(&self) -> bool {
        self.file().is_none() && self.spec.env.as_ref().is_some_and(|env| !env.is_empty())
    }

    /// The parameters that it gives to `trigger`.
    pub(super) async fn parameters(
        &self,
        trigger: &ScaleTrigger,
        around: &ResolveContext<'_>,
    ) -> Result<BTreeMap<String, String>, LookupError> {
        if let Some(reason) = authentication::reason(&self.spec, self.cluster) {
            return Err(LookupError::Wrong(format!("{}: {reason}", self.display)));
        }
        self.gathered(trigger, around).await.map_err(|error| self.within(error))
    }

    async fn gathered(
        &self,
        trigger: &ScaleTrigger,
        around: &ResolveContext<'_>,
    ) -> Result<BTreeMap<String, String>, LookupError> {
        if let Some(path) = self.file() {
            return around.lookup.file(path).await;
        }
        let namespace = if self.cluster { around.cluster_namespace } else { around.namespace };
        let mut parameters = BTreeMap::new();
        for entry in self.spec.env.iter().flatten() {
            let Some(pod) = around.pod else { continue };
            let container = entry.container_name.as_deref().filter(|name| !name.is_empty()).or(around.container);
            let container = environment::container(&pod.spec, container)?;
            let mut values = environment::resolve(container, pod, &[&entry.name], around.lookup).await?;
            let value = values.remove(&entry.name).ok_or_else(|| {
                LookupError::Missing(format!(
                    "the container {:?} has no environment variable {:?}",
                    container.name, entry.name
                ))
            })?;
            parameters.insert(entry.parameter.clone(), value);
        }
        for reference in self.spec.config_map_target_ref.iter().flatten() {
            let values = around.lookup.config_map(namespace, &reference.name, false).await?;
            let value = keyed(values, "ConfigMap", namespace, &reference.name, &reference.key)?;
            parameters.insert(reference.parameter.clone(), value);
        }
        for reference in self.spec.secret_target_ref.iter().flatten() {
            let value = secret_key(around.lookup, namespace, &reference.name, &reference.key).await?;
            parameters.insert(reference.parameter.clone(), value);
        }
        for reference in self.spec.bound_service_account_token.iter().flatten() {
            let token = around.lookup.token(namespace, &reference.service_account_name).await?;
            parameters.insert(reference.parameter.clone(), token);
        }
        if let Some(client) = &self.spec.oauth2 {
            let secret = match client.client_secret.as_ref().map(|secret| &secret.value_from.secret_key_ref) {
                Some(key) => Some(secret_key(around.lookup, namespace, &key.name, &key.key).await?),
                None => None,
            };
            let kind = ebb_scalers::kind(&trigger.type_);
            oauth2::add(&mut parameters, client, secret.as_deref(), kind, &trigger.metadata);
        }
        Ok(parameters)
    }

    fn file(&self) -> Option<&str> {
        self.spec.file_path.as_deref().filter(|path| !path.is_empty())
    }

    fn within(&self, error: LookupError) -> LookupError {
        let display = &self.display;
        match error {
            LookupError::Missing(what) => LookupError::Missing(format!("{display}: {what}")),
            LookupError::Wrong(what) => LookupError::Wrong(format!("{display}: {what}")),
            LookupError::Api { what, cause } => LookupError::Api { what: format!("{display}: {what}"), cause },
        }
    }
}

/// The object with this name, if it is there and its labels are among the selected.
async fn named<K>(api: &Api<K>, name: &str, selector: Option<&str>) -> Result<Option<K>, kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let Some(selector) = selector else { return api.get_opt(name).await };
    let wanted = ListParams::default().fields(&format!("metadata.name={name}")).labels(selector);
    Ok(api.list(&wanted).await?.items.pop())
}

async fn secret_key(lookup: &Lookup<'_>, namespace: &str, name: &str, key: &str) -> Result<String, LookupError> {
    keyed(lookup.secret(namespace, name, false).await?, "Secret", namespace, name, key)
}

fn keyed(
    mut values: BTreeMap<String, String>,
    kind: &str,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<String, LookupError> {
    values.remove(key).ok_or_else(|| LookupError::Missing(format!("{kind} {namespace}/{name} has no key {key:?}")))
}
