//! Certificates in the Secrets of a ScaledObject's authentications, which end some day.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::{ScaledObject, TriggerAuthentication};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::findings::{Finding, finding};
use crate::certs::not_after;
use crate::kube_api::key::Key;

/// The time before the end of a certificate at which it is reported.
const SOON: TimeDelta = TimeDelta::days(14);

/// A certificate that a trigger uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedCertificate {
    /// The TriggerAuthentication.
    pub authentication: String,
    /// The Secret.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// The end of its validity.
    pub ends: DateTime<Utc>,
}

/// The certificates in the Secrets that the ScaledObject's TriggerAuthentications refer to. What the user may not read is left
/// out: most users have no right to Secrets.
pub(super) async fn read(client: &Client, key: &Key, object: &ScaledObject) -> Vec<UsedCertificate> {
    let references = object.spec.triggers.iter().filter_map(|trigger| trigger.authentication_ref.as_ref());
    let names: BTreeSet<_> = references
        .filter(|reference| reference.kind() == "TriggerAuthentication" && !reference.name.is_empty())
        .map(|reference| reference.name.as_str())
        .collect();
    let authentications: Api<TriggerAuthentication> = Api::namespaced(client.clone(), &key.namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
    let mut found = Vec::new();
    for name in names {
        let Ok(authentication) = authentications.get(name).await else { continue };
        for reference in authentication.spec.secret_target_ref.iter().flatten() {
            let Ok(secret) = secrets.get(&reference.name).await else { continue };
            let value = secret.data.as_ref().and_then(|data| data.get(&reference.key));
            if let Some(ends) = value.and_then(|value| first_end(&value.0)) {
                let (authentication, secret, key) = (name.to_owned(), reference.name.clone(), reference.key.clone());
                found.push(UsedCertificate { authentication, secret, key, ends });
            }
        }
    }
    found
}

/// The end of the certificate in `pem` that ends first. None: there is no certificate.
fn first_end(pem: &[u8]) -> Option<DateTime<Utc>> {
    CertificateDer::pem_slice_iter(pem).filter_map(|der| not_after(&der.ok()?)).min()
}

/// The certificates that have ended, or end soon.
pub(super) fn findings(used: &[UsedCertificate], now: DateTime<Utc>) -> Vec<Finding> {
    let ending = used.iter().filter(|certificate| certificate.ends - now < SOON);
    ending
        .map(|UsedCertificate { authentication, secret, key, ends }| {
            let verb = if *ends <= now { "ended" } else { "ends" };
            finding(
                format!("a certificate of TriggerAuthentication {authentication} {verb} at {ends} (Secret {secret}, key {key})"),
                "put a new certificate into the Secret: Ebb reads it within seconds",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(year: i32) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["broker".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn the_certificate_that_ends_first_counts() {
        let both = pem(2031) + &pem(2030);
        assert_eq!(first_end(both.as_bytes()), Some("2030-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(first_end(b"secret"), None);
        assert_eq!(first_end(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), None);
    }

    #[test]
    fn a_certificate_that_ends_within_two_weeks_is_reported() {
        let now: DateTime<Utc> = "2026-11-27T00:00:00Z".parse().unwrap();
        let used = |days| UsedCertificate {
            authentication: "broker".into(),
            secret: "tls".into(),
            key: "tls.crt".into(),
            ends: now + TimeDelta::days(days),
        };
        let found = findings(&[used(15), used(13), used(-1)], now);
        let texts: Vec<_> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(
            texts,
            [
                "a certificate of TriggerAuthentication broker ends at 2026-12-10 00:00:00 UTC (Secret tls, key tls.crt)",
                "a certificate of TriggerAuthentication broker ended at 2026-11-26 00:00:00 UTC (Secret tls, key tls.crt)",
            ]
        );
    }
}
