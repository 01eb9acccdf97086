//! The syntax of values of flags and variables. An error says which value would be correct.

use std::fmt;
use std::time::Duration;

use ebb_scalers::go;
use ebb_scalers::net::tls::{Ciphers, MinVersion};

/// Parses a text with `parse`. The empty text gives `default`: a variable that is set but empty counts as not set, as in
/// KEDA.
pub(super) fn or_default<T, E>(
    default: &'static str,
    parse: impl Fn(&str) -> Result<T, E> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<T, E> + Clone + Send + Sync + 'static {
    move |text| parse(if text.is_empty() { default } else { text })
}

/// Parses a text with `parse`. The empty text gives nothing.
pub(super) fn optional<T, E>(
    parse: impl Fn(&str) -> Result<T, E> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<Optional<T>, E> + Clone + Send + Sync + 'static {
    move |text| if text.is_empty() { Ok(Optional(None)) } else { parse(text).map(|value| Optional(Some(value))) }
}

/// A value that may be missing. clap gives `Option` another meaning, so this is a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

/// A boolean in Go's syntax.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    go::boolean(text).ok_or_else(|| format!("{text:?} is neither true nor false"))
}

/// A duration in Go's syntax, above zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = go::duration(text).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| format!("{text:?} is no duration above zero such as 15s or 1m30s"))
}

/// A duration in Go's syntax; zero for no limit.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    go::duration(text).ok_or_else(|| format!("{text:?} is no duration such as 90s or 1m30s, or 0 for no limit"))
}

/// A number of milliseconds, above zero.
pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no number of milliseconds such as 3000"))
}

/// A whole number from 1 up.
pub(super) fn count(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{text:?} is no whole number from 1 to {}", u16::MAX))
}

/// A whole number from 0 up.
pub(super) fn size(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text:?} is no whole number such as 2"))
}

/// Any text.
#[allow(clippy::unnecessary_wraps)] // The form that parsers have.
pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// The names of TLS versions: KEDA's, and those of Kubernetes' API servers, which the flag of KEDA's metrics server takes.
pub(super) fn tls_version(text: &str) -> Result<TlsVersion, String> {
    let word = text.strip_prefix("Version").unwrap_or(text);
    MinVersion::parse(word).map(|min| TlsVersion { min, raised: matches!(word, "TLS10" | "TLS11") })
}

/// A minimal TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsVersion {
    /// The version.
    pub min: MinVersion,
    /// Whether the user asked for an older version.
    pub raised: bool,
}

/// A list of cipher suites.
pub(super) fn ciphers(text: &str) -> Result<Ciphers, String> {
    Ciphers::parse(text)
}

/// The address of a port, in the syntax of controller-runtime: `host:port`, `:port` for all addresses, `0` for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// No port.
    Off,
    /// This address and port.
    At {
        /// A name or an address; empty for all addresses.
        host: String,
        /// The TCP port.
        port: u16,
    },
}

impl Listen {
    /// Parses an address.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "0" || text.is_empty() {
            return Ok(Self::Off);
        }
        let wrong = || format!("{text:?} is no address such as :8080 or 127.0.0.1:8080, or 0 for none");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let inner = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        if inner.is_none() && host.contains([':', '[', ']', '/', ' ']) {
            return Err(wrong());
        }
        Ok(Self::At { host: inner.unwrap_or(host).to_owned(), port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("0"),
            Self::At { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::At { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_controller_runtimes() {
        for (text, host, port) in [
            (":8080", "", 8080),
            ("0.0.0.0:8080", "0.0.0.0", 8080),
            ("localhost:1", "localhost", 1),
            ("[::1]:8081", "::1", 8081),
            ("[::]:0", "::", 0),
        ] {
            let listen = Listen::parse(text).unwrap();
            assert_eq!(listen, Listen::At { host: host.into(), port }, "{text}");
            assert_eq!(listen.to_string(), text);
        }
        assert_eq!(Listen::parse("0"), Ok(Listen::Off));
        assert_eq!(Listen::parse(""), Ok(Listen::Off));
        for text in ["8080", ":http", ":70000", "::1:80", "http://h:80", "a b:80", "h:"] {
            assert!(Listen::parse(text).unwrap_err().contains("is no address such as :8080"), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_value_says_what_would_be_right() {
        for (error, says) in [
            (flag("yes").unwrap_err(), "\"yes\" is neither true nor false"),
            (duration("15").unwrap_err(), "such as 15s"),
            (duration("0s").unwrap_err(), "above zero"),
            (limit("-1s").unwrap_err(), "or 0 for no limit"),
            (milliseconds("3s").unwrap_err(), "milliseconds such as 3000"),
            (milliseconds("0").unwrap_err(), "milliseconds such as 3000"),
            (count("0").unwrap_err(), "whole number from 1"),
            (count("70000").unwrap_err(), "whole number from 1"),
            (size("-1").unwrap_err(), "whole number such as 2"),
            (tls_version("1.2").unwrap_err(), "must be TLS12 or TLS13"),
        ] {
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_one_that_is_not_set() {
        let timeout = or_default("3000", milliseconds);
        assert_eq!(timeout(""), Ok(Duration::from_secs(3)));
        assert_eq!(timeout("500"), Ok(Duration::from_millis(500)));
        let version = optional(tls_version);
        assert_eq!(version(""), Ok(Optional(None)));
        for (text, min, raised) in [
            ("TLS12", MinVersion::Tls12, false),
            ("TLS10", MinVersion::Tls12, true),
            ("VersionTLS13", MinVersion::Tls13, false),
        ] {
            assert_eq!(version(text), Ok(Optional(Some(TlsVersion { min, raised }))), "{text}");
        }
    }
}
