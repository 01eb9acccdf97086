//! Whether this replica may write at this moment.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A replica's right to write. Shared by all that write.
#[derive(Debug)]
pub struct Term {
    /// Without an election it has no end.
    elected: bool,
    state: Mutex<State>,
    gained: Notify,
    quiet: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The Lease is this replica's as far as it knows, until then. None: it is not.
    until: Option<Instant>,
    /// How often it has become this replica's.
    number: u64,
    /// What the replica before has written is known.
    open: bool,
    /// Writes that have begun and not ended.
    under_way: usize,
}

impl Term {
    /// One without an election: this replica is the only one.
    pub fn always() -> Arc<Self> {
        Arc::new(Self::new(false))
    }

    /// One that a [`Keeper`](super::Keeper) gives and takes.
    pub fn elected() -> Arc<Self> {
        Arc::new(Self::new(true))
    }

    fn new(elected: bool) -> Self {
        Self { elected, state: Mutex::default(), gained: Notify::new(), quiet: Notify::new() }
    }

    /// Whether there are several replicas, of which one writes.
    pub fn is_elected(&self) -> bool {
        self.elected
    }

    /// Whether this replica may write.
    pub fn leads(&self) -> bool {
        !self.elected || self.state.lock().leads(Instant::now())
    }

    /// Begins a write, which ends when the result is dropped. None: it may not be.
    pub fn write(self: &Arc<Self>) -> Option<Writing> {
        let mut state = self.state.lock();
        if self.elected && !state.leads(Instant::now()) {
            return None;
        }
        state.under_way += 1;
        Some(Writing(Arc::clone(self)))
    }

    /// The Lease is this replica's until then. True if it was not before.
    pub(crate) fn renew(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        let new = state.until.replace(until).is_none();
        if new {
            state.open = false;
            state.number += 1;
            self.gained.notify_one();
        }
        new
    }

    /// The Lease is not this replica's any more. True if it was.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.open = false;
        state.until.take().is_some()
    }

    /// Whether it was not renewed in time.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().until.is_some_and(|until| until <= Instant::now())
    }

    /// Waits until the Lease has become this replica's: it may write once it knows what is there, see [`Term::open`].
    pub async fn gained(&self) {
        self.gained.notified().await;
    }

    /// The number of the present term, be it that nothing is written yet. None: the Lease is not this replica's.
    pub fn number(&self) -> Option<u64> {
        let state = self.state.lock();
        state.until.filter(|until| Instant::now() < *until).map(|_| state.number)
    }

    /// This replica knows what was written before this term, and writes from now on. False if that term is over.
    pub fn open(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        if state.until.is_none() || state.number != number {
            return false;
        }
        state.open = true;
        true
    }

    /// Waits until no write is under way, but not longer than this.
    pub(super) async fn quiet(&self, limit: Duration) {
        let quiet = async {
            while self.state.lock().under_way > 0 {
                self.quiet.notified().await;
            }
        };
        // What has not been answered by then is not waited for: the API server may be gone.
        let _ = tokio::time::timeout(limit, quiet).await;
    }
}

impl State {
    fn leads(&self, now: Instant) -> bool {
        self.open && self.until.is_some_and(|until| now < until)
    }
}

/// A write that is under way.
#[derive(Debug)]
pub struct Writing(Arc<Term>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.state.lock().under_way -= 1;
        self.0.quiet.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A panic is how a test fails.

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_writes_from_its_opening_to_its_end() {
        let term = Term::elected();
        assert!(!term.leads());
        assert!(term.renew(Instant::now() + Duration::from_secs(10)));
        assert!(term.number() == Some(1) && !term.leads(), "what is there is not known yet");
        assert!(term.open(1) && term.leads());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!term.leads() && term.write().is_none(), "nobody renewed it");
        assert!(!term.renew(Instant::now() + Duration::from_secs(10)), "nobody else has had it");
        assert!(term.leads());
        assert!(term.end() && !term.end());
        assert!(!term.open(1) && !term.leads(), "a term that is over cannot be opened");
        assert!(term.renew(Instant::now() + Duration::from_secs(10)) && !term.leads());
        assert!(!term.open(1) && !term.leads(), "what was read for an earlier term may be out of date");
        assert!(term.open(2) && term.leads());
    }

    #[tokio::test(start_paused = true)]
    async fn its_end_waits_for_writes_under_way() {
        let term = Term::always();
        let write = term.write().unwrap();
        let begin = Instant::now();
        term.quiet(Duration::from_secs(3)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
        drop(write);
        term.quiet(Duration::from_secs(3)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
    }
}
