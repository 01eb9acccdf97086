//! The topics in use: their partitions, and the last ends of their logs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::protocol::{End, Partition};
use super::room::Room;
use crate::net::budget::Budget;
use crate::scaler::ReadError;

/// How old the list of a topic's partitions may be: new ones are seen within this time.
pub(super) const LAYOUT_AGE: Duration = Duration::from_secs(10);
/// How long it is taken for true that a topic is not there.
const MISSING_AGE: Duration = Duration::from_secs(1);
/// How old the end of a log may be when it is read: readings that come close together share it.
const END_AGE: Duration = Duration::from_millis(500);
/// How old the start of a log may be. It moves when retention deletes records.
const START_AGE: Duration = Duration::from_secs(5);

/// A topic's partitions and the broker that leads each, none while there is none.
pub(super) type TopicMetadata = Arc<[(i32, Option<i32>)]>;

/// One topic that a trigger looks at.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    layout: Mutex<Option<(Instant, Result<TopicMetadata, ReadError>)>>,
    /// Memory for its partitions.
    room: Mutex<Option<Room>>,
    offsets: Mutex<HashMap<(End, i32), (Instant, i64)>>,
    /// Counts the times that an end was seen to have moved.
    moves: watch::Sender<u64>,
    watchers: AtomicUsize,
}

impl Topic {
    fn new(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            layout: Mutex::default(),
            room: Mutex::default(),
            offsets: Mutex::default(),
            moves: watch::Sender::new(0),
            watchers: AtomicUsize::new(0),
        }
    }

    /// The partitions, or that there is no such topic, if that is known and not older than `age`.
    pub(super) fn layout(&self, now: Instant, age: Duration) -> Option<Result<TopicMetadata, ReadError>> {
        let layout = self.layout.lock();
        let (at, layout) = layout.as_ref()?;
        let age = if layout.is_ok() { age } else { age.min(MISSING_AGE) };
        (now.saturating_duration_since(*at) <= age).then(|| layout.clone())
    }

    /// Notes the partitions, and forgets the offsets of partitions that have gone.
    pub(super) fn set_layout(&self, now: Instant, layout: Result<TopicMetadata, ReadError>) {
        if let Ok(layout) = &layout {
            self.offsets.lock().retain(|(_, partition), _| layout.iter().any(|(present, _)| present == partition));
        }
        *self.layout.lock() = Some((now, layout));
    }

    /// Takes memory for `partitions` partitions.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn make_room(&self, partitions: usize, budget: &Budget) -> Result<(), String> {
        let mut room = self.room.lock();
        // The present reservation may be all that is left.
        *room = None;
        *room = Some(Room::for_partitions(partitions, budget)?);
        Ok(())
    }

    /// The partitions have moved: they are asked for again with the next reading.
    pub(super) fn forget_layout(&self) {
        *self.layout.lock() = None;
    }

    /// Whether its partitions are not known: never asked for, or to be asked for again.
    pub(super) fn has_no_layout(&self) -> bool {
        self.layout.lock().is_none()
    }

    /// One end of a partition's log, if it is known well enough.
    pub(super) fn offset(&self, end: End, partition: i32, now: Instant) -> Option<i64> {
        let age = match end {
            End::Start => START_AGE,
            End::LastStable => END_AGE,
        };
        let offsets = self.offsets.lock();
        let (at, offset) = offsets.get(&(end, partition))?;
        (now.saturating_duration_since(*at) <= age).then_some(*offset)
    }

    /// Notes one end of a partition's log, asked for at `now`.
    pub(super) fn set_offset(&self, end: End, partition: i32, now: Instant, offset: i64) {
        let before = self.offsets.lock().insert((end, partition), (now, offset));
        if end == End::LastStable && before.is_some_and(|(_, before)| before != offset) {
            self.moves.send_modify(|moves| *moves += 1);
        }
    }

    /// How often an end has moved so far.
    pub(super) fn moves(&self) -> u64 {
        *self.moves.borrow()
    }

    /// Waits until an end has moved since there were `moves`.
    pub(super) async fn moved_since(&self, moves: u64) {
        // The sender lives as long as the topic.
        let _ = self.moves.subscribe().wait_for(|present| *present != moves).await;
    }

    /// Looks at the topic often for as long as the returned watcher lives.
    pub(super) fn watch(self: &Arc<Self>) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher(Arc::clone(self))
    }

    /// Whether a trigger waits for it to move.
    pub(super) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }
}

/// See [`Topic::watch`].
#[derive(Debug)]
pub(super) struct Watcher(Arc<Topic>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The topics in use, by name. One is forgotten with the last trigger that looks at it.
#[derive(Debug, Default)]
pub(super) struct Topics {
    known: Mutex<HashMap<Arc<str>, Weak<Topic>>>,
}

impl Topics {
    /// The topic of this name.
    pub(super) fn get(&self, name: &str) -> Arc<Topic> {
        let mut known = self.known.lock();
        if let Some(topic) = known.get(name).and_then(Weak::upgrade) {
            return topic;
        }
        known.retain(|_, topic| topic.strong_count() > 0);
        let name: Arc<str> = name.into();
        let topic = Arc::new(Topic::new(&name));
        known.insert(name, Arc::downgrade(&topic));
        topic
    }

    /// The topic of this name, if a trigger looks at it.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Topic>> {
        self.known.lock().get(name).and_then(Weak::upgrade)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        self.known.lock().values().filter_map(Weak::upgrade).collect()
    }
}

/// The partitions to ask each leader about, and those that have none.
#[derive(Debug, Default)]
pub(super) struct ByLeader {
    pub(super) led: BTreeMap<i32, Vec<Partition>>,
    pub(super) leaderless: Vec<Partition>,
}

impl ByLeader {
    /// Adds a partition.
    pub(super) fn add(&mut self, topic: &Topic, partition: i32, leader: Option<i32>) {
        let partition = (Arc::clone(&topic.name), partition);
        match leader {
            Some(leader) => self.led.entry(leader).or_default().push(partition),
            None => self.leaderless.push(partition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_topic_grows_old() {
        let topics = Topics::default();
        let topic = topics.get("orders");
        let now = Instant::now();
        assert!(topic.layout(now, LAYOUT_AGE).is_none());
        topic.set_layout(now, Ok(vec![(0, Some(1))].into()));
        assert!(topic.layout(now + LAYOUT_AGE, LAYOUT_AGE).is_some());
        assert!(topic.layout(now + LAYOUT_AGE * 2, LAYOUT_AGE).is_none());
        topic.set_layout(now, Err(ReadError::Query("gone".into())));
        assert!(topic.layout(now + MISSING_AGE * 2, LAYOUT_AGE).is_none(), "that it is missing is asked again soon");

        topic.set_offset(End::LastStable, 0, now, 5);
        assert_eq!(topic.offset(End::LastStable, 0, now + END_AGE), Some(5));
        assert_eq!(topic.offset(End::LastStable, 0, now + END_AGE * 2), None);
        topic.set_layout(now, Ok(vec![(1, Some(1))].into()));
        assert_eq!(topic.offset(End::LastStable, 0, now), None, "the partition has gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_of_an_end_is_noticed_and_a_repetition_is_not() {
        let topic = Topics::default().get("orders");
        let now = Instant::now();
        topic.set_offset(End::LastStable, 0, now, 5);
        let moves = topic.moves();
        topic.set_offset(End::LastStable, 0, now, 5);
        topic.set_offset(End::Start, 0, now, 1);
        topic.set_offset(End::Start, 0, now, 2);
        let waiting = tokio::time::timeout(Duration::from_secs(1), topic.moved_since(moves));
        assert!(waiting.await.is_err());
        topic.set_offset(End::LastStable, 0, now, 6);
        topic.moved_since(moves).await;
    }

    #[test]
    fn a_topic_is_one_for_all_who_look_at_it_and_watched_while_one_of_them_waits() {
        let topics = Topics::default();
        let (first, second) = (topics.get("orders"), topics.get("orders"));
        assert!(Arc::ptr_eq(&first, &second));
        let watchers = (first.watch(), second.watch());
        drop(watchers.0);
        assert!(first.is_watched());
        drop(watchers.1);
        assert!(!first.is_watched());
        drop((first, second));
        assert!(topics.all().is_empty());
    }
}
