//! The ScaledObjects whose references have changed, for another pass.

use std::collections::HashSet;
use std::sync::Arc;

use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::kube_api::key::Key;

/// Takes the keys of ScaledObjects. Clones share the queue.
#[derive(Debug, Clone)]
pub(super) struct RequeueQueue {
    waiting: Arc<Mutex<HashSet<Key>>>,
    keys: mpsc::UnboundedSender<Key>,
}

impl RequeueQueue {
    /// A queue, and the keys that come out of it. A key that is added again before its pass has begun comes out once.
    pub(super) fn new() -> (Self, impl Stream<Item = Key> + Send + 'static) {
        let (keys, mut queued) = mpsc::unbounded_channel();
        let stream = futures::stream::poll_fn(move |context| queued.poll_recv(context));
        (Self { waiting: Arc::default(), keys }, stream)
    }

    /// Queues `key` unless it waits already.
    pub(super) fn add(&self, key: &Key) {
        if self.waiting.lock().insert(key.clone()) {
            // The receiver lives as long as the controller.
            let _ = self.keys.send(key.clone());
        }
    }

    /// Whether `key` was added since the last call. Its pass begins now.
    pub(super) fn take(&self, key: &Key) -> bool {
        self.waiting.lock().remove(key)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_key_comes_out_once_for_each_pass() {
        let (queue, mut keys) = RequeueQueue::new();
        let key = Key::new("shop", "app");
        queue.add(&key);
        queue.add(&key);
        assert!(queue.take(&key) && !queue.take(&key));
        queue.add(&key);
        drop(queue);
        assert_eq!(keys.by_ref().collect::<Vec<_>>().await, [key.clone(), key]);
    }
}
