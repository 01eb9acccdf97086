//! The endpoint of a management API: address and credentials.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::net::oauth::Account;
use crate::net::tls::Tls;

/// The credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// As nobody, or with the certificate of the TLS settings.
    Anonymous,
    /// User and password, which is never printed.
    Basic(String, String),
    /// With a token that OAuth 2.0 gives.
    Bearer(Account),
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("nobody"),
            Self::Basic(user, _) => write!(f, "user {user:?}"),
            Self::Bearer(account) => write!(f, "client {:?}", account.credentials.client_id),
        }
    }
}

/// Where the management API is and how to talk to it. Triggers with equal endpoints share one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The URL below which `/api` lies, without credentials.
    pub base: Url,
    /// The credentials.
    pub identity: Identity,
    /// The trusted authorities.
    pub tls: Tls,
    /// How long one exchange may take. None: as long as in all clients.
    pub timeout: Option<Duration>,
}
