//! The cron half of the example ScaledObject: five replicas in London's office hours, none outside of them.

use chrono::{DateTime, Datelike, Timelike, Utc, Weekday};
use chrono_tz::Europe::London;

/// The count that the cron trigger of `deploy/examples/my-app.yaml` asks for at this instant.
pub fn replicas(now: DateTime<Utc>) -> i64 {
    let there = now.with_timezone(&London);
    let working_day = !matches!(there.weekday(), Weekday::Sat | Weekday::Sun);
    if working_day && (8..18).contains(&there.hour()) { 5 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(instant: &str) -> i64 {
        replicas(instant.parse().unwrap())
    }

    #[test]
    fn a_winter_day() {
        assert_eq!(at("2026-11-23T07:59:59Z"), 0);
        assert_eq!(at("2026-11-23T08:00:00Z"), 5);
        assert_eq!(at("2026-11-23T17:59:59Z"), 5);
        assert_eq!(at("2026-11-23T18:00:00Z"), 0);
    }

    #[test]
    fn summer_time_is_an_hour_earlier_in_utc() {
        assert_eq!(at("2026-07-06T06:59:59Z"), 0);
        assert_eq!(at("2026-07-06T07:00:00Z"), 5);
        assert_eq!(at("2026-07-06T17:00:00Z"), 0);
    }

    #[test]
    fn the_weekend_is_free() {
        assert_eq!(at("2026-11-21T12:00:00Z"), 0);
        assert_eq!(at("2026-11-22T12:00:00Z"), 0);
    }
}
