//! The workload: its count, and the pods that are ready.

use std::collections::VecDeque;
use std::time::Duration;

use super::hpa::TargetCounts;

/// The simulated target.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    replicas: i32,
    /// The time that a new pod needs until it is ready.
    start_up: Duration,
    /// When how many pods will be ready, in order.
    starting: VecDeque<(Duration, i32)>,
}

impl Workload {
    /// A workload with `replicas` pods, all of them ready.
    pub(super) fn new(replicas: i32, start_up: Duration) -> Self {
        Self { replicas, start_up, starting: VecDeque::new() }
    }

    pub(super) fn replicas(&self) -> i32 {
        self.replicas
    }

    pub(super) fn counts(&self) -> TargetCounts {
        let starting: i32 = self.starting.iter().map(|(_, count)| count).sum();
        TargetCounts { replicas: self.replicas, ready: self.replicas - starting }
    }

    /// The next time at which a pod becomes ready.
    pub(super) fn next_ready(&self) -> Option<Duration> {
        self.starting.front().map(|(at, _)| *at)
    }

    /// Time has come to `now`.
    pub(super) fn advance(&mut self, now: Duration) {
        while self.next_ready().is_some_and(|at| at <= now) {
            self.starting.pop_front();
        }
    }

    /// Sets the count. Pods that are not ready yet go first, as a ReplicaSet has it.
    pub(super) fn set(&mut self, replicas: i32, now: Duration) {
        let mut fewer = self.replicas - replicas;
        if fewer < 0 && self.start_up > Duration::ZERO {
            self.starting.push_back((now + self.start_up, -fewer));
        }
        while let Some((_, count)) = self.starting.back_mut().filter(|_| fewer > 0) {
            let taken = fewer.min(*count);
            (fewer, *count) = (fewer - taken, *count - taken);
            if *count == 0 {
                self.starting.pop_back();
            }
        }
        self.replicas = replicas;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pods_are_ready_when_they_have_started() {
        let mut workload = Workload::new(2, at(30));
        let ready = |workload: &Workload| (workload.replicas(), workload.counts().ready);
        workload.set(5, at(0));
        workload.set(7, at(10));
        assert_eq!(ready(&workload), (7, 2));
        workload.advance(at(30));
        assert_eq!((ready(&workload), workload.next_ready()), ((7, 5), Some(at(40))));
        // A pod that is not ready goes first, then others.
        workload.set(6, at(31));
        assert_eq!(ready(&workload), (6, 5));
        workload.set(3, at(32));
        assert_eq!((ready(&workload), workload.next_ready()), ((3, 3), None));
        let mut at_once = Workload::new(0, Duration::ZERO);
        at_once.set(4, at(1));
        assert_eq!(ready(&at_once), (4, 4));
    }
}
