//! Single flight: questions for the same thing that are asked at the same time share one query.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

/// The queries under way, by question.
///
/// A query runs for as long as a caller waits for it, and is dropped when all have given up; or, with
/// [`join_to_the_end`](SingleFlight::join_to_the_end), until it has its answer.
#[derive(Debug)]
pub struct SingleFlight<K, V: Clone> {
    under_way: Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>,
}

impl<K: Eq + Hash + Clone, V: Clone + Send + Sync + 'static> SingleFlight<K, V> {
    /// Joins the query for `key` that is under way, or starts `query`.
    pub async fn join(&self, key: &K, query: impl Future<Output = V> + Send + 'static) -> V {
        let (flight, _) = self.board(key, query);
        self.land(key, flight).await
    }

    /// Joins the query for `key` that is under way, or starts `query`, which then runs to its end, also without a
    /// caller: a request that cannot be called back must not be sent twice.
    pub async fn join_to_the_end(self: &Arc<Self>, key: &K, query: impl Future<Output = V> + Send + 'static) -> V
    where
        K: Send + Sync + 'static,
    {
        let (flight, new) = self.board(key, query);
        if new {
            let (flights, key, flight) = (Arc::clone(self), key.clone(), flight.clone());
            tokio::spawn(async move { drop(flights.land(&key, flight).await) });
        }
        flight.await
    }

    async fn land(&self, key: &K, flight: Shared<BoxFuture<'static, V>>) -> V {
        let answer = flight.clone().await;
        let mut under_way = self.under_way.lock();
        if under_way.get(key).and_then(WeakShared::upgrade).is_none_or(|present| present.ptr_eq(&flight)) {
            under_way.remove(key);
        }
        answer
    }

    /// The flight for `key`, and whether it is a new one.
    fn board(&self, key: &K, query: impl Future<Output = V> + Send + 'static) -> (Shared<BoxFuture<'static, V>>, bool) {
        let mut under_way = self.under_way.lock();
        // A flight that has landed already holds an answer from the past: it may not serve a later question.
        if let Some(flight) = under_way.get(key).and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none())
        {
            return (flight, false);
        }
        let flight = query.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.insert(key.clone(), weak);
        }
        (flight, true)
    }
}

impl<K, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hundred_askers_cost_one_query_and_a_later_one_a_second() {
        let flights = SingleFlight::<&str, u32>::default();
        let queries = Arc::new(AtomicU32::new(0));
        let query = || {
            let queries = Arc::clone(&queries);
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                queries.fetch_add(1, Ordering::SeqCst) + 1
            }
        };
        let answers = futures::future::join_all((0..100).map(|_| flights.join(&"jobs", query()))).await;
        assert_eq!(answers, vec![1; 100]);
        assert_eq!(flights.join(&"jobs", query()).await, 2);
        assert!(flights.under_way.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_everybody_gave_up_does_not_block_the_next() {
        let flights = SingleFlight::<&str, u32>::default();
        let hung = tokio::time::timeout(Duration::from_secs(1), flights.join(&"jobs", std::future::pending()));
        assert!(hung.await.is_err());
        assert_eq!(flights.join(&"jobs", async { 7 }).await, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_to_the_end_is_asked_once_whoever_gives_up() {
        let flights = Arc::new(SingleFlight::<&str, u32>::default());
        let asked = Arc::new(AtomicU32::new(0));
        let query = || {
            let asked = Arc::clone(&asked);
            async move {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::time::sleep(Duration::from_secs(10)).await;
                number
            }
        };
        for _ in 0..3 {
            let gave_up = tokio::time::timeout(Duration::from_secs(3), flights.join_to_the_end(&"jobs", query())).await;
            assert!(gave_up.is_err());
        }
        assert_eq!(flights.join_to_the_end(&"jobs", query()).await, 1, "it is the one that was asked first");
        tokio::task::yield_now().await;
        assert!(flights.under_way.lock().is_empty());
        assert_eq!(flights.join_to_the_end(&"jobs", query()).await, 2);
    }
}
