//! The allowed TLS versions and cipher suites, in the words of KEDA's settings, which are those of Go's `crypto/tls`.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// The range of one side: clients or servers. The default is everything that rustls does: TLS 1.2 and 1.3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Whether TLS 1.2 is left out.
    only_tls13: bool,
    /// The suites for TLS 1.2. None: all that rustls has. Those of TLS 1.3 cannot be chosen, as with Go.
    tls12_suites: Option<Vec<rustls::CipherSuite>>,
}

/// `KEDA_HTTP_MIN_TLS_VERSION` and `KEDA_SERVICE_MIN_TLS_VERSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2. TLS 1.0 and 1.1 come down to this: nothing older is spoken here.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl MinVersion {
    /// Reads KEDA's word for a version.
    ///
    /// # Errors
    /// The text is no version.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "TLS10" | "TLS11" | "TLS12" => Ok(Self::Tls12),
            "TLS13" => Ok(Self::Tls13),
            _ => Err(format!("{text:?} is no TLS version: it must be TLS12 or TLS13 (TLS10 and TLS11 count as TLS12)")),
        }
    }
}

/// `KEDA_HTTP_TLS_CIPHER_LIST` and `KEDA_SERVICE_TLS_CIPHER_LIST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ciphers {
    suites: Vec<rustls::CipherSuite>,
    /// Whether a suite of TLS 1.3 is among those that were named.
    tls13: bool,
    /// Names that Go knows and that cannot be had here.
    pub unsupported: Vec<String>,
}

/// Names of Go's `tls.CipherSuites()` and `tls.InsecureCipherSuites()` that rustls leaves out: they have no forward
/// secrecy or no authenticated encryption.
const GO_ONLY: [&str; 14] = [
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
];

impl Ciphers {
    /// Reads names of cipher suites that are separated by commas or colons.
    ///
    /// # Errors
    /// Names a text that is no suite, or says that rustls has none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ciphers = Self { suites: Vec::new(), tls13: false, unsupported: Vec::new() };
        for name in text.split([',', ':']).map(str::trim).filter(|name| !name.is_empty()) {
            let known = ring::ALL_CIPHER_SUITES.iter().find(|suite| go_name(suite) == name);
            match known {
                Some(suite) if suite.tls13().is_some() => ciphers.tls13 = true,
                Some(suite) => ciphers.suites.push(suite.suite()),
                None if GO_ONLY.contains(&name) => ciphers.unsupported.push(name.to_owned()),
                None => {
                    let all: Vec<_> = ring::ALL_CIPHER_SUITES.iter().map(go_name).collect();
                    return Err(format!("{name:?} is no cipher suite: those that can be had are {}", all.join(", ")));
                }
            }
        }
        if ciphers.suites.is_empty() && !ciphers.tls13 {
            let all: Vec<_> = ring::ALL_CIPHER_SUITES.iter().map(go_name).collect();
            return Err(format!("none of the cipher suites can be had: those that can are {}", all.join(", ")));
        }
        Ok(ciphers)
    }
}

impl Range {
    /// The range of a minimal version and a list of suites, where each is given.
    pub fn new(min: Option<MinVersion>, ciphers: Option<&Ciphers>) -> Self {
        let only_tls13 = min == Some(MinVersion::Tls13) || ciphers.is_some_and(|ciphers| ciphers.suites.is_empty());
        Self { only_tls13, tls12_suites: ciphers.map(|ciphers| ciphers.suites.clone()) }
    }

    /// The versions for rustls' builders.
    pub fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        if self.only_tls13 { &BOTH[..1] } else { &BOTH }
    }

    /// The cryptography for rustls' builders.
    pub fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = ring::default_provider();
        if let Some(suites) = &self.tls12_suites {
            provider.cipher_suites.retain(|suite| suite.tls13().is_some() || suites.contains(&suite.suite()));
        }
        Arc::new(provider)
    }
}

/// Go's name of a suite: as IANA's, where rustls has `TLS13_…` for the suites of that version.
fn go_name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_kedas_words() {
        for text in ["TLS10", "TLS11", "TLS12"] {
            assert_eq!(MinVersion::parse(text), Ok(MinVersion::Tls12), "{text}");
        }
        assert_eq!(MinVersion::parse("TLS13"), Ok(MinVersion::Tls13));
        for text in ["", "tls12", "TLS1.2", "1.2", "TLS14", "SSLv3"] {
            assert!(MinVersion::parse(text).unwrap_err().contains("must be TLS12 or TLS13"), "{text}");
        }
    }

    #[test]
    fn suites_have_gos_names() {
        let aes = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        for (text, suites, tls13, unsupported) in [
            (aes, 1, false, 0),
            ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 2, false, 0),
            ("TLS_AES_128_GCM_SHA256", 0, true, 0),
            (" TLS_AES_256_GCM_SHA384 , TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,", 1, true, 0),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_128_CBC_SHA", 1, false, 1),
        ] {
            let ciphers = Ciphers::parse(text).unwrap();
            let found = (ciphers.suites.len(), ciphers.tls13, ciphers.unsupported.len());
            assert_eq!(found, (suites, tls13, unsupported), "{text}");
        }
        for (text, says) in [
            ("AES128-SHA", "\"AES128-SHA\" is no cipher suite"),
            ("TLS13_AES_128_GCM_SHA256", "is no cipher suite"),
            ("TLS_RSA_WITH_AES_128_CBC_SHA", "none of the cipher suites can be had"),
            ("", "none of the cipher suites can be had"),
        ] {
            let error = Ciphers::parse(text).unwrap_err();
            assert!(error.contains(says) && error.contains("TLS_AES_128_GCM_SHA256"), "{text}: {error}");
        }
    }

    #[test]
    fn a_range_holds_what_was_asked_for() {
        let suites = |range: &Range| {
            let provider = range.provider();
            let tls12 = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_none()).count();
            (range.versions().len(), tls12, provider.cipher_suites.len() - tls12)
        };
        let ciphers = |text| Ciphers::parse(text).unwrap();
        assert_eq!(suites(&Range::default()), (2, 6, 3));
        assert_eq!(suites(&Range::new(Some(MinVersion::Tls12), None)), (2, 6, 3));
        assert_eq!(suites(&Range::new(Some(MinVersion::Tls13), None)).0, 1);
        let one = ciphers("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(suites(&Range::new(None, Some(&one))), (2, 1, 3));
        let newest = ciphers("TLS_AES_128_GCM_SHA256");
        assert_eq!(suites(&Range::new(None, Some(&newest))), (1, 0, 3));
    }
}
