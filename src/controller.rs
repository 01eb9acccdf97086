//! Watches ScaledObjects, and keeps what each of them asks for: the HPA, the live triggers, the status.
//!
//! [`reconcile`] is one pass over a ScaledObject. It calls [`dereference`] for the reads, [`crate::plan::reconcile`] for the
//! decision, [`apply`] for the writes and [`commit`] for the rest. This module runs the passes.

mod apply;
mod authentication;
mod authentications;
mod changed;
mod commit;
mod context;
mod dereference;
mod ensure_hpa;
mod environment;
mod failure;
mod gather;
mod hpas;
mod lists;
mod lookup;
mod news;
mod reconcile;
mod referents;
mod succession;
mod vpa;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ebb_crds::ScaledObject;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::kept::Kept;
use crate::key::Key;
use crate::watching;
use lists::Lists;
use news::News;

pub use authentication::token::token_life;
pub use context::{Context, References, Settings};

/// Runs the controller until `shutdown`. `client` is one without a time limit for answers; `recheck` names ScaledObjects
/// whose triggers cannot be read, so that what they refer to is read again. `warm` is set when every ScaledObject that was
/// there at the start has been checked once.
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
    let authentications = Arc::clone(&context.authentications);
    let records = Arc::clone(&context.registry);
    let mut news = News::default();
    let mut lists = Lists::new(Arc::clone(&context.registry), Arc::clone(&context.referents), warm);
    let stream = watching::watch(scope.apis::<ScaledObject>(&client), scope.objects.watch())
        .map_ok(move |event| {
            let listed = matches!(event, Event::InitApply(_));
            event.modify(|object| {
                // Neither is ever looked at, and both are larger than the rest.
                object.metadata.managed_fields = None;
                if let Some(annotations) = &mut object.metadata.annotations {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
                records.trim(object, listed);
            })
        })
        .inspect_ok(move |event| {
            lists.note(event);
            authentications.note_user(event);
        })
        // One that could not be packed would be a bug, and no reason to end the watch on all others.
        .filter_map(async |event| Kept::event(event.ok()?).inspect_err(|error| tracing::error!(%error)).ok().map(Ok))
        .reflect(writer)
        .try_filter(move |event| std::future::ready(news.is_in(event)))
        .touched_objects();
    let strayed = hpas::watch(
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
    let succession = tokio::spawn(succession::follow(Arc::clone(&context)));
    let statuses = tokio::spawn(Arc::clone(&context.registry).look_at_statuses(context.client.clone()));
    Controller::for_stream(stream, reader)
        .with_config(Config::default().concurrency(at_once))
        .reconcile_on(strayed)
        .reconcile_on(recheck)
        .reconcile_on(changed)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile::reconcile, reconcile::error_policy, context)
        // A failed pass has been reported by then.
        .for_each(|_| std::future::ready(()))
        .await;
    succession.abort();
    statuses.abort();
}
