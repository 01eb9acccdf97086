//! Reads of the objects that a ScaledObject refers to: Secrets, ConfigMaps, files, tokens of service accounts.
//!
//! Within one check each object is read once, and checks that read the same at the same time share the read. Afterwards
//! only the versions are kept, and tokens, which are made to be reused.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ebb_scalers::pool::SingleFlight;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::authentication::file;
use super::authentication::token::Tokens;
use super::context::ReferenceSettings;
use super::references::{Kind, ReadVersions, Reference, Version};
use ebb_plan::names::is_object_name;

/// The error of an object that a ScaledObject refers to.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// It is not there; it may come.
    #[error("{0}")]
    Missing(String),
    /// The reference itself is mistaken.
    #[error("{0}")]
    Wrong(String),
    /// The API server did not answer, or refused.
    #[error("{what}: {cause}")]
    Api { what: String, cause: Arc<kube::Error> },
}

/// The values of parameters, variables or keys, by name.
pub(super) type Values = BTreeMap<String, String>;

/// A Secret or ConfigMap as it was read.
struct Content {
    values: Values,
    version: Version,
}

type Answer = Result<Option<Arc<Content>>, Arc<kube::Error>>;

/// The sources of all checks.
pub(super) struct Sources {
    client: Client,
    tokens: Tokens,
    file_root: Option<PathBuf>,
    /// The only namespace whose Secrets may be read.
    secrets_only_in: Option<String>,
    under_way: SingleFlight<Reference, Answer>,
}

impl Sources {
    pub(super) fn new(client: Client, references: &ReferenceSettings) -> Self {
        Self {
            tokens: Tokens::new(client.clone(), references.token_life),
            file_root: references.file_root.clone(),
            secrets_only_in: references.restrict_secrets.then(|| references.cluster_namespace.clone()),
            under_way: SingleFlight::default(),
            client,
        }
    }
}

/// Refuses a name that no object can have: a request for `auth?x` would read the object `auth`.
pub(super) fn object_name(what: &str, name: &str) -> Result<(), LookupError> {
    let wrong =
        || LookupError::Wrong(format!("{what}: that is no name of an object: write letters, digits, '-' and '.'"));
    is_object_name(name).then_some(()).ok_or_else(wrong)
}

/// A reader for one check of one ScaledObject.
pub(super) struct Lookup<'a> {
    sources: &'a Sources,
    /// Whether the triggers of the last reads do not work.
    force_refresh: bool,
    done: Mutex<HashMap<Reference, Option<Arc<Content>>>>,
    read_set: parking_lot::Mutex<ReadSet>,
}

/// The versions and tokens that a check has read.
#[derive(Debug, Default)]
pub(super) struct ReadSet {
    /// The versions.
    pub(super) read: ReadVersions,
    /// When the first token is to be renewed.
    pub(super) renew_at: Option<Instant>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(sources: &'a Sources, force_refresh: bool) -> Self {
        Self { sources, force_refresh, done: Mutex::default(), read_set: parking_lot::Mutex::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.sources.client
    }

    /// The reads up to now, also of objects that are not there.
    pub(super) fn read_set(self) -> ReadSet {
        self.read_set.into_inner()
    }

    /// A Secret's values as text. A missing one is empty if `optional`, else an error.
    pub(super) async fn secret(&self, namespace: &str, name: &str, optional: bool) -> Result<Values, LookupError> {
        self.values(Kind::Secret, namespace, name, optional).await
    }

    /// A ConfigMap's values. A missing one is empty if `optional`, else an error.
    pub(super) async fn config_map(&self, namespace: &str, name: &str, optional: bool) -> Result<Values, LookupError> {
        self.values(Kind::ConfigMap, namespace, name, optional).await
    }

    /// The parameters in a file below the allowed folder.
    pub(super) async fn file(&self, path: &str) -> Result<Values, LookupError> {
        let root = self.sources.file_root.as_deref();
        if root.is_some() {
            // Its state before it is read: a change in between is seen as one.
            let version = file::version(root, path).await;
            self.note(Reference { kind: Kind::File, namespace: String::new(), name: path.to_owned() }, version);
        }
        file::read(root, path).await
    }

    /// A token of a service account.
    pub(super) async fn token(&self, namespace: &str, account: &str) -> Result<String, LookupError> {
        let missing = |why: &str| LookupError::Missing(format!("ServiceAccount {namespace}/{account} {why}"));
        object_name(&format!("ServiceAccount {account:?}"), account)?;
        match self.sources.tokens.get(namespace, account, self.force_refresh).await {
            Ok(token) => {
                let mut read_set = self.read_set.lock();
                read_set.renew_at = Some(read_set.renew_at.map_or(token.renew_at, |first| first.min(token.renew_at)));
                Ok(token.text)
            }
            Err(cause) => match &*cause {
                kube::Error::Api(status) if status.code == 404 => Err(missing("not found")),
                kube::Error::Api(status) if status.code == 403 => Err(missing(&format!(
                    "is not to be used: allow Ebb's service account the verb create on serviceaccounts/token with resourceNames [{account}] in namespace {namespace} ({})",
                    status.message
                ))),
                _ => Err(LookupError::Api {
                    what: format!("cannot get a token of ServiceAccount {namespace}/{account}"),
                    cause,
                }),
            },
        }
    }

    async fn values(&self, kind: Kind, namespace: &str, name: &str, optional: bool) -> Result<Values, LookupError> {
        let reference = Reference { kind, namespace: namespace.to_owned(), name: name.to_owned() };
        if kind == Kind::Secret
            && let Some(allowed) = self.sources.secrets_only_in.as_ref().filter(|allowed| *allowed != namespace)
        {
            return Err(LookupError::Wrong(format!(
                "{reference} is not read, as KEDA_RESTRICT_SECRET_ACCESS allows Secrets of namespace {allowed:?} only: \
                 put it there and refer to it in a ClusterTriggerAuthentication"
            )));
        }
        object_name(&reference.to_string(), name)?;
        let mut done = self.done.lock().await;
        let found = if let Some(found) = done.get(&reference) {
            found.clone()
        } else {
            self.note(reference.clone(), Version::Unknown);
            let read = read(self.sources.client.clone(), reference.clone());
            let found = self.sources.under_way.join(&reference, read).await;
            let found = found.map_err(|cause| LookupError::Api { what: format!("cannot read {reference}"), cause })?;
            self.note(reference.clone(), found.as_ref().map_or(Version::Absent, |found| found.version));
            done.insert(reference.clone(), found.clone());
            found
        };
        match found {
            Some(found) => Ok(found.values.clone()),
            None if optional => Ok(Values::new()),
            None => Err(LookupError::Missing(format!("{reference} not found"))),
        }
    }

    fn note(&self, reference: Reference, version: Version) {
        self.read_set.lock().read.insert(reference, version);
    }
}

impl ReadSet {
    /// How long until the first token is to be renewed.
    pub(super) fn renew_in(&self, now: Instant) -> Option<Duration> {
        self.renew_at.map(|at| at.saturating_duration_since(now))
    }
}

async fn read(client: Client, reference: Reference) -> Answer {
    let Reference { kind, namespace, name } = reference;
    let found = match kind {
        Kind::Secret => {
            let api: Api<Secret> = Api::namespaced(client, &namespace);
            let text = |(key, value): (_, ByteString)| (key, String::from_utf8_lossy(&value.0).into_owned());
            let found = api.get_opt(&name).await?;
            found.map(|secret| content(&secret.metadata, secret.data.into_iter().flatten().map(text).collect()))
        }
        Kind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
            let found = api.get_opt(&name).await?;
            found.map(|map| content(&map.metadata, map.data.unwrap_or_default()))
        }
        // Files are not at the API server.
        Kind::File => None,
    };
    Ok(found.map(Arc::new))
}

fn content(metadata: &ObjectMeta, values: Values) -> Content {
    Content { values, version: Version::of(&metadata.resource_version) }
}
