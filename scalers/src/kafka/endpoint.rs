//! Where a Kafka cluster is and how to be let in; what triggers must have in common to share a client.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::oauth::{Account, ClientCredentials};
use crate::tls::Authorities;

/// A cluster and as whom to ask it. Triggers with equal endpoints share one client.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `bootstrapServers`, separated by commas.
    pub(super) brokers: String,
    pub(super) tls: Option<TlsSettings>,
    pub(super) sasl: Option<Sasl>,
}

/// What `tls: enable` comes with, as PEM texts: librdkafka has OpenSSL read them.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct TlsSettings {
    pub(super) ca: Option<String>,
    /// The client's certificate and key.
    pub(super) identity: Option<(String, String)>,
    pub(super) key_password: Option<String>,
    /// Any server is let be.
    pub(super) unsafe_ssl: bool,
}

/// How the client proves who it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Sasl {
    /// A name and a password.
    Password { mechanism: Mechanism, username: String, password: String },
    /// A token (RFC 7628) with SASL extensions (KIP-342).
    Bearer { account: Account, extensions: Vec<(String, String)> },
}

/// How a password is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// How long a connection may take to be made, and a handshake to be answered.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest answer that is taken, in bytes: the partitions of thousands of topics are a few million.
const LONGEST_ANSWER: u32 = 16 << 20;

impl Endpoint {
    /// How errors call the cluster.
    pub(super) fn broker(&self) -> String {
        format!("Kafka at {}", self.brokers)
    }

    /// The client's configuration for librdkafka (its CONFIGURATION.md), with whom everybody trusts.
    pub(super) fn config(&self, authorities: &Authorities) -> ClientConfig {
        let mut config = ClientConfig::new();
        let mut set = |key: &str, value: &str| {
            config.set(key, value);
        };
        set("bootstrap.servers", &self.brokers);
        set("client.id", "ebb");
        set("socket.connection.setup.timeout.ms", &CONNECT.as_millis().to_string());
        set("api.version.request.timeout.ms", &CONNECT.as_millis().to_string());
        set("socket.timeout.ms", "10000");
        set("socket.keepalive.enable", "true");
        // What is no broker at all may announce an answer of any size.
        set("fetch.max.bytes", "1048576");
        set("receive.message.max.bytes", &LONGEST_ANSWER.to_string());
        set("reconnect.backoff.ms", "100");
        set("reconnect.backoff.max.ms", "2000");
        // Brokers may have more than one address, not all of them reachable: each attempt takes the next.
        set("broker.address.family", "any");
        set("log.connection.close", "false");
        set("topic.metadata.refresh.interval.ms", "60000");
        // A topic that was made again has other leaders; they are known within this time or at the first refusal.
        set("metadata.max.age.ms", "120000");
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            // Without any it trusts the system's.
            let trusted = [tls.ca.clone(), authorities.pem()];
            if trusted.iter().any(Option::is_some) {
                set("ssl.ca.pem", &trusted.into_iter().flatten().collect::<Vec<_>>().join("\n"));
            }
            if let Some((certificate, key)) = &tls.identity {
                set("ssl.certificate.pem", certificate);
                set("ssl.key.pem", key);
            }
            if let Some(password) = &tls.key_password {
                set("ssl.key.password", password);
            }
            if tls.unsafe_ssl {
                set("enable.ssl.certificate.verification", "false");
                set("ssl.endpoint.identification.algorithm", "none");
            }
        }
        match &self.sasl {
            None => {}
            Some(Sasl::Password { mechanism, username, password }) => {
                set("sasl.mechanism", mechanism.as_str());
                set("sasl.username", username);
                set("sasl.password", password);
            }
            Some(Sasl::Bearer { .. }) => set("sasl.mechanism", "OAUTHBEARER"),
        }
        config.set_log_level(RDKafkaLogLevel::Error);
        config
    }
}

impl Mechanism {
    fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match &self.sasl {
            None => "nobody",
            Some(Sasl::Password { username, .. }) => username,
            Some(Sasl::Bearer {
                account: Account { credentials: ClientCredentials { client_id, .. }, .. }, ..
            }) => client_id,
        };
        write!(f, "Endpoint({user}@{}{})", self.brokers, if self.tls.is_some() { ", tls" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_printed() {
        let endpoint = Endpoint {
            brokers: "kafka:9092".into(),
            tls: Some(TlsSettings {
                identity: Some(("cert".into(), "hunter2".into())),
                key_password: Some("hunter2".into()),
                ..TlsSettings::default()
            }),
            sasl: Some(Sasl::Password {
                mechanism: Mechanism::Plain,
                username: "u".into(),
                password: "hunter2".into(),
            }),
        };
        assert_eq!(format!("{endpoint:?}"), "Endpoint(u@kafka:9092, tls)");
    }
}
