//! Writes the authorities' certificates where the API server looks for them, and keeps them right.
//!
//! It writes only when something is different, and only that one field. Where cert-manager does it, it only looks.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::bundle::{self, Overlap};
use super::hints::hints;
use super::trusted::{Line, Trusted};

/// How often it is looked at besides each time it changes: once in a sync of the HPA controller, which stands still while
/// it is wrong.
const CHECK: Duration = Duration::from_secs(15);
/// How often as long as it is not right yet.
const RETRY: Duration = Duration::from_secs(2);
/// The pause after somebody else was faster.
const AGAIN: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(10);

/// By these annotations cert-manager is asked to write the bundle.
const INJECTED: [&str; 3] =
    ["cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret", "cert-manager.io/inject-apiserver-ca"];

/// An object of the API server that has a place for the authorities' certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaBundle {
    /// The `APIService` of this name.
    ApiService(String),
    /// All webhooks in the `ValidatingWebhookConfiguration` of this name.
    ValidatingWebhook(String),
}

/// How a look at the object ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It has this bundle, and that is right.
    Right(String),
    /// It was given this bundle; `replaced` if it had another one.
    Written { bundle: String, replaced: bool },
    /// Cert-manager writes it, and has written this.
    Injected(String),
    /// It has no place for one, or there is no authority to name.
    Nothing,
    /// There is no such object.
    Absent,
}

#[derive(Debug, thiserror::Error)]
enum BundleError {
    #[error("{0}; Ebb needs get, list, watch and patch on it (update, for a webhook configuration)")]
    Api(#[from] kube::Error),
    #[error("no answer within {} s", LIMIT.as_secs())]
    Timeout,
}

impl BundleError {
    /// Somebody wrote the object between the look and the write.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.code == 409)
    }
}

impl CaBundle {
    /// Keeps the authorities in the object until `shutdown`: at once when they change or when somebody else has changed
    /// the object or made it anew. `watching` is a client without a limit of time.
    ///
    /// From this call on, not only from the first poll, a change of the authority waits for this object.
    pub fn keep(
        self,
        watching: Client,
        trusted: Trusted,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let line = trusted.line();
        async move {
            tokio::select! {
                () = self.keep_for_ever(watching, trusted, line) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    async fn keep_for_ever(self, client: Client, mut trusted: Trusted, line: Line) {
        let (kind, name) = self.describe();
        let mut changes = self.changes(client.clone());
        let mut overlap = Overlap::default();
        let mut told = Told::default();
        loop {
            let wanted = trusted.authorities();
            let look = self.look(&client, &wanted, &mut overlap);
            let outcome = timeout(LIMIT, look).await.unwrap_or(Err(BundleError::Timeout));
            let pause = match outcome {
                Ok(Outcome::Right(bundle) | Outcome::Injected(bundle)) => {
                    line.has(&bundle, false);
                    CHECK
                }
                Ok(Outcome::Written { bundle, replaced }) => {
                    info!(kind, name, "wrote the authority's certificate");
                    line.has(&bundle, replaced);
                    CHECK
                }
                Ok(Outcome::Nothing) => {
                    line.nothing();
                    CHECK
                }
                Ok(Outcome::Absent) => {
                    line.nothing();
                    told.once("absent", || {
                        warn!(kind, name, "waiting for the object that gets the authority's certificate: install it");
                    });
                    RETRY
                }
                Err(error) if error.is_conflict() => AGAIN,
                Err(error) => {
                    warn!(kind, name, %error, "cannot write the authority's certificate");
                    RETRY
                }
            };
            if pause == CHECK {
                told = Told::default();
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = trusted.changed() => {}
                _ = changes.next() => {}
            }
        }
    }

    fn describe(&self) -> (&'static str, &str) {
        match self {
            Self::ApiService(name) => ("APIService", name),
            Self::ValidatingWebhook(name) => ("ValidatingWebhookConfiguration", name),
        }
    }

    fn changes(&self, client: Client) -> BoxStream<'static, ()> {
        match self {
            Self::ApiService(name) => hints(Api::<APIService>::all(client), name),
            Self::ValidatingWebhook(name) => hints(Api::<ValidatingWebhookConfiguration>::all(client), name),
        }
    }

    async fn look(&self, client: &Client, wanted: &str, overlap: &mut Overlap) -> Result<Outcome, BundleError> {
        match self {
            Self::ApiService(name) => ensure::<APIService>(client, name, wanted, overlap).await,
            Self::ValidatingWebhook(name) => {
                ensure::<ValidatingWebhookConfiguration>(client, name, wanted, overlap).await
            }
        }
    }
}

/// What was said already, so that it is not said again.
#[derive(Default)]
struct Told(Option<&'static str>);

impl Told {
    fn once(&mut self, what: &'static str, say: impl FnOnce()) {
        if self.0.replace(what) != Some(what) {
            say();
        }
    }
}

async fn ensure<K: Bundled>(
    client: &Client,
    name: &str,
    wanted: &str,
    overlap: &mut Overlap,
) -> Result<Outcome, BundleError> {
    let api: Api<K> = Api::all(client.clone());
    let Some(mut object) = api.get_opt(name).await? else { return Ok(Outcome::Absent) };
    let present = object.bundles();
    let first = || String::from_utf8_lossy(present.first().map_or(&[][..], Vec::as_slice)).into_owned();
    if is_injected(object.meta().annotations.as_ref()) {
        return Ok(Outcome::Injected(first()));
    }
    if wanted.is_empty() || present.is_empty() {
        return Ok(Outcome::Nothing);
    }
    // Several webhooks have one bundle: what is kept of the old ones is kept for all.
    let together = present.iter().map(|bundle| String::from_utf8_lossy(bundle)).collect::<Vec<_>>().join("\n");
    let differ = present.iter().any(|bundle| Some(bundle) != present.first());
    let compared = if differ { together.as_bytes() } else { present.first().map_or(&[][..], Vec::as_slice) };
    let merged = overlap.merge(compared, wanted, Instant::now(), Utc::now());
    let right = match merged {
        None if !differ && !object.is_unverified() => return Ok(Outcome::Right(first())),
        None => bundle::union(wanted, &together),
        Some(merged) => merged,
    };
    let replaced = present.iter().any(|bundle| !bundle.is_empty());
    object.fill(right.as_bytes());
    match object.write(&api, name).await {
        Ok(()) => Ok(Outcome::Written { bundle: right, replaced }),
        // Deleted between two calls.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Outcome::Absent),
        Err(error) => Err(error.into()),
    }
}

fn is_injected(annotations: Option<&BTreeMap<String, String>>) -> bool {
    annotations.is_some_and(|annotations| {
        INJECTED.iter().any(|name| annotations.get(*name).is_some_and(|value| !value.is_empty() && value != "false"))
    })
}

/// A kind with bundles in it.
trait Bundled: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync {
    /// Each of them, empty where there is none.
    fn bundles(&self) -> Vec<Vec<u8>>;
    /// Whether the object asks for no verification, which the API server refuses beside a bundle.
    fn is_unverified(&self) -> bool;
    /// Makes all of them the same.
    fn fill(&mut self, bundle: &[u8]);
    /// Writes them back. The resource version guards what changed meanwhile.
    fn write(&self, api: &Api<Self>, name: &str) -> impl Future<Output = kube::Result<()>> + Send;
}

impl Bundled for APIService {
    fn bundles(&self) -> Vec<Vec<u8>> {
        let bundle = self.spec.as_ref().and_then(|spec| spec.ca_bundle.as_ref());
        vec![bundle.map(|bundle| bundle.0.clone()).unwrap_or_default()]
    }

    fn is_unverified(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.insecure_skip_tls_verify == Some(true))
    }

    fn fill(&mut self, bundle: &[u8]) {
        if let Some(spec) = &mut self.spec {
            spec.ca_bundle = Some(ByteString(bundle.to_vec()));
        }
    }

    async fn write(&self, api: &Api<Self>, name: &str) -> kube::Result<()> {
        let bundle = self.spec.as_ref().and_then(|spec| spec.ca_bundle.as_ref());
        let mut patch = json!({
            "metadata": {"resourceVersion": self.metadata.resource_version},
            "spec": {"caBundle": bundle},
        });
        // Many manifests set it for the time before.
        if self.is_unverified() {
            patch["spec"]["insecureSkipTLSVerify"] = serde_json::Value::Null;
        }
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    }
}

impl Bundled for ValidatingWebhookConfiguration {
    fn bundles(&self) -> Vec<Vec<u8>> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks
            .map(|webhook| webhook.client_config.ca_bundle.as_ref().map(|b| b.0.clone()).unwrap_or_default())
            .collect()
    }

    fn is_unverified(&self) -> bool {
        false
    }

    fn fill(&mut self, bundle: &[u8]) {
        for webhook in self.webhooks.iter_mut().flatten() {
            webhook.client_config.ca_bundle = Some(ByteString(bundle.to_vec()));
        }
    }

    async fn write(&self, api: &Api<Self>, name: &str) -> kube::Result<()> {
        // A list cannot be merged, so all is written back.
        api.replace(name, &PostParams::default(), self).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_webhook_gets_the_bundle() {
        let webhook =
            json!({"name": "a", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {}});
        let mut configuration: ValidatingWebhookConfiguration =
            serde_json::from_value(json!({"webhooks": [webhook, webhook]})).unwrap();
        assert_eq!(configuration.bundles(), [b"".to_vec(), b"".to_vec()]);
        configuration.fill(b"ca");
        assert_eq!(configuration.bundles(), [b"ca".to_vec(), b"ca".to_vec()]);
    }

    #[test]
    fn cert_manager_is_left_alone_where_it_is_asked_to_write() {
        let annotated =
            |name: &str, value: &str| is_injected(Some(&BTreeMap::from([(name.to_owned(), value.to_owned())])));
        assert!(annotated("cert-manager.io/inject-ca-from", "ebb-system/ebb"));
        assert!(annotated("cert-manager.io/inject-ca-from-secret", "ebb-system/ebb"));
        assert!(annotated("cert-manager.io/inject-apiserver-ca", "true"));
        assert!(!annotated("cert-manager.io/inject-apiserver-ca", "false"));
        assert!(!annotated("app", "ebb"));
        assert!(!is_injected(None));
    }
}
