//! The search for an expression's next time on a calendar and a clock that never changes: the `cron` crate's, in UTC.
//!
//! The crate's own dialect differs from KEDA's: Sunday is 1, and both day fields must hold. It therefore gets the
//! values that [`parse`](super::parse) has read, as lists of numbers, and never the text of a user.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDateTime};

use super::ScheduleError;
use super::parse::{Field, Spec};

/// How many calendar years after the current one a schedule is searched for its next time, as in robfig/cron. Long
/// enough for any 29 February but the one after a century's missing leap day.
const YEARS_AHEAD: i32 = 5;

/// The years that the crate's calendar has.
const YEARS: RangeInclusive<i32> = 1970..=2100;

/// When an expression fires, by a clock that never changes.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// The earliest of their times counts. Two where day of month and day of week are both restricted: either suffices.
    /// None where a field allows no value.
    alternatives: Box<[cron::Schedule]>,
}

impl Calendar {
    /// # Errors
    /// Values that the crate refuses. No expression is known that has such.
    pub(super) fn new(spec: &Spec) -> Result<Self, ScheduleError> {
        let (of_month, of_week) = (&spec.day_of_month, &spec.day_of_week);
        let days = if of_month.star || of_week.star {
            vec![(list(of_month, 1..=31, 0), list(of_week, 0..=6, 1))]
        } else {
            let every = || Some("*".to_owned());
            vec![(list(of_month, 1..=31, 0), every()), (every(), list(of_week, 0..=6, 1))]
        };
        let times = [list(&spec.minute, 0..=59, 0), list(&spec.hour, 0..=23, 0), list(&spec.month, 1..=12, 0)];
        let [Some(minute), Some(hour), Some(month)] = times else { return Ok(Self { alternatives: Box::default() }) };
        let alternatives = days.into_iter().filter_map(|(of_month, of_week)| Some((of_month?, of_week?)));
        let alternatives = alternatives.map(|(of_month, of_week)| {
            let text = format!("0 {minute} {hour} {of_month} {month} {of_week}");
            cron::Schedule::try_from(text).map_err(|error| ScheduleError::Calendar(error.to_string()))
        });
        Ok(Self { alternatives: alternatives.collect::<Result<_, _>>()? })
    }

    /// The first reading after `after` at which this fires; always a whole minute.
    ///
    /// `None` when there is none within five years, or outside the years from 1970 to 2100.
    pub(super) fn next_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        if !YEARS.contains(&after.year()) {
            return None;
        }
        let next = self.alternatives.iter().filter_map(|schedule| schedule.after(&after.and_utc()).next()).min()?;
        (next.year() <= after.year() + YEARS_AHEAD).then(|| next.naive_utc())
    }
}

/// The values of a field whose bounds are these, as the crate writes them: each is `shift` higher there.
/// `None` if there are none.
fn list(field: &Field, bounds: RangeInclusive<u32>, shift: u32) -> Option<String> {
    if bounds.clone().all(|value| field.contains(value)) {
        // A list of all values would take memory for each of them.
        return Some("*".to_owned());
    }
    let values = bounds.filter(|value| field.contains(*value)).map(|value| (value + shift).to_string());
    values.reduce(|list, value| list + "," + &value)
}

#[cfg(test)]
mod tests {
    use super::super::parse::spec;
    use super::*;

    fn calendar(expression: &str) -> Calendar {
        Calendar::new(&spec(expression).unwrap()).unwrap()
    }

    #[test]
    fn the_crate_is_given_lists_in_its_own_numbers() {
        for (expression, alternatives) in [
            ("* * * * *", &["0 * * * * *"][..]),
            ("*/20 8-10 1,15 jan-mar *", &["0 0,20,40 8,9,10 1,15 1,2,3 *"]),
            ("0 8 * * 1-5", &["0 0 8 * * 2,3,4,5,6"]),
            ("0 8 ? * sun,SAT", &["0 0 8 * * 1,7"]),
            // The star of one field makes both hold, also where its list has other values.
            ("0 8 3,* * 5", &["0 0 8 * * 6"]),
            ("0 8 13 * 5", &["0 0 8 13 * *", "0 0 8 * * 6"]),
            // All values are a restriction too, unless a star says so.
            ("0 8 13 * 0-6", &["0 0 8 13 * *", "0 0 8 * * *"]),
            ("0 8 */2 * */6", &["0 0 8 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * *", "0 0 8 * * 1,7"]),
            // A list without a value.
            (", 8 * * *", &[]),
            ("0 , * * *", &[]),
            ("0 8 * , *", &[]),
            ("0 8 , * *", &[]),
            ("0 8 * * ,", &[]),
            ("0 8 , * ,", &[]),
            ("0 8 , * 5", &["0 0 8 * * 6"]),
            ("0 8 13 * ,", &["0 0 8 13 * *"]),
        ] {
            let calendar = calendar(expression);
            let sources: Vec<_> = calendar.alternatives.iter().map(cron::Schedule::source).collect();
            assert_eq!(sources, alternatives, "{expression}");
        }
    }

    #[test]
    fn the_next_time_across_the_ends_of_hours_days_months_and_years() {
        for (expression, after, next) in [
            ("* * * * *", "2026-12-31T23:59:00", "2027-01-01T00:00:00"),
            ("* * * * *", "2026-12-31T23:58:59.999", "2026-12-31T23:59:00"),
            ("30 * * * *", "2026-08-01T23:30:00", "2026-08-02T00:30:00"),
            ("30 8 * * *", "2026-08-01T08:29:59", "2026-08-01T08:30:00"),
            ("30 8 * * *", "2026-08-01T08:30:00", "2026-08-02T08:30:00"),
            ("15 8,20 * * *", "2026-08-01T08:20:00", "2026-08-01T20:15:00"),
            ("0 0 31 * *", "2026-08-31T00:00:00", "2026-10-31T00:00:00"),
            ("0 0 1 1 *", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
            ("0 0 29 2 *", "2024-02-29T00:00:00", "2028-02-29T00:00:00"),
            ("0 0 29 2 1", "2024-02-29T00:00:00", "2025-02-03T00:00:00"),
            ("59 23 * 2 *", "2027-02-28T23:59:00", "2028-02-01T23:59:00"),
            ("0 8 * * *", "2100-12-30T08:00:00", "2100-12-31T08:00:00"),
        ] {
            let found = calendar(expression).next_after(after.parse().unwrap());
            assert_eq!(found, Some(next.parse().unwrap()), "{expression} after {after}");
        }
    }

    #[test]
    fn there_is_no_next_time_outside_the_crates_calendar_or_beyond_five_years() {
        let daily = calendar("0 8 * * *");
        for after in ["1969-12-31T23:59:59", "2100-12-31T08:00:00", "2101-01-01T00:00:00"] {
            assert_eq!(daily.next_after(after.parse().unwrap()), None, "{after}");
        }
        assert_eq!(daily.next_after(NaiveDateTime::MIN), None);
        assert_eq!(daily.next_after(NaiveDateTime::MAX), None);
        let leap_day = calendar("0 0 29 2 *");
        // 2100 has no 29 February.
        assert_eq!(leap_day.next_after("2096-03-01T00:00:00".parse().unwrap()), None);
    }
}
