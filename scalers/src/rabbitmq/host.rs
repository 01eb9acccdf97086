//! A `rabbitmq` trigger's `host`: an address that says protocol, credentials and virtual host in one.

use percent_encoding::percent_decode_str;
use url::Url;

use super::amqp;
use super::management::Address;

/// What a host address leads to.
#[derive(Debug)]
pub(super) enum Protocol {
    Amqp(amqp::Endpoint),
    /// The management API, and the virtual host to ask about.
    Http(Address, String),
}

/// Reads `host`. `protocol` is `auto`, `amqp` or `http`; `vhost` and `credentials` take the place of what the address
/// says. The error is KEDA's text where it has one, and never holds the address: it may hold a password.
pub(super) fn parse(
    host: &str,
    protocol: &str,
    vhost: Option<&str>,
    credentials: Option<(&str, &str)>,
) -> Result<Protocol, String> {
    let Ok(mut url) = Url::parse(host) else {
        let scheme = host.split_once("://").map_or("", |(scheme, _)| scheme);
        return Err(match (host, scheme) {
            ("", _) | (_, "") => format!("unknown host URL scheme: `{scheme}`"),
            _ => "host is not a URL; it must look like amqp://user:password@host:5672/vhost".into(),
        });
    };
    let scheme = url.scheme().to_owned();
    let is_amqp = match (scheme.as_str(), protocol) {
        ("amqp" | "amqps", "auto" | "amqp") => true,
        ("http" | "https", "auto" | "http") => false,
        (_, "auto") => return Err(format!("unknown host URL scheme: `{scheme}`")),
        _ => return Err(format!("protocol {protocol} cannot be used with a host whose URL scheme is `{scheme}`")),
    };
    let Some(name) = url.host_str().filter(|name| !name.is_empty()).map(ToOwned::to_owned) else {
        return Err("host names no machine; it must look like amqp://user:password@host:5672/vhost".into());
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (username, password) = match credentials {
        Some((username, password)) => (username.to_owned(), password.to_owned()),
        None => (decoded(url.username()), decoded(url.password().unwrap_or_default())),
    };

    if is_amqp {
        let path = decoded(url.path().strip_prefix('/').unwrap_or_default());
        let tls = scheme == "amqps";
        return Ok(Protocol::Amqp(amqp::Endpoint::new(amqp::EndpointParts {
            tls,
            port: url.port().unwrap_or(if tls { 5671 } else { 5672 }),
            host: name,
            // RabbitMQ's own default where the address has no credentials.
            username: if username.is_empty() { "guest".into() } else { username },
            password: if password.is_empty() && url.username().is_empty() && credentials.is_none() {
                "guest".into()
            } else {
                password
            },
            vhost: vhost.map_or(path, ToOwned::to_owned),
        })));
    }

    // The management API may live below a path of its own: only the last segment is the virtual host.
    let path = url.path().to_owned();
    let (prefix, last) = path.trim_start_matches('/').rsplit_once('/').unwrap_or(("", path.trim_start_matches('/')));
    let vhost = match vhost {
        Some(vhost) => vhost.to_owned(),
        None if last.is_empty() => "/".to_owned(),
        None => decoded(last),
    };
    url.set_path(prefix);
    url.set_query(None);
    url.set_fragment(None);
    // An http URL can hold no user only if it has no host, which has been checked.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Protocol::Http(Address { base: url, username, password }, vhost))
}
