//! Writes the authority's certificate where the API server looks for it, and keeps it right.
//!
//! It writes only when something is different, and only that one field.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often it is looked at: once in a sync of the HPA controller, which stands still while it is wrong.
const CHECK: Duration = Duration::from_secs(15);
/// How often as long as it is not right yet.
const RETRY: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(10);

/// An object of the API server that has a place for the authority's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaBundle {
    /// The `APIService` of this name.
    ApiService(String),
    /// All webhooks in the `ValidatingWebhookConfiguration` of this name.
    ValidatingWebhook(String),
}

/// How a look at the object ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Right,
    Written,
    Absent,
}

#[derive(Debug, thiserror::Error)]
enum BundleError {
    #[error("{0}; Ebb needs get and patch on it (update, for a webhook configuration)")]
    Api(#[from] kube::Error),
    #[error("no answer within {} s", LIMIT.as_secs())]
    Timeout,
}

impl CaBundle {
    /// Keeps `ca` in the object until `shutdown`: at once when `ca` changes, and within seconds when somebody else has
    /// changed the object or made it anew.
    pub async fn keep(self, client: Client, mut ca: watch::Receiver<Arc<str>>, shutdown: CancellationToken) {
        let mut absence_logged = false;
        loop {
            let wanted = Arc::clone(&ca.borrow_and_update());
            let look = async {
                timeout(LIMIT, self.look(&client, wanted.as_bytes())).await.unwrap_or(Err(BundleError::Timeout))
            };
            let outcome = tokio::select! {
                outcome = look => outcome,
                () = shutdown.cancelled() => return,
            };
            let (kind, name) = self.describe();
            let is_absent = matches!(outcome, Ok(Outcome::Absent));
            let pause = match outcome {
                Ok(Outcome::Right) => CHECK,
                Ok(Outcome::Written) => {
                    info!(kind, name, "wrote the authority's certificate");
                    CHECK
                }
                Ok(Outcome::Absent) => {
                    if !absence_logged {
                        warn!(kind, name, "waiting for the object that gets the authority's certificate: install it");
                    }
                    RETRY
                }
                Err(error) => {
                    warn!(kind, name, %error, "cannot write the authority's certificate");
                    RETRY
                }
            };
            absence_logged = is_absent;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Without a sender the certificate stays as it is, and the checks go on.
                Ok(()) = ca.changed() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    fn describe(&self) -> (&'static str, &str) {
        match self {
            Self::ApiService(name) => ("APIService", name),
            Self::ValidatingWebhook(name) => ("ValidatingWebhookConfiguration", name),
        }
    }

    async fn look(&self, client: &Client, ca: &[u8]) -> Result<Outcome, BundleError> {
        match self {
            Self::ApiService(name) => {
                let api: Api<APIService> = Api::all(client.clone());
                let Some(service) = api.get_opt(name).await? else { return Ok(Outcome::Absent) };
                let Some(patch) = patch_for(&service, ca) else { return Ok(Outcome::Right) };
                match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
                    Ok(_) => Ok(Outcome::Written),
                    Err(error) => gone_or(error),
                }
            }
            Self::ValidatingWebhook(name) => {
                let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
                let Some(mut configuration) = api.get_opt(name).await? else { return Ok(Outcome::Absent) };
                if !fill(&mut configuration, ca) {
                    return Ok(Outcome::Right);
                }
                // A list cannot be merged, so all is written back; the resource version guards what changed meanwhile.
                match api.replace(name, &PostParams::default(), &configuration).await {
                    Ok(_) => Ok(Outcome::Written),
                    Err(error) => gone_or(error),
                }
            }
        }
    }
}

/// An object that was deleted between two calls is absent; everything else is an error.
fn gone_or(error: kube::Error) -> Result<Outcome, BundleError> {
    match error {
        kube::Error::Api(status) if status.code == 404 => Ok(Outcome::Absent),
        error => Err(error.into()),
    }
}

/// The merge patch that gives `service` the bundle `ca`; none when it has that already.
fn patch_for(service: &APIService, ca: &[u8]) -> Option<serde_json::Value> {
    let spec = service.spec.as_ref()?;
    let is_right = spec.ca_bundle.as_ref().is_some_and(|bundle| bundle.0 == ca);
    // The API server refuses a bundle beside `insecureSkipTLSVerify`, which many manifests set for the time before.
    let insecure = spec.insecure_skip_tls_verify == Some(true);
    let bundle = ByteString(ca.to_vec());
    match (is_right, insecure) {
        (true, false) => None,
        (_, false) => Some(json!({"spec": {"caBundle": bundle}})),
        (_, true) => Some(json!({"spec": {"caBundle": bundle, "insecureSkipTLSVerify": null}})),
    }
}

/// Gives every webhook the bundle `ca`; true when one of them was different.
fn fill(configuration: &mut ValidatingWebhookConfiguration, ca: &[u8]) -> bool {
    let mut changed = false;
    for webhook in configuration.webhooks.iter_mut().flatten() {
        let bundle = &mut webhook.client_config.ca_bundle;
        if bundle.as_ref().is_none_or(|bundle| bundle.0 != ca) {
            *bundle = Some(ByteString(ca.to_vec()));
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIServiceSpec;

    use super::*;

    fn service(bundle: Option<&str>, insecure: Option<bool>) -> APIService {
        let ca_bundle = bundle.map(|bundle| ByteString(bundle.as_bytes().to_vec()));
        let spec = APIServiceSpec { ca_bundle, insecure_skip_tls_verify: insecure, ..APIServiceSpec::default() };
        APIService { spec: Some(spec), ..APIService::default() }
    }

    #[test]
    fn writes_only_what_is_different() {
        assert_eq!(patch_for(&service(Some("ca"), None), b"ca"), None);
        assert_eq!(patch_for(&service(None, None), b"ca"), Some(json!({"spec": {"caBundle": "Y2E="}})));
        assert_eq!(patch_for(&service(Some("old"), None), b"ca"), Some(json!({"spec": {"caBundle": "Y2E="}})));
        assert_eq!(
            patch_for(&service(None, Some(true)), b"ca"),
            Some(json!({"spec": {"caBundle": "Y2E=", "insecureSkipTLSVerify": null}}))
        );
    }

    #[test]
    fn fills_every_webhook() {
        let webhook =
            json!({"name": "a", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {}});
        let mut configuration: ValidatingWebhookConfiguration =
            serde_json::from_value(json!({"webhooks": [webhook, webhook]})).unwrap();
        assert!(fill(&mut configuration, b"ca"));
        assert!(!fill(&mut configuration, b"ca"));
        assert!(fill(&mut configuration, b"other"));
    }
}
