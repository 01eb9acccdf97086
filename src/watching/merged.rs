//! Several watches on one kind, a namespace each, seen as one.
//!
//! Whoever keeps what a watch yields takes a list to be complete when it is done. So the lists of all namespaces are
//! passed on as one list. A watch that has to list anew later makes all of them list anew, which is rare. A namespace
//! that cannot be listed holds up the others for a while only.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll, select_all};
use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::Event;
use tokio::time::{Instant, sleep_until};

use super::Events;

/// How long the first list of a namespace may hold up the others.
const GRACE: Duration = Duration::from_secs(10);
/// The pause before all of them list anew.
const PAUSE: Duration = Duration::from_secs(1);

/// The events of the watches that `watch` begins, by the place of a name in `names`, as those of one watch.
pub(super) fn merged<K, W>(names: Vec<String>, watch: W) -> impl Stream<Item = Event<K>> + Send + 'static
where
    K: Send + 'static,
    W: Fn(usize) -> Events<K> + Send + Sync + 'static,
{
    let merging = Merging::new(names.len());
    let state =
        Merged { names, watch, merging, watches: SelectAll::new(), waiting: VecDeque::new(), until: Instant::now() };
    futures::stream::unfold(state, |mut state| async {
        let event = state.next().await;
        Some((event, state))
    })
}

struct Merged<K, W> {
    names: Vec<String>,
    watch: W,
    merging: Merging<K>,
    watches: SelectAll<BoxStream<'static, (usize, Event<K>)>>,
    waiting: VecDeque<Event<K>>,
    /// When the common list is passed on as it is.
    until: Instant,
}

impl<K: Send + 'static, W: Fn(usize) -> Events<K>> Merged<K, W> {
    async fn next(&mut self) -> Event<K> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return event;
            }
            if self.watches.is_empty() {
                self.begin();
                return Event::Init;
            }
            let took = tokio::select! {
                Some((place, event)) = self.watches.next() => self.merging.take(place, event),
                () = sleep_until(self.until), if !self.merging.complete => {
                    let late: Vec<_> = self.merging.late().map(|place| self.names[place].as_str()).collect();
                    tracing::warn!(late = late.join(", "), "cannot be listed yet; the other namespaces are served");
                    self.merging.finish()
                }
                // Watches do not end.
                else => std::future::pending().await,
            };
            match took {
                Took::Events(events) => self.waiting.extend(events),
                Took::Restart => {
                    self.watches.clear();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn begin(&mut self) {
        self.merging = Merging::new(self.names.len());
        self.until = Instant::now() + GRACE;
        self.watches = select_all((0..self.names.len()).map(|place| {
            // Errors do not come out of watches.
            (self.watch)(place).filter_map(async |event| event.ok()).map(move |event| (place, event)).boxed()
        }));
    }
}

/// How far the list of one namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// It has not begun, or nothing came of it yet.
    Nothing,
    /// Some objects have come.
    Some,
    /// All of them.
    All,
}

/// What becomes of an event.
enum Took<K> {
    /// These are passed on.
    Events(Vec<Event<K>>),
    /// All watches have to begin anew.
    Restart,
}

/// Which events of which watch are passed on, and as what.
struct Merging<K> {
    listed: Vec<Listed>,
    /// Whether the common list has been passed on.
    complete: bool,
    /// Changes that came while the common list was under way: who keeps a list would lose them.
    held: Vec<Event<K>>,
}

impl<K> Merging<K> {
    fn new(count: usize) -> Self {
        Self { listed: vec![Listed::Nothing; count], complete: false, held: Vec::new() }
    }

    fn take(&mut self, place: usize, event: Event<K>) -> Took<K> {
        let events = match event {
            // A list that failed before anything came of it may begin again.
            Event::Init if self.listed[place] == Listed::Nothing => Vec::new(),
            Event::Init => return Took::Restart,
            Event::InitApply(object) => {
                self.listed[place] = Listed::Some;
                vec![if self.complete { Event::Apply(object) } else { Event::InitApply(object) }]
            }
            Event::InitDone => {
                self.listed[place] = Listed::All;
                if self.complete || self.late().next().is_some() {
                    Vec::new()
                } else {
                    return self.finish();
                }
            }
            change if self.complete => vec![change],
            change => {
                self.held.push(change);
                Vec::new()
            }
        };
        Took::Events(events)
    }

    /// The places of those whose list is not done.
    fn late(&self) -> impl Iterator<Item = usize> {
        self.listed.iter().enumerate().filter(|(_, listed)| **listed != Listed::All).map(|(place, _)| place)
    }

    /// Takes the common list for done, whoever is late.
    fn finish(&mut self) -> Took<K> {
        self.complete = true;
        let mut events = vec![Event::InitDone];
        events.append(&mut self.held);
        Took::Events(events)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Event::{Apply, Delete, Init, InitApply, InitDone};
    use super::*;

    type Script = Vec<Event<&'static str>>;

    /// Plays the scripts of each round of each watch, and shows what comes out of them.
    async fn play(rounds: Vec<[Script; 2]>, count: usize) -> Vec<String> {
        let begun = Arc::new(AtomicUsize::new(0));
        let watch = move |place: usize| {
            let round = begun.fetch_add(1, Ordering::Relaxed) / 2;
            let events = rounds.get(round).map(|scripts| scripts[place].clone()).unwrap_or_default();
            futures::stream::iter(events.into_iter().map(Ok)).chain(futures::stream::pending()).boxed()
        };
        let names = vec!["a".to_owned(), "b".to_owned()];
        let shown = merged(names, watch).take(count).map(|event| match event {
            Init => "init".to_owned(),
            InitApply(name) => format!("list {name}"),
            InitDone => "done".to_owned(),
            Apply(name) => format!("apply {name}"),
            Delete(name) => format!("delete {name}"),
        });
        shown.collect().await
    }

    fn sorted(mut events: Vec<String>) -> Vec<String> {
        events.sort();
        events
    }

    #[tokio::test(start_paused = true)]
    async fn the_lists_of_all_namespaces_are_one() {
        let a = vec![Init, InitApply("a1"), InitDone, Delete("a1"), Apply("a2")];
        let b = vec![Init, InitApply("b1"), InitApply("b2"), InitDone];
        let events = play(vec![[a, b]], 7).await;
        assert_eq!(events[0], "init");
        assert_eq!(sorted(events[1..4].to_vec()), ["list a1", "list b1", "list b2"]);
        // What happened meanwhile comes after the list, in its order.
        assert_eq!(events[4..], ["done", "delete a1", "apply a2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_lists_anew_makes_all_list_anew() {
        let first =
            [vec![Init, InitApply("a1"), InitDone, Init, InitApply("a2")], vec![Init, InitApply("b1"), InitDone]];
        let second = [vec![Init, InitApply("a2"), InitDone], vec![Init, InitApply("b1"), InitDone, Apply("b1")]];
        let events = play(vec![first, second], 9).await;
        let again = events.iter().rposition(|event| event == "init").unwrap();
        assert!(again > 0, "{events:?}");
        assert_eq!(sorted(events[again..again + 4].to_vec()), ["done", "init", "list a2", "list b1"]);
        assert_eq!(events.get(again + 4).map(String::as_str), Some("apply b1"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_listed_holds_up_the_others_for_a_while_only() {
        let begin = Instant::now();
        // Refused twice: a watch begins its list again each time.
        let events = play(vec![[vec![Init, Init, Init], vec![Init, InitApply("b1"), InitDone, Apply("b2")]]], 4).await;
        assert_eq!(events, ["init", "list b1", "done", "apply b2"]);
        assert_eq!(begin.elapsed().as_secs(), GRACE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_late_adds_to_the_others() {
        let mut merging = Merging::new(2);
        let mut took = |place, event: Event<&'static str>| match merging.take(place, event) {
            Took::Events(events) => events.len(),
            Took::Restart => 99,
        };
        assert_eq!((took(0, Init), took(0, InitApply("a")), took(0, InitDone)), (0, 1, 0));
        assert!(matches!(merging.finish(), Took::Events(events) if matches!(events[..], [InitDone])));
        assert!(matches!(merging.take(1, Init), Took::Events(events) if events.is_empty()));
        assert!(matches!(merging.take(1, InitApply("b")), Took::Events(events) if matches!(events[..], [Apply("b")])));
        assert!(matches!(merging.take(1, InitDone), Took::Events(events) if events.is_empty()));
        assert!(matches!(merging.take(1, Init), Took::Restart));
    }
}
