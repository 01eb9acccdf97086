//! The trusted authorities, from the `ConfigMap` `extension-apiserver-authentication`, and the verification of
//! certificate chains. Without I/O and without a clock: the data and the time are arguments.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tracing::warn;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::User;
use super::front_proxy::FrontProxy;

/// The trusted authorities, and what each may attest.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Both authorities. The handshake fails with a certificate that neither of them signed.
    any: Option<Arc<dyn ClientCertVerifier>>,
    proxies: Option<(Arc<dyn ClientCertVerifier>, FrontProxy)>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// The `ConfigMap` has no usable authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A bundle has no usable certificate.
    #[error("{key} holds no usable certificate: {why}")]
    Bundle {
        /// The entry of the `ConfigMap`.
        key: &'static str,
        /// The fault.
        why: String,
    },
    /// A list is not a JSON list of strings.
    #[error("{key} is not a JSON list of strings: {why}")]
    List {
        /// The entry of the `ConfigMap`.
        key: &'static str,
        /// The fault.
        why: String,
    },
    /// The name of a header is invalid.
    #[error("{key} names {name:?}, which cannot be the name of a header")]
    Header {
        /// The entry of the `ConfigMap`.
        key: &'static str,
        /// The invalid name.
        name: String,
    },
}

/// The verdict about a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Its holder may name the user in headers.
    pub(super) front_proxy: bool,
    /// Its holder is this user.
    pub(super) user: Option<Arc<User>>,
}

const CLIENT_CA: &str = "client-ca-file";
const PROXY_CA: &str = "requestheader-client-ca-file";
const ALLOWED_NAMES: &str = "requestheader-allowed-names";
const USER_HEADERS: &str = "requestheader-username-headers";
const UID_HEADERS: &str = "requestheader-uid-headers";
const GROUP_HEADERS: &str = "requestheader-group-headers";
const EXTRA_PREFIXES: &str = "requestheader-extra-headers-prefix";

impl Trust {
    /// Trusts no certificate.
    pub fn nobody() -> Self {
        Self { any: None, proxies: None, clients: None }
    }

    /// Reads the data of the `ConfigMap`. A missing entry means that nothing of its kind is trusted.
    pub fn from_config_map(data: &BTreeMap<String, String>) -> Result<Self, TrustError> {
        let client_roots = roots(data, CLIENT_CA)?;
        let proxy_roots = roots(data, PROXY_CA)?;
        let mut any = RootCertStore::empty();
        for store in [&client_roots, &proxy_roots].into_iter().flatten() {
            any.roots.extend(store.roots.iter().cloned());
        }
        let any = if any.is_empty() { None } else { Some(verifier(any, CLIENT_CA, true)?) };
        let clients = client_roots.map(|roots| verifier(roots, CLIENT_CA, false)).transpose()?;
        let proxies = match proxy_roots {
            Some(roots) => Some((verifier(roots, PROXY_CA, false)?, front_proxy(data)?)),
            None => None,
        };
        if let Some((_, proxy)) = &proxies
            && proxy.allowed_names.is_empty()
            && data.get(PROXY_CA) == data.get(CLIENT_CA)
        {
            warn!("{PROXY_CA} and {CLIENT_CA} are the same and {ALLOWED_NAMES} is empty: every client may impersonate");
        }
        Ok(Self { any, proxies, clients })
    }

    /// Whether the requests of the cluster's aggregator can be trusted. Otherwise no `HorizontalPodAutoscaler` gets an
    /// answer.
    pub fn has_front_proxy(&self) -> bool {
        self.proxies.is_some()
    }

    pub(super) fn front_proxy(&self) -> Option<&FrontProxy> {
        self.proxies.as_ref().map(|(_, proxy)| proxy)
    }

    /// The verifier of the TLS handshake: a client certificate is optional, but one of the authorities must
    /// have signed it.
    pub(in crate::metrics_api) fn handshake_verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.any.clone().unwrap_or_else(WebPkiClientVerifier::no_client_auth)
    }

    /// The verdict about the chain at `now`. It verifies signatures and validity against each authority separately.
    pub(super) fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Verdict {
        let Some((leaf, intermediates)) = chain.split_first() else { return Verdict::default() };
        let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return Verdict::default() };
        let signed =
            |verifier: &Arc<dyn ClientCertVerifier>| verifier.verify_client_cert(leaf, intermediates, now).is_ok();
        let subject = certificate.subject();
        let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let front_proxy =
            self.proxies.as_ref().is_some_and(|(verifier, proxy)| signed(verifier) && proxy.allows(common_name));
        let is_client = !common_name.is_empty() && self.clients.as_ref().is_some_and(signed);
        let user = is_client.then(|| {
            let groups = subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned);
            let user = User { name: common_name.to_owned(), groups: groups.collect(), ..User::default() };
            Arc::new(user.authenticated())
        });
        Verdict { front_proxy, user }
    }
}

fn roots(data: &BTreeMap<String, String>, key: &'static str) -> Result<Option<RootCertStore>, TrustError> {
    let Some(bundle) = data.get(key).filter(|bundle| !bundle.trim().is_empty()) else { return Ok(None) };
    let fail = |why: String| TrustError::Bundle { key, why };
    let certificates = CertificateDer::pem_slice_iter(bundle.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(error.to_string()))?;
    let mut store = RootCertStore::empty();
    let (added, ignored) = store.add_parsable_certificates(certificates);
    if ignored > 0 {
        warn!(key, ignored, "some authorities of extension-apiserver-authentication cannot be used");
    }
    if added == 0 {
        return Err(fail("there is no PEM block with a certificate that can be read".to_owned()));
    }
    Ok(Some(store))
}

fn verifier(
    roots: RootCertStore,
    key: &'static str,
    optional: bool,
) -> Result<Arc<dyn ClientCertVerifier>, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| TrustError::Bundle { key, why: error.to_string() })
}

fn front_proxy(data: &BTreeMap<String, String>) -> Result<FrontProxy, TrustError> {
    let prefixes = list(data, EXTRA_PREFIXES)?;
    Ok(FrontProxy {
        allowed_names: list(data, ALLOWED_NAMES)?,
        user_headers: headers(data, USER_HEADERS)?,
        uid_headers: headers(data, UID_HEADERS)?,
        group_headers: headers(data, GROUP_HEADERS)?,
        extra_prefixes: prefixes.into_iter().map(|prefix| prefix.to_ascii_lowercase()).collect(),
    })
}

fn list(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<String>, TrustError> {
    let Some(text) = data.get(key).filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let items: Vec<String> =
        serde_json::from_str(text).map_err(|error| TrustError::List { key, why: error.to_string() })?;
    Ok(items)
}

fn headers(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<HeaderName>, TrustError> {
    let names = list(data, key)?.into_iter();
    names.map(|name| name.trim().parse().map_err(|_| TrustError::Header { key, name })).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{Duration, Utc};

    use super::*;
    use crate::metrics_api::testing::{Authority, Validity};

    fn now() -> UnixTime {
        UnixTime::now()
    }

    fn data(client: Option<&Authority>, proxy: Option<&Authority>) -> BTreeMap<String, String> {
        let mut data = BTreeMap::from([
            (ALLOWED_NAMES.to_owned(), r#"["front-proxy-client"]"#.to_owned()),
            (USER_HEADERS.to_owned(), r#"["X-Remote-User"]"#.to_owned()),
            (GROUP_HEADERS.to_owned(), r#"["X-Remote-Group"]"#.to_owned()),
            (EXTRA_PREFIXES.to_owned(), r#"["X-Remote-Extra-"]"#.to_owned()),
        ]);
        for (key, authority) in [(CLIENT_CA, client), (PROXY_CA, proxy)] {
            if let Some(authority) = authority {
                data.insert(key.to_owned(), authority.pem());
            }
        }
        data
    }

    #[test]
    fn each_authority_is_good_for_its_own_kind() {
        let (clients, proxies, strangers) = (Authority::new("clients"), Authority::new("proxies"), Authority::new("x"));
        let trust = Trust::from_config_map(&data(Some(&clients), Some(&proxies))).unwrap();
        let judge =
            |authority: &Authority, name: &str| trust.judge(&authority.client(name, "dev", Validity::Now).chain, now());

        let verdict = judge(&proxies, "front-proxy-client");
        assert!(verdict.front_proxy && verdict.user.is_none());

        assert_eq!(judge(&proxies, "somebody-else"), Verdict::default(), "the name is not on the list");

        let verdict = judge(&clients, "front-proxy-client");
        assert!(!verdict.front_proxy, "the right name from the wrong authority");
        let user = verdict.user.unwrap();
        assert_eq!(user.name, "front-proxy-client");
        assert_eq!(user.groups, ["dev", "system:authenticated"]);

        assert_eq!(judge(&strangers, "front-proxy-client"), Verdict::default());
        assert_eq!(judge(&clients, ""), Verdict::default(), "a certificate without a name is nobody");
        assert_eq!(trust.judge(&[], now()), Verdict::default());
    }

    #[test]
    fn time_counts() {
        let proxies = Authority::new("proxies");
        let trust = Trust::from_config_map(&data(Some(&proxies), Some(&proxies))).unwrap();
        for validity in [Validity::Past, Validity::Future] {
            let client = proxies.client("front-proxy-client", "", validity);
            assert_eq!(trust.judge(&client.chain, now()), Verdict::default());
        }
        let client = proxies.client("front-proxy-client", "", Validity::Now);
        let later = (Utc::now() + Duration::days(3650)).timestamp();
        let later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(later.unsigned_abs()));
        assert_eq!(trust.judge(&client.chain, later), Verdict::default());
    }

    #[test]
    fn a_certificate_for_servers_is_no_client() {
        let clients = Authority::new("clients");
        let trust = Trust::from_config_map(&data(Some(&clients), None)).unwrap();
        assert_eq!(trust.judge(&clients.server("joe").chain, now()), Verdict::default());
    }

    #[test]
    fn an_impostor_with_the_authoritys_name_is_found() {
        let real = Authority::new("proxies");
        let impostor = Authority::new("proxies");
        let trust = Trust::from_config_map(&data(None, Some(&real))).unwrap();
        let client = impostor.client("front-proxy-client", "", Validity::Now);
        assert_eq!(trust.judge(&client.chain, now()), Verdict::default());
    }

    #[test]
    fn a_bundle_may_hold_several_authorities() {
        let (old, new) = (Authority::new("old"), Authority::new("new"));
        let mut data = data(None, Some(&old));
        data.insert(PROXY_CA.to_owned(), old.pem() + &new.pem());
        let trust = Trust::from_config_map(&data).unwrap();
        for authority in [&old, &new] {
            let client = authority.client("front-proxy-client", "", Validity::Now);
            assert!(trust.judge(&client.chain, now()).front_proxy);
        }
    }

    #[test]
    fn an_empty_list_allows_every_name() {
        let proxies = Authority::new("proxies");
        let mut data = data(None, Some(&proxies));
        data.insert(ALLOWED_NAMES.to_owned(), "[]".to_owned());
        let trust = Trust::from_config_map(&data).unwrap();
        assert!(trust.judge(&proxies.client("whoever", "", Validity::Now).chain, now()).front_proxy);
    }

    #[test]
    fn damage_is_named() {
        let proxies = Authority::new("proxies");
        let table = [
            (PROXY_CA, "rubbish", "requestheader-client-ca-file holds no usable certificate"),
            (ALLOWED_NAMES, "{", "requestheader-allowed-names is not a JSON list of strings"),
            (USER_HEADERS, r#"["a b"]"#, "requestheader-username-headers names \"a b\""),
        ];
        for (key, value, expected) in table {
            let mut data = data(None, Some(&proxies));
            data.insert(key.to_owned(), value.to_owned());
            let error = Trust::from_config_map(&data).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn an_empty_config_map_trusts_nobody() {
        let trust = Trust::from_config_map(&BTreeMap::new()).unwrap();
        assert!(!trust.has_front_proxy());
        let client = Authority::new("x").client("front-proxy-client", "system:masters", Validity::Now);
        assert_eq!(trust.judge(&client.chain, now()), Verdict::default());
        assert!(!trust.handshake_verifier().offer_client_auth());
    }
}
