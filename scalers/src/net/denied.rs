//! Addresses that no trigger is connected to.
//!
//! A user who may write a ScaledObject chooses the host that Ebb connects to from its own place in the network. This
//! module resolves names, and the connection goes to the very address that was checked. A name therefore cannot lead to
//! one address when it is checked and to another afterwards.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

/// The ranges that are denied by default: link-local addresses (RFC 3927, RFC 4291), among which are the metadata
/// services of most clouds, and those metadata services that have others: AWS and Google over IPv6, Alibaba, Azure's
/// wire server, Oracle's former one.
pub const DENIED_BY_DEFAULT: &str =
    "169.254.0.0/16,fe80::/10,fd00:ec2::254,fd20:ce::254,100.100.100.200,168.63.129.16,192.0.0.192";
/// The word for an empty list of ranges.
const NONE: &str = "none";
/// As many redirects as HTTP clients follow by default.
const REDIRECTS: usize = 10;

/// Ranges of addresses that triggers may not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied(Arc<[IpNet]>);

/// An address that is in a denied range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    host: String,
    address: IpAddr,
    range: IpNet,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, range } = self;
        if *host != address.to_string() {
            write!(f, "{host} is at {address}: ")?;
        }
        write!(f, "Ebb does not connect to {address}, as {range} is among its --denied-addresses")
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, refusal)
    }
}

impl Default for Denied {
    fn default() -> Self {
        Self::parse(DENIED_BY_DEFAULT).unwrap_or_else(|_| Self(Arc::new([])))
    }
}

impl Denied {
    /// Reads ranges such as `169.254.0.0/16` and single addresses, separated by commas; `none` means no range.
    ///
    /// # Errors
    /// One of them is not a range or an address.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == NONE {
            return Ok(Self(Arc::new([])));
        }
        let range = |item: &str| {
            let range = item.parse().or_else(|_| item.parse::<IpAddr>().map(IpNet::from));
            range.map_err(|_| {
                format!(
                    "{item:?} is no range of addresses such as 169.254.0.0/16 or fd00:ec2::254; none denies nothing"
                )
            })
        };
        text.split(',').map(str::trim).map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address`, an address of `host`, may be reached. IPv6 addresses that embed IPv4 addresses (RFC 4291,
    /// section 2.5.5.2; RFC 6052) are taken as those too.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        let also = embedded(address).map(IpAddr::V4);
        match self.0.iter().find(|range| range.contains(&address) || also.is_some_and(|also| range.contains(&also))) {
            Some(range) => Err(Refusal { host: host.to_owned(), address, range: *range }),
            None => Ok(()),
        }
    }

    /// The addresses of `host` that may be reached.
    ///
    /// # Errors
    /// It cannot be resolved, or none of its addresses may be reached.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in tokio::net::lookup_host((host, port)).await? {
            match self.check(host, address.ip()) {
                Ok(()) => allowed.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            Some(refusal) if allowed.is_empty() => Err(refusal.into()),
            _ => Ok(allowed),
        }
    }

    /// Checks the address in a URL that has one in place of a name: HTTP clients resolve names only.
    ///
    /// # Errors
    /// It may not be reached.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.check(&address.to_string(), address)
    }

    /// Follows redirects to where a request may go.
    pub(super) fn redirects(&self) -> Policy {
        self.redirects_if(|_| Ok(()))
    }

    /// The same, where `allowed` finds nothing wrong with the new address.
    pub(super) fn redirects_if(
        &self,
        allowed: impl Fn(&Url) -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Policy {
        let denied = self.clone();
        Policy::custom(move |attempt| match (denied.check_url(attempt.url()), allowed(attempt.url())) {
            (Err(refusal), _) => attempt.error(refusal),
            (Ok(()), Err(why)) => attempt.error(why),
            (Ok(()), Ok(())) if attempt.previous().len() > REDIRECTS => attempt.error("too many redirects"),
            (Ok(()), Ok(())) => attempt.follow(),
        })
    }
}

impl Resolve for Denied {
    fn resolve(&self, name: Name) -> Resolving {
        let denied = self.clone();
        Box::pin(async move {
            // The client puts the port in.
            let addresses = Self::resolve(&denied, name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The IPv4 address that an IPv6 address embeds.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    /// The prefix of RFC 6052, under which a translator makes IPv4 addresses reachable.
    const TRANSLATED: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];
    let IpAddr::V6(address) = address else { return None };
    let translated = || {
        let last = Ipv6Addr::to_bits(address).to_be_bytes();
        (address.segments()[..6] == TRANSLATED).then(|| Ipv4Addr::new(last[12], last[13], last[14], last[15]))
    };
    address.to_ipv4_mapped().or_else(translated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(denied: &Denied, address: &str) -> bool {
        denied.check(address, address.parse().unwrap()).is_err()
    }

    #[test]
    fn link_local_addresses_and_metadata_services_are_denied_by_default() {
        let denied = Denied::default();
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(refused(&denied, address), "{address}");
        }
        for address in
            ["127.0.0.1", "10.0.0.1", "169.253.255.255", "fd00:ec2::253", "::1", "64:ff9b::a00:1", "2001:db8::1"]
        {
            assert!(!refused(&denied, address), "{address}");
        }
    }

    #[test]
    fn ranges_are_read_and_what_is_none_is_named() {
        let denied = Denied::parse(" 10.0.0.0/8 , ::1").unwrap();
        assert!(refused(&denied, "10.1.2.3") && refused(&denied, "::1"));
        assert!(!refused(&denied, "169.254.169.254"));
        assert!(!refused(&Denied::parse("none").unwrap(), "169.254.169.254"));
        for (text, named) in [("", "\"\""), ("10.0.0.0/33", "\"10.0.0.0/33\""), ("10.0.0.0/8,metadata", "\"metadata\"")]
        {
            let error = Denied::parse(text).unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_resolves_to() {
        let denied = Denied::parse("127.0.0.0/8,::1").unwrap();
        let error = denied.resolve("localhost", 5672).await.unwrap_err().to_string();
        assert!(error.starts_with("localhost is at ") && error.contains("--denied-addresses"), "{error}");
        assert!(!Denied::default().resolve("localhost", 5672).await.unwrap().is_empty());
    }

    #[test]
    fn an_address_in_a_url_is_found_in_every_spelling() {
        let denied = Denied::default();
        for url in [
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe/",
            "https://[fe80::1]:15672/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            assert!(denied.check_url(&url.parse().unwrap()).is_err(), "{url}");
        }
        assert!(denied.check_url(&"http://rabbitmq:15672/".parse().unwrap()).is_ok());
        let error = denied.check_url(&"http://169.254.169.254/".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "Ebb does not connect to 169.254.169.254, as 169.254.0.0/16 is among its --denied-addresses");
    }
}
