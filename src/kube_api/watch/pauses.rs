//! The pauses before a watch begins again.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// Doubles from the shortest pause to the longest.
#[derive(Debug)]
pub struct Pauses {
    bounds: (Duration, Duration),
    last: Option<Duration>,
}

impl Pauses {
    /// Pauses from the shortest to the longest.
    pub fn between(bounds: (Duration, Duration)) -> Self {
        Self { bounds, last: None }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let (shortest, longest) = self.bounds;
        let pause = self.last.map_or(shortest, |last| (last * 2).min(longest));
        self.last = Some(pause);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.last = None;
    }
}
