//! Acquires, renews and releases the Lease.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use ebb_scalers::pool::jitter;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Leadership;
use super::leader_client::ADDRESS_ANNOTATION;
use super::rules::{Verdict, judge};
use crate::kube_api::key::Key;
use crate::kube_api::watch::{Index, Source, Watches};

/// How long to wait for the last writes before the Lease is released. The next replica waits for the release.
const LAST_WRITES: Duration = Duration::from_millis(500);
/// The time limit of the release.
const RELEASE: Duration = Duration::from_secs(2);

/// The settings of the election, as client-go has them. `renew_deadline` is shorter than `lease_duration`, and longer than
/// 1.2 times `retry_period`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name of the Lease.
    pub lease: String,
    /// How long the Lease is valid without renewal.
    pub lease_duration: Duration,
    /// How long its holder tries to renew it before it gives up.
    pub renew_deadline: Duration,
    /// The pause between two attempts.
    pub retry_period: Duration,
}

/// Holds one Lease.
pub struct LeaderElector {
    watching: Api<Lease>,
    api: Api<Lease>,
    name: String,
    identity: String,
    times: Config,
    leadership: Arc<Leadership>,
    /// Where other replicas find this one's API.
    address: Option<String>,
}

/// The last observed state of the Lease.
struct Seen {
    version: Option<String>,
    since: Instant,
}

/// What the attempts so far have shown.
#[derive(Default)]
struct Attempts {
    seen: Option<Seen>,
    /// The other holder that the log has.
    holder: String,
    /// How many attempts in a row have failed.
    failed: u32,
}

/// The result of an attempt.
enum Attempt {
    /// This replica holds the Lease.
    Held,
    /// Another replica holds the Lease, for at least this time.
    Others(Duration, String),
    /// Another replica was faster.
    Raced,
}

impl LeaderElector {
    /// An elector for the Lease in a namespace. Neither client checks the right to write. The first client has no
    /// time limit: it is for the watch.
    pub fn new(
        (watching, client): (Client, Client),
        namespace: &str,
        config: Config,
        (identity, address): (String, Option<String>),
        leadership: Arc<Leadership>,
    ) -> Self {
        let (watching, api) = (Api::namespaced(watching, namespace), Api::namespaced(client, namespace));
        Self { watching, api, name: config.lease.clone(), identity, times: config, leadership, address }
    }

    /// Acquires the Lease and holds it as long as possible, until `shutdown`. Then it releases the Lease.
    ///
    /// # Errors
    /// None: it tries again whatever happens.
    pub async fn keep(self, shutdown: CancellationToken) -> Result<(), Infallible> {
        let free = Arc::new(Notify::new());
        let watch = tokio::spawn(watch(self.watching.clone(), self.name.clone(), Arc::clone(&free)));
        info!(lease = self.name, identity = self.identity, "one of several replicas: the holder of the lease writes");
        let mut attempts = Attempts::default();
        loop {
            let pause = self.attempt(&mut attempts).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = free.notified() => {}
                () = shutdown.cancelled() => break,
            }
        }
        watch.abort();
        self.release().await;
        Ok(())
    }

    /// Tries once to acquire or renew the Lease. Gives the time until the next attempt.
    async fn attempt(&self, attempts: &mut Attempts) -> Duration {
        let begin = Instant::now();
        let mut pause = self.times.retry_period.mul_f64(1.0 + 0.2 * jitter(&self.identity));
        match timeout(self.times.renew_deadline / 2, self.try_it(&mut attempts.seen)).await {
            Ok(Ok(Attempt::Held)) => {
                self.end_if_over();
                if self.leadership.renew(begin + self.times.renew_deadline) {
                    info!(lease = self.name, "this replica holds the lease");
                    attempts.holder.clear();
                }
                if attempts.failed > 0 {
                    info!(lease = self.name, failed = attempts.failed, "the lease is renewed again");
                    attempts.failed = 0;
                }
            }
            Ok(Ok(Attempt::Others(left, holder))) => {
                if self.leadership.end() {
                    warn!(lease = self.name, holder, "this replica has lost the lease, and stops writing");
                } else if attempts.holder != holder {
                    info!(lease = self.name, holder, "this replica is a standby: another holds the lease");
                }
                attempts.holder = holder;
                attempts.failed = 0;
                pause = pause.min(left);
            }
            Ok(Ok(Attempt::Raced)) => {}
            Ok(Err(error)) => self.failed(attempts, &error.to_string()),
            Err(_) => self.failed(attempts, "no answer"),
        }
        self.end_if_over();
        pause
    }

    /// The log has the first of several failures in a row, and their number when the API server has answered again.
    fn failed(&self, attempts: &mut Attempts, error: &str) {
        if attempts.failed == 0 {
            warn!(lease = self.name, error, "cannot keep the lease; Ebb tries again");
        }
        attempts.failed += 1;
    }

    fn end_if_over(&self) {
        if self.leadership.is_over() && self.leadership.end() {
            warn!(lease = self.name, "the lease could not be renewed in time: this replica stops writing");
        }
    }

    async fn try_it(&self, seen: &mut Option<Seen>) -> Result<Attempt, kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let mut metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            self.set_address(&mut metadata);
            let lease = Lease { metadata, spec: Some(self.taken(&LeaseSpec::default(), 0)) };
            return settled(self.api.create(&PostParams::default(), &lease).await);
        };
        let version = lease.metadata.resource_version.clone();
        let since = match seen {
            Some(seen) if seen.version == version => seen.since,
            _ => Instant::now(),
        };
        *seen = Some(Seen { version, since });
        let spec = lease.spec.unwrap_or_default();
        lease.spec = Some(match judge(&spec, &self.identity, since.elapsed(), self.times.lease_duration) {
            Verdict::Renew => LeaseSpec { renew_time: Some(now()), ..spec },
            Verdict::Take => self.taken(&spec, 1),
            Verdict::Wait(left) => {
                let annotations = lease.metadata.annotations.as_ref();
                self.leadership.led_from(annotations.and_then(|all| all.get(ADDRESS_ANNOTATION)).cloned());
                return Ok(Attempt::Others(left, spec.holder_identity.unwrap_or_default()));
            }
        });
        self.set_address(&mut lease.metadata);
        // The resource version of the read makes a faster replica win.
        settled(self.api.replace(&self.name, &PostParams::default(), &lease).await)
    }

    /// The address of the replica before must not stay.
    fn set_address(&self, metadata: &mut ObjectMeta) {
        let annotations = metadata.annotations.get_or_insert_default();
        match &self.address {
            Some(address) => annotations.insert(ADDRESS_ANNOTATION.to_owned(), address.clone()),
            None => annotations.remove(ADDRESS_ANNOTATION),
        };
    }

    fn taken(&self, before: &LeaseSpec, transitions: i32) -> LeaseSpec {
        // Rounded up: other replicas use this number, and must not take the Lease before this replica's right to write ends.
        let seconds = i32::try_from(self.times.lease_duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(seconds),
            acquire_time: Some(now()),
            renew_time: Some(now()),
            lease_transitions: Some(before.lease_transitions.unwrap_or(0).saturating_add(transitions)),
            ..before.clone()
        }
    }

    /// Stops writing and releases the Lease as client-go does, so that the next replica need not wait for its expiry.
    async fn release(&self) {
        if !self.leadership.end() {
            return;
        }
        self.leadership.quiet(LAST_WRITES).await;
        let give = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity))
            else {
                return Ok(());
            };
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            (spec.acquire_time, spec.renew_time) = (Some(now()), Some(now()));
            settled(self.api.replace(&self.name, &PostParams::default(), &lease).await).map(drop)
        };
        match timeout(RELEASE, give).await {
            Ok(Ok(())) => info!(lease = self.name, "this replica has given the lease back"),
            Ok(Err(error)) => warn!(lease = self.name, %error, "cannot give the lease back; it ends by itself"),
            Err(_) => warn!(lease = self.name, "cannot give the lease back: no answer; it ends by itself"),
        }
    }
}

fn settled(written: Result<Lease, kube::Error>) -> Result<Attempt, kube::Error> {
    match written {
        Ok(_) => Ok(Attempt::Held),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Attempt::Raced),
        Err(error) => Err(error),
    }
}

fn now() -> MicroTime {
    MicroTime(k8s_openapi::jiff::Timestamp::from_microsecond(Utc::now().timestamp_micros()).unwrap_or_default())
}

/// Follows the Lease, so that a replica takes it at once when another has given it back.
async fn watch(api: Api<Lease>, name: String, free: Arc<Notify>) {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    Watches::new(vec![api], &config).feed(vec![Box::new(FreeLease(free))]).await;
}

/// Notices when the Lease is nobody's.
struct FreeLease(Arc<Notify>);

impl Index<Lease> for FreeLease {
    fn apply(&mut self, _: &Key, lease: &Lease, _: Source) {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        if holder.unwrap_or_default().is_empty() {
            self.0.notify_one();
        }
    }

    fn delete(&mut self, _: &Key) {
        self.0.notify_one();
    }
}
