//! The wait of an idle workload for the first of its triggers that may have something new.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{join_all, select_all};

use crate::store::record::Serving;
use crate::store::trigger::Trigger;

/// Waits until a new reading of some triggers may differ from the last. Gives the places of these triggers.
pub(super) async fn changed(triggers: &[Arc<Trigger>]) -> Vec<usize> {
    match triggers {
        // Most objects have one trigger, which needs no memory for a list.
        [trigger] => {
            trigger.changed().await;
            vec![0]
        }
        _ => first_ready(triggers.iter().map(|trigger| trigger.changed())).await,
    }
}

/// Waits for the first of `futures`, and gives the places of all that are ready at the same moment, so that they are
/// handled together. Never resolves without futures.
async fn first_ready<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) -> Vec<usize> {
    let waits: Vec<Pin<Box<_>>> =
        futures.enumerate().map(|(place, future)| Box::pin(future.map(move |()| place))).collect();
    if waits.is_empty() {
        return pending().await;
    }
    let (first, _, others) = select_all(waits).await;
    let mut ready = vec![first];
    ready.extend(others.into_iter().filter_map(FutureExt::now_or_never));
    ready
}

/// Whether readings of these triggers call for a poll: one is active, or fails, which the poll will report. With a
/// formula a trigger's own activity does not count: there another value than the last calls for a poll.
pub(super) async fn needs_poll(live: &Serving, triggers: &[usize]) -> bool {
    let looked_at: Vec<&Arc<Trigger>> = triggers.iter().filter_map(|index| live.triggers.get(*index)).collect();
    let looks = looked_at.iter().map(|trigger| async {
        let before = trigger.last();
        let Ok(sample) = trigger.sample().await else { return true };
        if live.modifiers.is_none() {
            return sample.reading.active;
        }
        before.is_none_or(|before| (before.reading.value - sample.reading.value).abs() > f64::EPSILON)
    });
    join_all(looks).await.contains(&true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_at_the_same_moment_is_given_together() {
        let begun = Instant::now();
        let waits = [50, 200, 50, 51].map(|ms| sleep(Duration::from_millis(ms)));
        let mut ready = first_ready(waits.into_iter()).await;
        ready.sort_unstable();
        assert_eq!((ready, begun.elapsed()), (vec![0, 2], Duration::from_millis(50)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_to_wait_for_is_waited_for_without_an_end() {
        let nothing = first_ready(std::iter::empty::<std::future::Ready<()>>());
        assert!(timeout(Duration::from_hours(1), nothing).await.is_err());
    }
}
