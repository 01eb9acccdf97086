//! Where a broker listens.

use std::fmt;
use std::sync::Arc;

/// The port of a broker that is given without one.
const PORT: u16 = 9092;

/// The longest name of a host.
const LONGEST_NAME: usize = 255;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::kafka) struct Address {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
}

impl Address {
    /// None where the number is no port, or the text no host.
    pub(super) fn of(host: String, port: i32) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        if !is_host(&host) {
            return None;
        }
        Some(Self { host: host.into(), port })
    }

    /// Reads `host:port`, `host`, `[IPv6 address]:port`, each with a protocol before it or without one.
    ///
    /// # Errors
    /// It is none of these.
    pub(in crate::kafka) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no host:port");
        let place = text.split_once("://").map_or(text, |(_protocol, place)| place).trim();
        let (host, port) = match place.rsplit_once(':') {
            // An address with more than one colon and without brackets is an address of IPv6 alone.
            Some((host, _)) if host.contains(':') && !host.ends_with(']') => (place, PORT),
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (place, PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if is_host(host) && port > 0 { Ok(Self { host: host.into(), port }) } else { Err(wrong()) }
    }
}

/// Whether a text may be a name or an address: not longer than names may be (RFC 1035, section 2.3.4), and without
/// spaces and control characters.
fn is_host(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.chars().all(|letter| letter.is_alphanumeric() || "-._:%".contains(letter))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_calls_a_host_may_be_none() {
        let of = |host: &str| Address::of(host.into(), 9092);
        for host in ["kafka-0.kafka.svc", "10.0.0.1", "fe80::1%eth0", "k_1", "größe", &"a".repeat(255)] {
            assert!(of(host).is_some(), "{host}");
        }
        for host in ["", "a b", "a\nb", "a/b", "a\u{202e}b", &"a".repeat(256)] {
            assert!(of(host).is_none(), "{host:?}");
        }
    }

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, printed) in [
            ("kafka:9093", "kafka:9093"),
            ("kafka", "kafka:9092"),
            ("[::1]:9093", "[::1]:9093"),
            ("::1", "[::1]:9092"),
            ("[::1]", "[::1]:9092"),
            ("SASL_SSL://kafka.example.com:9093", "kafka.example.com:9093"),
        ] {
            let address = Address::parse(text).map(|address| address.to_string());
            assert_eq!(address.as_deref(), Ok(printed), "{text}");
        }
        for text in [
            "",
            ":9092",
            "kafka:port",
            "kafka:0",
            "kafka:70000",
            "kafka:",
            "kafka.<ns>.svc:9092",
            "$(KAFKA):9092",
            "a b",
        ] {
            assert_eq!(Address::parse(text), Err(format!("{text:?} is no host:port")), "{text}");
        }
    }
}
