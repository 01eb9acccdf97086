//! The number of requests that the API server gets at the same time. Pure.
//!
//! The window grows by one after another while it is in use, and shrinks by a part where the API server cannot keep up
//! (additive increase, multiplicative decrease, as TCP's congestion avoidance in RFC 5681).

use std::time::Duration;

/// The least, the first and the greatest number of requests at the same time.
const LEAST: f64 = 4.0;
const FIRST: f64 = 32.0;
const GREATEST: f64 = 128.0;
/// An answer that takes longer is late.
const LATE: Duration = Duration::from_secs(2);
/// The part of the window that is left after an answer that did not come, and after a late one.
const AFTER_OVERLOAD: f64 = 0.5;
const AFTER_LATE: f64 = 0.8;
/// The window grows by one at most once in this time.
const GROWTH: Duration = Duration::from_millis(250);
/// The API server keeps up again after this long without an overload.
const CALM: Duration = Duration::from_mins(2);
/// The longest pause that the API server may ask for (`Retry-After`).
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The API server has answered, with success or with an error.
    Answered,
    /// No answer came, or the answer says that the API server cannot keep up (429, 503, 504). `retry_after` is
    /// its wish for a pause.
    Overloaded {
        /// The pause of the header `Retry-After`.
        retry_after: Option<Duration>,
    },
}

/// The beginning or the end of a time in which the API server cannot keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It begins.
    Begins,
    /// It has ended.
    Ends {
        /// Requests without an answer, or with one that says that the API server cannot keep up.
        overloaded: u64,
        /// From the first of them to the last.
        lasted: Duration,
    },
}

/// The window. Times count from any fixed instant.
#[derive(Debug)]
pub(super) struct Window {
    size: f64,
    /// When it last shrank, and when it last grew.
    shrunk: Option<Duration>,
    grown: Duration,
    /// The first and the last overload of the present period, and their number.
    overload: Option<(Duration, Duration, u64)>,
    pause_until: Duration,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: FIRST, shrunk: None, grown: Duration::ZERO, overload: None, pause_until: Duration::ZERO }
    }
}

impl Window {
    /// How many requests may be out at the same time.
    pub(super) fn size(&self) -> usize {
        // Between the least and the greatest.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let size = self.size as usize;
        size
    }

    /// Whether the API server cannot keep up at present.
    pub(super) fn is_overloaded(&self) -> bool {
        self.overload.is_some()
    }

    /// Until when the API server wants no requests that can wait.
    pub(super) fn pause_until(&self) -> Duration {
        self.pause_until
    }

    /// A request has ended after `took`. `is_full`: the whole window was in use.
    pub(super) fn ended(&mut self, outcome: Outcome, took: Duration, is_full: bool, now: Duration) -> Option<Turn> {
        match outcome {
            Outcome::Answered if took > LATE => {
                self.shrink(AFTER_LATE, took, now);
                self.calm(now)
            }
            Outcome::Answered => {
                // A window that is not in use shows nothing about the API server's capacity.
                if is_full && now.saturating_sub(self.grown) >= GROWTH {
                    self.size = (self.size + 1.0).min(GREATEST);
                    self.grown = now;
                }
                self.calm(now)
            }
            Outcome::Overloaded { retry_after } => {
                self.shrink(AFTER_OVERLOAD, took, now);
                if let Some(pause) = retry_after {
                    self.pause_until = self.pause_until.max(now + pause.min(LONGEST_PAUSE));
                }
                let begins = self.overload.is_none();
                let (first, _, count) = self.overload.unwrap_or((now, now, 0));
                self.overload = Some((first, now, count + 1));
                begins.then_some(Turn::Begins)
            }
        }
    }

    /// Shrinks once for all requests that were out together: a request that began before the last shrinking shows
    /// nothing about the present size.
    fn shrink(&mut self, part: f64, took: Duration, now: Duration) {
        let begun = now.saturating_sub(took);
        if self.shrunk.is_none_or(|shrunk| begun >= shrunk) {
            self.size = (self.size * part).max(LEAST);
            (self.shrunk, self.grown) = (Some(now), now);
        }
    }

    fn calm(&mut self, now: Duration) -> Option<Turn> {
        let (first, last, overloaded) = self.overload?;
        if now.saturating_sub(last) < CALM {
            return None;
        }
        self.overload = None;
        Some(Turn::Ends { overloaded, lasted: last.saturating_sub(first) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(5);
    const LOST: Outcome = Outcome::Overloaded { retry_after: None };

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_window_grows_one_by_one_while_it_is_in_use() {
        let mut window = Window::default();
        for _ in 0..1000 {
            assert_eq!(window.ended(Outcome::Answered, FAST, true, secs(1)), None);
        }
        assert_eq!(window.size(), 33);
        window.ended(Outcome::Answered, FAST, false, secs(2));
        assert_eq!(window.size(), 33, "nobody uses it");
        for second in 2..1000 {
            window.ended(Outcome::Answered, FAST, true, secs(second));
        }
        assert_eq!(window.size(), 128);
    }

    #[test]
    fn it_shrinks_once_a_round_and_never_to_nothing() {
        let mut window = Window::default();
        for second in 15..25 {
            window.ended(LOST, secs(15), true, secs(second));
        }
        assert_eq!(window.size(), 16, "they went out together");
        for second in 40..60 {
            window.ended(LOST, FAST, true, secs(second));
        }
        assert_eq!(window.size(), 4);
        let mut late = Window::default();
        late.ended(Outcome::Answered, secs(3), true, secs(1));
        assert_eq!((late.size(), late.is_overloaded()), (25, false), "late is a sign, not an overload");
    }

    #[test]
    fn an_overload_begins_once_and_ends_when_it_has_been_calm_for_a_while() {
        let mut window = Window::default();
        let turns: Vec<_> = [10, 11, 30].map(|at| window.ended(LOST, FAST, true, secs(at))).into();
        assert_eq!(turns, [Some(Turn::Begins), None, None]);
        assert_eq!(window.ended(Outcome::Answered, FAST, true, secs(149)), None);
        assert!(window.is_overloaded());
        let ends = Turn::Ends { overloaded: 3, lasted: secs(20) };
        assert_eq!(window.ended(Outcome::Answered, FAST, true, secs(150)), Some(ends));
        assert!(!window.is_overloaded());
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept_within_reason() {
        let mut window = Window::default();
        let asked = |seconds| Outcome::Overloaded { retry_after: Some(secs(seconds)) };
        window.ended(asked(2), FAST, true, secs(100));
        assert_eq!(window.pause_until(), secs(102));
        window.ended(asked(3600), FAST, true, secs(101));
        assert_eq!(window.pause_until(), secs(111));
        window.ended(asked(1), FAST, true, secs(101));
        assert_eq!(window.pause_until(), secs(111), "the longest counts");
    }
}
