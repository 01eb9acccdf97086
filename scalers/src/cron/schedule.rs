//! When a cron expression fires: the expression as KEDA's users write it ([`parse`]), its search through the
//! calendar ([`calendar`]), and one rule for the days on which the clocks change. Pure: the instant to start
//! from is an argument.

mod calendar;
mod parse;

use std::ops::RangeInclusive;

use chrono::{DateTime, Days, FixedOffset, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use self::calendar::Calendar;

/// The years of the instants that a next time can be asked for. The calendar reaches from 1970 to 2100: a clock may be
/// a day apart from UTC, and the search needs five years ahead.
pub const ANSWERABLE_YEARS: RangeInclusive<i32> = 1971..=2094;

/// A five-field cron expression: minute, hour, day of month, month, day of week.
///
/// Values, ranges (`1-5`), steps (`*/15`, `3/15` for 3 and every 15 after it) and lists of them are allowed; months and
/// weekdays also by their English three-letter names in any case. Sunday is 0 and nothing else. `?` is `*`. When day of
/// month and day of week are both restricted, either of them suffices; otherwise both must hold. `TZ=<name> ` or
/// `CRON_TZ=<name> ` in front overrides the time zone. This is the dialect of
/// [robfig/cron v3](https://pkg.go.dev/github.com/robfig/cron/v3), the parser KEDA uses.
///
/// # When the clocks change
///
/// - Clocks go forward: a time that is skipped fires at the end of the gap, the first instant after it. No day is lost.
/// - Clocks go back: a time that comes twice fires the first time only.
/// - A schedule that leaves no hour of the day out (`*/15 * * * *`) means a rhythm and not a time of day, so it follows
///   real time: it fires in both passes of a repeated hour, and a skipped hour is no reason to fire.
///
/// This is how [`cron(8)`](https://manpages.debian.org/bookworm/cron/cron.8.en.html) treats such days, and where Ebb
/// differs from KEDA, whose parser goes on to the next day that has the time.
#[derive(Clone, Debug)]
pub struct Schedule {
    zone: Option<Tz>,
    /// It leaves no hour of the day out.
    every_hour: bool,
    calendar: Calendar,
}

/// One time a schedule fires.
///
/// Several readings of the wall clock fire at the same instant when a gap swallows them; the reading tells them apart,
/// so that the order within the gap is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Firing {
    pub(super) at: DateTime<Utc>,
    reading: NaiveDateTime,
}

impl Schedule {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let spec = parse::spec(text)?;
        Ok(Self { zone: spec.zone, every_hour: spec.hour.is_every_hour(), calendar: Calendar::new(&spec)? })
    }

    /// The first instant after `instant` at which this fires, in `tz` unless the expression names a zone of its own.
    ///
    /// `None` when there is none within five years: 30 February never comes. So it is for instants outside
    /// [`ANSWERABLE_YEARS`], but for a few years at its ends.
    pub fn next_after(&self, instant: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
        self.next_firing(instant, tz).map(|firing| firing.at)
    }

    pub(super) fn next_firing(&self, instant: DateTime<Utc>, tz: Tz) -> Option<Firing> {
        let tz = self.zone.unwrap_or(tz);
        if self.every_hour { self.next_in_real_time(instant, tz) } else { self.next_on_the_wall_clock(instant, tz) }
    }

    /// Takes each matching reading of the clock in turn, at the first instant that shows it or something later.
    fn next_on_the_wall_clock(&self, instant: DateTime<Utc>, tz: Tz) -> Option<Firing> {
        let mut reading = wall_clock(instant, tz);
        loop {
            reading = self.calendar.next_after(reading)?;
            let at = match tz.from_local_datetime(&reading).earliest() {
                Some(at) => at,
                None => GapInfo::new(&reading, &tz)?.end?,
            };
            // A reading that is still ahead on the second pass of a repeated hour has fired on the first.
            if at > instant {
                return Some(Firing { at: at.to_utc(), reading });
            }
        }
    }

    /// Follows the clock as it runs, from one change to the next.
    fn next_in_real_time(&self, instant: DateTime<Utc>, tz: Tz) -> Option<Firing> {
        let mut from = instant;
        let mut reading = wall_clock(from, tz);
        loop {
            let next = self.calendar.next_after(reading)?;
            let at = (next - utc_offset(from, tz)).and_utc();
            let tomorrow = from + Days::new(1);
            if let Some(change) = clock_change(from, at.min(tomorrow), tz) {
                from = change;
                // The reading at the change counts, too.
                reading = wall_clock(from, tz) - TimeDelta::seconds(1);
            } else if at <= tomorrow {
                return Some(Firing { at, reading: next });
            } else {
                // Nothing fires until the day before, whichever way the clocks change in between.
                from = at - Days::new(1);
                reading = wall_clock(from, tz);
            }
        }
    }
}

fn wall_clock(instant: DateTime<Utc>, tz: Tz) -> NaiveDateTime {
    instant.with_timezone(&tz).naive_local()
}

fn utc_offset(instant: DateTime<Utc>, tz: Tz) -> FixedOffset {
    tz.offset_from_utc_datetime(&instant.naive_utc()).fix()
}

/// The instant in (`from`, `until`] at which the clocks of `tz` change. The span is a day at most, and no zone changes
/// its clocks twice in a day.
fn clock_change(from: DateTime<Utc>, until: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
    let before = utc_offset(from, tz);
    if utc_offset(until, tz) == before {
        return None;
    }
    first_second(from, until, |instant| utc_offset(instant, tz) != before)
}

/// The first whole second in (`from`, `until`] at which `holds`, given that it does at `until` and, once it does, goes
/// on doing so.
pub(super) fn first_second(
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    holds: impl Fn(DateTime<Utc>) -> bool,
) -> Option<DateTime<Utc>> {
    let (mut before, mut after) = (from.timestamp(), until.timestamp());
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if holds(DateTime::from_timestamp(middle, 0)?) {
            after = middle;
        } else {
            before = middle;
        }
    }
    DateTime::from_timestamp(after, 0)
}

/// The time zone of a name from the IANA database, by the rules of Go's `time.LoadLocation`: exact spelling, and UTC
/// for an empty name.
pub fn time_zone(name: &str) -> Result<Tz, TimeZoneError> {
    match name {
        "" => Ok(Tz::UTC),
        "Local" => Err(TimeZoneError::Local),
        _ => name.parse().map_err(|_| TimeZoneError::Unknown(name.to_owned())),
    }
}

/// Why a time zone cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeZoneError {
    /// The database has no such zone. Go's text.
    #[error("unknown time zone {0}")]
    Unknown(String),
    /// Go knows the zone of the machine by this name; every replica of Ebb must come to the same answer.
    #[error("time zone Local depends on the machine: name one such as UTC or Europe/Berlin")]
    Local,
}

/// Why an expression cannot be read. The texts are those of robfig/cron v3.0.1, but for the calendar's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There is no text.
    #[error("empty spec string")]
    Empty,
    /// The zone after `TZ=` is unknown.
    #[error("provided bad location {name}: {source}")]
    Location {
        /// The name of the zone as written.
        name: String,
        /// The error of its name.
        source: TimeZoneError,
    },
    /// An expression such as `@daily`.
    #[error("parser does not accept descriptors: {0}")]
    Descriptor(String),
    /// More or fewer than five fields; these.
    #[error("expected exactly 5 fields, found {}: [{}]", .0.len(), .0.join(" "))]
    FieldCount(Vec<String>),
    /// A range with more than two ends.
    #[error("too many hyphens: {0}")]
    TooManyHyphens(String),
    /// A range with more than one step.
    #[error("too many slashes: {0}")]
    TooManySlashes(String),
    /// A value or a range begins before the field's first value.
    #[error("beginning of range ({start}) below minimum ({min}): {expr}")]
    BelowMinimum {
        /// Where it begins.
        start: u64,
        /// The field's first value.
        min: u64,
        /// The range as written.
        expr: String,
    },
    /// A value or a range ends after the field's last value.
    #[error("end of range ({end}) above maximum ({max}): {expr}")]
    AboveMaximum {
        /// Where it ends.
        end: u64,
        /// The field's last value.
        max: u64,
        /// The range as written.
        expr: String,
    },
    /// A range ends before it begins.
    #[error("beginning of range ({start}) beyond end of range ({end}): {expr}")]
    Backwards {
        /// Where it begins.
        start: u64,
        /// Where it ends.
        end: u64,
        /// The range as written.
        expr: String,
    },
    /// A step of zero.
    #[error("step of range should be a positive number: {0}")]
    ZeroStep(String),
    /// Neither a number nor, where they are allowed, a name.
    #[error("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {reason}")]
    Number {
        /// The text that was found instead.
        text: String,
        /// The reason, in robfig/cron's words.
        reason: &'static str,
    },
    /// The calendar does not accept the expression.
    #[error("no times can be computed: {0}")]
    Calendar(String),
    /// A number below zero.
    #[error("negative number ({number}) not allowed: {text}")]
    Negative {
        /// The number.
        number: i64,
        /// The number as written.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike as _, Timelike as _};
    use proptest::prelude::*;

    use super::parse::Spec;
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Every time in (`from`, `until`].
    fn firings(schedule: &Schedule, tz: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let next = |instant: &DateTime<Utc>| schedule.next_after(*instant, tz);
        std::iter::successors(next(&from), next).take_while(|instant| *instant <= until).collect()
    }

    #[test]
    fn days_are_joined_with_or_when_both_are_restricted() {
        let cases = [
            ("0 0 13 * 5", "2026-03-06 2026-03-13 2026-03-20"),
            ("0 0 13 * *", "2026-03-13 2026-04-13 2026-05-13"),
            ("0 0 ? * 5", "2026-03-06 2026-03-13 2026-03-20"),
            // A step takes the star away.
            ("0 0 13 * */6", "2026-03-01 2026-03-07 2026-03-08 2026-03-13"),
            ("0 0 */30 * 5", "2026-03-01 2026-03-06 2026-03-13 2026-03-20 2026-03-27 2026-03-31"),
            // A list that allows no day leaves the other one.
            ("0 0 , * 5", "2026-03-06 2026-03-13"),
        ];
        for (expression, days) in cases {
            let schedule = Schedule::parse(expression).unwrap();
            let mut instant = at("2026-02-28T23:00:00Z");
            for day in days.split(' ') {
                instant = schedule.next_after(instant, Tz::UTC).unwrap();
                assert_eq!(instant.format("%F").to_string(), day, "{expression}");
            }
        }
    }

    #[test]
    fn the_search_ends_after_five_years() {
        let next = |expression| Schedule::parse(expression).unwrap().next_after(at("2026-08-01T00:00:00Z"), Tz::UTC);
        assert_eq!(next("0 0 29 2 *"), Some(at("2028-02-29T00:00:00Z")));
        assert_eq!(next("0 0 30 2 *"), None);
        assert_eq!(next("0 , * * *"), None);
    }

    #[test]
    fn the_next_time_is_later_than_now() {
        let schedule = Schedule::parse("0 8 * * *").unwrap();
        for (now, next) in [
            ("2026-08-01T07:59:59.999Z", "2026-08-01T08:00:00Z"),
            ("2026-08-01T08:00:00Z", "2026-08-02T08:00:00Z"),
            ("2026-08-01T08:00:00.001Z", "2026-08-02T08:00:00Z"),
        ] {
            assert_eq!(schedule.next_after(at(now), Tz::UTC), Some(at(next)), "{now}");
        }
    }

    #[test]
    fn a_zone_in_the_expression_wins() {
        let schedule = Schedule::parse("CRON_TZ=Asia/Kolkata 0 8 * * *").unwrap();
        let next = schedule.next_after(at("2026-08-01T00:00:00Z"), Tz::Europe__Berlin);
        assert_eq!(next, Some(at("2026-08-01T02:30:00Z")));
    }

    #[test]
    fn clock_changes() {
        let cases = [
            // Berlin goes from 02:00 to 03:00.
            ("Europe/Berlin", "30 2 * * *", "2026-03-28T00", "28T01:30 29T01:00 30T00:30"),
            ("Europe/Berlin", "0 2 * * *", "2026-03-29T00", "29T01:00 30T00:00"),
            ("Europe/Berlin", "0 3 * * *", "2026-03-29T00", "29T01:00 30T01:00"),
            ("Europe/Berlin", "*/20 2 * * *", "2026-03-29T00", "29T01:00 30T00:00 30T00:20"),
            ("Europe/Berlin", "30 2 29 3 *", "2026-03-01T00", "29T01:00 29T00:30"),
            ("Europe/Berlin", "30 * * * *", "2026-03-29T00", "29T00:30 29T01:30 29T02:30"),
            ("Europe/Berlin", "30 0-23 * * *", "2026-03-29T00", "29T00:30 29T01:30 29T02:30"),
            // And from 03:00 back to 02:00.
            ("Europe/Berlin", "30 2 * * *", "2026-10-24T12", "25T00:30 26T01:30"),
            ("Europe/Berlin", "0 3 * * *", "2026-10-24T12", "25T02:00 26T02:00"),
            ("Europe/Berlin", "*/30 2-3 * * *", "2026-10-24T12", "25T00:00 25T00:30 25T02:00 25T02:30 26T01:00"),
            ("Europe/Berlin", "30 * * * *", "2026-10-25T00", "25T00:30 25T01:30 25T02:30"),
            // London goes from 01:00 to 02:00 and back.
            ("Europe/London", "30 1 * * *", "2026-03-28T00", "28T01:30 29T01:00 30T00:30"),
            ("Europe/London", "30 1 * * *", "2026-10-24T12", "25T00:30 26T01:30"),
            // Lord Howe Island goes from 02:00 to 02:30, and from 02:00 back to 01:30.
            ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00", "03T15:30 04T15:15"),
            ("Australia/Lord_Howe", "45 2 * * *", "2026-10-03T00", "03T15:45 04T15:45"),
            ("Australia/Lord_Howe", "15,45 * * * *", "2026-10-03T15", "03T15:15 03T15:45 03T16:15"),
            ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00", "04T14:45 05T15:15"),
            ("Australia/Lord_Howe", "15,45 * * * *", "2026-04-04T14", "04T14:15 04T14:45 04T15:15 04T15:45"),
            // Cairo, Beirut and once São Paulo have a day without a midnight, and one with two hours before it.
            ("Africa/Cairo", "0 0 * * *", "2026-04-23T00", "23T22:00 24T21:00"),
            ("Africa/Cairo", "0 0 24 4 *", "2026-04-01T00", "23T22:00"),
            ("Africa/Cairo", "30 23 * * 4", "2026-10-29T00", "29T20:30 05T21:30"),
            ("Africa/Cairo", "30 * * * 4", "2026-10-29T20", "29T20:30 29T21:30 04T22:30"),
            ("Asia/Beirut", "0 0 * * 0", "2026-03-28T00", "28T22:00 04T21:00"),
            ("America/Sao_Paulo", "0 0 4 11 *", "2018-11-01T00", "04T03:00 04T03:00"),
            ("America/Sao_Paulo", "30 * 17 2 *", "2018-02-18T01", "18T01:30 18T02:30 17T03:30"),
            // Samoa had no 30 December in 2011.
            ("Pacific/Apia", "0 12 * * *", "2011-12-29T00", "29T22:00 30T10:00 30T22:00"),
            ("Pacific/Apia", "0 12 30 12 *", "2011-12-01T00", "30T10:00 29T22:00"),
            ("Pacific/Apia", "0 * 30 12 *", "2011-12-29T00", "29T10:00 29T11:00"),
        ];
        for (tz, expression, from, expected) in cases {
            let schedule = Schedule::parse(expression).unwrap();
            let mut instant = at(&format!("{from}:00:00Z"));
            for next in expected.split(' ') {
                instant = schedule.next_after(instant, time_zone(tz).unwrap()).unwrap();
                assert_eq!(instant.format("%dT%R").to_string(), next, "{tz} {expression} in {expected}");
            }
        }
    }

    #[test]
    fn time_zones_are_found_as_go_finds_them() {
        assert_eq!(time_zone(""), Ok(Tz::UTC));
        assert_eq!(time_zone("Etc/GMT+3"), Ok(Tz::Etc__GMTPlus3));
        assert_eq!(time_zone("Europe/Kyiv"), Ok(Tz::Europe__Kyiv));
        assert_eq!(time_zone("Mars/Olympus").unwrap_err().to_string(), "unknown time zone Mars/Olympus");
        assert_eq!(time_zone("europe/london").unwrap_err().to_string(), "unknown time zone europe/london");
        assert_eq!(time_zone("Local"), Err(TimeZoneError::Local));
    }

    /// Whether the fields allow a reading of the clock, without the calendar that [`Schedule`] searches.
    fn allows(spec: &Spec, reading: NaiveDateTime) -> bool {
        let of_month = spec.day_of_month.contains(reading.day());
        let of_week = spec.day_of_week.contains(reading.weekday().num_days_from_sunday());
        let both = spec.day_of_month.star || spec.day_of_week.star;
        spec.minute.contains(reading.minute())
            && spec.hour.contains(reading.hour())
            && spec.month.contains(reading.month())
            && if both { of_month && of_week } else { of_month || of_week }
    }

    /// The rule of [`Schedule`] applied minute by minute.
    fn firings_minute_by_minute(spec: &Spec, tz: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let matches = |reading| allows(spec, reading);
        let minute = TimeDelta::minutes(1);
        let mut latest = wall_clock(from, tz);
        let mut found = Vec::new();
        let mut instant = from + minute;
        while instant <= until {
            let reading = wall_clock(instant, tz);
            let passed = std::iter::successors(Some(latest + minute), |next| Some(*next + minute));
            if spec.hour.is_every_hour() && matches(reading)
                || !spec.hour.is_every_hour() && passed.take_while(|next| *next <= reading).any(matches)
            {
                found.push(instant);
            }
            latest = latest.max(reading);
            instant += minute;
        }
        found
    }

    fn expression() -> impl Strategy<Value = String> {
        let minute = prop_oneof!["\\*", "\\*/(7|15|30)", "[1-5]?[0-9](,[1-5]?[0-9])?"];
        let hour = prop_oneof!["\\*", "\\*/[2-5]", "0-23", "[0-3](,2[0-3])?", "0-[1-3]", "1?[0-9]"];
        let days = prop_oneof![Just("* * *"), Just("? * 0,4,6"), Just("*/2 * *"), Just("29,30 * 0"), Just(", 3,10 5")];
        (minute, hour, days).prop_map(|(minute, hour, days)| format!("{minute} {hour} {days}"))
    }

    /// A time zone and an instant at which its clocks changed.
    fn change() -> impl Strategy<Value = (Tz, DateTime<Utc>)> {
        prop::sample::select(vec![
            (Tz::Europe__Berlin, at("2026-03-29T01:00:00Z")),
            (Tz::Europe__Berlin, at("2026-10-25T01:00:00Z")),
            (Tz::America__St_Johns, at("2010-03-14T03:31:00Z")),
            (Tz::America__St_Johns, at("2010-11-07T02:31:00Z")),
            (Tz::Australia__Lord_Howe, at("2026-04-04T15:00:00Z")),
            (Tz::Australia__Lord_Howe, at("2026-10-03T15:30:00Z")),
            (Tz::Africa__Cairo, at("2026-04-23T22:00:00Z")),
            (Tz::Africa__Cairo, at("2026-10-29T21:00:00Z")),
            (Tz::Antarctica__Troll, at("2026-03-29T01:00:00Z")),
            (Tz::Antarctica__Troll, at("2026-10-25T01:00:00Z")),
            (Tz::Pacific__Apia, at("2011-12-30T10:00:00Z")),
            (Tz::Asia__Tokyo, at("2026-03-29T01:00:00Z")),
        ])
    }

    proptest! {
        // Each walks through 87,000 minutes.
        #![proptest_config(ProptestConfig::with_cases(50))]

        /// Two months of any zone's time in any year that the zones of today were made in.
        #[test]
        fn every_minute_of_every_zone_is_found(
            expression in expression(),
            tz in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
            // From 1975 to 2037.
            day in 1_826..24_500_i64,
        ) {
            let schedule = Schedule::parse(&expression).unwrap();
            let from = DateTime::from_timestamp(day * 86_400, 0).unwrap();
            let until = from + TimeDelta::days(60);
            // A day ahead, so that an hour which repeats at the beginning is known to.
            let mut expected = firings_minute_by_minute(&parse::spec(&expression).unwrap(), tz, from - TimeDelta::days(1), until);
            expected.retain(|instant| *instant > from);
            prop_assert_eq!(firings(&schedule, tz, from, until), expected);
        }
    }

    proptest! {
        #[test]
        fn no_time_is_lost_or_added_where_clocks_change(expression in expression(), (tz, change) in change()) {
            let schedule = Schedule::parse(&expression).unwrap();
            let (from, until) = (change - TimeDelta::hours(4), change + TimeDelta::hours(6));
            let expected = firings_minute_by_minute(&parse::spec(&expression).unwrap(), tz, from, until);
            prop_assert_eq!(firings(&schedule, tz, from, until), expected);
        }

        #[test]
        fn whichever_second_is_asked_the_answer_is_the_first_time_after_it(
            expression in expression(),
            (tz, change) in change(),
            offset in -10_000..20_000_i64,
        ) {
            let schedule = Schedule::parse(&expression).unwrap();
            let instant = change + TimeDelta::seconds(offset);
            let until = change + TimeDelta::hours(8);
            let all = firings(&schedule, tz, change - TimeDelta::hours(3), until);
            let expected = all.into_iter().find(|time| *time > instant);
            let next = schedule.next_after(instant, tz).filter(|time| *time <= until);
            prop_assert_eq!(next, expected);
        }

        #[test]
        fn no_text_is_too_strange(
            text in prop_oneof![any::<String>(), "[-*?,/0-9a-zA-ZäßI ]{0,20}", "((CRON_)?TZ=[A-Za-z/]* ?)?([0-9*?,/-]{1,4} ){5}"],
            second in 0..4_000_000_000_i64,
        ) {
            let instant = DateTime::from_timestamp(second, 0).unwrap();
            if let Ok(schedule) = Schedule::parse(&text) {
                prop_assert!(schedule.next_after(instant, Tz::Europe__Berlin).is_none_or(|next| next > instant));
            }
        }
    }
}
