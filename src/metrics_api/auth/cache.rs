//! A cache that keeps answers for a short time and asks each question only once at a time. It knows neither users nor
//! the API server.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::ReviewError;

/// The pause before a failed question is repeated, so that an outage does not multiply the questions.
const FAILURE_LIFE: Duration = Duration::from_secs(1);

type Answer<V> = Shared<BoxFuture<'static, Result<V, ReviewError>>>;

/// Recent answers by their question, with a maximum number.
///
/// The answers are in two halves. When the newer half is full, it replaces the older one, so that the limit needs no
/// bookkeeping.
pub(super) struct Cache<K, V> {
    life: Duration,
    half: usize,
    entries: Mutex<Halves<K, V>>,
}

struct Halves<K, V> {
    newer: HashMap<K, Entry<V>>,
    older: HashMap<K, Entry<V>>,
}

struct Entry<V> {
    asked: Instant,
    answer: Answer<V>,
}

impl<K: Eq + Hash, V: Clone + Send + Sync + 'static> Cache<K, V> {
    pub(super) fn new(life: Duration, bound: usize) -> Self {
        let entries = Mutex::new(Halves { newer: HashMap::new(), older: HashMap::new() });
        Self { life, half: (bound / 2).max(1), entries }
    }

    /// The answer to `key`: from the cache, from a question in progress, or by `ask`.
    pub(super) async fn get_or_ask(
        &self,
        key: K,
        ask: impl Future<Output = Result<V, ReviewError>> + Send + 'static,
    ) -> Result<V, ReviewError> {
        let answer = self.find_or_start(key, ask);
        answer.await
    }

    fn find_or_start(&self, key: K, ask: impl Future<Output = Result<V, ReviewError>> + Send + 'static) -> Answer<V> {
        let now = Instant::now();
        let mut entries = self.entries.lock();
        let known = entries.newer.get(&key).or_else(|| entries.older.get(&key));
        if let Some(entry) = known.filter(|entry| self.is_young(entry, now)) {
            return entry.answer.clone();
        }
        if entries.newer.len() >= self.half {
            entries.older = std::mem::take(&mut entries.newer);
        }
        let answer = ask.boxed().shared();
        entries.newer.insert(key, Entry { asked: now, answer: answer.clone() });
        answer
    }

    fn is_young(&self, entry: &Entry<V>, now: Instant) -> bool {
        let life = match entry.answer.peek() {
            Some(Err(_)) => FAILURE_LIFE,
            Some(Ok(_)) | None => self.life,
        };
        now - entry.asked < life
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counted {
        cache: Cache<u32, u32>,
        asked: Arc<AtomicUsize>,
    }

    impl Counted {
        fn new(bound: usize) -> Self {
            Self { cache: Cache::new(Duration::from_secs(10), bound), asked: Arc::default() }
        }

        async fn get(&self, key: u32, fails: bool) -> Result<u32, ReviewError> {
            let asked = Arc::clone(&self.asked);
            let ask = async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
                if fails { Err(ReviewError::new("down")) } else { Ok(key) }
            };
            self.cache.get_or_ask(key, ask).await
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn asks_once_per_life() {
        let counted = Counted::new(100);
        let all = futures::future::join_all((0..64).map(|_| counted.get(7, false))).await;
        assert!(all.iter().all(|answer| *answer == Ok(7)));
        assert_eq!(counted.asked(), 1);
        tokio::time::advance(Duration::from_secs(9)).await;
        counted.get(7, false).await.unwrap();
        assert_eq!(counted.asked(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        counted.get(7, false).await.unwrap();
        assert_eq!(counted.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_soon_tried_again() {
        let counted = Counted::new(100);
        assert!(counted.get(7, true).await.is_err());
        assert!(counted.get(7, false).await.is_err());
        assert_eq!(counted.asked(), 1);
        tokio::time::advance(FAILURE_LIFE).await;
        assert_eq!(counted.get(7, false).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_that_gives_up_does_not_spoil_it_for_others() {
        let counted = Counted::new(100);
        let hasty = tokio::time::timeout(Duration::from_millis(1), counted.get(7, false)).await;
        assert!(hasty.is_err());
        assert_eq!(counted.get(7, false).await, Ok(7));
        assert_eq!(counted.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn stays_within_its_bound() {
        let counted = Counted::new(10);
        for key in 0..1000 {
            counted.get(key, false).await.unwrap();
            let entries = counted.cache.entries.lock();
            assert!(entries.newer.len() + entries.older.len() <= 10);
        }
        let before = counted.asked();
        counted.get(999, false).await.unwrap();
        assert_eq!(counted.asked(), before);
    }
}
