//! The client certificate of one connection. It is verified at first use, again each minute, and again whenever the
//! trusted authorities change, because a connection may outlive its certificate.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::time::Instant;

use super::Trust;
use super::trust::Verdict;

const VERDICT_LIFE: Duration = Duration::from_mins(1);

/// The client of a connection. Without a certificate it is unauthenticated.
#[derive(Default)]
pub(in crate::metrics_api) struct Peer {
    chain: Vec<CertificateDer<'static>>,
    judged: Mutex<Option<Judged>>,
}

struct Judged {
    by: Arc<Trust>,
    at: Instant,
    verdict: Verdict,
}

impl Peer {
    /// The client that has presented these certificates. They were signed by a trusted authority.
    pub(in crate::metrics_api) fn new(chain: Vec<CertificateDer<'static>>) -> Self {
        Self { chain, judged: Mutex::new(None) }
    }

    /// The verdict of `trust` about the certificate.
    pub(super) fn judged_by(&self, trust: &Arc<Trust>) -> Verdict {
        if self.chain.is_empty() {
            return Verdict::default();
        }
        let now = Instant::now();
        let mut judged = self.judged.lock();
        if let Some(known) = judged.as_ref()
            && Arc::ptr_eq(&known.by, trust)
            && now - known.at < VERDICT_LIFE
        {
            return known.verdict.clone();
        }
        let verdict = trust.judge(&self.chain, UnixTime::now());
        *judged = Some(Judged { by: Arc::clone(trust), at: now, verdict: verdict.clone() });
        verdict
    }
}
