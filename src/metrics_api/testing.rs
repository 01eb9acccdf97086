//! Temporary certificate authorities, and a source of decisions, for the tests of this module.

use async_trait::async_trait;
use axum::response::Response;
use chrono::{DateTime, Datelike, Duration, Utc};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::HeaderValue;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::broadcast;

use super::decisions::{DecisionSource, Item, Readings, Snapshot};

/// The validity of a certificate.
#[derive(Clone, Copy)]
pub(super) enum Validity {
    Past,
    Now,
    Future,
}

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(super) fn client(&self, name: &str, group: &str, validity: Validity) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !name.is_empty() {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let now = Utc::now();
        let day = |at: DateTime<Utc>| {
            rcgen::date_time_ymd(at.year(), u8::try_from(at.month()).unwrap(), u8::try_from(at.day()).unwrap())
        };
        let (from, to) = match validity {
            Validity::Past => (now - Duration::days(20), now - Duration::days(10)),
            Validity::Now => (now - Duration::days(2), now + Duration::days(10)),
            Validity::Future => (now + Duration::days(2), now + Duration::days(10)),
        };
        (params.not_before, params.not_after) = (day(from), day(to));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        self.issue(&params)
    }

    pub(super) fn server(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        }
    }
}

/// Decisions that a test makes.
pub(super) struct Decided {
    /// The term of leadership. None: another replica leads.
    pub(super) epoch: Mutex<Option<u32>>,
    items: Mutex<Vec<Item>>,
    live: broadcast::Sender<Item>,
}

impl Default for Decided {
    fn default() -> Self {
        Self { epoch: Mutex::new(Some(7)), items: Mutex::default(), live: broadcast::channel(16).0 }
    }
}

impl Decided {
    /// A decision is made.
    pub(super) fn decide(&self, item: Item) {
        self.items.lock().push(item.clone());
        let _ = self.live.send(item);
    }
}

#[async_trait]
impl DecisionSource for Decided {
    fn epoch(&self) -> Option<u32> {
        *self.epoch.lock()
    }

    fn snapshot(&self, namespace: Option<&str>) -> Snapshot {
        let items = self.items.lock();
        let is_there = |item: &&Item| namespace.is_none_or(|namespace| item.namespace == namespace);
        Snapshot {
            number: items.iter().map(|item| item.number).max().unwrap_or_default(),
            since: "2026-11-27T20:00:00.000Z".to_owned(),
            items: items.iter().filter(is_there).cloned().collect(),
        }
    }

    fn follow(&self) -> BoxStream<'static, Option<Item>> {
        let live = self.live.subscribe();
        stream::unfold(live, |mut live| async move {
            match live.recv().await {
                Ok(item) => Some((Some(item), live)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((None, live)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    fn readings(&self, _: &str, _: &str) -> Option<Readings> {
        None
    }

    async fn ask_leader(&self, path_and_query: &str, _: Option<HeaderValue>) -> Result<Response, String> {
        Err(format!("the leader is away: {path_and_query}"))
    }
}
