//! The state of one ScaledObject that its checks keep.

use parking_lot::Mutex;

/// The results of the last checks. Locked inside.
#[derive(Debug, Default)]
pub struct CheckState(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_checked: bool,
    /// The number of checks in a row that have failed, for causes of one kind.
    failures: u32,
    /// Whether the cause is the ScaledObject, not the API server.
    is_final: bool,
    is_well: bool,
    served: Option<i64>,
    target: Option<u64>,
    /// The failures that the log has a line about.
    trouble: Option<Trouble>,
}

/// Checks that have failed since the last one that succeeded.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    /// A digest of the last reason.
    reason: u64,
    checks: u32,
}

impl CheckState {
    /// A check has succeeded. `served` is the generation in force now, if there is one. Returns the number of failed
    /// checks before, if the log has a line about them.
    pub fn succeeded(&self, served: Option<i64>) -> Option<u32> {
        let mut state = self.0.lock();
        let (target, trouble) = (state.target, state.trouble);
        *state = State { is_checked: true, is_well: true, served, target, ..State::default() };
        trouble.map(|trouble| trouble.checks)
    }

    /// A check has failed for a reason with this digest, which belongs into the log. Returns whether the log has no
    /// line about it yet: the same reason lasts until a check succeeds.
    pub fn is_new_trouble(&self, reason: u64) -> bool {
        let mut state = self.0.lock();
        let before = state.trouble;
        state.trouble = Some(Trouble { reason, checks: before.map_or(0, |before| before.checks).saturating_add(1) });
        before.is_none_or(|before| before.reason != reason)
    }

    /// A check has failed. `is_final`: the cause is the ScaledObject, not the API server. Returns how many have failed
    /// in a row for a cause of this kind: after weeks with a wrong specification, a lost answer causes no long pause.
    pub fn failed(&self, is_final: bool) -> u32 {
        let mut state = self.0.lock();
        let before = if state.is_final == is_final { state.failures } else { 0 };
        (state.is_checked, state.is_well, state.is_final) = (true, false, is_final);
        state.failures = before.saturating_add(1);
        state.failures
    }

    /// Another replica may have served something else: the next check begins from nothing.
    pub fn take_over(&self) {
        let mut state = self.0.lock();
        let State { is_checked, failures, trouble, .. } = *state;
        *state = State { is_checked, failures, trouble, ..State::default() };
    }

    /// Whether a check has ended, well or not.
    pub fn is_checked(&self) -> bool {
        self.0.lock().is_checked
    }

    /// Whether the last check succeeded and put this generation in force.
    pub fn is_served(&self, generation: Option<i64>) -> bool {
        let state = self.0.lock();
        state.is_well && state.served.is_some() && state.served == generation
    }

    /// Whether the last check had another target than this one. Targets are compared by a digest of their reference.
    pub fn is_another_target(&self, target: u64) -> bool {
        self.0.lock().target.is_some_and(|before| before != target)
    }

    /// Notes that the status has the count of this target.
    pub fn target_noted(&self, target: u64) {
        self.0.lock().target = Some(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_served_until_a_check_fails_or_another_replica_comes() {
        let state = CheckState::default();
        assert!(!state.is_checked() && !state.is_served(Some(1)));
        state.succeeded(Some(1));
        assert!(state.is_checked() && state.is_served(Some(1)) && !state.is_served(Some(2)));
        assert_eq!([true, true, false, false, true].map(|is_final| state.failed(is_final)), [1, 2, 1, 2, 1]);
        assert!(!state.is_served(Some(1)));
        state.succeeded(Some(2));
        assert_eq!((state.is_served(Some(2)), state.failed(true)), (true, 1));
        state.succeeded(Some(2));
        state.take_over();
        assert!(state.is_checked() && !state.is_served(Some(2)));
        state.succeeded(None);
        assert!(!state.is_served(None), "nothing is in force during a pause");
    }

    #[test]
    fn the_log_has_a_line_where_trouble_begins_and_where_it_ends() {
        let state = CheckState::default();
        assert_eq!(state.succeeded(Some(1)), None);
        assert_eq!([7, 7, 8, 8, 7].map(|reason| state.is_new_trouble(reason)), [true, false, true, false, true]);
        assert_eq!((state.succeeded(Some(1)), state.succeeded(Some(1))), (Some(5), None));
        assert!(state.is_new_trouble(7), "it is new again");
    }

    #[test]
    fn a_target_has_moved_only_where_there_was_another() {
        let state = CheckState::default();
        let moves = |target| {
            let moved = state.is_another_target(target);
            state.target_noted(target);
            moved
        };
        assert_eq!([1, 1, 2, 2, 1].map(moves), [false, false, true, false, true]);
        state.take_over();
        assert!(!state.is_another_target(3), "the status of the other replica says it");
    }
}
