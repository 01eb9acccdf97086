//! When the cron windows of a ScaledObject are open. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::ScaleTrigger;
use ebb_scalers::cron::window::Window;
use ebb_scalers::cron::window::lead::lead_time;
use serde::Serialize;

/// How far ahead the calendar shows. A week of any time zone begins before and ends after that of UTC.
const AHEAD: TimeDelta = TimeDelta::days(8);
/// How far back the charts reach.
const BACK: TimeDelta = TimeDelta::hours(1);
/// The most windows of one trigger: a calendar of minutes is none.
const MOST: usize = 200;

/// A window of a cron trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct OpenWindow {
    /// The trigger's place in the ScaledObject.
    pub(super) trigger: usize,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    /// The trigger's `desiredReplicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replicas: Option<i32>,
}

/// The windows that are open at some time from an hour before `now` to eight days after it. Triggers of other kinds, and those
/// whose schedule is wrong, have none.
pub(super) fn open_windows(triggers: &[ScaleTrigger], now: DateTime<Utc>) -> Vec<OpenWindow> {
    let cron = triggers.iter().enumerate().filter(|(_, trigger)| trigger.type_ == "cron");
    cron.flat_map(|(index, trigger)| of_trigger(index, trigger, now)).collect()
}

fn of_trigger(index: usize, trigger: &ScaleTrigger, now: DateTime<Utc>) -> Vec<OpenWindow> {
    let given = |key: &str| trigger.metadata.get(key).map_or("", |value| value.trim());
    let Ok(window) = Window::parse(given("timezone"), given("start"), given("end")) else { return Vec::new() };
    let window = window.opened_earlier(lead_time(given("leadTime")).unwrap_or_default());
    let replicas = given("desiredReplicas").parse().ok();
    let (mut at, end) = (now - BACK, now + AHEAD);
    let mut open = window.active(at);
    let mut found = Vec::new();
    while at < end && found.len() < MOST {
        let edge = window.next_edge(at).unwrap_or(end).min(end);
        if open {
            found.push(OpenWindow { trigger: index, from: at, to: edge, replicas });
        }
        (at, open) = (edge, !open);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(pairs: &[(&str, &str)]) -> ScaleTrigger {
        let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ScaleTrigger { type_: "cron".to_owned(), metadata, ..ScaleTrigger::default() }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const HOURS: [(&str, &str); 4] =
        [("timezone", "UTC"), ("start", "0 8 * * 1-5"), ("end", "0 18 * * 1-5"), ("desiredReplicas", "5")];

    #[test]
    fn a_week_of_office_hours_has_five_windows_and_the_open_one() {
        // A Tuesday at noon.
        let found = open_windows(&[ScaleTrigger::default(), cron(&HOURS)], at("2026-11-24T12:00:00Z"));
        let days: Vec<_> = found.iter().map(|window| window.from.format("%a %H:%M").to_string()).collect();
        assert_eq!(days, ["Tue 11:00", "Wed 08:00", "Thu 08:00", "Fri 08:00", "Mon 08:00", "Tue 08:00", "Wed 08:00"]);
        assert_eq!(found[0].to, at("2026-11-24T18:00:00Z"));
        assert_eq!(found[6].to, at("2026-12-02T12:00:00Z"), "what lies further ahead is not shown");
        assert!(found.iter().all(|window| window.trigger == 1 && window.replicas == Some(5)));
    }

    #[test]
    fn a_schedule_that_is_wrong_or_never_comes_has_no_windows() {
        let now = at("2026-11-24T12:00:00Z");
        for change in
            [("timezone", "Mars/Olympus"), ("start", "nonsense"), ("end", "0 8 * * 1-5"), ("start", "0 0 30 2 *")]
        {
            let mut trigger = cron(&HOURS);
            trigger.metadata.insert(change.0.to_owned(), change.1.to_owned());
            assert_eq!(open_windows(&[trigger], now), [], "{change:?}");
        }
    }

    #[test]
    fn windows_of_minutes_come_to_an_end() {
        let trigger = cron(&[("timezone", "UTC"), ("start", "*/2 * * * *"), ("end", "1-59/2 * * * *")]);
        assert_eq!(open_windows(&[trigger], at("2026-11-24T12:00:00Z")).len(), MOST);
    }
}
