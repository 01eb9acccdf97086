//! One asker who waits for one answer.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::session::{Asker, Refusal};

/// The answer to one question.
pub(super) type Answer = Result<u32, Refusal>;

#[derive(Debug)]
struct SingleAsker(Mutex<Option<oneshot::Sender<Answer>>>);

impl Asker for SingleAsker {
    fn answered(&self, answer: Result<u32, &Refusal>) {
        if let Some(waiter) = self.0.lock().take() {
            // The waiter may have given up.
            let _ = waiter.send(answer.map_err(Clone::clone));
        }
    }
}

/// An asker, and the answer that it gets.
pub(super) fn asker() -> (Arc<dyn Asker>, oneshot::Receiver<Answer>) {
    let (waiter, answer) = oneshot::channel();
    (Arc::new(SingleAsker(Mutex::new(Some(waiter)))), answer)
}
