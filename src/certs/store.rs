//! The Secret that holds the certificates. Whether they are good is `authority`'s business; this file reads,
//! writes, and takes what another replica has written when that one was faster. A Secret that cert-manager fills is read
//! only.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::timeout;
use tracing::info;

use super::authority::{Judgement, MakeError, Pair};
use super::hints::hints;
use super::serving::ServingError;

/// For one call of the API server.
const LIMIT: Duration = Duration::from_secs(10);
/// How often a race with other replicas is tried again; each round somebody wins, so few are needed.
const ROUNDS: u32 = 5;

const SECRET_TYPE: &str = "kubernetes.io/tls";

/// What cert-manager writes on each Secret that it fills.
const CERT_MANAGER: &str = "cert-manager.io/certificate-name";

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
    /// Somebody else makes the certificates, and they are not there.
    #[error("{0}")]
    NotThere(String),
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

    /// The pair in the Secret, after making good what is missing, damaged or near its end. `known` is what this process
    /// has shown so far: its authority stays trusted when a new one is made.
    pub async fn ensure(&self, names: &[String], known: Option<&Pair>, now: DateTime<Utc>) -> Result<Pair, CertsError> {
        for _ in 0..ROUNDS {
            let present = self.limited("get", self.api.get_opt(&self.name)).await?;
            let written = match present {
                None => {
                    info!(secret = self.name, "making a certificate authority: there is none");
                    let pair = match known {
                        Some(known) => Pair::make_after(known, names, now)?,
                        None => Pair::make(names, now)?,
                    };
                    let secret = self.fill(Secret::default(), &pair);
                    self.limited("create", self.api.create(&PostParams::default(), &secret)).await
                }
                Some(secret) if is_foreign(&secret) => return self.foreign(&secret),
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
                            Pair::make_after(known.unwrap_or(&pair), names, now)?
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
                Err(CertsError::Api { verb, source, .. }) if lost_race(verb, &source) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CertsError::Contended { namespace: self.namespace.clone(), name: self.name.clone() })
    }

    /// The pair in the Secret, which somebody else fills.
    pub async fn read(&self) -> Result<Pair, CertsError> {
        match self.limited("get", self.api.get_opt(&self.name)).await? {
            Some(secret) => self.foreign(&secret),
            None => Err(self.not_there("it does not exist")),
        }
    }

    /// Something for every change of the Secret, as far as it can be watched.
    pub fn changes(&self, watching: Client) -> BoxStream<'static, ()> {
        hints(Api::<Secret>::namespaced(watching, &self.namespace), &self.name)
    }

    fn foreign(&self, secret: &Secret) -> Result<Pair, CertsError> {
        let pair = read(secret);
        if pair.certificate.is_empty() || pair.key.is_empty() {
            return Err(self.not_there("it has no tls.crt and tls.key yet"));
        }
        Ok(Pair { ca_key: String::new(), ..pair })
    }

    fn not_there(&self, why: &str) -> CertsError {
        let (namespace, name) = (&self.namespace, &self.name);
        CertsError::NotThere(format!(
            "the Secret {namespace}/{name}, which Ebb does not write, holds no certificate: {why}"
        ))
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

/// Somebody wrote it meanwhile, or deleted it.
fn lost_race(verb: &str, error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || (status.code == 404 && verb == "update"))
}

fn is_foreign(secret: &Secret) -> bool {
    secret.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(CERT_MANAGER))
}

/// What the Secret holds; absent entries are empty, which no judgement lets pass.
fn read(secret: &Secret) -> Pair {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).unwrap_or_default()
    };
    Pair { ca: text("ca.crt"), ca_key: text("ca.key"), certificate: text("tls.crt"), key: text("tls.key") }
}
