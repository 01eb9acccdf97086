//! The `cron` trigger: a number of replicas between two points in time (keda.sh/docs, "Cron").
//!
//! [`schedule`] reads cron expressions, [`window`] computes the time between two of them; both are pure.

pub mod schedule;
pub mod window;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::kinds::Kind;
use crate::metric_name::metric_name;
use crate::params::Source::Metadata;
use crate::params::{ConfigError, Param, ParamReader, Sample, TriggerConfig};
use crate::pool::ClientPools;
use crate::scaler::{MetricSpec, ReadError, Reading, Scaler};
use window::Window;
use window::lead::lead_time;

/// `type: cron`.
pub(crate) const KIND: Kind =
    Kind::new("cron", "cronScaler", PARAMS, build).never_cached("a window is computed, not read");

/// The parameters of a `cron` trigger.
const PARAMS: &[Param] = &[
    Param::required("timezone", &[Metadata]).sample(Sample::Texts(&["UTC"])),
    Param::required("start", &[Metadata]).sample(Sample::Texts(&["0 8 * * *"])),
    Param::required("end", &[Metadata]).sample(Sample::Texts(&["0 18 * * *"])),
    Param::required("desiredReplicas", &[Metadata]).sample(Sample::Texts(&["1"])),
    Param::optional("leadTime", &[Metadata]).sample(Sample::Texts(&["5m"])),
];

/// A checked `cron` trigger.
#[derive(Debug)]
struct Cron {
    metric: MetricSpec,
    window: Window,
    desired_replicas: f64,
}

fn build(trigger: &TriggerConfig, _pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
    Ok(Box::new(Cron::read(trigger).map_err(|error| error.context("error parsing cron metadata: "))?))
}

impl Cron {
    fn read(trigger: &TriggerConfig) -> Result<Self, ConfigError> {
        let mut reader = ParamReader::new(trigger, PARAMS);
        let timezone = reader.required("timezone");
        let start = reader.required("start");
        let end = reader.required("end");
        let given = reader.text("desiredReplicas").is_some();
        let desired_replicas = match reader.integer("desiredReplicas") {
            Some(replicas) => i32::try_from(replicas).unwrap_or(i32::MAX),
            None if given => 1,
            None => {
                reader.required("desiredReplicas");
                1
            }
        };
        if desired_replicas == 0 {
            reader.problem_with_hint("no desiredReplicas specified", "desiredReplicas must be 1 or more");
        }
        if trigger.use_cached_metrics {
            reader.problem_with_hint(
                "property \"useCachedMetrics\" is not supported for \"cron\" scaler",
                "drop useCachedMetrics: a schedule is never asked of a broker",
            );
        }
        let lead = lead_time(reader.text("leadTime").unwrap_or_default());
        for mistake in Window::mistakes(timezone, start, end).into_iter().chain(lead.as_ref().err().cloned()) {
            reader.problem_with_hint(mistake.to_string(), mistake.hint());
        }
        reader.finish()?;
        let parsed = Window::parse(timezone, start, end).and_then(|window| Ok(window.opened_earlier(lead?)));
        let window = parsed.map_err(|error| ConfigError::new(error.to_string()))?;
        Ok(Self {
            metric: MetricSpec {
                name: metric_name(
                    trigger.index,
                    &format!("cron-{}-{}-{}", timezone, expression_in_a_name(start), expression_in_a_name(end)),
                ),
                target: 1.0,
                activation: 0.0,
                metric_type: trigger.metric_type,
            },
            window,
            desired_replicas: f64::from(desired_replicas).max(0.0),
        })
    }
}

/// A cron expression as KEDA writes it into a metric's name.
fn expression_in_a_name(expression: &str) -> String {
    expression.replace(' ', "").replace('*', "x").replace('/', "Sl").replace('?', "Qm").replace(',', "Cm")
}

#[async_trait]
impl Scaler for Cron {
    fn metric(&self) -> &MetricSpec {
        &self.metric
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Reading, ReadError> {
        let active = self.window.active(now);
        Ok(Reading { value: if active { self.desired_replicas } else { 0.0 }, active })
    }

    fn is_computed(&self) -> bool {
        true
    }

    fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.window.next_edge(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICE: [(&str, &str); 4] =
        [("timezone", "Europe/London"), ("start", "0 8 * * 1-5"), ("end", "0 18 * * 1-5"), ("desiredReplicas", "5")];

    fn build_with(index: usize, changes: &[(&str, &str)]) -> Result<Box<dyn Scaler>, ConfigError> {
        let mut trigger = TriggerConfig { index, kind: "cron".into(), ..TriggerConfig::default() };
        for (key, value) in OFFICE.iter().chain(changes) {
            trigger.metadata.insert((*key).into(), (*value).into());
        }
        build(&trigger, &ClientPools::default())
    }

    #[test]
    fn metric_names_are_kedas() {
        assert_eq!(build_with(1, &[]).unwrap().metric().name, "s1-cron-Europe-London-08xx1-5-018xx1-5");
        let other =
            [("timezone", "America/Argentina/Buenos_Aires"), ("start", "*/5 0 1,15 * *"), ("end", "30 23 ? * *")];
        assert_eq!(
            build_with(1, &other).unwrap().metric().name,
            "s1-cron-America-Argentina-Buenos_Aires-xSl501Cm15xx-3023Qmxx"
        );
    }

    #[test]
    fn what_is_wrong_has_kedas_text() {
        for (change, text) in [
            (
                ("start", "0 8 * *"),
                "error parsing cron metadata: error parsing start schedule: expected exactly 5 fields, found 4: [0 8 * *]",
            ),
            (("end", "0 8 * * 1-5"), "error parsing cron metadata: start and end can not have exactly same time input"),
            (("desiredReplicas", "0"), "error parsing cron metadata: no desiredReplicas specified"),
            (
                ("desiredReplicas", "many"),
                "error parsing cron metadata: unable to set param \"desiredReplicas\" value \"many\": it must be a whole number such as 5",
            ),
            (
                ("desiredReplicas", ""),
                "error parsing cron metadata: missing required parameter \"desiredReplicas\" in [triggerMetadata]",
            ),
            (
                ("timezone", "Europe/Lodnon"),
                "error parsing cron metadata: unable to load timezone: unknown time zone Europe/Lodnon",
            ),
            (("start", ""), "error parsing cron metadata: missing required parameter \"start\" in [triggerMetadata]"),
        ] {
            let error = build_with(0, &[change]).map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), text, "{change:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_cured_by_what_can() {
        for (change, hint) in [
            (("timezone", "Europe/Lodnon"), "Europe/London"),
            (("start", "0 8 * *"), "0 8 * * 1-5"),
            (("end", "@daily"), "0 18 * * 1-5"),
            (("end", "0 8 * * 1-5"), "an end that differs"),
            (("desiredReplicas", "0"), "1 or more"),
        ] {
            let error = build_with(0, &[change]).map(|_| ()).unwrap_err();
            assert!(error.hints().iter().any(|line| line.contains(hint)), "{change:?}: {:?}", error.hints());
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let wrong = [("timezone", "Nowhere"), ("start", "8:00"), ("end", "22:00"), ("desiredReplicas", "0")];
        let error = build_with(0, &wrong).map(|_| ()).unwrap_err();
        for part in ["zone Nowhere", "start", "end", "desiredReplicas"] {
            assert!(error.problems().iter().any(|problem| problem.contains(part)), "{part}: {error}");
        }
        assert_eq!(error.problems().len(), 4, "{error}");
        let zone = error.problems().iter().position(|problem| problem.contains("Nowhere")).unwrap();
        assert!(error.hints_of(zone).all(|hint| hint.contains("Europe/London")), "each hint is with its problem");
        let missing = build_with(0, &[("start", ""), ("end", "22:00")]).map(|_| ()).unwrap_err();
        assert_eq!(missing.problems().len(), 2, "{missing}");
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let trigger = TriggerConfig { kind: "cron".into(), ..TriggerConfig::default() };
        let error = build(&trigger, &ClientPools::default()).map(|_| ()).unwrap_err().to_string();
        let missing = ["timezone", "start", "end", "desiredReplicas"]
            .map(|key| format!("missing required parameter \"{key}\" in [triggerMetadata]"));
        assert_eq!(error, format!("error parsing cron metadata: {}", missing.join("\n")));
    }

    #[test]
    fn cached_metrics_are_refused() {
        let mut trigger = TriggerConfig { kind: "cron".into(), use_cached_metrics: true, ..TriggerConfig::default() };
        trigger.metadata = OFFICE.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let error = build(&trigger, &ClientPools::default()).map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "error parsing cron metadata: property \"useCachedMetrics\" is not supported for \"cron\" scaler"
        );
    }

    #[tokio::test]
    async fn desired_replicas_are_whole_numbers_in_the_range_of_replicas() {
        let monday = "2026-11-23T09:00:00Z".parse().unwrap();
        for (given, value) in [("1", 1.0), (" 7 ", 7.0), ("-3", 0.0), ("9999999999", 2_147_483_647.0)] {
            let scaler = build_with(0, &[("desiredReplicas", given)]).unwrap();
            assert_eq!(scaler.read(monday).await, Ok(Reading { value, active: true }), "{given}");
        }
        for given in ["2.5", "010", "1e1", "five", "99999999999999999999"] {
            let error = build_with(0, &[("desiredReplicas", given)]).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(&format!("unable to set param \"desiredReplicas\" value \"{given}\"")), "{error}");
        }
    }

    /// The HPA takes the highest metric, and the workload is up while any trigger is active.
    #[tokio::test]
    async fn overlapping_windows_add_up_to_their_union() {
        let windows = [
            // Weekdays in Berlin; a rush at noon in London, where it is an hour earlier; nights over New Year in Tokyo.
            ("Europe/Berlin", "0 6 * * 1-5", "0 22 * * 1-5", "2"),
            ("Europe/London", "0 12 * * *", "0 14 * * *", "8"),
            ("Asia/Tokyo", "0 22 31 12 *", "0 6 1 1 *", "20"),
        ];
        let scalers = windows.map(|(timezone, start, end, replicas)| {
            let given = [("timezone", timezone), ("start", start), ("end", end), ("desiredReplicas", replicas)];
            build_with(0, &given).unwrap()
        });
        for (now, replicas, next) in [
            // Monday to Tuesday.
            ("2026-07-06T03:59:00Z", 0.0, "2026-07-06T04:00:00Z"),
            ("2026-07-06T04:00:00Z", 2.0, "2026-07-06T11:00:00Z"),
            ("2026-07-06T11:00:00Z", 8.0, "2026-07-06T13:00:00Z"),
            ("2026-07-06T13:00:00Z", 2.0, "2026-07-06T20:00:00Z"),
            ("2026-07-06T20:00:00Z", 0.0, "2026-07-07T04:00:00Z"),
            // Friday to Monday.
            ("2026-07-10T20:00:00Z", 0.0, "2026-07-11T11:00:00Z"),
            ("2026-07-11T11:30:00Z", 8.0, "2026-07-11T13:00:00Z"),
            // New Year's Eve, a Thursday, and New Year's Day.
            ("2026-12-31T13:00:00Z", 20.0, "2026-12-31T14:00:00Z"),
            ("2026-12-31T14:00:00Z", 20.0, "2026-12-31T21:00:00Z"),
            ("2026-12-31T21:00:00Z", 0.0, "2027-01-01T05:00:00Z"),
        ] {
            let now = now.parse().unwrap();
            let mut highest = Reading { value: 0.0, active: false };
            for scaler in &scalers {
                let reading = scaler.read(now).await.unwrap();
                highest = Reading { value: highest.value.max(reading.value), active: highest.active || reading.active };
            }
            assert_eq!(highest, Reading { value: replicas, active: replicas > 0.0 }, "{now}");
            let change = scalers.iter().filter_map(|scaler| scaler.next_change(now)).min();
            assert_eq!(change, next.parse().ok(), "{now}");
        }
    }

    #[tokio::test]
    async fn the_value_is_the_number_of_replicas_in_the_window_and_zero_outside() {
        let scaler = build_with(0, &[]).unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let monday = at("2026-11-23T09:00:00Z");
        assert_eq!(scaler.read(monday).await, Ok(Reading { value: 5.0, active: true }));
        assert_eq!(scaler.next_change(monday), Some(at("2026-11-23T18:00:00Z")));
        let sunday = at("2026-11-22T09:00:00Z");
        assert_eq!(scaler.read(sunday).await, Ok(Reading { value: 0.0, active: false }));
    }
}
