//! Looks at the queues of idle workloads: AMQP announces no message to a client that does not consume.
//!
//! One task for each connection asks for the depths of all of them in turn, many in one burst, so that an idle workload
//! costs no wake-up of its own. It wakes the workload whose queue has another count than before.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::Client;
use super::session::{Asker, Lane, Question, Refusal};

/// Bursts come this far apart. The questions of a burst share their packets and the wake-up of the connection.
const BURST: Duration = Duration::from_millis(50);
/// The shortest time between two looks at one queue.
const EARLIEST: Duration = Duration::from_millis(200);
/// A round through all queues takes this long, within the bounds that follow.
const ROUND: Duration = Duration::from_millis(1_500);
/// Looks a second: as many cost nothing worth saving, and more are too many for a broker.
const LEAST: f64 = 250.0;
const MOST: f64 = 7_000.0;
/// Bursts that may wait for their answers at the same time. A slow broker is asked less often.
const BURSTS_AT_ONCE: usize = 4;

/// A queue that an idle workload waits for. Its waiter owns it, so that the rotation forgets it with the waiter.
#[derive(Debug)]
struct Watched {
    me: Weak<Self>,
    client: Weak<Client>,
    queue: Arc<str>,
    /// The count at the last look of the workload.
    seen: u32,
    changed: Notify,
}

impl Watched {
    fn new(client: Weak<Client>, queue: Arc<str>, seen: u32) -> Arc<Self> {
        Arc::new_cyclic(|me| Self { me: Weak::clone(me), client, queue, seen, changed: Notify::new() })
    }
}

impl Asker for Watched {
    fn answered(&self, answer: Result<u32, &Refusal>) {
        match self.client.upgrade().filter(|_| answer == Ok(self.seen)) {
            Some(client) => client.watcher.look_again(Weak::clone(&self.me)),
            None => self.changed.notify_one(),
        }
    }
}

/// The queues that are looked at, the one that waits longest first.
#[derive(Debug, Default)]
struct Rotation {
    waiting: VecDeque<(Instant, Weak<Watched>)>,
    /// Whether the task runs.
    runs: bool,
}

impl Rotation {
    /// How many queues a burst has.
    fn burst(&self) -> usize {
        let all = f64::from(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX));
        let looks = (all / ROUND.as_secs_f64()).clamp(LEAST, MOST) * BURST.as_secs_f64();
        // At most 350.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let looks = looks.ceil() as usize;
        looks
    }

    /// The next burst: queues whose last look is long enough ago.
    fn take(&mut self, now: Instant) -> Vec<Arc<Watched>> {
        let mut due = Vec::new();
        let size = self.burst();
        while due.len() < size && self.waiting.front().is_some_and(|(earliest, _)| *earliest <= now) {
            let (_, watched) = self.waiting.pop_front().unwrap_or((now, Weak::new()));
            due.extend(watched.upgrade());
        }
        due
    }
}

/// The looks at the queues of one connection.
#[derive(Debug, Default)]
pub(super) struct Watcher(Mutex<Rotation>);

impl Watcher {
    /// Resolves when `queue` has another count than `seen`, or cannot be asked about.
    pub(super) async fn changed(client: &Arc<Client>, queue: &Arc<str>, seen: u32) {
        let watched = Watched::new(Arc::downgrade(client), Arc::clone(queue), seen);
        client.watcher.add(client, &watched);
        watched.changed.notified().await;
    }

    /// Looks at the queues whose turn it is. False: there are none to look at any more.
    fn look(&self, client: &Client) -> bool {
        let connection = client.open();
        let unanswered = connection.as_ref().map_or(0, |connection| connection.unanswered());
        let mut rotation = self.0.lock();
        if rotation.waiting.is_empty() && unanswered == 0 {
            rotation.runs = false;
            return false;
        }
        if unanswered >= BURSTS_AT_ONCE * rotation.burst() {
            return true;
        }
        let due = rotation.take(Instant::now());
        drop(rotation);
        let Some(connection) = connection else {
            // Its workload reads it, which opens the connection.
            for watched in due {
                watched.changed.notify_one();
            }
            return true;
        };
        connection.ask(
            Lane::Shared,
            due.into_iter().map(|watched| Question { queue: Arc::clone(&watched.queue), asker: watched }),
        );
        true
    }

    fn look_again(&self, watched: Weak<Watched>) {
        self.0.lock().waiting.push_back((Instant::now() + EARLIEST, watched));
    }

    fn add(&self, client: &Arc<Client>, watched: &Arc<Watched>) {
        let mut rotation = self.0.lock();
        rotation.waiting.push_back((Instant::now() + EARLIEST, Arc::downgrade(watched)));
        if !std::mem::replace(&mut rotation.runs, true) {
            tokio::spawn(run(Arc::downgrade(client)));
        }
    }
}

/// Looks at the queues in turn, for as long as there are any.
async fn run(client: Weak<Client>) {
    sleep(EARLIEST).await;
    while let Some(client) = client.upgrade() {
        if !client.watcher.look(&client) {
            return;
        }
        drop(client);
        // Bursts that were held up are not made up for.
        sleep(BURST).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(number: usize) -> Arc<Watched> {
        Watched::new(Weak::new(), number.to_string().into(), 0)
    }

    #[test]
    fn a_round_takes_two_seconds_or_a_broker_is_spared() {
        let now = Instant::now();
        for (queues, burst) in [(1, 13), (300, 13), (1_800, 60), (9_000, 300), (100_000, 350)] {
            let rotation = Rotation { waiting: (0..queues).map(|_| (now, Weak::new())).collect(), runs: true };
            assert_eq!(rotation.burst(), burst, "{queues}");
        }
    }

    #[test]
    fn the_queue_that_waits_longest_is_next_and_one_that_nobody_waits_for_is_forgotten() {
        let now = Instant::now();
        let mut queues: Vec<_> = (0..20).map(watched).collect();
        let mut rotation = Rotation::default();
        for (number, queue) in (0_u32..).zip(&queues) {
            rotation.waiting.push_back((now + Duration::from_millis(1) * number, Arc::downgrade(queue)));
        }
        queues.remove(1);
        let names = |burst: Vec<Arc<Watched>>| -> Vec<String> {
            burst.iter().map(|watched| watched.queue.to_string()).collect()
        };
        assert_eq!(names(rotation.take(now + Duration::from_millis(3))), ["0", "2", "3"]);
        assert!(rotation.take(now + Duration::from_millis(3)).is_empty(), "the others were looked at too recently");
        assert_eq!(rotation.take(now + EARLIEST).len(), 13);
        assert_eq!((rotation.take(now + EARLIEST).len(), rotation.waiting.len()), (3, 0));
    }
}
