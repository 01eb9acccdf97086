//! What has been written into a ScaledObject's status, and what is to be.
//!
//! Owns the one place from which a status is patched: the controller and the poll loop both tell it facts, and it
//! writes when what follows from them has changed. A write that fails is made up for by the next report.

use std::sync::Arc;

use ebb_crds::{ScaledObject, ScaledObjectStatus};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Mutex;

use crate::clock;
use crate::lease::Term;
use crate::packed::Packed;
use crate::plan::status::{self, Facts, Outline};

/// The status of one ScaledObject.
#[derive(Debug)]
pub struct Ledger {
    name: String,
    term: Arc<Term>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    facts: Facts,
    outline: Option<Outline>,
    /// What the API server has, as far as is known: nothing at first.
    written: Option<Packed<ScaledObjectStatus>>,
    /// Whether nothing has come up since `written` was found to be right.
    settled: bool,
}

impl State {
    fn change(&mut self, change: impl FnOnce(&mut Facts)) {
        let before = self.facts.clone();
        change(&mut self.facts);
        self.settled &= self.facts == before;
    }
}

impl Ledger {
    /// The ledger of a ScaledObject that has this status, written to during `term` only.
    pub fn new(name: &str, written: &ScaledObjectStatus, term: Arc<Term>) -> Self {
        let written = Packed::new(written).ok();
        Self { name: name.to_owned(), term, state: Mutex::new(State { written, ..State::default() }) }
    }

    /// Takes note of what another replica has written.
    pub async fn found(&self, written: &ScaledObjectStatus) {
        let mut state = self.state.lock().await;
        state.written = Packed::new(written).ok();
        state.settled = false;
    }

    /// Notes facts without writing them yet. The next report does.
    pub async fn note(&self, change: impl FnOnce(&mut Facts)) {
        self.state.lock().await.change(change);
    }

    /// Notes facts that come by the way. They are written at once, as by [`Ledger::report`], unless the check or the first
    /// tick, which writes too, is still to come.
    pub async fn add(&self, client: &Client, namespace: &str, change: impl FnOnce(&mut Facts)) {
        let mut state = self.state.lock().await;
        state.change(change);
        if state.facts.are_whole() {
            self.write(&mut state, client, namespace).await;
        }
    }

    /// Notes what is known of the ScaledObject whether it can be served or not.
    pub async fn outline(&self, outline: Outline) {
        let mut state = self.state.lock().await;
        state.settled &= state.outline.as_ref() == Some(&outline);
        state.outline = Some(outline);
    }

    /// Notes facts, and writes the status if it is another now and this replica is the one that writes.
    pub async fn report(&self, client: &Client, namespace: &str, change: impl FnOnce(&mut Facts)) {
        let mut state = self.state.lock().await;
        state.change(change);
        self.write(&mut state, client, namespace).await;
    }

    async fn write(&self, state: &mut State, client: &Client, namespace: &str) {
        if state.settled || !self.term.leads() {
            return;
        }
        let written = state.written.as_ref().and_then(|written| written.open().ok()).unwrap_or_default();
        let mut next = status::status(&written, &state.facts, clock::now());
        if let Some(outline) = &state.outline {
            next = status::outline(next, outline);
        }
        if next == written {
            state.settled = true;
            return;
        }
        let (Ok(from), Ok(to)) = (serde_json::to_value(&written), serde_json::to_value(&next)) else { return };
        let Some(patch) = status::merge_patch(&from, &to) else { return };
        let api: Api<ScaledObject> = Api::namespaced(client.clone(), namespace);
        match api.patch_status(&self.name, &PatchParams::default(), &Patch::Merge(json!({"status": patch}))).await {
            Ok(_) => {
                state.written = Packed::new(&next).ok();
                state.settled = true;
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                tracing::warn!(%error, namespace, scaled_object = self.name, "cannot write the status; it will be tried again");
            }
        }
    }
}
