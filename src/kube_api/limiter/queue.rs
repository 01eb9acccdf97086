//! The requests that wait for the API server, by their urgency.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It reads or sets a count of replicas: a workload waits for it.
    Scale,
    /// It belongs to the check of a ScaledObject.
    Check,
    /// It reports: a status or an event.
    Report,
}

impl Urgency {
    /// The urgency of a request, by its method and path.
    pub(super) fn of(is_read: bool, path: &str) -> Self {
        if path.ends_with("/scale") {
            Self::Scale
        } else if !is_read && (path.ends_with("/status") || path.contains("/events")) {
            Self::Report
        } else {
            Self::Check
        }
    }
}

/// Every eighth turn goes to the least urgent request: reports are late, never lost.
const TURN_OF_THE_LAST: u32 = 8;

/// Waiting requests. Each gets a permit `T` when it is woken.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: [VecDeque<oneshot::Sender<T>>; 3],
    turns: u32,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: Default::default(), turns: 0 }
    }
}

impl<T> Queue<T> {
    /// Adds a request. It waits on the returned receiver.
    pub(super) fn add(&mut self, urgency: Urgency) -> oneshot::Receiver<T> {
        let (wake, woken) = oneshot::channel();
        self.waiting[urgency as usize].push_back(wake);
        woken
    }

    /// How many wait, the most urgent first. Those that were given up count until their turn.
    pub(super) fn lengths(&self) -> [usize; 3] {
        self.waiting.each_ref().map(VecDeque::len)
    }

    /// Whether none waits at least as urgently.
    pub(super) fn is_free_for(&self, urgency: Urgency) -> bool {
        self.waiting[..=urgency as usize].iter().all(VecDeque::is_empty)
    }

    /// Gives `permit` to the next request: the first of the most urgent, or, once in a while, the first of the least
    /// urgent. With
    /// `only_urgent`, requests that can wait stay. Gives the permit back if no request takes it.
    pub(super) fn wake_next(&mut self, mut permit: T, only_urgent: bool) -> Result<(), T> {
        let last_first = self.turns % TURN_OF_THE_LAST == TURN_OF_THE_LAST - 1;
        let order: &[usize] = match (only_urgent, last_first) {
            (true, _) => &[0],
            (false, false) => &[0, 1, 2],
            (false, true) => &[2, 1, 0],
        };
        for place in order {
            let waiting = &mut self.waiting[*place];
            while let Some(wake) = waiting.pop_front() {
                // A request that was given up is passed over.
                permit = match wake.send(permit) {
                    Ok(()) => {
                        self.turns = self.turns.wrapping_add(1);
                        return Ok(());
                    }
                    Err(permit) => permit,
                };
            }
            if waiting.capacity() > 1024 {
                waiting.shrink_to_fit();
            }
        }
        Err(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_how_urgent_a_request_is() {
        for (is_read, path, urgency) in [
            (true, "/apis/apps/v1/namespaces/shop/deployments/app/scale", Urgency::Scale),
            (false, "/apis/apps/v1/namespaces/shop/deployments/app/scale", Urgency::Scale),
            (false, "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/app/status", Urgency::Report),
            (true, "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/app", Urgency::Check),
            (false, "/api/v1/namespaces/shop/events", Urgency::Report),
            (false, "/api/v1/namespaces/shop/events/app.17", Urgency::Report),
            (false, "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers", Urgency::Check),
        ] {
            assert_eq!(Urgency::of(is_read, path), urgency, "{path}");
        }
    }

    #[test]
    fn the_most_urgent_goes_first_and_the_last_gets_every_eighth_turn() {
        let mut queue = Queue::default();
        let mut waiting: Vec<_> = [Urgency::Report, Urgency::Check, Urgency::Scale]
            .into_iter()
            .flat_map(|urgency| std::iter::repeat_n(urgency, 8))
            .map(|urgency| (urgency, queue.add(urgency)))
            .collect();
        let mut order = Vec::new();
        while queue.wake_next((), false).is_ok() {
            let woken = waiting.iter_mut().position(|(_, wait)| wait.try_recv().is_ok()).unwrap();
            order.push(waiting.remove(woken).0);
        }
        assert_eq!(order.len(), 24);
        assert_eq!(order[..7], [Urgency::Scale; 7]);
        assert_eq!(order[7], Urgency::Report);
        assert_eq!(order[8], Urgency::Scale);
        assert_eq!(order[9..15], [Urgency::Check; 6]);
        assert_eq!(order[15], Urgency::Report);
    }

    #[test]
    fn a_request_that_was_given_up_takes_no_turn() {
        let mut queue = Queue::default();
        drop(queue.add(Urgency::Check));
        let mut next = queue.add(Urgency::Check);
        assert!(queue.wake_next((), false).is_ok() && next.try_recv().is_ok());
        assert!(queue.wake_next((), false).is_err());
    }

    #[test]
    fn during_a_pause_only_scaling_goes_on() {
        let mut queue = Queue::default();
        let (mut check, mut scale) = (queue.add(Urgency::Check), queue.add(Urgency::Scale));
        assert!(!queue.is_free_for(Urgency::Report) && !queue.is_free_for(Urgency::Scale));
        assert!(queue.wake_next((), true).is_ok() && scale.try_recv().is_ok());
        assert!(queue.wake_next((), true).is_err() && check.try_recv().is_err());
        assert_eq!(queue.lengths(), [0, 1, 0]);
    }
}
