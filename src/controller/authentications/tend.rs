//! Writes to authentications: the finalizer and the status. Each is written only where the present one differs.

use std::sync::Arc;
use std::time::Duration;

use ebb_crds::{ClusterTriggerAuthentication, TriggerAuthentication, names};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::kind::Kind;
use super::known::Written;
use super::{AuthKey, Authentications};
use ebb_plan::events::Reason;

/// Changes that come within this time are written together.
const GATHER: Duration = Duration::from_millis(300);
/// When a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Authentications that are written at the same time.
const AT_ONCE: usize = 4;

/// The next write.
#[derive(Debug, PartialEq)]
enum Work {
    RemoveFinalizer(Value),
    AddFinalizer(Value),
    ListUsers(String),
}

impl Authentications {
    /// Looks after those that are due, for as long as the process runs.
    pub(super) async fn tend(self: Arc<Self>) {
        loop {
            self.work.notified().await;
            tokio::time::sleep(GATHER).await;
            let due = std::mem::take(&mut self.state.lock().due);
            if !self.leadership.is_leader() {
                continue;
            }
            futures::stream::iter(due).for_each_concurrent(AT_ONCE, |key| self.look_after(key)).await;
        }
    }

    async fn look_after(self: &Arc<Self>, key: AuthKey) {
        let Some((work, reference)) = self.work(&key) else { return };
        for work in work {
            match write(&self.client, &key, &work).await {
                Ok(version) => {
                    if matches!(work, Work::ListUsers(_)) {
                        self.note_written(&key, Written::at(version.as_deref()));
                    }
                    self.emit_written(&key, &work, &reference);
                }
                // The watch brings the present object.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => {
                    if matches!(work, Work::ListUsers(_)) {
                        self.note_written(&key, Written::Unanswered);
                    }
                    tracing::warn!(authentication = %key, %error, "cannot write the finalizer or the status; Ebb tries again");
                    let me = Arc::clone(self);
                    tokio::spawn(async move {
                        tokio::time::sleep(RETRY).await;
                        me.state.lock().due.insert(key);
                        me.work.notify_one();
                    });
                    return;
                }
            }
        }
    }

    fn note_written(&self, key: &AuthKey, written: Written) {
        if let Some(known) = self.state.lock().known.get_mut(key) {
            known.written = written;
        }
    }

    fn work(&self, key: &AuthKey) -> Option<(Vec<Work>, Arc<ObjectReference>)> {
        let mut state = self.state.lock();
        state.settle(key);
        let known = state.known.get(key)?;
        let finalizers = |finalizers: Vec<&str>| json!({"metadata": {"finalizers": finalizers, "resourceVersion": known.resource_version}});
        let others = known.finalizers.iter().map(String::as_str).filter(|finalizer| *finalizer != names::FINALIZER);
        let mut work = Vec::new();
        if known.deleting {
            if known.has_finalizer() {
                work.push(Work::RemoveFinalizer(finalizers(others.collect())));
            }
        } else {
            if !known.has_finalizer() {
                work.push(Work::AddFinalizer(finalizers(others.chain([names::FINALIZER]).collect())));
            }
            let all = self.scope.knows_all_users(key.cluster);
            // After a write without an answer the present status is not known.
            let unknown = known.written == Written::Unanswered;
            let listed = state.users.listed(key, &known.listed, all);
            if let Some(listed) = listed.filter(|listed| unknown || *listed != known.listed) {
                work.push(Work::ListUsers(listed));
            }
        }
        Some((work, Arc::clone(&known.reference)))
    }

    fn emit_written(&self, key: &AuthKey, work: &Work, reference: &Arc<ObjectReference>) {
        let kind = if key.cluster { ClusterTriggerAuthentication::NAME } else { TriggerAuthentication::NAME };
        match work {
            Work::RemoveFinalizer(_) => {
                self.events.emit(reference, Reason::AuthenticationDeleted(key.cluster), format!("{kind} was deleted"));
            }
            Work::AddFinalizer(_) => {
                self.events.emit(reference, Reason::AuthenticationAdded(key.cluster), format!("New {kind} configured"));
            }
            Work::ListUsers(_) => {}
        }
    }
}

/// Gives the `resourceVersion` of the answer.
async fn write(client: &Client, key: &AuthKey, work: &Work) -> Result<Option<String>, kube::Error> {
    if key.cluster {
        patch(&Api::<ClusterTriggerAuthentication>::all(client.clone()), &key.name, work).await
    } else {
        patch(&Api::<TriggerAuthentication>::namespaced(client.clone(), &key.namespace), &key.name, work).await
    }
}

async fn patch<K: Kind>(api: &Api<K>, name: &str, work: &Work) -> Result<Option<String>, kube::Error> {
    let params = PatchParams::default();
    let answer = match work {
        Work::RemoveFinalizer(patch) | Work::AddFinalizer(patch) => {
            api.patch(name, &params, &Patch::Merge(patch)).await?
        }
        Work::ListUsers(listed) => {
            let listed = Some(listed).filter(|listed| !listed.is_empty());
            let status = json!({"status": {"scaledobjects": listed}});
            api.patch_status(name, &params, &Patch::Merge(status)).await?
        }
    };
    Ok(answer.resource_version())
}
