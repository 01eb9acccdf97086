//! The watch on ScaledObjects, and its three indexes: the records, the users of authentications, and the changes that
//! call for a pass.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ebb_crds::ScaledObject;
use futures::Stream;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use tokio::task::JoinHandle;

use super::authentications::UserIndex;
use super::change_filter::ChangeFilter;
use super::context::Context;
use super::record_index::RecordIndex;
use crate::kube_api::watch::{Source, Watches};
use crate::store::watched_object::WatchedObject;

/// The annotation in which kubectl keeps a copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Follows the ScaledObjects that are served until it is aborted. Yields those whose change calls for a pass.
pub(super) fn follow(
    context: &Context,
    client: &Client,
    writer: Writer<WatchedObject>,
    warm: Arc<AtomicBool>,
) -> (JoinHandle<()>, impl Stream<Item = ObjectRef<WatchedObject>> + Send + 'static) {
    let scope = &context.settings.scope;
    let (filter, mut changed) = ChangeFilter::new(writer);
    let registry = Arc::clone(&context.registry);
    let watches = Watches::new(scope.apis::<ScaledObject>(client), &scope.objects.watch()).trimmed(
        move |object: &mut ScaledObject, source| {
            drop_copies(object);
            registry.trim(object, source == Source::List);
        },
    );
    let following = tokio::spawn(watches.feed(vec![
        Box::new(RecordIndex::new(Arc::clone(&context.registry), Arc::clone(&context.references), warm)),
        Box::new(UserIndex::new(Arc::clone(&context.authentications))),
        Box::new(filter),
    ]));
    (following, futures::stream::poll_fn(move |context| changed.poll_recv(context)))
}

/// Drops large parts that no pass looks at.
fn drop_copies(object: &mut ScaledObject) {
    object.metadata.managed_fields = None;
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}
