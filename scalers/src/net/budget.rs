//! The memory budget for the answers of brokers and token endpoints, all together.
//!
//! Every kind of trigger bounds one answer: its bytes, and the values that they are parsed into. This module bounds the
//! sum. A reader reserves an answer's memory here before it reads the answer, and waits while too much is in use. Its
//! wait has a limit of time, so that it ends with an error.
//!
//! A reader reserves memory for a whole answer and holds one reservation at a time. The one exception goes from a small
//! reservation to a large one. No reader therefore waits for a reader that waits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The most that a small answer may take. Small answers wait only for other small ones: a few brokers with much to say
/// do not hold up the many with little.
pub const SMALL: usize = 64 << 10;
/// The most bytes that all small answers take together.
const ALL_SMALL: usize = 8 << 20;
/// The most bytes that all other answers take together.
const ALL_LARGE: usize = 16 << 20;
/// The most bytes that are kept for brokers with many partitions or many other brokers. A usual number needs none of
/// it.
const ALL_KEPT: usize = 32 << 20;
/// The most that one answer may take: two such are read at a time.
pub const LARGEST: usize = ALL_LARGE / 2;
/// How long a reader waits for memory, and how long an answer that has begun may take to come. The caller's own timeout
/// is longer, so that the error names memory or the answer as its cause.
pub const WAIT_LIMIT: Duration = Duration::from_secs(2);
/// The unit of the budget, in bytes.
const UNIT: usize = 1 << 10;

/// The memory for answers that is left. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

/// Memory for one answer. It is given back when this is dropped.
#[derive(Debug)]
#[must_use = "the memory is given back at once"]
pub struct Reservation {
    /// None if the budget were closed, which it never is.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(ALL_SMALL, ALL_LARGE)
    }
}

impl Budget {
    fn new(small: usize, large: usize) -> Self {
        let pool = |bytes: usize| Arc::new(Semaphore::new(bytes / UNIT));
        Self { small: pool(small), large: pool(large), kept: pool(ALL_KEPT) }
    }

    /// Memory for a broker's answers that are kept, where they are larger than usual. None while other holders have all
    /// of it: they may have it for long, so waiting makes no sense.
    pub fn keep(&self, bytes: usize) -> Option<Reservation> {
        let permit = Arc::clone(&self.kept).try_acquire_many_owned(units(bytes)).ok()?;
        Some(Reservation { _permit: Some(permit) })
    }

    /// Reserves memory for an answer that takes at most `bytes`, up to [`LARGEST`]. Waits for others' to be given back.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        let pool = if bytes <= SMALL { &self.small } else { &self.large };
        let permit = Arc::clone(pool).acquire_many_owned(units(bytes.min(LARGEST))).await;
        Reservation { _permit: permit.ok() }
    }

    /// The same, for at most [`WAIT_LIMIT`].
    ///
    /// # Errors
    /// Other answers took all memory for so long.
    pub async fn reserve_soon(&self, bytes: usize) -> io::Result<Reservation> {
        timeout(WAIT_LIMIT, self.reserve(bytes)).await.map_err(|_| {
            io::Error::new(
                io::ErrorKind::OutOfMemory,
                format!(
                    "other brokers' answers have taken all memory for answers for {} s; is one of them hostile or much too \
                     slow?",
                    WAIT_LIMIT.as_secs()
                ),
            )
        })
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_together_never_take_more_and_all_have_their_turn() {
        let budget = Budget::new(256 << 10, 4 << 20);
        let (taken, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let read = |bytes: usize| {
            let (budget, taken, most) = (budget.clone(), &taken, &most);
            async move {
                let _reserved = budget.reserve(bytes).await;
                let now = taken.fetch_add(bytes, Ordering::SeqCst) + bytes;
                most.fetch_max(now, Ordering::SeqCst);
                sleep(Duration::from_millis(10)).await;
                taken.fetch_sub(bytes, Ordering::SeqCst);
            }
        };
        let sizes = (0..500).map(|number| [1_000, SMALL, 100_000, 2 << 20][number % 4]);
        join_all(sizes.map(read)).await;
        let most = most.load(Ordering::SeqCst);
        assert!(most > 2 << 20 && most <= (4 << 20) + (256 << 10), "{most}");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_in_vain_are_told_and_small_ones_do_not_wait_for_large_ones() {
        let budget = Budget::default();
        let held = [budget.reserve(LARGEST).await, budget.reserve(usize::MAX).await];
        let error = budget.reserve_soon(SMALL + 1).await.unwrap_err();
        assert!(error.to_string().contains("all memory for answers"), "{error}");
        let small = budget.reserve_soon(SMALL).await;
        assert!(small.is_ok());
        drop(held);
        assert!(budget.reserve_soon(LARGEST).await.is_ok(), "it was given back");
    }

    #[test]
    fn what_is_kept_has_a_bound_of_its_own() {
        let budget = Budget::default();
        assert!(budget.keep(ALL_KEPT + 1).is_none() && budget.keep(usize::MAX).is_none());
        let most = budget.keep(ALL_KEPT - UNIT);
        assert!(most.is_some() && budget.keep(2 * UNIT).is_none() && budget.keep(UNIT).is_some());
        drop(most);
        assert!(budget.keep(2 * UNIT).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_leaves_nothing_behind() {
        let budget = Budget::default();
        let held = [budget.reserve(LARGEST).await, budget.reserve(LARGEST).await];
        for _ in 0..10 {
            assert!(timeout(Duration::from_millis(5), budget.reserve(LARGEST)).await.is_err());
        }
        drop(held);
        let again = join_all([budget.reserve(LARGEST), budget.reserve(LARGEST)]).await;
        assert_eq!(again.len(), 2);
    }
}
