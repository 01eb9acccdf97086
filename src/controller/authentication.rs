//! What a TriggerAuthentication or ClusterTriggerAuthentication gives to a trigger (keda.sh/docs, "Authentication").

use std::collections::BTreeMap;

use ebb_crds::{AuthenticationRef, ClusterTriggerAuthentication, TriggerAuthentication, TriggerAuthenticationSpec};
use k8s_openapi::api::core::v1::PodSpec;
use kube::Api;

use super::environment;
use super::lookup::{Lookup, LookupError};

/// Where references of one ScaledObject's triggers are looked up.
pub(super) struct Surroundings<'a> {
    /// The ScaledObject's namespace.
    pub(super) namespace: &'a str,
    /// The namespace of the Secrets and ConfigMaps of ClusterTriggerAuthentications: Ebb's own.
    pub(super) cluster_namespace: &'a str,
    /// The target's pod specification, if anything asks for it.
    pub(super) pod: Option<&'a PodSpec>,
    /// `envSourceContainerName`.
    pub(super) container: Option<&'a str>,
    pub(super) lookup: &'a Lookup,
}

/// An authentication that a trigger refers to.
pub(super) struct Authentication {
    display: String,
    spec: TriggerAuthenticationSpec,
    cluster: bool,
}

impl Authentication {
    /// Fetches it.
    pub(super) async fn fetch(
        reference: &AuthenticationRef,
        namespace: &str,
        lookup: &Lookup,
    ) -> Result<Self, LookupError> {
        let client = lookup.client().clone();
        let name = &reference.name;
        let kind = reference.kind();
        let display = format!("{kind} {name:?}");
        let failed = |cause| LookupError::Api { what: format!("cannot read {display}"), cause: Box::new(cause) };
        let (spec, cluster) = match kind {
            "TriggerAuthentication" => {
                let api: Api<TriggerAuthentication> = Api::namespaced(client, namespace);
                (api.get_opt(name).await.map_err(failed)?.map(|found| found.spec), false)
            }
            "ClusterTriggerAuthentication" => {
                let api: Api<ClusterTriggerAuthentication> = Api::all(client);
                (api.get_opt(name).await.map_err(failed)?.map(|found| found.spec.0), true)
            }
            other => {
                return Err(LookupError::Wrong(format!(
                    "authenticationRef.kind {other:?} is unknown: it must be TriggerAuthentication or ClusterTriggerAuthentication"
                )));
            }
        };
        match spec {
            Some(spec) => Ok(Self { display, spec, cluster }),
            None if cluster => Err(LookupError::Missing(format!("{display} not found"))),
            None => Err(LookupError::Missing(format!("{display} not found in namespace {namespace:?}"))),
        }
    }

    /// Whether it refers to the target's environment.
    pub(super) fn needs_pod(&self) -> bool {
        self.spec.env.as_ref().is_some_and(|env| !env.is_empty())
    }

    /// The parameters that it gives.
    pub(super) async fn parameters(&self, around: &Surroundings<'_>) -> Result<BTreeMap<String, String>, LookupError> {
        self.refuse_what_is_not_there_yet()?;
        let mut parameters = BTreeMap::new();
        let namespace = if self.cluster { around.cluster_namespace } else { around.namespace };
        for entry in self.spec.env.iter().flatten() {
            let Some(pod) = around.pod else { continue };
            let container = entry.container_name.as_deref().filter(|name| !name.is_empty()).or(around.container);
            let container = environment::container(pod, container)?;
            let values = environment::resolve(container, around.namespace, &[&entry.name], around.lookup).await?;
            let value = values.get(&entry.name).ok_or_else(|| {
                self.missing(&format!(
                    "the container {:?} has no environment variable {:?}",
                    container.name, entry.name
                ))
            })?;
            parameters.insert(entry.parameter.clone(), value.clone());
        }
        for (kind, references) in
            [("ConfigMap", &self.spec.config_map_target_ref), ("Secret", &self.spec.secret_target_ref)]
        {
            for reference in references.iter().flatten() {
                let values = match kind {
                    "Secret" => around.lookup.secret(namespace, &reference.name, false).await,
                    _ => around.lookup.config_map(namespace, &reference.name, false).await,
                };
                let mut values = values.map_err(|error| self.within(error))?;
                let value = values.remove(&reference.key).ok_or_else(|| {
                    self.missing(&format!("{kind} {namespace}/{} has no key {:?}", reference.name, reference.key))
                })?;
                parameters.insert(reference.parameter.clone(), value);
            }
        }
        Ok(parameters)
    }

    fn refuse_what_is_not_there_yet(&self) -> Result<(), LookupError> {
        let spec = &self.spec;
        let identity = spec.pod_identity.as_ref().is_some_and(|identity| identity.provider != "none");
        let sources = [
            ("podIdentity", identity),
            ("filePath", spec.file_path.is_some()),
            ("hashiCorpVault", spec.hashi_corp_vault.is_some()),
            ("azureKeyVault", spec.azure_key_vault.is_some()),
            ("gcpSecretManager", spec.gcp_secret_manager.is_some()),
            ("awsSecretManager", spec.aws_secret_manager.is_some()),
            ("boundServiceAccountToken", spec.bound_service_account_token.is_some()),
            ("oauth2", spec.oauth2.is_some()),
        ];
        match sources.iter().find(|(_, given)| *given) {
            Some((source, _)) => Err(LookupError::Wrong(format!(
                "{}: {source} is not supported yet; the sources are secretTargetRef, configMapTargetRef and env",
                self.display
            ))),
            None => Ok(()),
        }
    }

    fn missing(&self, what: &str) -> LookupError {
        LookupError::Missing(format!("{}: {what}", self.display))
    }

    fn within(&self, error: LookupError) -> LookupError {
        match error {
            LookupError::Missing(what) => self.missing(&what),
            other => other,
        }
    }
}
