//! A `rabbitmq` trigger's `host`: an address that says protocol, credentials and virtual host in one.

use percent_encoding::percent_decode_str;
use url::Url;

/// The two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Amqp,
    Http,
}

/// What an address says.
#[derive(PartialEq, Eq)]
pub(super) struct Host {
    pub(super) protocol: Protocol,
    /// `amqps` or `https`.
    pub(super) encrypted: bool,
    /// Name or address, an IPv6 one without brackets.
    pub(super) name: String,
    pub(super) port: u16,
    /// Empty for none.
    pub(super) username: String,
    /// Never printed.
    pub(super) password: String,
    /// The virtual host that the path names; empty for the default one.
    pub(super) vhost: String,
    /// The address without credentials and virtual host: for HTTP, `/api` lies below it.
    pub(super) base: Url,
}

const EXAMPLE: &str = "it must look like amqp://user:password@host:5672/vhost or http://user:password@host:15672/vhost";

impl Host {
    /// Reads an address. The error is KEDA's text where it has one, and never holds the address, which may hold a
    /// password.
    pub(super) fn parse(host: &str) -> Result<Self, String> {
        let Ok(url) = Url::parse(host) else {
            let scheme = host.split_once("://").map_or("", |(scheme, _)| scheme);
            return Err(match scheme {
                "amqp" | "amqps" | "http" | "https" => format!(
                    "can't parse host to find protocol: {EXAMPLE}, with the special characters of user, password and \
                     vhost percent-encoded"
                ),
                _ => unknown_scheme(scheme),
            });
        };
        let (protocol, encrypted, default_port) = match url.scheme() {
            "amqp" => (Protocol::Amqp, false, 5672),
            "amqps" => (Protocol::Amqp, true, 5671),
            "http" => (Protocol::Http, false, 80),
            "https" => (Protocol::Http, true, 443),
            scheme => return Err(unknown_scheme(scheme)),
        };
        let Some(name) = url.host_str().filter(|name| !name.is_empty()) else {
            return Err(format!("host names no machine: {EXAMPLE}"));
        };
        // In `http://user:p/ss@machine` the machine would be `user`, and what is left of the password a path.
        if [Some(url.path()), url.query(), url.fragment()].into_iter().flatten().any(|part| part.contains('@')) {
            return Err(format!(
                "host holds an @ behind the machine's name: {EXAMPLE}, with the special characters of user, password \
                 and vhost percent-encoded (`/` as %2F, `@` as %40, `#` as %23, `?` as %3F)"
            ));
        }
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        // The management API may live below a path of its own: only the last segment is the virtual host.
        let path = url.path().trim_start_matches('/').to_owned();
        let (prefix, last) = match protocol {
            Protocol::Amqp => ("", path.as_str()),
            Protocol::Http => path.rsplit_once('/').unwrap_or(("", &path)),
        };
        Ok(Self {
            protocol,
            encrypted,
            name,
            port: url.port().unwrap_or(default_port),
            username: decoded(url.username()),
            password: decoded(url.password().unwrap_or_default()),
            vhost: decoded(last),
            base: base(&url, prefix),
        })
    }
}

fn base(url: &Url, prefix: &str) -> Url {
    let mut base = url.clone();
    base.set_path(prefix);
    base.set_query(None);
    base.set_fragment(None);
    // A URL can hold no user only if it has no host, which has been checked.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A scheme is shown only if it can be one: an address without any may begin with a password.
fn unknown_scheme(scheme: &str) -> String {
    let can_be_shown = scheme.len() <= 10 && scheme.bytes().all(|byte| byte.is_ascii_lowercase());
    format!("unknown host URL scheme: `{}`", if can_be_shown { scheme } else { "" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_says_everything_in_one() {
        let host = Host::parse("amqps://al%20ice:s3cr%3At%40@rabbit.example/a%2Fb").unwrap();
        assert!(host.protocol == Protocol::Amqp && host.encrypted);
        assert_eq!((host.name.as_str(), host.port), ("rabbit.example", 5671));
        assert_eq!((host.username.as_str(), host.password.as_str()), ("al ice", "s3cr:t@"));
        assert_eq!(host.vhost, "a/b");
        let host = Host::parse("amqp://[::1]").unwrap();
        assert_eq!((host.name.as_str(), host.port, host.vhost.as_str()), ("::1", 5672, ""));
    }

    #[test]
    fn the_management_api_may_live_below_a_path() {
        for (address, base, vhost) in [
            ("http://u:p@h:15672/tenant", "http://h:15672/", "tenant"),
            ("https://h/rabbit/eu/b%2Fc?x=1#y", "https://h/rabbit/eu", "b/c"),
            ("http://h:15672", "http://h:15672/", ""),
            ("http://h:15672/", "http://h:15672/", ""),
            ("http://h/rabbit/", "http://h/rabbit", ""),
        ] {
            let host = Host::parse(address).unwrap();
            assert_eq!(host.base.as_str(), base, "{address}");
            assert_eq!(host.vhost, vhost, "{address}");
        }
    }

    #[test]
    fn what_is_no_address_has_kedas_text_where_there_is_one() {
        for (address, text) in [
            ("", "unknown host URL scheme: ``"),
            ("rabbit", "unknown host URL scheme: ``"),
            ("ftp://h", "unknown host URL scheme: `ftp`"),
            ("s3cr3t-and-long:x@h", "unknown host URL scheme: ``"),
            ("http://", "can't parse host to find protocol"),
            ("amqp://u:p#x@h", "can't parse host to find protocol"),
            ("http://u:12/34@h", "host holds an @ behind"),
            ("http://u:1@2/34@h", "host holds an @ behind"),
        ] {
            let error = Host::parse(address).err().unwrap();
            assert!(error.contains(text), "{address}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_error_holds_any_part_of_a_password(
            scheme in "(amqp|amqps|http|https|ftp|amqp:|)",
            slashes in "(://|:/|/|:)",
            before in "[ /?#@:%\\[\\]\\\\a-z0-9]{0,4}",
            after in "[ /?#@:%\\[\\]\\\\a-z0-9]{0,4}",
            tail in "(@h:5672/v|@h|@|@h:port/|)",
        ) {
            let address = format!("{scheme}{slashes}user:{before}SECRET{after}{tail}");
            match Host::parse(&address) {
                Err(error) => prop_assert!(!error.contains("SECRET"), "{address}: {error}"),
                // What is shown of an address that can be used: its machine and the path of the management API, which
                // is where the word is when it comes after the last `@`.
                Ok(host) if address.rsplit_once('@').is_some_and(|(before, _)| before.contains("SECRET")) => {
                    let shown = host.base.to_string();
                    prop_assert!(!shown.contains("SECRET") && !host.name.contains("SECRET"), "{address}: {shown}");
                }
                Ok(_) => {}
            }
        }
    }
}
