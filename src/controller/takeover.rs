//! The takeover of a replica that becomes the leader: it reads the writes of the former leader, then checks every
//! ScaledObject.
//!
//! The triggers and readings are already there. The state of events, HPAs and statuses is not. That state is in the
//! objects themselves, which are read anew, as a watch may be behind.

use std::sync::Arc;
use std::time::Duration;

use ebb_crds::ScaledObject;
use kube::api::ListParams;

use super::context::Context;
use crate::kube_api::key::Key;

/// ScaledObjects in one answer.
const PAGE: u32 = 200;
/// When a list that failed is asked for again.
const RETRY: Duration = Duration::from_millis(500);

/// Takes over each time that the lease becomes this replica's.
pub(super) async fn follow(context: Arc<Context>) {
    loop {
        context.leadership.gained().await;
        let mut failed = 0_u32;
        while let Some(term) = context.leadership.number() {
            match take_over(&context, term).await {
                Ok(Some(objects)) => {
                    tracing::info!(objects, failed, "this replica writes from now on");
                    break;
                }
                Ok(None) => break,
                Err(error) => {
                    if failed == 0 {
                        tracing::warn!(%error, "cannot read the statuses of the former leader; Ebb tries again");
                    }
                    failed += 1;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Reads the present objects, begins the term, and queues a check of everything. Returns how many ScaledObjects there
/// are; None if the term was over before.
async fn take_over(context: &Context, term: u64) -> Result<Option<usize>, kube::Error> {
    let mut keys = Vec::new();
    let scope = &context.settings.scope;
    for api in scope.apis::<ScaledObject>(&context.client) {
        let mut params = ListParams { label_selector: scope.objects.get().map(str::to_owned), ..ListParams::default() };
        params = params.limit(PAGE);
        loop {
            let page = api.list(&params).await?;
            for object in &page.items {
                let key = Key::of(object);
                if let Some(known) = context.registry.get(&key).filter(|known| known.is_of(object)) {
                    known.take_over(object).await;
                }
                keys.push(key);
            }
            match page.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => params = params.continue_token(&more),
                None => break,
            }
        }
    }
    if !context.leadership.open(term) {
        return Ok(None);
    }
    context.authentications.look_after_all();
    for key in &keys {
        context.changed.add(key);
        if let Some(object) = context.registry.get(key) {
            object.wake();
        }
    }
    Ok(Some(keys.len()))
}
