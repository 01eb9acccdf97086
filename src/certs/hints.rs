//! A watch on one object that tells when it is worth another look, and nothing else. Where it cannot be had, looking now
//! and then has to do.

use std::fmt::Debug;

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tracing::debug;

/// Something for every change of the object, and never an end.
pub(super) fn hints<K>(api: Api<K>, name: &str) -> BoxStream<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let name = name.to_owned();
    let changes = watch_object(api, &name).default_backoff();
    let seen = changes.filter_map(move |change| {
        let change = change.inspect_err(|error| debug!(%error, kind = %K::kind(&()), name, "a watch was interrupted"));
        std::future::ready(change.ok().map(drop))
    });
    seen.chain(stream::pending()).boxed()
}
