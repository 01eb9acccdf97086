//! One request for the questions that are asked within a moment of each other.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

/// Collects questions until a moment has passed since the first of them, and then asks all of them in one request.
///
/// A batch runs for as long as a caller waits for it. When all callers have given up it is dropped with them.
#[derive(Debug)]
pub struct Batcher<K, A: Clone> {
    window: Duration,
    open: Mutex<Option<Batch<K, A>>>,
}

#[derive(Debug)]
struct Batch<K, A: Clone> {
    /// None once the question is on its way.
    keys: Arc<Mutex<Option<HashSet<K>>>>,
    flight: WeakShared<BoxFuture<'static, A>>,
}

impl<K: Eq + Hash + Send + 'static, A: Clone + Send + Sync + 'static> Batcher<K, A> {
    /// Gathers for `window` from the first key on.
    pub fn new(window: Duration) -> Self {
        Self { window, open: Mutex::default() }
    }

    /// Asks for `keys` with the next batch, and gives that batch's answer, which holds others' keys too. `query` asks
    /// for a whole batch; the first caller's is used.
    pub async fn ask<F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        query: impl FnOnce(HashSet<K>) -> F + Send + 'static,
    ) -> A
    where
        F: Future<Output = A> + Send + 'static,
    {
        self.board(keys.into_iter().collect(), query).await
    }

    fn board<F>(
        &self,
        keys: HashSet<K>,
        query: impl FnOnce(HashSet<K>) -> F + Send + 'static,
    ) -> Shared<BoxFuture<'static, A>>
    where
        F: Future<Output = A> + Send + 'static,
    {
        let mut open = self.open.lock();
        if let Some(batch) = open.as_ref()
            && let Some(flight) = batch.flight.upgrade()
            && let Some(gathered) = batch.keys.lock().as_mut()
        {
            gathered.extend(keys);
            return flight;
        }
        let gathered = Arc::new(Mutex::new(Some(keys)));
        let (window, taken) = (self.window, Arc::clone(&gathered));
        let flight = async move {
            tokio::time::sleep(window).await;
            let keys = taken.lock().take().unwrap_or_default();
            query(keys).await
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            *open = Some(Batch { keys: gathered, flight: weak });
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(5);

    fn count(keys: HashSet<u32>) -> impl Future<Output = Vec<u32>> + Send + 'static {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            keys
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_together_is_one_question_and_what_comes_later_another() {
        let gather = Batcher::new(WINDOW);
        let early = join_all((0..3).map(|key| gather.ask([key, 100], count)));
        let late = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            gather.ask([7], count).await
        };
        let (early, late) = tokio::join!(early, late);
        assert_eq!(early, vec![vec![0, 1, 2, 100]; 3]);
        assert_eq!(late, [7], "the first batch was on its way already");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_everybody_gave_up_does_not_swallow_the_next() {
        let gather = Batcher::new(WINDOW);
        let hung = gather.ask([1], |_| std::future::pending::<Vec<u32>>());
        assert!(tokio::time::timeout(Duration::from_millis(1), hung).await.is_err());
        assert_eq!(gather.ask([2], count).await, [2]);
    }
}
