//! The search for an expression's next time on a calendar and a clock that never changes. Pure.

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::parse::Spec;

/// How many calendar years after the current one a schedule is searched for its next time, as in robfig/cron. Long
/// enough for any 29 February but the one after a century's missing leap day.
const YEARS_AHEAD: i32 = 5;

impl Spec {
    /// The first reading after `after` that the fields allow; always a whole minute.
    ///
    /// `None` when there is none within five years.
    pub(super) fn next_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let this_minute = after.with_second(0)?.with_nanosecond(0)?;
        let from = this_minute.checked_add_signed(TimeDelta::minutes(1))?;
        let (mut day, mut hour, mut minute) = (from.date(), from.hour(), from.minute());
        while day.year() <= after.year() + YEARS_AHEAD {
            if self.allows_day(day)
                && let Some(time) = self.first_time(hour, minute)
            {
                return Some(day.and_time(time));
            }
            (hour, minute) = (0, 0);
            day = if self.month.contains(day.month()) { day.succ_opt()? } else { first_of_next_month(day)? };
        }
        None
    }

    /// Two restricted day fields are joined with or; a star in either of them makes it and.
    fn allows_day(&self, day: NaiveDate) -> bool {
        let of_month = self.day_of_month.contains(day.day());
        let of_week = self.day_of_week.contains(day.weekday().num_days_from_sunday());
        let both = self.day_of_month.star || self.day_of_week.star;
        self.month.contains(day.month()) && if both { of_month && of_week } else { of_month || of_week }
    }

    /// The first time of a day that is not before this one.
    fn first_time(&self, hour: u32, minute: u32) -> Option<NaiveTime> {
        let this_hour = self.minute.at_or_after(minute).filter(|_| self.hour.contains(hour));
        match this_hour {
            Some(minute) => NaiveTime::from_hms_opt(hour, minute, 0),
            None => NaiveTime::from_hms_opt(self.hour.at_or_after(hour + 1)?, self.minute.at_or_after(0)?, 0),
        }
    }

    #[cfg(test)]
    pub(super) fn includes(&self, reading: NaiveDateTime) -> bool {
        self.minute.contains(reading.minute()) && self.hour.contains(reading.hour()) && self.allows_day(reading.date())
    }
}

fn first_of_next_month(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)?.checked_add_months(Months::new(1))
}

#[cfg(test)]
mod tests {
    use super::super::parse::spec;
    use super::*;

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
        ] {
            let reading: NaiveDateTime = after.parse().unwrap();
            let found = spec(expression).unwrap().next_after(reading);
            assert_eq!(found, Some(next.parse().unwrap()), "{expression} after {after}");
        }
    }

    #[test]
    fn the_end_of_all_time_is_no_next_time() {
        assert_eq!(spec("0 8 * * *").unwrap().next_after(NaiveDateTime::MAX), None);
    }
}
