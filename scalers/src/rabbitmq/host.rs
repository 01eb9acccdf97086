//! A `rabbitmq` trigger's `host`: an address that says protocol, credentials and virtual host in one.
//!
//! It is read by RFC 3986, as by Go's `net/url` and RabbitMQ's URI specification (rabbitmq.com/docs/uri-spec), and not
//! by the rules of browsers, which take dots, slashes and line ends out of a path.

mod path;
mod query;
mod uri;

use url::Url;

pub(super) use query::{AuthMechanism, Query};
use uri::{Unreadable, Uri};

/// The two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Amqp,
    Http,
}

/// The parts of an address.
pub(super) struct Host {
    /// `amqps` or `https`.
    pub(super) encrypted: bool,
    /// Name or address, an IPv6 one without brackets.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) user: Option<UserInfo>,
    /// The virtual host that the path names; empty for the default one.
    pub(super) vhost: String,
    /// With HTTP the address without credentials and virtual host, below which `/api` lies.
    pub(super) api: Option<Url>,
    /// The parameters behind `?`, which only AMQP has.
    pub(super) query: Query,
}

/// The part before the `@`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct UserInfo {
    pub(super) name: String,
    /// `None` without a colon. Never printed.
    pub(super) password: Option<String>,
}

const EXAMPLE: &str = "it must look like amqp://user:password@host:5672/vhost or http://user:password@host:15672/vhost";

impl Host {
    /// Reads an address. The error is KEDA's text where it has one, and never holds the address, which may hold a
    /// password.
    pub(super) fn parse(host: &str) -> Result<Self, String> {
        let (scheme, rest) = host.split_once(':').unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let (protocol, encrypted, default_port) = match scheme.as_str() {
            "amqp" => (Protocol::Amqp, false, 5672),
            "amqps" => (Protocol::Amqp, true, 5671),
            "http" => (Protocol::Http, false, 80),
            "https" => (Protocol::Http, true, 443),
            _ => return Err(unknown_scheme(&scheme)),
        };
        if protocol == Protocol::Amqp && rest.contains(' ') {
            return Err("URI must not contain whitespace: write a space in host as %20".into());
        }
        let uri = Uri::parse(rest)?;
        let name = uri.name()?.ok_or_else(|| format!("host names no machine: {EXAMPLE}"))?;
        let port = uri.port()?.unwrap_or(default_port);
        // In `http://user:p/ss@machine` the machine would be `user`, and the rest of the password a path.
        if [uri.path, uri.query, uri.fragment].iter().any(|part| part.contains('@')) {
            return Err(format!(
                "host holds an @ behind the machine's name: {EXAMPLE}, with the special characters of user, password \
                 and vhost percent-encoded (`/` as %2F, `@` as %40, `#` as %23, `?` as %3F)"
            ));
        }
        let user = uri.user_info()?;
        let (vhost, api, query) = match protocol {
            Protocol::Amqp => (path::amqp_vhost(uri.path), None, Query::parse(uri.query)?),
            Protocol::Http => {
                let (prefix, vhost) = path::prefix_and_vhost(uri.path);
                let api = Url::parse(&format!("{scheme}://{}{prefix}", uri.machine)).map_err(|_| Unreadable)?;
                (vhost, Some(api), Query::default())
            }
        };
        Ok(Self { encrypted, name, port, user, vhost: uri::decoded(vhost)?, api, query })
    }

    pub(super) fn protocol(&self) -> Protocol {
        if self.api.is_some() { Protocol::Http } else { Protocol::Amqp }
    }
}

impl From<Unreadable> for String {
    fn from(_: Unreadable) -> Self {
        format!(
            "can't parse host to find protocol: {EXAMPLE}, with the special characters of user, password and vhost \
             percent-encoded"
        )
    }
}

/// A scheme is shown only if it can be one: an address without any may begin with a password.
fn unknown_scheme(scheme: &str) -> String {
    let can_be_shown = scheme.len() <= 10 && scheme.bytes().all(|byte| byte.is_ascii_lowercase());
    format!("unknown host URL scheme: `{}`", if can_be_shown { scheme } else { "" })
}

#[cfg(test)]
mod tests;
