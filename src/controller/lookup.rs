//! Reads of Secrets and ConfigMaps that a ScaledObject refers to. Within one check each is fetched once.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tokio::sync::Mutex;

/// Why something that a ScaledObject refers to cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// It is not there; it may come.
    #[error("{0}")]
    Missing(String),
    /// What refers to it is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The API server did not answer, or refused.
    #[error("{what}: {cause}")]
    Api { what: String, cause: Box<kube::Error> },
}

type Values = BTreeMap<String, String>;

/// A reader for one check of one ScaledObject.
pub(super) struct Lookup {
    client: Client,
    secrets: Mutex<HashMap<(String, String), Option<Values>>>,
    config_maps: Mutex<HashMap<(String, String), Option<Values>>>,
}

impl Lookup {
    pub(super) fn new(client: Client) -> Self {
        Self { client, secrets: Mutex::default(), config_maps: Mutex::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A Secret's values as text. A missing one is empty if `optional`, else an error.
    pub(super) async fn secret(&self, namespace: &str, name: &str, optional: bool) -> Result<Values, LookupError> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut secrets = self.secrets.lock().await;
        if !secrets.contains_key(&key) {
            let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
            let found = api.get_opt(name).await.map_err(|cause| LookupError::Api {
                what: format!("cannot read Secret {namespace}/{name}"),
                cause: Box::new(cause),
            })?;
            let text = |data: BTreeMap<_, k8s_openapi::ByteString>| {
                data.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned())).collect()
            };
            secrets.insert(key.clone(), found.map(|secret| secret.data.map(text).unwrap_or_default()));
        }
        found("Secret", &key, secrets.get(&key), optional)
    }

    /// A ConfigMap's values. A missing one is empty if `optional`, else an error.
    pub(super) async fn config_map(&self, namespace: &str, name: &str, optional: bool) -> Result<Values, LookupError> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut maps = self.config_maps.lock().await;
        if !maps.contains_key(&key) {
            let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
            let found = api.get_opt(name).await.map_err(|cause| LookupError::Api {
                what: format!("cannot read ConfigMap {namespace}/{name}"),
                cause: Box::new(cause),
            })?;
            maps.insert(key.clone(), found.map(|map| map.data.unwrap_or_default()));
        }
        found("ConfigMap", &key, maps.get(&key), optional)
    }
}

fn found(
    kind: &str,
    (namespace, name): &(String, String),
    values: Option<&Option<Values>>,
    optional: bool,
) -> Result<Values, LookupError> {
    match values {
        Some(Some(values)) => Ok(values.clone()),
        _ if optional => Ok(Values::new()),
        _ => Err(LookupError::Missing(format!("{kind} {namespace}/{name} not found"))),
    }
}
