//! The endpoint of an AMQP connection: address, virtual host and credentials.

use std::fmt;

use crate::net::tls::Tls;

/// The address and the credentials of a connection. Triggers with equal endpoints share one connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(EndpointParts);

/// The parts of an [`Endpoint`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EndpointParts {
    /// `amqps` instead of `amqp`, and the trusted authorities.
    pub tls: Option<Tls>,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The credentials.
    pub login: Login,
    /// Virtual host; empty for the default one, `/`.
    pub vhost: String,
}

/// The credentials of a connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Login {
    /// By user and password.
    Password {
        /// Its name.
        user: String,
        /// Never printed.
        password: String,
        /// How both are sent.
        mechanism: Mechanism,
    },
    /// The broker takes the user from the client's certificate (SASL EXTERNAL).
    Certificate,
}

/// How user and password are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SASL PLAIN.
    Plain,
    /// RabbitMQ's older form of it.
    AmqPlain,
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "user {user:?}"),
            Self::Certificate => f.write_str("the user in the client certificate"),
        }
    }
}

impl Endpoint {
    /// An endpoint; an empty virtual host means `/`, as in KEDA.
    pub fn new(mut parts: EndpointParts) -> Self {
        if parts.vhost.is_empty() {
            "/".clone_into(&mut parts.vhost);
        }
        Self(parts)
    }

    /// `host:port`.
    pub fn broker(&self) -> String {
        format!("{}:{}", self.0.host, self.0.port)
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// The host and the port.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.0.host, self.0.port)
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.0.tls.as_ref()
    }

    pub(super) fn login(&self) -> &Login {
        &self.0.login
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({} at {}, vhost {:?})", self.0.login, self.broker(), self.0.vhost)
    }
}
