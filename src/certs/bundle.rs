//! Bundles of authorities as text: the present bundle of an object, the desired one, and how long a replaced authority
//! stays. Pure: the times are arguments.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long an authority stays in an object after it was replaced. Within that time every replica reads the Secret and
/// presents a certificate of the new authority.
const OVERLAP: Duration = Duration::from_mins(10);
/// The maximum of replaced authorities that stay.
const MOST_KEPT: usize = 4;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// One certificate of a bundle.
#[derive(Clone, Debug)]
struct Block {
    /// The PEM text with its markers and a newline.
    text: String,
    der: CertificateDer<'static>,
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

fn blocks(bundle: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut rest = bundle;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let Some((body, after)) = after.split_once(END) else { break };
        rest = after;
        let text = format!("{BEGIN}{body}{END}\n");
        let Ok(der) = CertificateDer::from_pem_slice(text.as_bytes()) else { continue };
        let block = Block { text, der };
        if !found.contains(&block) {
            found.push(block);
        }
    }
    found
}

/// Whether `bundle` has every certificate of `wanted`.
pub(super) fn has_all(bundle: &str, wanted: &str) -> bool {
    let present = blocks(bundle);
    blocks(wanted).iter().all(|block| present.contains(block))
}

/// Both bundles as one, without duplicates.
pub(super) fn union(first: &str, second: &str) -> String {
    let mut all = blocks(first);
    for block in blocks(second) {
        if !all.contains(&block) {
            all.push(block);
        }
    }
    all.into_iter().map(|block| block.text).collect()
}

/// The first certificate of `bundle` that is of an authority and has not expired, with its markers.
pub(super) fn first_authority(bundle: &str, now: DateTime<Utc>) -> Option<String> {
    blocks(bundle).into_iter().find(|block| is_living_authority(block, now)).map(|block| block.text)
}

fn is_living_authority(block: &Block, now: DateTime<Utc>) -> bool {
    X509Certificate::from_der(&block.der)
        .is_ok_and(|(_, parsed)| parsed.is_ca() && now.timestamp() < parsed.validity().not_after.timestamp())
}

/// Remembers since when an object has authorities that are no longer wanted.
#[derive(Debug, Default)]
pub(super) struct Overlap(HashMap<CertificateDer<'static>, Instant>);

impl Overlap {
    /// The desired bundle of an object that has `present`, if `wanted` must be trusted: all of `wanted` first, and for
    /// [`OVERLAP`] its other authorities, because another replica may still present certificates of those.
    ///
    /// None if `present` is already right. Text that is not a certificate is never kept.
    pub(super) fn merge(&mut self, present: &[u8], wanted: &str, now: Instant, clock: DateTime<Utc>) -> Option<String> {
        let text = String::from_utf8_lossy(present);
        let there = blocks(&text);
        let wanted = blocks(wanted);
        let mut since = HashMap::new();
        let mut result = wanted.clone();
        for block in there.iter().filter(|block| !wanted.contains(block)) {
            let first_seen = self.0.get(&block.der).copied().unwrap_or(now);
            let stays = now.duration_since(first_seen) < OVERLAP && is_living_authority(block, clock);
            if stays && since.len() < MOST_KEPT {
                since.insert(block.der.clone(), first_seen);
                result.push(block.clone());
            }
        }
        self.0 = since;
        let same = result.len() == there.len() && result.iter().all(|block| there.contains(block));
        let clean = text.split(BEGIN).count() == there.len() + 1 && text.trim_start().starts_with(BEGIN);
        // Another order is right too. Otherwise replicas would overwrite each other.
        if same && clean { None } else { Some(result.into_iter().map(|block| block.text).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::certs::authority::Pair;

    fn clock() -> DateTime<Utc> {
        "2026-08-20T12:00:00Z".parse().unwrap()
    }

    fn authority() -> String {
        Pair::make(&["localhost".to_owned()], clock()).unwrap().ca
    }

    #[test]
    fn an_old_authority_stays_for_the_overlap_and_no_longer() {
        let (old, new) = (authority(), authority());
        let begin = Instant::now();
        let mut overlap = Overlap::default();
        let both = overlap.merge(old.as_bytes(), &new, begin, clock()).unwrap();
        assert!(both.starts_with(&new) && has_all(&both, &old));
        assert_eq!(overlap.merge(both.as_bytes(), &new, begin + OVERLAP / 2, clock()), None);
        let after = overlap.merge(both.as_bytes(), &new, begin + OVERLAP, clock()).unwrap();
        assert_eq!(after, new);
        // Another writer has restored the authority. The time starts again, so that two writers do not
        // overwrite each other.
        assert_eq!(overlap.merge(both.as_bytes(), &new, begin + OVERLAP, clock()), None);
    }

    #[test]
    fn two_replicas_that_want_different_authorities_agree_on_both() {
        let (a, b) = (authority(), authority());
        let (mut of_a, mut of_b) = (Overlap::default(), Overlap::default());
        let now = Instant::now();
        let written = of_a.merge(b"", &a, now, clock()).unwrap();
        let written = of_b.merge(written.as_bytes(), &b, now, clock()).unwrap();
        assert_eq!(of_a.merge(written.as_bytes(), &a, now, clock()), None);
        assert_eq!(of_b.merge(written.as_bytes(), &b, now, clock()), None);
    }

    #[test]
    fn nothing_but_living_authorities_is_kept() {
        let pair = Pair::make(&["localhost".to_owned()], clock()).unwrap();
        let new = authority();
        let now = Instant::now();
        let broken = format!("{BEGIN}\nrubbish\n{END}\n");
        for present in ["", "rubbish", &pair.certificate, &broken, &format!("{new}{broken}"), &format!("x\n{new}")] {
            assert_eq!(
                Overlap::default().merge(present.as_bytes(), &new, now, clock()),
                Some(new.clone()),
                "{present}"
            );
        }
        let later = clock() + TimeDelta::days(4000);
        assert_eq!(Overlap::default().merge(pair.ca.as_bytes(), &new, now, later), Some(new.clone()));
        assert_eq!(Overlap::default().merge(new.as_bytes(), &new, now, clock()), None);
        assert_eq!(Overlap::default().merge(new.trim_end().as_bytes(), &new, now, clock()), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let many: String = (0..20).map(|_| authority()).collect();
        let merged = Overlap::default().merge(many.as_bytes(), &authority(), Instant::now(), clock()).unwrap();
        assert_eq!(blocks(&merged).len(), 1 + MOST_KEPT);
    }

    #[test]
    fn bundles_are_joined_without_repetition() {
        let (a, b) = (authority(), authority());
        assert_eq!(union(&a, &format!("{b}{a}")), format!("{a}{b}"));
        assert!(has_all(&union(&a, &b), &b) && !has_all(&a, &b));
        assert_eq!(first_authority(&format!("{BEGIN}x{END}{b}{a}"), clock()), Some(b));
    }
}
