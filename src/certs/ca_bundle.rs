//! Writes the authorities' certificates into the objects in which the API server looks for them, and keeps them right.
//!
//! It writes only if the field differs, and only that one field. If cert-manager writes the field, it only reads it. It
//! never writes an object that leads to another Service than Ebb's own: that is KEDA's, beside which a user tries Ebb,
//! or a second Ebb's.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::CertsConfig;
use super::bundle::{self, Overlap};
use super::hints::hints;
use super::trusted::{Line, Trusted};

/// The interval of checks, besides one at each change: once in a sync of the HPA controller, which gets no metrics
/// while the bundle is wrong.
const CHECK: Duration = Duration::from_secs(15);
/// The interval of checks while the bundle is not right yet.
const RETRY: Duration = Duration::from_secs(2);
/// The pause after another writer was faster.
const AGAIN: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(10);

/// The annotations with which a user asks cert-manager to write the bundle.
const INJECTED: [&str; 3] =
    ["cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret", "cert-manager.io/inject-apiserver-ca"];

/// An object of the API server with a field for the authorities' certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaBundle {
    /// The `APIService` of this name.
    ApiService(String),
    /// All webhooks in the `ValidatingWebhookConfiguration` of this name.
    ValidatingWebhook(String),
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// The object has this bundle, which is right.
    Right(String),
    /// The check wrote this bundle; `replaced` if the object had another one.
    Written { bundle: String, replaced: bool },
    /// cert-manager writes the bundle, and has written this one.
    Injected(String),
    /// There is no authority to write.
    Nothing,
    /// The object leads to another Service.
    Foreign,
    /// The object does not exist.
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
    /// Another program changed the object between the read and the write.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.code == 409)
    }
}

impl CaBundle {
    /// Keeps the authorities in the object until `shutdown`, if it leads to one of the Services in `own`. It writes at
    /// once when the authorities change, or when another program changes or recreates the object. `watching` is a
    /// client without a time limit.
    ///
    /// A change of the authority waits for this object from this call on, not only from the first poll of the future.
    pub fn keep(
        self,
        watching: Client,
        own: CertsConfig,
        trusted: Trusted,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let line = trusted.line();
        async move {
            tokio::select! {
                () = self.keep_for_ever(watching, own, trusted, line) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    async fn keep_for_ever(self, client: Client, own: CertsConfig, mut trusted: Trusted, line: Line) {
        let (kind, name) = self.describe();
        let mut changes = self.changes(client.clone());
        let mut overlap = Overlap::default();
        let mut logged = Logged::default();
        loop {
            let wanted = trusted.authorities();
            let look = self.look(&client, &own, &wanted, &mut overlap);
            let outcome = timeout(LIMIT, look).await.unwrap_or(Err(BundleError::Timeout));
            if !matches!(outcome, Ok(Outcome::Foreign | Outcome::Absent) | Err(_)) {
                logged = Logged::default();
            }
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
                Ok(Outcome::Foreign) => {
                    line.nothing();
                    logged.once("foreign", || {
                        info!(kind, name, "the object leads to a Service that is not Ebb's; Ebb does not change it");
                    });
                    CHECK
                }
                Ok(Outcome::Absent) => {
                    line.nothing();
                    logged.once("absent", || {
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

    async fn look(
        &self,
        client: &Client,
        own: &CertsConfig,
        wanted: &str,
        overlap: &mut Overlap,
    ) -> Result<Outcome, BundleError> {
        match self {
            Self::ApiService(name) => ensure::<APIService>(client, name, own, wanted, overlap).await,
            Self::ValidatingWebhook(name) => {
                ensure::<ValidatingWebhookConfiguration>(client, name, own, wanted, overlap).await
            }
        }
    }
}

/// The last logged result, so that it is not logged again.
#[derive(Default)]
struct Logged(Option<&'static str>);

impl Logged {
    fn once(&mut self, what: &'static str, say: impl FnOnce()) {
        if self.0.replace(what) != Some(what) {
            say();
        }
    }
}

async fn ensure<K: Bundled>(
    client: &Client,
    name: &str,
    own: &CertsConfig,
    wanted: &str,
    overlap: &mut Overlap,
) -> Result<Outcome, BundleError> {
    let api: Api<K> = Api::all(client.clone());
    let Some(mut object) = api.get_opt(name).await? else { return Ok(Outcome::Absent) };
    let present = object.bundles(own);
    if present.is_empty() {
        return Ok(Outcome::Foreign);
    }
    let first = || String::from_utf8_lossy(present.first().map_or(&[][..], Vec::as_slice)).into_owned();
    if is_injected(object.meta().annotations.as_ref()) {
        return Ok(Outcome::Injected(first()));
    }
    if wanted.is_empty() {
        return Ok(Outcome::Nothing);
    }
    // All webhooks of an object get the same bundle, so the old authorities stay in all of them.
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
    object.fill(right.as_bytes(), own);
    match object.write(&api, name).await {
        Ok(()) => Ok(Outcome::Written { bundle: right, replaced }),
        // The object was deleted between two calls.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Outcome::Absent),
        Err(error) => Err(error.into()),
    }
}

fn is_injected(annotations: Option<&BTreeMap<String, String>>) -> bool {
    annotations.is_some_and(|annotations| {
        INJECTED.iter().any(|name| annotations.get(*name).is_some_and(|value| !value.is_empty() && value != "false"))
    })
}

/// A kind of object with bundles.
trait Bundled: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync {
    /// The bundles of the entries that lead to Ebb's own Services. A missing bundle is empty.
    fn bundles(&self, own: &CertsConfig) -> Vec<Vec<u8>>;
    /// Whether the object disables verification. The API server refuses that together with a bundle.
    fn is_unverified(&self) -> bool;
    /// Sets all these bundles to the same value.
    fn fill(&mut self, bundle: &[u8], own: &CertsConfig);
    /// Writes the bundles. The resource version protects changes that others made meanwhile.
    fn write(&self, api: &Api<Self>, name: &str) -> impl Future<Output = kube::Result<()>> + Send;
}

impl Bundled for APIService {
    fn bundles(&self, own: &CertsConfig) -> Vec<Vec<u8>> {
        let service = self.spec.as_ref().and_then(|spec| spec.service.as_ref());
        let is_own = service.is_some_and(|service| {
            own.serves(service.namespace.as_deref().unwrap_or_default(), service.name.as_deref().unwrap_or_default())
        });
        let bundle = self.spec.as_ref().and_then(|spec| spec.ca_bundle.as_ref());
        is_own.then(|| bundle.map(|bundle| bundle.0.clone()).unwrap_or_default()).into_iter().collect()
    }

    fn is_unverified(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.insecure_skip_tls_verify == Some(true))
    }

    fn fill(&mut self, bundle: &[u8], _: &CertsConfig) {
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
        // Many manifests disable verification for the time before the bundle is written.
        if self.is_unverified() {
            patch["spec"]["insecureSkipTLSVerify"] = serde_json::Value::Null;
        }
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    }
}

impl Bundled for ValidatingWebhookConfiguration {
    fn bundles(&self, own: &CertsConfig) -> Vec<Vec<u8>> {
        let webhooks = self.webhooks.iter().flatten().filter(|webhook| leads_to(webhook, own));
        webhooks
            .map(|webhook| webhook.client_config.ca_bundle.as_ref().map(|b| b.0.clone()).unwrap_or_default())
            .collect()
    }

    fn is_unverified(&self) -> bool {
        false
    }

    fn fill(&mut self, bundle: &[u8], own: &CertsConfig) {
        for webhook in self.webhooks.iter_mut().flatten().filter(|webhook| leads_to(webhook, own)) {
            webhook.client_config.ca_bundle = Some(ByteString(bundle.to_vec()));
        }
    }

    async fn write(&self, api: &Api<Self>, name: &str) -> kube::Result<()> {
        // A merge patch cannot change one entry of a list, so the whole object is written.
        api.replace(name, &PostParams::default(), self).await.map(drop)
    }
}

/// Whether the API server calls a webhook at one of these Services. A webhook with a URL was set up by hand,
/// for this Ebb.
fn leads_to(webhook: &ValidatingWebhook, own: &CertsConfig) -> bool {
    let service = webhook.client_config.service.as_ref();
    service.is_none_or(|service| own.serves(&service.namespace, &service.name))
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    fn own() -> CertsConfig {
        CertsConfig { namespace: "ebb".into(), source: Source::Own("certs".into()), services: vec!["ebb".into()] }
    }

    #[test]
    fn every_webhook_that_leads_to_ebb_gets_the_bundle() {
        let webhook = |service: Option<(&str, &str)>| {
            let service = service.map(|(namespace, name)| json!({"namespace": namespace, "name": name}));
            json!({
                "name": "a", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"service": service},
            })
        };
        let webhooks = [Some(("ebb", "ebb")), Some(("keda", "keda-admission-webhooks")), Some(("keda", "ebb")), None];
        let mut configuration: ValidatingWebhookConfiguration =
            serde_json::from_value(json!({"webhooks": webhooks.map(webhook)})).unwrap();
        assert_eq!(configuration.bundles(&own()), [b"".to_vec(), b"".to_vec()]);
        configuration.fill(b"ca", &own());
        assert_eq!(configuration.bundles(&own()), [b"ca".to_vec(), b"ca".to_vec()]);
        let filled = configuration.webhooks.iter().flatten().map(|webhook| webhook.client_config.ca_bundle.is_some());
        assert_eq!(filled.collect::<Vec<_>>(), [true, false, false, true]);
    }

    #[test]
    fn an_api_service_that_leads_elsewhere_is_no_ones_business() {
        let bundles = |service: serde_json::Value| {
            let spec = json!({
                "group": "g", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "service": service,
            });
            serde_json::from_value::<APIService>(json!({"spec": spec})).unwrap().bundles(&own())
        };
        assert_eq!(bundles(json!({"namespace": "ebb", "name": "ebb"})), [b"".to_vec()]);
        let none: [Vec<u8>; 0] = [];
        assert_eq!(bundles(json!({"namespace": "keda", "name": "keda-operator-metrics-apiserver"})), none);
        assert_eq!(bundles(json!(null)), none);
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
