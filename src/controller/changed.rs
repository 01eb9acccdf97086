//! ScaledObjects that are to be checked again because something that they refer to has changed.

use std::collections::HashSet;
use std::sync::Arc;

use crate::key::Key;
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Tells the controller. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    told: Arc<Mutex<HashSet<Key>>>,
    queue: mpsc::UnboundedSender<Key>,
}

impl Changed {
    /// The sender, and what it sends. One that is told again before its check has begun is sent once.
    pub(super) fn new() -> (Self, impl Stream<Item = Key> + Send + 'static) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let stream =
            futures::stream::unfold(waiting, |mut waiting| async { waiting.recv().await.map(|key| (key, waiting)) });
        (Self { told: Arc::default(), queue }, stream)
    }

    /// What `user` refers to has changed.
    pub(super) fn tell(&self, user: &Key) {
        if self.told.lock().insert(user.clone()) {
            // The receiver lives as long as the controller; without it there is nobody to tell.
            let _ = self.queue.send(user.clone());
        }
    }

    /// Whether `user` was told since the last time; its check begins now.
    pub(super) fn take(&self, user: &Key) -> bool {
        self.told.lock().remove(user)
    }
}
