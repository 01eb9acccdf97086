//! The Secret with the certificates. This module reads and writes it, and takes over the certificates of another
//! replica that was faster. `authority` validates them. A Secret that cert-manager writes is only read.

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

/// The time limit of one call of the API server.
const LIMIT: Duration = Duration::from_secs(10);
/// The maximum of attempts in a race with other replicas. One replica wins each round, so few rounds are needed.
const ROUNDS: u32 = 5;

const SECRET_TYPE: &str = "kubernetes.io/tls";

/// The annotation that cert-manager sets on each Secret that it writes.
const CERT_MANAGER: &str = "cert-manager.io/certificate-name";

/// The reason why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// They could not be created.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// They cannot be presented.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// The API server refused or could not be reached.
    #[error("cannot {verb} the Secret {namespace}/{name}: {source}; Ebb needs get, create and update on it")]
    Api {
        /// The attempted action.
        verb: &'static str,
        /// Ebb's namespace.
        namespace: String,
        /// The Secret.
        name: String,
        /// The API server's error.
        source: Box<kube::Error>,
    },
    /// The API server did not answer.
    #[error("cannot {verb} the Secret {namespace}/{name}: no answer within {} s", LIMIT.as_secs())]
    Timeout {
        /// The attempted action.
        verb: &'static str,
        /// Ebb's namespace.
        namespace: String,
        /// The Secret.
        name: String,
    },
    /// Another program creates the certificates, and they are missing.
    #[error("{0}")]
    NotThere(String),
    /// Another program overwrites the Secret again and again.
    #[error("the Secret {namespace}/{name} changes faster than it can be repaired: find the other writer")]
    Contended {
        /// Ebb's namespace.
        namespace: String,
        /// The Secret.
        name: String,
    },
}

/// The Secret as storage of one [`Pair`].
pub struct SecretStore {
    api: Api<Secret>,
    namespace: String,
    name: String,
}

impl SecretStore {
    /// The Secret `name` in `namespace`. This reads nothing.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The pair in the Secret. It is created or replaced first if it is missing, damaged or near its expiry. `known` is
    /// the pair that this process has presented so far: its authority stays trusted beside a new one.
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
                    // The resource version protects the certificates of a faster replica.
                    let secret = self.fill(secret, &new);
                    self.limited("update", self.api.replace(&self.name, &PostParams::default(), &secret)).await
                }
            };
            match written {
                Ok(secret) => return Ok(read(&secret)),
                // Another replica was faster. Read the Secret that it wrote.
                Err(CertsError::Api { verb, source, .. }) if lost_race(verb, &source) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CertsError::Contended { namespace: self.namespace.clone(), name: self.name.clone() })
    }

    /// The pair in a Secret that another program writes.
    pub async fn read(&self) -> Result<Pair, CertsError> {
        match self.limited("get", self.api.get_opt(&self.name)).await? {
            Some(secret) => self.foreign(&secret),
            None => Err(self.not_there("it does not exist")),
        }
    }

    /// A stream with an item for every change of the Secret, as far as it can be watched.
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
        // The type of a Secret cannot be changed, so a Secret that another program created keeps its type.
        secret.type_.get_or_insert_with(|| SECRET_TYPE.to_owned());
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            ..std::mem::take(&mut secret.metadata)
        };
        Secret { metadata, ..secret }
    }
}

/// Whether another program changed or deleted the Secret meanwhile.
fn lost_race(verb: &str, error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || (status.code == 404 && verb == "update"))
}

fn is_foreign(secret: &Secret) -> bool {
    secret.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(CERT_MANAGER))
}

/// The pair in the Secret. A missing entry is empty, which is never valid.
fn read(secret: &Secret) -> Pair {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).unwrap_or_default()
    };
    Pair { ca: text("ca.crt"), ca_key: text("ca.key"), certificate: text("tls.crt"), key: text("tls.key") }
}
