//! The rate of reads of the API server where no watch reports a change.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Spaces the questions of many callers.
#[derive(Debug)]
pub(super) struct Budget {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Budget {
    /// At most `per_second` questions a second.
    pub(super) fn new(per_second: u32) -> Self {
        Self { gap: Duration::from_secs(1) / per_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the caller's turn.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock();
            let turn = (*next).max(Instant::now());
            *next = turn + self.gap;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lone_asker_is_not_held_up_and_a_hundred_are_spread() {
        let budget = Budget::new(40);
        let begun = Instant::now();
        budget.turn().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let begun = Instant::now();
        futures::future::join_all((0..100).map(|_| budget.turn())).await;
        assert!((2.4..2.6).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    }
}
