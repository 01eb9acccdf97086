//! The quick look at the topics of idle workloads: whether a log's end has moved.
//!
//! Owns the interval of the looks. One `ListOffsets` for each leader looks at all watched topics of a cluster, and no
//! consumer group is asked or joined. After a move the topic's triggers read their lag.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::protocol::End;
use super::topics::{ByLeader, Topic, Watcher};

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(200);
/// Partitions that are looked at that often; with more of them each has its turn less often.
const PARTITIONS: u32 = 1000;
/// Looks without anything to look at before the looking ends: waiters come and go.
const IDLE_LOOKS: u32 = 10;
/// The oldest list of partitions that a look uses. Polls keep it fresh.
const LAYOUT_AGE: Duration = Duration::from_mins(5);

/// Whether the topics are being looked at, and the leaders that have not answered the last look yet.
#[derive(Debug, Default)]
pub(super) struct Idle {
    looking: Mutex<bool>,
    busy: Arc<Mutex<HashSet<i32>>>,
}

impl Client {
    /// Looks at a topic often for as long as the returned watcher lives.
    pub(super) fn watch(self: &Arc<Self>, topic: &Arc<Topic>) -> Watcher {
        let watcher = topic.watch();
        let mut looking = self.idle.looking.lock();
        if !*looking {
            *looking = true;
            tokio::spawn(look_often(Arc::downgrade(self)));
        }
        watcher
    }

    fn watched(&self) -> Vec<Arc<Topic>> {
        self.topics.all().into_iter().filter(|topic| topic.is_watched()).collect()
    }

    /// Looks once, without waiting for the answers. Returns when to look again.
    fn look(self: &Arc<Self>, watched: &[Arc<Topic>]) -> Duration {
        let now = Instant::now();
        let mut partitions = ByLeader::default();
        for topic in watched {
            if let Some(Ok(layout)) = topic.layout(now, LAYOUT_AGE) {
                for (partition, leader) in layout.iter() {
                    partitions.add(topic, *partition, *leader);
                }
            }
        }
        let count: usize = partitions.led.values().map(Vec::len).sum();
        for (leader, partitions) in partitions.led {
            if !self.idle.busy.lock().insert(leader) {
                continue;
            }
            let (client, busy) = (Arc::clone(self), Arc::clone(&self.idle.busy));
            tokio::spawn(async move {
                // The poll finds the error and reports it.
                let _ = client.ask_leader(leader, End::LastStable, partitions).await;
                busy.lock().remove(&leader);
            });
        }
        EVERY * u32::try_from(count).unwrap_or(u32::MAX).div_ceil(PARTITIONS).max(1)
    }
}

async fn look_often(client: Weak<Client>) {
    let mut looks_left = IDLE_LOOKS;
    loop {
        let pause = {
            let Some(client) = client.upgrade() else { return };
            let watched = client.watched();
            if watched.is_empty() {
                looks_left = looks_left.saturating_sub(1);
                let mut looking = client.idle.looking.lock();
                // Callers from now on find that nobody looks.
                if looks_left == 0 && client.watched().is_empty() {
                    *looking = false;
                    return;
                }
                EVERY
            } else {
                looks_left = IDLE_LOOKS;
                client.look(&watched)
            }
        };
        sleep(pause).await;
    }
}
