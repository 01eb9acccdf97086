//! The writer of ScaledObjects' statuses: the facts of each, its events, and its observed and desired status.
//!
//! The controller and the poll loop report facts. [`ebb_plan::events`] makes events of each change of them, and
//! [`ebb_plan::status`] makes the desired status of them. The writer compares it with the status that was observed
//! last: in the watch, in the answer to a write, or, after a write without an answer, in a read. It never takes a
//! status that it sent for one that is stored. It writes a status that differs, and [`retries`] repeats a write that
//! failed, also without another report.

mod log;
mod observed;
pub mod retries;

use std::sync::Arc;
use std::time::Duration;

use ebb_crds::{ScaledObject, ScaledObjectStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use parking_lot::Mutex as Lock;
use serde_json::json;
use tokio::sync::Mutex;

use crate::clock;
use crate::kube_api::errors;
use crate::kube_api::key::Key;
use crate::leader::Leadership;
use crate::store::event_sender::Events;
use crate::telemetry::metrics::ObjectMetrics;
use ebb_plan::events::{self, Change};
use ebb_plan::status::{self, Facts, Found};
use observed::Observed;
pub use observed::Version;
use retries::{StatusRetries, Turn};

/// The status of one ScaledObject.
#[derive(Debug)]
pub struct StatusWriter {
    key: Key,
    uid: String,
    leadership: Arc<Leadership>,
    retries: StatusRetries,
    events: Events,
    /// Its series, for its conditions.
    metrics: Arc<ObjectMetrics>,
    turn: Turn,
    /// Apart from the rest, as the watch must not wait for a write.
    observed: Lock<Observed>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    facts: Facts,
    /// The facts that another replica's events have reported, from a takeover until the next change.
    reported: Option<Box<Facts>>,
    /// The observation that the facts were last compared with and agreed to; none after new facts.
    agreed: Option<u64>,
    /// How many writes in a row have failed.
    failed: u32,
    /// The last error that the log has.
    logged: Option<String>,
}

impl StatusWriter {
    /// The writer for a ScaledObject with this status, which writes during `leadership` only. `retries` repeats its
    /// writes.
    pub fn new(
        key: &Key,
        found: &ScaledObject,
        status: &ScaledObjectStatus,
        leadership: Arc<Leadership>,
        (retries, events): (StatusRetries, Events),
        metrics: Arc<ObjectMetrics>,
    ) -> Self {
        let facts = Facts { found: Found::of(status), ..Facts::default() };
        Self {
            key: key.clone(),
            uid: found.uid().unwrap_or_default(),
            leadership,
            retries,
            events,
            metrics,
            turn: Turn::default(),
            observed: Lock::new(Observed::new(Version::of(found), status)),
            state: Mutex::new(State { facts, ..State::default() }),
        }
    }

    /// Takes note of the status that the watch shows. `listed`: it came with a list, which counts even with an older
    /// version: the API server's store may have been restored from a backup.
    pub fn observe(&self, version: Version, status: &ScaledObjectStatus, listed: bool) {
        let (differs, writing) = {
            let mut observed = self.observed.lock();
            let differs = if listed { observed.list(version, status) } else { observed.see(version, status) };
            (differs, observed.is_doubted())
        };
        if differs && self.leadership.is_leader() {
            self.retries.soon(&self.key, &self.turn, writing);
        }
    }

    /// Notes facts without writing them yet. The next report does.
    pub async fn note(&self, change: impl FnOnce(&mut Facts)) {
        let mut state = self.state.lock().await;
        self.change(&mut state, change);
    }

    /// Takes over from another replica, which has left this status. The next change reports every fact that the other
    /// replica's events have not.
    pub async fn take_over(&self, status: &ScaledObjectStatus) {
        let mut state = self.state.lock().await;
        let found = Found::of(status);
        state.reported = Some(Box::new(state.facts.reported_by_another(found)));
        state.facts.found = found;
    }

    /// Changes the facts, and sends the events that follow.
    fn change(&self, state: &mut State, change: impl FnOnce(&mut Facts)) {
        let before = state.facts.clone();
        change(&mut state.facts);
        state.facts.settle();
        if state.facts != before {
            state.agreed = None;
            self.metrics.set_conditions(status::conditions(&state.facts));
        }
        // Another replica sends the events until this one leads. Only this replica knows how it has scaled.
        let is_leader = self.leadership.is_leader();
        let reported = if is_leader { state.reported.take() } else { None };
        let mut reference = None;
        for change in events::changes(reported.as_deref().unwrap_or(&before), &state.facts) {
            log::change(&self.key, &change);
            let is_told = is_leader || matches!(change, Change::Scaled(..));
            if !is_told || before.observed || state.facts.observed {
                continue;
            }
            for (reason, note) in change.events() {
                self.events.emit(reference.get_or_insert_with(|| self.reference()), reason, note);
            }
        }
    }

    /// The ScaledObject, for events about it.
    fn reference(&self) -> Arc<ObjectReference> {
        Arc::new(ObjectReference {
            api_version: Some(ScaledObject::api_version(&()).into_owned()),
            kind: Some(ScaledObject::kind(&()).into_owned()),
            namespace: Some(self.key.namespace.clone()),
            name: Some(self.key.name.clone()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        })
    }

    /// Notes facts that need no check or tick. They are written at once, as by [`StatusWriter::report`], unless the
    /// check or the first tick, which writes too, is still to come.
    pub async fn add(&self, client: &Client, change: impl FnOnce(&mut Facts)) {
        let mut state = self.state.lock().await;
        self.change(&mut state, change);
        if state.facts.are_whole() {
            self.write(&mut state, client).await;
        }
    }

    /// Notes facts, and writes the status if it differs now and this replica is the leader.
    pub async fn report(&self, client: &Client, change: impl FnOnce(&mut Facts)) {
        let mut state = self.state.lock().await;
        self.change(&mut state, change);
        self.write(&mut state, client).await;
    }

    /// Compares the status with the desired one, for [`retries`].
    async fn retry(&self, client: &Client) {
        self.turn.begin();
        self.add(client, |_| {}).await;
    }

    async fn write(&self, state: &mut State, client: &Client) {
        if !self.leadership.is_leader() || state.facts.observed {
            return;
        }
        let (serial, doubted) = {
            let observed = self.observed.lock();
            (observed.serial(), observed.is_doubted())
        };
        if state.agreed == Some(serial) && !doubted {
            return;
        }
        let api: Api<ScaledObject> = Api::namespaced(client.clone(), &self.key.namespace);
        match self.bring_about(state, &api, doubted).await {
            Ok(()) => {
                if state.logged.take().is_some() {
                    tracing::info!(scaled_object = %self.key, failed = state.failed, "the status can be written again");
                }
                state.failed = 0;
            }
            Err(error) => self.repeat(state, &error),
        }
    }

    /// Writes the status unless it is there. With `doubted` it is read before: the last write may have been done.
    async fn bring_about(&self, state: &mut State, api: &Api<ScaledObject>, doubted: bool) -> Result<(), kube::Error> {
        if doubted {
            let found = api.get_opt(&self.key.name).await?;
            let Some(found) = found.filter(|found| found.uid().as_ref() == Some(&self.uid)) else {
                // It has gone, and the watch will show that.
                return Ok(());
            };
            self.observed.lock().answered(Version::of(&found), &found.status.unwrap_or_default());
        }
        let (serial, present) = {
            let observed = self.observed.lock();
            (observed.serial(), observed.status())
        };
        let next = status::status(&present, &state.facts, clock::now());
        state.agreed = Some(serial);
        if next == present {
            return Ok(());
        }
        let (Ok(from), Ok(to)) = (serde_json::to_value(&present), serde_json::to_value(&next)) else { return Ok(()) };
        let Some(patch) = status::merge_patch(&from, &to) else { return Ok(()) };
        // With the uid: the namesake of one that was deleted has a writer of its own.
        let patch = Patch::Merge(json!({"metadata": {"uid": self.uid}, "status": patch}));
        state.agreed = None;
        self.observed.lock().doubt();
        match api.patch_status(&self.key.name, &PatchParams::default(), &patch).await {
            Ok(made) => {
                // The answer is this status as the API server stores it: asking again would give the same.
                state.agreed = self.observed.lock().answered(Version::of(&made), &made.status.unwrap_or_default());
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Repeats the write. During a row of failures the log has one line for each new error, and none for a silent API
    /// server.
    fn repeat(&self, state: &mut State, error: &kube::Error) {
        let text = error.to_string();
        if !errors::is_unanswered(error) && state.logged.as_ref() != Some(&text) {
            tracing::warn!(scaled_object = %self.key, error = text, "cannot write the status; Ebb tries again");
            state.logged = Some(text);
        }
        state.failed = state.failed.saturating_add(1);
        self.retries.again(&self.key, &self.turn, state.failed);
    }
}

/// The pause before a write is repeated that has failed `failed` times in a row.
fn pause_after(failed: u32) -> Duration {
    Duration::from_millis(500) * 2_u32.pow(failed.saturating_sub(1).min(6))
}
