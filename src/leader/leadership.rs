//! The right of this replica to write.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A replica's right to write, shared by all parts that write.
#[derive(Debug)]
pub struct Leadership {
    grant: Grant,
    state: Mutex<State>,
    gained: Notify,
    quiet: Notify,
    /// The address of the replica that leads, where it is another one.
    leader_address: Mutex<Option<String>>,
}

/// The source of the right to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    /// There is no election, so the right never ends.
    Always,
    /// The holder of the Lease has it.
    Election,
    /// This process only observes, and never has it.
    Never,
}

#[derive(Debug, Default)]
struct State {
    /// The time until which this replica holds the Lease, as far as it knows. None: it does not hold it.
    until: Option<Instant>,
    /// How many times this replica has acquired the Lease.
    number: u64,
    /// Whether this replica knows the writes of the previous leader.
    open: bool,
    /// The number of writes in progress.
    under_way: usize,
}

impl Leadership {
    /// The right of an only replica, without an election.
    pub fn always() -> Arc<Self> {
        Arc::new(Self::new(Grant::Always))
    }

    /// No right: this process observes, beside another autoscaler.
    pub fn never() -> Arc<Self> {
        Arc::new(Self::new(Grant::Never))
    }

    /// The right that a [`LeaderElector`](super::LeaderElector) grants and revokes.
    pub fn elected() -> Arc<Self> {
        Arc::new(Self::new(Grant::Election))
    }

    fn new(grant: Grant) -> Self {
        let (state, leader_address) = (Mutex::default(), Mutex::default());
        Self { grant, state, gained: Notify::new(), quiet: Notify::new(), leader_address }
    }

    /// The address of the API of the replica that leads, as far as it is another one and says so.
    pub fn leader_address(&self) -> Option<String> {
        self.leader_address.lock().clone()
    }

    /// Records that another replica leads, and the address that it gives.
    pub(crate) fn led_from(&self, address: Option<String>) {
        *self.leader_address.lock() = address;
    }

    /// Whether several replicas may run.
    pub fn is_elected(&self) -> bool {
        self.grant == Grant::Election
    }

    /// Whether this process never writes.
    pub fn is_observer(&self) -> bool {
        self.grant == Grant::Never
    }

    /// Whether this replica may write.
    pub fn is_leader(&self) -> bool {
        match self.grant {
            Grant::Always => true,
            Grant::Election => self.state.lock().is_leader(Instant::now()),
            Grant::Never => false,
        }
    }

    /// Whether the decisions and the series of this replica are those to show: it leads, or it observes on its own account.
    pub fn speaks(&self) -> bool {
        self.is_observer() || self.is_leader()
    }

    /// Begins a write, which ends when the result is dropped. None: this replica may not write.
    pub fn write(self: &Arc<Self>) -> Option<Writing> {
        let mut state = self.state.lock();
        let may_write = match self.grant {
            Grant::Always => true,
            Grant::Election => state.is_leader(Instant::now()),
            Grant::Never => false,
        };
        if !may_write {
            return None;
        }
        state.under_way += 1;
        Some(Writing(Arc::clone(self)))
    }

    /// Records that this replica holds the Lease until then. True if it did not hold it before, or not in time: what it did
    /// not write in between has to be looked for.
    pub(crate) fn renew(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        let new = state.until.replace(until).is_none_or(|before| before <= Instant::now());
        if new {
            state.open = false;
            state.number += 1;
            self.gained.notify_one();
        }
        new
    }

    /// Records that this replica no longer holds the Lease. True if it held it before.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.open = false;
        state.until.take().is_some()
    }

    /// Whether the Lease was not renewed in time.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().until.is_some_and(|until| until <= Instant::now())
    }

    /// Waits until this replica holds the Lease. It may write after it has read the present state; see [`Leadership::open`].
    pub async fn gained(&self) {
        self.gained.notified().await;
    }

    /// The number of the present term, even before the first write. None: this replica does not hold the Lease.
    pub fn number(&self) -> Option<u64> {
        let state = self.state.lock();
        state.until.filter(|until| Instant::now() < *until).map(|_| state.number)
    }

    /// Records that this replica knows the state before this term, so that it may write from now on. False if the term is
    /// over.
    pub fn open(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        if state.until.is_none() || state.number != number {
            return false;
        }
        state.open = true;
        true
    }

    /// Waits until no write is in progress, at most for this time.
    pub(super) async fn quiet(&self, limit: Duration) {
        let quiet = async {
            while self.state.lock().under_way > 0 {
                self.quiet.notified().await;
            }
        };
        // Do not wait longer for an answer: the API server may be gone.
        let _ = tokio::time::timeout(limit, quiet).await;
    }
}

impl State {
    fn is_leader(&self, now: Instant) -> bool {
        self.open && self.until.is_some_and(|until| now < until)
    }
}

/// A write in progress.
#[derive(Debug)]
pub struct Writing(Arc<Leadership>);

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
        let term = Leadership::elected();
        assert!(!term.is_leader());
        assert!(term.renew(Instant::now() + Duration::from_secs(10)));
        assert!(term.number() == Some(1) && !term.is_leader(), "what is there is not known yet");
        assert!(term.open(1) && term.is_leader());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!term.is_leader() && term.write().is_none(), "nobody renewed it");
        assert!(term.renew(Instant::now() + Duration::from_secs(10)), "a pass may have written nothing in between");
        assert!(!term.is_leader() && term.open(2) && term.is_leader());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(!term.renew(Instant::now() + Duration::from_secs(10)) && term.is_leader(), "it is renewed in time");
        assert!(term.end() && !term.end());
        assert!(!term.open(2) && !term.is_leader(), "a term that is over cannot be opened");
        assert!(term.renew(Instant::now() + Duration::from_secs(10)) && !term.is_leader());
        assert!(!term.open(2) && !term.is_leader(), "what was read for an earlier term may be out of date");
        assert!(term.open(3) && term.is_leader());
    }

    #[test]
    fn an_observer_speaks_and_never_writes() {
        let observer = Leadership::never();
        assert!(observer.speaks() && observer.is_observer());
        assert!(!observer.is_leader() && !observer.is_elected() && observer.write().is_none());
        let standby = Leadership::elected();
        assert!(!standby.speaks() && !standby.is_observer());
        assert!(Leadership::always().speaks());
    }

    #[tokio::test(start_paused = true)]
    async fn its_end_waits_for_writes_under_way() {
        let term = Leadership::always();
        let write = term.write().unwrap();
        let begin = Instant::now();
        term.quiet(Duration::from_secs(3)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
        drop(write);
        term.quiet(Duration::from_secs(3)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
    }
}
