//! A watch on one object that only signals when to check it again. Without the right to watch, the periodic
//! check remains.

use std::fmt::Debug;

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tracing::debug;

/// A stream with an item for every change of the object. It never ends.
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
