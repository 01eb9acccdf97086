//! One pass over a ScaledObject.
//!
//! The steps are: read the intent, dereference, plan, apply, commit. [`super::dereference`] has the only reads,
//! [`super::apply`] the only writes, and [`ebb_plan::reconcile`] the decisions. Every pass may be repeated at any time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::ScaledObject;
use ebb_scalers::pool::jitter;
use futures::FutureExt as _;
use kube::runtime::controller::Action;

use super::context::Context;
use super::{apply, commit, dereference};
use crate::kube_api::key::Key;
use crate::store::record::Record;
use crate::store::watched_object::WatchedObject;
use ebb_plan::failure::Failure;
use ebb_plan::reconcile::{self as plan, Intent, Report};

/// How long one pass may take.
const PASS: Duration = Duration::from_mins(1);

/// Makes one pass over a ScaledObject. Returns when the next is due if nothing changes.
///
/// # Errors
/// Why the ScaledObject cannot be served. The status and the events have reported it.
pub(super) async fn reconcile(kept: Arc<WatchedObject>, context: Arc<Context>) -> Result<Action, Failure> {
    let object = kept.open().map_err(|error| Failure::Internal(error.to_string()))?;
    let intent = Intent::of(&object, ebb_scalers::declaration);
    let intent = if context.settings.observes { intent.observed() } else { intent };
    let record = record(&context, &object, &intent);
    // A panic in one pass must not end them all.
    let pass = AssertUnwindSafe(pass(&context, &object, &intent, &record)).catch_unwind();
    let ended = tokio::time::timeout(PASS, pass).await;
    let broken = match ended {
        Ok(Ok(Ok(next))) => return Ok(next),
        Ok(Ok(Err(failure))) => return Err(failure),
        Ok(Err(_)) => Failure::Panicked,
        Err(_) => Failure::Slow,
    };
    let report = Report { generation: object.metadata.generation, ..Report::default() };
    commit::failure(&context, &record, &report.failed(&broken)).await;
    Err(broken)
}

async fn pass(
    context: &Context,
    object: &ScaledObject,
    intent: &Intent,
    record: &Arc<Record>,
) -> Result<Action, Failure> {
    let dereferenced = dereference::dereference(context, object, intent, record).await;
    let plan = plan::plan(object, intent, &dereferenced.observed, context.options());
    let applied = apply::apply(context, object, record, &plan).await;
    commit::commit(context, object, record, (intent, plan), dereferenced, applied).await
}

/// The record of the ScaledObject, with a poll loop unless it is being deleted.
fn record(context: &Context, object: &ScaledObject, intent: &Intent) -> Arc<Record> {
    let (record, new) = context.registry.open(object);
    if *intent.action() != Intent::Delete {
        record.metrics.set_triggers(object.spec.triggers.iter().map(|trigger| trigger.type_.as_str()));
        if new {
            context.poller.start(&record);
        }
    }
    record
}

/// The pause before the next pass after a failed one: longer each time, up to [`Failure::longest_pause`].
#[allow(clippy::needless_pass_by_value)]
pub(super) fn error_policy(kept: Arc<WatchedObject>, failure: &Failure, context: Arc<Context>) -> Action {
    let key = Key::of(&*kept);
    let record = context.registry.get(&key);
    // The limiter of requests logs an API server that does not answer, once for all.
    if !failure.is_unanswered() {
        let text = failure.to_string();
        // A reason that stays has one line when it begins, and one when it ends.
        if record.as_ref().is_none_or(|record| record.check.is_new_trouble(context.digest(&text))) {
            tracing::warn!(scaled_object = %key, error = text, "cannot serve the ScaledObject");
        }
    }
    let failed = record.map_or(0, |record| record.check.failed(failure.is_final()));
    let pause = Duration::from_millis(500) * 2_u32.saturating_pow(failed.min(6));
    // Thousands that fail together do not come back together.
    Action::requeue(pause.min(failure.longest_pause()).mul_f64(1.0 - 0.3 * jitter(&key)))
}
