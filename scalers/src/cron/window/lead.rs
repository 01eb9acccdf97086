//! `leadTime`: a window that opens earlier than its start says, so that the replicas are there by then.

use chrono::{DateTime, TimeDelta, Utc};
use ebb_params::go;

use super::{PAIRS, Window, WindowError};

/// The longest `leadTime`.
const LONGEST: TimeDelta = TimeDelta::hours(24);

impl Window {
    /// The same window, which opens `lead` earlier. It closes as before.
    #[must_use]
    pub fn opened_earlier(self, lead: TimeDelta) -> Self {
        Self { lead, ..self }
    }

    /// Whether `now` is in the window.
    pub fn active(&self, now: DateTime<Utc>) -> bool {
        self.is_scheduled(now) || self.next_opening(now).is_some_and(|opening| opening <= now)
    }

    /// The first instant after `now` at which [`active`](Self::active) changes.
    ///
    /// `None` means that none was found, not that there is none: the search ends after five years without a start or an
    /// end, or after a hundred of each that change nothing. Ask [`active`](Self::active) each time, then.
    pub fn next_edge(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = now;
        for _ in 0..PAIRS {
            if !self.active(from) {
                return self.next_opening(from);
            }
            // It may open again before it would close.
            let opens = if self.is_scheduled(from) { from } else { self.next_scheduled_edge(from)? };
            from = self.next_scheduled_edge(opens)?;
            if !self.active(from) {
                return Some(from);
            }
        }
        None
    }

    /// The instant at which a window that is closed by its schedule opens next. It may lie in the past.
    fn next_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_scheduled_edge(now)?.checked_sub_signed(self.lead)
    }
}

/// Reads a `leadTime` such as `5m` or `1h30m`. The empty text is none.
///
/// # Errors
/// It is no such duration, or longer than 24 hours.
pub fn lead_time(text: &str) -> Result<TimeDelta, WindowError> {
    if text.is_empty() {
        return Ok(TimeDelta::zero());
    }
    let lead = go::duration(text).and_then(|lead| TimeDelta::from_std(lead).ok());
    lead.filter(|lead| *lead <= LONGEST).ok_or_else(|| WindowError::Lead(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn window(start: &str, end: &str, lead: &str) -> Window {
        Window::parse("UTC", start, end).unwrap().opened_earlier(lead_time(lead).unwrap())
    }

    #[test]
    fn a_window_opens_earlier_and_closes_as_before() {
        let office = window("0 8 * * 1-5", "0 18 * * 1-5", "5m");
        for (now, active, edge) in [
            ("2026-11-24T07:54:59Z", false, "2026-11-24T07:55:00Z"),
            ("2026-11-24T07:55:00Z", true, "2026-11-24T18:00:00Z"),
            ("2026-11-24T17:59:59Z", true, "2026-11-24T18:00:00Z"),
            ("2026-11-24T18:00:00Z", false, "2026-11-25T07:55:00Z"),
        ] {
            assert_eq!((office.active(at(now)), office.next_edge(at(now))), (active, Some(at(edge))), "{now}");
        }
    }

    #[test]
    fn windows_that_come_to_touch_are_one() {
        // Closed from 12:00 to 12:30, which the lead time of the next covers.
        let shifts = window("30 0,12 * * *", "0 0,12 * * *", "1h");
        let noon = at("2026-11-24T12:00:00Z");
        assert!(shifts.active(noon) && shifts.active(at("2026-11-24T12:29:59Z")));
        assert_eq!(shifts.next_edge(noon), None, "it never closes");
        let lunch = window("0 8,13 * * *", "0 12,18 * * *", "1h30m");
        assert_eq!(lunch.next_edge(at("2026-11-24T09:00:00Z")), Some(at("2026-11-24T18:00:00Z")));
    }

    #[test]
    fn a_lead_time_is_a_duration_of_at_most_a_day() {
        for (text, minutes) in [("", Some(0)), ("5m", Some(5)), ("1h30m", Some(90)), ("24h", Some(1_440))] {
            assert_eq!(lead_time(text).ok(), minutes.map(TimeDelta::minutes), "{text}");
        }
        for text in ["5", "-5m", "24h1s", "soon", "300000h"] {
            let error = lead_time(text).unwrap_err().to_string();
            assert_eq!(error, format!("leadTime {text:?} must be a duration from 0s to 24h, such as 5m"));
        }
    }

    proptest! {
        #[test]
        fn the_next_edge_is_the_first_change(
            start in 0_u32..24, end in 0_u32..24, minute in 0_u32..60, lead in 0_i64..1_440, from in 0_i64..2_880,
        ) {
            let (start, end) = (format!("0 {start} * * *"), format!("{minute} {end} * * *"));
            prop_assume!(start != end);
            let window = Window::parse("UTC", &start, &end).unwrap().opened_earlier(TimeDelta::minutes(lead));
            let from = at("2026-11-24T00:00:00Z") + TimeDelta::minutes(from);
            let minutes = (1..2_880).map(|minute| from + TimeDelta::minutes(minute));
            let changed = minutes.into_iter().find(|minute| window.active(*minute) != window.active(from));
            prop_assert_eq!(window.next_edge(from), changed);
        }
    }
}
