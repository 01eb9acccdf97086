//! Creates and validates certificates. Without I/O and without a clock: the time is an argument.

use std::sync::Arc;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::bundle;

const CA_LIFE: TimeDelta = TimeDelta::days(3650);
const SERVING_LIFE: TimeDelta = TimeDelta::days(365);
/// How far the beginning of the validity lies in the past, for clocks that are behind.
const HEAD_START: TimeDelta = TimeDelta::days(1);

/// A date for rcgen. Its type is from a crate that is not a dependency of this one.
macro_rules! day {
    ($at:expr) => {{
        let at: DateTime<Utc> = $at;
        // Months and days always fit.
        #[allow(clippy::cast_possible_truncation)]
        let (month, day) = (at.month() as u8, at.day() as u8);
        rcgen::date_time_ymd(at.year(), month, day)
    }};
}

/// An authority and a certificate that it signed, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The authority's certificate, followed by an older one as long as a replica may present a certificate
    /// that it signed.
    pub ca: String,
    /// The authority's key.
    pub ca_key: String,
    /// The serving certificate.
    pub certificate: String,
    /// The serving certificate's key.
    pub key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("ca", &self.ca).field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The action that a [`Pair`] needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// No action.
    Good,
    /// The authority is valid; the serving certificate must be replaced.
    RenewServing(String),
    /// Everything must be replaced.
    RenewAll(String),
}

/// A certificate could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate: {0}")]
pub struct MakeError(#[from] rcgen::Error);

impl Pair {
    /// A new authority and a serving certificate for `names`.
    pub fn make(names: &[String], now: DateTime<Utc>) -> Result<Self, MakeError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        // The date distinguishes two authorities that are trusted at the same time.
        params.distinguished_name = common_name(&format!("ebb-ca {}", now.timestamp()));
        (params.not_before, params.not_after) = (day!(now - HEAD_START), day!(now + CA_LIFE));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let (ca, ca_key) = (params.self_signed(&key)?.pem(), key.serialize_pem());
        let issuer = Issuer::new(params, key);
        let (certificate, key) = serving(&issuer, names, now)?;
        Ok(Self { ca, ca_key, certificate, key })
    }

    /// The same authority with a new serving certificate.
    pub fn renew_serving(&self, names: &[String], now: DateTime<Utc>) -> Result<Self, MakeError> {
        let issuer = Issuer::from_ca_cert_pem(&self.ca, KeyPair::from_pem(&self.ca_key)?)?;
        let (certificate, key) = serving(&issuer, names, now)?;
        Ok(Self { ca: self.ca.clone(), ca_key: self.ca_key.clone(), certificate, key })
    }

    /// A new authority and a new certificate. The authority of `old` stays trusted if it is valid, even without its
    /// key, because replicas may still present a certificate that it signed.
    pub fn make_after(old: &Self, names: &[String], now: DateTime<Utc>) -> Result<Self, MakeError> {
        let mut pair = Self::make(names, now)?;
        pair.ca.extend(bundle::first_authority(&old.ca, now));
        Ok(pair)
    }

    /// The action that the pair needs for `names` at `now`.
    pub fn judge(&self, names: &[String], now: DateTime<Utc>) -> Judgement {
        if let Err(why) = check_authority(&self.ca, &self.ca_key, now).and_then(|ca| young("ca.crt", &ca, now)) {
            return Judgement::RenewAll(why);
        }
        match self.check_serving(names, now) {
            Ok(()) => Judgement::Good,
            Err(why) => Judgement::RenewServing(why),
        }
    }

    fn check_serving(&self, names: &[String], now: DateTime<Utc>) -> Result<(), String> {
        same_key("tls", &certificate("tls.crt", &self.certificate)?, &self.key)?;
        let ca = certificate("ca.crt", &self.ca)?;
        self.check_chain(&[ca], names, now)
    }

    /// The fault of a serving certificate that another program has created, as far as it can be found.
    pub fn check_foreign(&self, names: &[String], now: DateTime<Utc>) -> Result<(), String> {
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(self.ca.as_bytes()).flatten().collect();
        if authorities.is_empty() {
            return young("tls.crt", &certificate("tls.crt", &self.certificate)?, now);
        }
        self.check_chain(&authorities, names, now)
    }

    fn check_chain(
        &self,
        authorities: &[CertificateDer<'static>],
        names: &[String],
        now: DateTime<Utc>,
    ) -> Result<(), String> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).flatten().collect();
        let (leaf, between) = chain.split_first().ok_or("tls.crt cannot be read: it has no certificate")?;
        young("tls.crt", leaf, now)?;

        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
            .build()
            .map_err(|error| format!("ca.crt: {error}"))?;
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.timestamp().unsigned_abs()));
        for name in names {
            let server = ServerName::try_from(name.as_str()).map_err(|error| format!("{name}: {error}"))?;
            verifier
                .verify_server_cert(leaf, between, &server, &[], now)
                .map_err(|error| format!("tls.crt is not good for {name}: {error}"))?;
        }
        Ok(())
    }
}

fn serving(issuer: &Issuer<'_, KeyPair>, names: &[String], now: DateTime<Utc>) -> Result<(String, String), MakeError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = common_name(names.first().map_or("ebb", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (day!(now - HEAD_START), day!(now + SERVING_LIFE));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

/// A distinguished name with only a common name, truncated to the allowed 64 characters.
fn common_name(name: &str) -> DistinguishedName {
    let mut full = DistinguishedName::new();
    full.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    full
}

fn check_authority(ca: &str, key: &str, now: DateTime<Utc>) -> Result<CertificateDer<'static>, String> {
    let der = certificate("ca.crt", ca)?;
    let parsed = parse("ca.crt", &der)?;
    if !parsed.is_ca() {
        return Err("ca.crt is not an authority's certificate".to_owned());
    }
    if now.timestamp() >= parsed.validity().not_after.timestamp() {
        return Err("ca.crt has expired".to_owned());
    }
    same_key("ca", &der, key)?;
    Ok(der)
}

/// Fails once two thirds of the certificate's lifetime are over.
fn young(what: &str, der: &CertificateDer<'_>, now: DateTime<Utc>) -> Result<(), String> {
    let parsed = parse(what, der)?;
    let (from, to) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    if now.timestamp() >= from + (to - from) / 3 * 2 { Err(format!("{what} is near its end")) } else { Ok(()) }
}

fn same_key(what: &str, der: &CertificateDer<'_>, key: &str) -> Result<(), String> {
    let key = KeyPair::from_pem(key).map_err(|error| format!("{what}.key cannot be read: {error}"))?;
    if parse(what, der)?.public_key().raw == key.subject_public_key_info() {
        Ok(())
    } else {
        Err(format!("{what}.key is not the key of {what}.crt"))
    }
}

fn certificate(what: &str, pem: &str) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("{what} cannot be read: {error}"))
}

fn parse<'a>(what: &str, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    X509Certificate::from_der(der).map(|(_, parsed)| parsed).map_err(|error| format!("{what} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["api.ebb.svc", "api.ebb", "api.ebb.svc.cluster.local", "localhost"].map(str::to_owned).to_vec()
    }

    fn now() -> DateTime<Utc> {
        "2026-08-20T12:00:00Z".parse().unwrap()
    }

    fn pair() -> Pair {
        Pair::make(&names(), now()).unwrap()
    }

    #[test]
    fn what_is_made_is_good_for_two_thirds_of_its_life() {
        let pair = pair();
        assert_eq!(pair.judge(&names(), now()), Judgement::Good);
        assert_eq!(pair.judge(&names(), now() + TimeDelta::days(240)), Judgement::Good);
        let late = pair.judge(&names(), now() + TimeDelta::days(245));
        assert_eq!(late, Judgement::RenewServing("tls.crt is near its end".into()));
    }

    #[test]
    fn renewal_keeps_the_authority() {
        let later = now() + TimeDelta::days(300);
        let old = pair();
        let new = old.renew_serving(&names(), later).unwrap();
        assert_ne!(new.certificate, old.certificate);
        assert_eq!((&new.ca, &new.ca_key), (&old.ca, &old.ca_key));
        assert_eq!(new.judge(&names(), later), Judgement::Good);
    }

    #[test]
    fn an_old_authority_is_replaced_but_still_trusted() {
        let later = now() + TimeDelta::days(2500);
        let old = pair();
        assert!(matches!(old.judge(&names(), later), Judgement::RenewAll(_)));
        let new = Pair::make_after(&old, &names(), later).unwrap();
        assert_eq!(new.judge(&names(), later), Judgement::Good);
        assert_eq!(new.ca.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(new.ca.ends_with(&old.ca));
        let third = Pair::make_after(&new, &names(), later).unwrap();
        assert_eq!(third.ca.matches("BEGIN CERTIFICATE").count(), 2, "only the last one is kept");
        assert_eq!(CertificateDer::pem_slice_iter(third.ca.as_bytes()).flatten().count(), 2);
    }

    #[test]
    fn an_expired_authority_is_dropped() {
        let later = now() + TimeDelta::days(4000);
        let new = Pair::make_after(&pair(), &names(), later).unwrap();
        assert_eq!(new.ca.matches("BEGIN CERTIFICATE").count(), 1);
    }

    #[test]
    fn damage_is_found_and_named() {
        let (good, other) = (pair(), pair());
        let with = |change: fn(&mut Pair, &Pair)| {
            let mut pair = good.clone();
            change(&mut pair, &other);
            pair.judge(&names(), now())
        };
        for (judgement, part) in [
            (with(|pair, _| pair.ca.clear()), "ca.crt cannot be read"),
            (with(|pair, _| pair.ca_key = "x".into()), "ca.key cannot be read"),
            (with(|pair, other| pair.ca_key.clone_from(&other.ca_key)), "ca.key is not the key of ca.crt"),
            (with(|pair, _| pair.ca.clone_from(&pair.certificate)), "ca.crt is not an authority's"),
        ] {
            assert!(matches!(&judgement, Judgement::RenewAll(why) if why.starts_with(part)), "{judgement:?}");
        }
        for (judgement, part) in [
            (with(|pair, _| pair.certificate = "x".into()), "tls.crt cannot be read"),
            (with(|pair, _| pair.key.clear()), "tls.key cannot be read"),
            (with(|pair, other| pair.key.clone_from(&other.key)), "tls.key is not the key of tls.crt"),
            (
                with(|pair, other| {
                    pair.certificate.clone_from(&other.certificate);
                    pair.key.clone_from(&other.key);
                }),
                "tls.crt is not good for api.ebb.svc",
            ),
        ] {
            assert!(matches!(&judgement, Judgement::RenewServing(why) if why.starts_with(part)), "{judgement:?}");
        }
    }

    #[test]
    fn a_new_name_needs_a_new_certificate() {
        let mut more = names();
        more.push("webhook.ebb.svc".to_owned());
        let judgement = pair().judge(&more, now());
        assert!(matches!(judgement, Judgement::RenewServing(why) if why.contains("webhook.ebb.svc")));
    }

    #[test]
    fn long_service_names_still_make_a_certificate() {
        let names = vec![format!("{}.{}.svc", "a".repeat(63), "b".repeat(63))];
        let pair = Pair::make(&names, now()).unwrap();
        assert_eq!(pair.judge(&names, now()), Judgement::Good);
    }

    #[test]
    fn keys_are_not_shown() {
        assert!(!format!("{:?}", pair()).contains("PRIVATE"));
    }
}
