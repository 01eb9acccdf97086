//! The time between two cron expressions: whether it is on, and when that changes. Pure: `now` is an argument.

pub mod lead;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::schedule::{Firing, Schedule, ScheduleError, TimeZoneError, first_second, time_zone};

/// How many pairs of a start and an end a search for an edge looks at. The first one decides, unless the two come at
/// the same instant again and again.
const PAIRS: u32 = 100;

/// A recurring window of time: on from `start`, off from `end`.
///
/// It is on when the next end comes no later than the next start, KEDA's rule. So of several ends in a row the last one
/// closes the window, and of several starts the last one opens it. A start that a gap of the clocks puts on the same
/// instant as an end keeps its place before or after it. A window with a start or an end that never comes
/// (30 February) is never on.
#[derive(Clone, Debug)]
pub struct Window {
    start: Schedule,
    end: Schedule,
    tz: Tz,
    /// How much earlier than its start it opens.
    lead: TimeDelta,
}

impl Window {
    /// Reads the two expressions and the time zone they are meant in.
    pub fn parse(timezone: &str, start: &str, end: &str) -> Result<Self, WindowError> {
        let starts = Schedule::parse(start).map_err(WindowError::Start)?;
        let ends = Schedule::parse(end).map_err(WindowError::End)?;
        if start == end {
            return Err(WindowError::Same);
        }
        let tz = time_zone(timezone).map_err(WindowError::TimeZone)?;
        Ok(Self { start: starts, end: ends, tz, lead: TimeDelta::zero() })
    }

    /// Everything that is wrong with the parts of a window. Parts that are empty are passed over.
    pub fn mistakes(timezone: &str, start: &str, end: &str) -> Vec<WindowError> {
        let of = |text: &str| (!text.is_empty()).then(|| Schedule::parse(text).err()).flatten();
        let zone = (!timezone.is_empty()).then(|| time_zone(timezone).err()).flatten();
        let (wrong_start, wrong_end) = (of(start).map(WindowError::Start), of(end).map(WindowError::End));
        let same = wrong_start.is_none() && wrong_end.is_none() && !start.is_empty() && start == end;
        let same = same.then_some(WindowError::Same);
        [wrong_start, wrong_end, same, zone.map(WindowError::TimeZone)].into_iter().flatten().collect()
    }

    /// The time zone that it is meant in.
    pub fn time_zone(&self) -> Tz {
        self.tz
    }

    /// Whether `now` is in the window, without its lead time.
    fn is_scheduled(&self, now: DateTime<Utc>) -> bool {
        self.next(now).is_some_and(|(start, end)| end <= start)
    }

    /// The first start after `now`.
    pub fn next_start(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.start.next_after(now, self.tz)
    }

    /// The first end after `now`.
    pub fn next_end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.end.next_after(now, self.tz)
    }

    /// The first instant after `now` at which the window opens or closes, without its lead time.
    fn next_scheduled_edge(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let active = self.is_scheduled(now);
        let changed = |instant: &DateTime<Utc>| self.is_scheduled(*instant) != active;
        let mut from = now;
        for _ in 0..PAIRS {
            let (start, end) = self.next(from)?;
            let (first, last) = (start.min(end).at, start.max(end).at);
            if changed(&first) {
                return Some(first);
            }
            // Up to the later of the two at most one change is left: there may be many starts before one end (or the
            // other way round), and the last of them is it.
            let eve = last - TimeDelta::seconds(1);
            if eve > first && changed(&eve) {
                return first_second(first, eve, |instant| changed(&instant));
            }
            if changed(&last) {
                return Some(last);
            }
            from = last;
        }
        None
    }

    /// The next start and the next end.
    fn next(&self, now: DateTime<Utc>) -> Option<(Firing, Firing)> {
        Some((self.start.next_firing(now, self.tz)?, self.end.next_firing(now, self.tz)?))
    }
}

/// Why a window cannot be had. All texts but those of time zone and lead time are what KEDA says at admission; an unknown time zone it
/// finds only when it polls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The start is no cron expression.
    #[error("error parsing start schedule: {0}")]
    Start(#[source] ScheduleError),
    /// The end is no cron expression.
    #[error("error parsing end schedule: {0}")]
    End(#[source] ScheduleError),
    /// Start and end are the same text.
    #[error("start and end can not have exactly same time input")]
    Same,
    /// The lead time is no duration, or a long one.
    #[error("leadTime {0:?} must be a duration from 0s to 24h, such as 5m")]
    Lead(String),
    /// There is no such time zone.
    #[error("unable to load timezone: {0}")]
    TimeZone(#[source] TimeZoneError),
}

impl WindowError {
    /// How to put it right.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Start(ScheduleError::Location { .. })
            | Self::End(ScheduleError::Location { .. })
            | Self::TimeZone(_) => "a time zone is a name of the IANA time zone database such as Europe/London",
            Self::Start(_) => {
                "start has five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC) and \
                 day of week (0-6 from Sunday, or SUN-SAT), such as 0 8 * * 1-5"
            }
            Self::End(_) => {
                "end has five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC) and \
                 day of week (0-6 from Sunday, or SUN-SAT), such as 0 18 * * 1-5"
            }
            Self::Lead(_) => "leadTime is how much earlier the window opens, in Go's notation: 30s, 5m, 1h30m",
            Self::Same => "give an end that differs from the start: the window is open from one to the other",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// 1,500 windows as robfig/cron v3.0.1 and KEDA's rule see them, well away from clock changes.
    #[test]
    fn windows_are_kedas_away_from_clock_changes() {
        let table = include_str!("../../tests/data/cron-windows.tsv");
        let mut rows = 0;
        for row in table.lines().skip(1) {
            let columns: Vec<&str> = row.split('\t').collect();
            let [tz, start, end, now, next_start, next_end, active] = columns[..] else { panic!("{row}") };
            let window = Window::parse(tz, start, end).unwrap();
            let now = at(now);
            assert_eq!(window.next_start(now), Some(at(next_start)), "start of {row}");
            assert_eq!(window.next_end(now), Some(at(next_end)), "end of {row}");
            assert_eq!(window.active(now).to_string(), active, "{row}");
            rows += 1;
        }
        assert_eq!(rows, 1_500);
    }

    /// Changes of clocks in both directions, gaps and repeated hours of any length, windows over midnight, months and
    /// years. Computed apart from this code, by walking through every minute of the tz database's local times.
    #[test]
    fn edges_around_changes_of_clocks_and_ends_of_years() {
        let table = include_str!("../../tests/data/cron-edges.tsv");
        let mut rows = 0;
        for row in table.lines().skip(1) {
            let columns: Vec<&str> = row.split('\t').collect();
            let [tz, start, end, from, active, edges, _about] = columns[..] else { panic!("{row}") };
            let window = Window::parse(tz, start, end).unwrap();
            assert_eq!(window.active(at(from)).to_string(), active, "{row}");
            let edges: Vec<_> = edges.split(' ').map(at).collect();
            let found = std::iter::successors(window.next_edge(at(from)), |edge| window.next_edge(*edge));
            assert_eq!(found.take(edges.len()).collect::<Vec<_>>(), edges, "{row}");
            rows += 1;
        }
        assert_eq!(rows, 47);
    }

    /// Each row: the time zone, the window, the instant to begin with, whether the window is on then, and its edges.
    #[test]
    fn edges() {
        let cases = [
            ("UTC", "0 8 * * 1-5", "0 18 * * 1-5", "2026-08-07T00", false, "07T08:00 07T18:00 10T08:00"),
            ("UTC", "0 8 * * 1", "0 18 * * 5", "2026-08-06T00", true, "07T18:00 10T08:00 14T18:00"),
            ("UTC", "0 22 * * *", "0 6 * * *", "2026-08-06T00", true, "06T06:00 06T22:00"),
            // The last of several starts or ends counts.
            ("UTC", "0 8 * * *", "0 17-19 * * *", "2026-08-06T17", true, "06T19:00 07T08:00"),
            ("UTC", "* 8 * * *", "0 18 * * *", "2026-08-06T00", false, "06T08:59 06T18:00"),
            ("UTC", "* * * * *", "0 0 1 1 *", "2026-08-06T00", false, "31T23:59 01T00:00 31T23:59"),
            // Where both come at once the end counts as the earlier one: on from Sunday to Friday.
            ("UTC", "0 8 * * *", "0 8 * * 1-5", "2026-08-07T09", false, "09T08:00 14T08:00"),
            // Berlin, 29 March: there is no time from 02:00 to 03:00.
            ("Europe/Berlin", "30 2 * * *", "0 6 * * *", "2026-03-28T12", false, "29T01:00 29T04:00 30T00:30 30T04:00"),
            (
                "Europe/Berlin",
                "0 20 * * *",
                "30 2 * * *",
                "2026-03-28T12",
                false,
                "28T19:00 29T01:00 29T18:00 30T00:30",
            ),
            (
                "Europe/Berlin",
                "15 2 * * *",
                "45 2 * * *",
                "2026-03-28T01",
                false,
                "28T01:15 28T01:45 30T00:15 30T00:45",
            ),
            ("Europe/Berlin", "45 2 * * *", "15 2 * * *", "2026-03-28T12", true, "30T00:15 30T00:45"),
            ("Europe/Berlin", "30 2 * * *", "0 3 * * *", "2026-03-28T12", false, "30T00:30 30T01:00"),
            ("Europe/Berlin", "0 2 * * 0", "0 4 * * 0", "2026-03-28T12", false, "29T01:00 29T02:00 05T00:00"),
            // Berlin, 25 October: the time from 02:00 to 03:00 comes twice.
            ("Europe/Berlin", "30 2 * * *", "0 6 * * *", "2026-10-24T12", false, "25T00:30 25T05:00 26T01:30 26T05:00"),
            (
                "Europe/Berlin",
                "0 20 * * *",
                "30 2 * * *",
                "2026-10-24T12",
                false,
                "24T18:00 25T00:30 25T19:00 26T01:30",
            ),
            (
                "Europe/Berlin",
                "15 2 * * *",
                "45 2 * * *",
                "2026-10-24T12",
                false,
                "25T00:15 25T00:45 26T01:15 26T01:45",
            ),
            ("Europe/Berlin", "0 * * * *", "30 * * * *", "2026-10-25T00", true, "25T00:30 25T01:00 25T01:30 25T02:00"),
            ("Europe/London", "30 1 * * *", "0 9 * * *", "2026-03-28T12", false, "29T01:00 29T08:00 30T00:30"),
            (
                "Europe/London",
                "0 20 * * *",
                "30 1 * * *",
                "2026-10-24T12",
                false,
                "24T19:00 25T00:30 25T20:00 26T01:30",
            ),
            ("Australia/Lord_Howe", "15 2 * * *", "0 6 * * *", "2026-10-03T12", false, "03T15:30 03T19:00 04T15:15"),
            ("Australia/Lord_Howe", "0 20 * * *", "15 2 * * *", "2026-10-03T00", false, "03T09:30 03T15:30 04T09:00"),
            ("Australia/Lord_Howe", "45 1 * * *", "15 2 * * *", "2026-04-04T12", false, "04T14:45 04T15:45 05T15:15"),
            ("Africa/Cairo", "0 0 24 4 *", "0 8 24 4 *", "2026-04-01T00", false, "23T22:00 24T05:00"),
            ("Pacific/Apia", "0 9 * * *", "0 17 * * *", "2011-12-29T12", false, "29T19:00 30T03:00 30T19:00"),
            ("Pacific/Apia", "0 9 * * 5", "0 12 * * 6", "2011-12-29T12", false, "30T10:00 30T22:00 05T19:00"),
        ];
        for (tz, start, end, now, active, edges) in cases {
            let window = Window::parse(tz, start, end).unwrap();
            let case = format!("{tz}, {start} to {end} from {now}");
            let (mut now, mut active) = (at(&format!("{now}:00:00Z")), active);
            assert_eq!(window.active(now), active, "{case}");
            for edge in edges.split(' ') {
                now = window.next_edge(now).unwrap();
                active = !active;
                assert_eq!(now.format("%dT%R").to_string(), edge, "{case}");
                assert_eq!(window.active(now), active, "{case} at {edge}");
            }
        }
    }

    #[test]
    fn a_window_that_never_starts_or_never_ends_is_never_on() {
        let now = at("2026-08-01T12:00:00Z");
        for (start, end) in [("0 0 30 2 *", "0 18 * * *"), ("0 8 * * *", "0 0 30 2 *"), ("0 0 30 2 *", "0 0 31 2 *")] {
            let window = Window::parse("UTC", start, end).unwrap();
            assert!(!window.active(now), "{start} to {end}");
            assert_eq!(window.next_edge(now), None, "{start} to {end}");
        }
    }

    #[test]
    fn a_window_whose_edges_always_meet_has_no_next_edge() {
        let window = Window::parse("UTC", "0 8 * * *", "0 8,18 * * *").unwrap();
        let now = at("2026-08-01T12:00:00Z");
        assert!(window.active(now));
        assert_eq!(window.next_edge(now), None);
    }

    #[test]
    fn errors_read_as_kedas_do() {
        let cases = [
            (("UTC", "0 8 * *", "?"), "error parsing start schedule: expected exactly 5 fields, found 4: [0 8 * *]"),
            (
                ("UTC", "0 8 * * *", "60 8 * * *"),
                "error parsing end schedule: end of range (60) above maximum (59): 60",
            ),
            (("Mars", "0 8 * * *", "0 8 * * *"), "start and end can not have exactly same time input"),
            (("Mars/Olympus", "0 8 * * *", "0 18 * * *"), "unable to load timezone: unknown time zone Mars/Olympus"),
            (
                ("Local", "0 8 * * *", "0 18 * * *"),
                "unable to load timezone: time zone Local depends on the machine: name one such as UTC or Europe/Berlin",
            ),
        ];
        for ((tz, start, end), error) in cases {
            let found = Window::parse(tz, start, end).unwrap_err();
            assert_eq!(found.to_string(), error);
            assert!(!found.hint().contains(['\n', '\t']), "{}", found.hint());
        }
    }

    fn window() -> impl Strategy<Value = Window> {
        let zone =
            prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Tokyo"]);
        let expression = || {
            let minute = prop_oneof!["[1-5]?[0-9]", "\\*/(15|30)", "\\*"];
            let hour = prop_oneof!["1?[0-9]", "[0-3]", "(0|23),12", "\\*"];
            let days = prop::sample::select(vec!["* * *", "* * 1-5", "29 * 0", "25-31 3,4,10 0,5", "1 1 *"]);
            (minute, hour, days).prop_map(|(minute, hour, days)| format!("{minute} {hour} {days}"))
        };
        (zone, expression(), expression())
            .prop_filter_map("start and end are the same", |(tz, start, end)| Window::parse(tz, &start, &end).ok())
    }

    proptest! {
        #[test]
        fn a_window_changes_at_its_next_edge_and_not_before(
            window in window(),
            // 2026-03-20 to 2026-11-05
            now in 1_773_964_800..1_793_836_800_i64,
            samples in prop::collection::vec(0.0..1.0, 50),
        ) {
            let now = DateTime::from_timestamp(now, 0).unwrap();
            let active = window.active(now);
            // Without an edge the window stays as it is for at least as long as starts and ends differ.
            let edge = window.next_edge(now);
            let until = edge.unwrap_or(now + TimeDelta::hours(1));
            prop_assert!(until > now);
            for sample in samples {
                #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "some second in between")]
                let offset = ((until - now).num_seconds() as f64 * sample) as i64;
                prop_assert_eq!(window.active(now + TimeDelta::seconds(offset)), active);
            }
            prop_assert_eq!(window.active(until - TimeDelta::nanoseconds(1)), active);
            if edge.is_some() {
                prop_assert_eq!(window.active(until), !active);
            }
        }
    }
}
