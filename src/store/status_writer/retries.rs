//! Repeats the comparison of the observed status with the desired one: after a write that failed, and after a write of
//! another client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::pause_after;
use crate::kube_api::key::Key;
use crate::store::registry::Registry;

/// Comparisons at the same time. Reports of ticks go first.
const AT_ONCE: usize = 16;
/// The first pause after a write of another client. As a rule it is Ebb's own write, seen in the watch before
/// its answer.
const FOREIGN: Duration = Duration::from_millis(300);
/// The longest pause, where another client writes the same status again and again.
const FOREIGN_LONGEST: Duration = Duration::from_mins(1);
/// After this long without such a write the pause is the first one again.
const CALM: Duration = Duration::from_mins(2);

/// Takes requests for comparisons. Cloning shares the queue.
#[derive(Debug, Clone)]
pub struct StatusRetries(mpsc::UnboundedSender<(Key, Duration)>);

/// The comparisons that were asked for, for [`run`].
pub type Asked = mpsc::UnboundedReceiver<(Key, Duration)>;

/// The reasons for which a status waits for a comparison.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// A comparison waits because of a write that failed, or because of a write of another client. One does not replace
    /// the other, as their pauses differ.
    repeats: AtomicBool,
    follows: AtomicBool,
    /// The recent writes of another client: how many, and when the last was.
    foreign: Mutex<Option<(u32, Instant)>>,
}

impl Turn {
    /// A comparison begins: events from now on ask for another one.
    pub(super) fn begin(&self) {
        self.repeats.store(false, Ordering::Release);
        self.follows.store(false, Ordering::Release);
    }

    fn foreign_pause(&self, now: Instant) -> Duration {
        let mut foreign = self.foreign.lock();
        let times = foreign.filter(|(_, last)| now.duration_since(*last) < CALM).map_or(0, |(times, _)| times);
        *foreign = Some((times.saturating_add(1), now));
        // Three writes are free: Ebb corrects a failover or an edit by hand at once.
        (FOREIGN * 2_u32.pow(times.saturating_sub(2).min(8))).min(FOREIGN_LONGEST)
    }
}

impl StatusRetries {
    /// A queue, and its receiver.
    pub fn new() -> (Self, Asked) {
        let (asking, asked) = mpsc::unbounded_channel();
        (Self(asking), asked)
    }

    /// Asks for a comparison after a write of the status: Ebb's own, most likely, if it is `writing`.
    pub(super) fn soon(&self, key: &Key, turn: &Turn, writing: bool) {
        let pause = if writing { FOREIGN } else { turn.foreign_pause(Instant::now()) };
        self.ask(key, &turn.follows, pause);
    }

    /// Asks for a comparison after the `failed`th write in a row that failed.
    pub(super) fn again(&self, key: &Key, turn: &Turn, failed: u32) {
        self.ask(key, &turn.repeats, pause_after(failed));
    }

    fn ask(&self, key: &Key, waits: &AtomicBool, pause: Duration) {
        if !waits.swap(true, Ordering::AcqRel) {
            // Without a receiver the process is about to end.
            let _ = self.0.send((key.clone(), pause));
        }
    }
}

/// Makes the comparisons that are asked for, as long as there is a queue.
pub async fn run(asked: Asked, registry: Arc<Registry>, client: Client) {
    let turns = Semaphore::new(AT_ONCE);
    futures::stream::unfold(asked, |mut asked| async { asked.recv().await.map(|look| (look, asked)) })
        .for_each_concurrent(None, |(key, pause)| {
            let (registry, client, turns) = (&registry, &client, &turns);
            async move {
                tokio::time::sleep(pause).await;
                let Ok(_turn) = turns.acquire().await else { return };
                if let Some(object) = registry.get(&key) {
                    object.status.retry(client).await;
                }
            }
        })
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_waits_is_asked_for_once() {
        let (retries, mut asked) = StatusRetries::new();
        let (key, turn) = (Key::new("shop", "app"), Turn::default());
        retries.again(&key, &turn, 1);
        retries.again(&key, &turn, 2);
        assert_eq!(asked.try_recv().unwrap(), (key.clone(), Duration::from_millis(500)));
        assert!(asked.try_recv().is_err());
        retries.soon(&key, &turn, false);
        retries.soon(&key, &turn, false);
        assert_eq!(asked.try_recv().unwrap().1, FOREIGN, "it does not wait for the other");
        assert!(asked.try_recv().is_err());
        turn.begin();
        retries.again(&key, &turn, 3);
        assert_eq!(asked.try_recv().unwrap().1, Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn another_writer_is_followed_ever_more_slowly() {
        let turn = Turn::default();
        let pauses: Vec<_> = (0..12).map(|_| turn.foreign_pause(Instant::now()).as_millis()).collect();
        assert_eq!(pauses[..5], [300, 300, 300, 600, 1200]);
        assert_eq!(pauses[11], 60_000);
        tokio::time::sleep(CALM).await;
        assert_eq!(turn.foreign_pause(Instant::now()), FOREIGN);
    }
}
