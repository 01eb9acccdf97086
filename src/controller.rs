//! Watches ScaledObjects, and keeps the HPA, the live triggers and the status of each as it asks for them.
//!
//! [`reconcile`] is one pass over a ScaledObject. It calls [`dereference`] for the reads, [`ebb_plan::reconcile`] for
//! the decision, [`apply`] for the writes and [`commit`] for the rest. This module runs the passes.

mod apply;
mod authentication;
mod authentications;
mod change_filter;
mod commit;
mod context;
mod dereference;
mod ensure_hpa;
mod environment;
mod failure;
mod gather;
mod hpas;
mod lookup;
mod reconcile;
mod record_index;
mod references;
mod requeue_queue;
mod stream;
mod takeover;
mod vpa;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::StreamExt as _;
use kube::Client;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::kube_api::key::Key;

pub use authentication::token::token_life;
pub use context::{Context, ReferenceSettings, Settings};

/// Runs the controller until `shutdown`. `client` has no time limit for answers. `recheck` names ScaledObjects whose
/// triggers cannot be read, so that the objects that they refer to are read again. `warm` is set when every
/// ScaledObject that was there at the start has been checked once.
pub async fn run(
    context: Context,
    client: Client,
    recheck: mpsc::UnboundedReceiver<Key>,
    warm: Arc<AtomicBool>,
    shutdown: CancellationToken,
) {
    let Settings { scope, at_once, .. } = context.settings.clone();
    let (reader, Some(writer)) = (context.objects.0.clone(), context.objects.1.lock().take()) else { return };
    context.authentications.start(&client).await;
    let (mut following, news) = stream::follow(&context, &client, writer, warm);
    let drifted = hpas::watch(
        Arc::clone(&context.hpas),
        Arc::clone(&context.registry),
        context.client.clone(),
        scope.apis(&client),
    );
    let recheck = futures::stream::unfold(recheck, |mut recheck| async {
        recheck.recv().await.map(|key| (ObjectRef::new(&key.name).within(&key.namespace), recheck))
    });
    let changed = context.rechecks.lock().take().unwrap_or_else(|| futures::stream::pending().boxed());
    let changed = changed.map(|key| ObjectRef::new(&key.name).within(&key.namespace));

    let context = Arc::new(context);
    let takeover = tokio::spawn(takeover::follow(Arc::clone(&context)));
    let statuses = tokio::spawn(Arc::clone(&context.registry).retry_statuses(context.client.clone()));
    let controller = Controller::for_stream(futures::stream::pending(), reader)
        .with_config(Config::default().concurrency(at_once))
        .reconcile_on(news)
        .reconcile_on(drifted)
        .reconcile_on(recheck)
        .reconcile_on(changed)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile::reconcile, reconcile::error_policy, context)
        // A failed pass has been reported by then.
        .for_each(|_| std::future::ready(()));
    tokio::select! {
        () = controller => {}
        // Without it nothing would be served any more.
        ended = &mut following => tracing::error!(?ended, "the ScaledObjects cannot be followed any more; please report it"),
    }
    following.abort();
    takeover.abort();
    statuses.abort();
}
