//! The state of one ScaledObject that its checks keep.

use parking_lot::Mutex;

/// The results of the last checks. Locked inside.
#[derive(Debug, Default)]
pub struct CheckState(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_checked: bool,
    /// How many checks in a row have failed, for reasons of one kind.
    failures: u32,
    /// The kind: the reason lies in the ScaledObject, not at the API server.
    is_final: bool,
    is_well: bool,
    served: Option<i64>,
    target: Option<u64>,
}

impl CheckState {
    /// A check has succeeded. `served` is the generation that is in force now, if any is.
    pub fn succeeded(&self, served: Option<i64>) {
        let mut state = self.0.lock();
        let target = state.target;
        *state = State { is_checked: true, is_well: true, served, target, ..State::default() };
    }

    /// A check has failed; `is_final` says that the reason lies in the ScaledObject, not at the API server. Returns how many
    /// have failed in a row for such a reason: after weeks with a wrong specification, a lost answer is no reason to wait.
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
        *state = State { is_checked: state.is_checked, failures: state.failures, ..State::default() };
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

    /// The status has the count of this target, where it is to have it.
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
