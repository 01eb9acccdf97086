//! The Secret that holds the certificates. Whether they are good is `authority`'s business; this file reads,
//! writes, and takes what another replica has written when that one was faster.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::timeout;
use tracing::info;

use super::authority::{Judgement, MakeError, Pair};
use super::serving::ServingError;

/// For one call of the API server.
const LIMIT: Duration = Duration::from_secs(10);
/// How often a race with other replicas is tried again; each round somebody wins, so few are needed.
const ROUNDS: u32 = 5;

const SECRET_TYPE: &str = "kubernetes.io/tls";

/// The certificates could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// They could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// They cannot be shown.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// The API server refused or could not be reached.
    #[error("cannot {verb} the Secret {namespace}/{name}: {source}; Ebb needs get, create and update on it")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Ebb's namespace.
        namespace: String,
        /// The Secret.
        name: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// The API server did not answer.
    #[error("cannot {verb} the Secret {namespace}/{name}: no answer within {} s", LIMIT.as_secs())]
    Timeout {
        /// What was tried.
        verb: &'static str,
        /// Ebb's namespace.
        namespace: String,
        /// The Secret.
        name: String,
    },
    /// Somebody writes the Secret over and over.
    #[error("the Secret {namespace}/{name} changes faster than it can be made good: see who else writes it")]
    Contended {
        /// Ebb's namespace.
        namespace: String,
        /// The Secret.
        name: String,
    },
}

/// The Secret, as a place for one [`Pair`].
pub struct SecretStore {
    api: Api<Secret>,
    namespace: String,
    name: String,
}

impl SecretStore {
    /// The Secret `name` in `namespace`; nothing is read yet.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The pair in the Secret, after making good what is missing, damaged or near its end.
    pub async fn ensure(&self, names: &[String], now: DateTime<Utc>) -> Result<Pair, CertsError> {
        for _ in 0..ROUNDS {
            let present = self.limited("get", self.api.get_opt(&self.name)).await?;
            let written = match present {
                None => {
                    info!(secret = self.name, "making a certificate authority: there is none yet");
                    let secret = self.fill(Secret::default(), &Pair::make(names, now)?);
                    self.limited("create", self.api.create(&PostParams::default(), &secret)).await
                }
                Some(secret) => {
                    let pair = read(&secret);
                    let new = match pair.judge(names, now) {
                        Judgement::Good => return Ok(pair),
                        Judgement::RenewServing(why) => {
                            info!(secret = self.name, why, "renewing the serving certificate");
                            pair.renew_serving(names, now)?
                        }
                        Judgement::RenewAll(why) => {
                            info!(secret = self.name, why, "making a new certificate authority");
                            pair.renew_all(names, now)?
                        }
                    };
                    // The resource version goes along, so that a faster replica's work is not overwritten.
                    let secret = self.fill(secret, &new);
                    self.limited("update", self.api.replace(&self.name, &PostParams::default(), &secret)).await
                }
            };
            match written {
                Ok(secret) => return Ok(read(&secret)),
                // Somebody else was faster, so what they wrote is looked at.
                Err(CertsError::Api { source, .. }) if lost_race(&source) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CertsError::Contended { namespace: self.namespace.clone(), name: self.name.clone() })
    }

    async fn limited<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, CertsError> {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        match timeout(LIMIT, call).await {
            Ok(answer) => answer.map_err(|error| CertsError::Api { verb, namespace, name, source: Box::new(error) }),
            Err(_) => Err(CertsError::Timeout { verb, namespace, name }),
        }
    }

    /// `secret` with the pair in it. Labels, annotations and foreign entries stay.
    fn fill(&self, mut secret: Secret, pair: &Pair) -> Secret {
        let entries =
            [("ca.crt", &pair.ca), ("ca.key", &pair.ca_key), ("tls.crt", &pair.certificate), ("tls.key", &pair.key)];
        let data = secret.data.get_or_insert_with(BTreeMap::new);
        for (key, pem) in entries {
            data.insert(key.to_owned(), ByteString(pem.clone().into_bytes()));
        }
        // The type of a Secret cannot be changed, so one that somebody else has made keeps its own.
        secret.type_.get_or_insert_with(|| SECRET_TYPE.to_owned());
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            ..std::mem::take(&mut secret.metadata)
        };
        Secret { metadata, ..secret }
    }
}

fn lost_race(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// What the Secret holds; absent entries are empty, which no judgement lets pass.
fn read(secret: &Secret) -> Pair {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).unwrap_or_default()
    };
    Pair { ca: text("ca.crt"), ca_key: text("ca.key"), certificate: text("tls.crt"), key: text("tls.key") }
}
