//! Single flight: questions for the same thing that are asked at the same time share one query.

use std::collections::HashMap;
use std::hash::Hash;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

/// The queries under way, by what they ask for.
///
/// A query runs for as long as somebody waits for it: when all have given up it is dropped with them.
#[derive(Debug)]
pub struct Flights<K, V: Clone> {
    under_way: Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>,
}

impl<K: Eq + Hash + Clone, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// Joins the query for `key` that is under way, or starts `query`.
    pub async fn join(&self, key: &K, query: impl Future<Output = V> + Send + 'static) -> V {
        let flight = self.board(key, query);
        let answer = flight.clone().await;
        let mut under_way = self.under_way.lock();
        if under_way.get(key).and_then(WeakShared::upgrade).is_none_or(|present| present.ptr_eq(&flight)) {
            under_way.remove(key);
        }
        answer
    }

    fn board(&self, key: &K, query: impl Future<Output = V> + Send + 'static) -> Shared<BoxFuture<'static, V>> {
        let mut under_way = self.under_way.lock();
        // A flight that has landed already holds an answer from the past: it may not serve a later question.
        if let Some(flight) = under_way.get(key).and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none())
        {
            return flight;
        }
        let flight = query.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.insert(key.clone(), weak);
        }
        flight
    }
}

impl<K, V: Clone> Default for Flights<K, V> {
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
        let flights = Flights::<&str, u32>::default();
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
        let flights = Flights::<&str, u32>::default();
        let hung = tokio::time::timeout(Duration::from_secs(1), flights.join(&"jobs", std::future::pending()));
        assert!(hung.await.is_err());
        assert_eq!(flights.join(&"jobs", async { 7 }).await, 7);
    }
}
