//! The address of a Kafka cluster and the way to authenticate. Triggers with the same endpoint share a client.

use std::fmt;

use crate::net::oauth::{Account, ClientCredentials};
use crate::net::tls::Tls;

/// A cluster and the credentials for it. Triggers with equal endpoints share one client.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `bootstrapServers`, separated by commas.
    pub(super) brokers: String,
    pub(super) tls: Option<Tls>,
    pub(super) sasl: Option<Sasl>,
}

/// The client's credentials.
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

impl Endpoint {
    /// How errors call the cluster.
    pub(super) fn broker(&self) -> String {
        format!("Kafka at {}", self.brokers)
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
            tls: Some(Tls::default()),
            sasl: Some(Sasl::Password {
                mechanism: Mechanism::Plain,
                username: "u".into(),
                password: "hunter2".into(),
            }),
        };
        assert_eq!(format!("{endpoint:?}"), "Endpoint(u@kafka:9092, tls)");
    }
}
