//! The settings of a run: the variables `N`, `KIND`, `PEER`, `OVER` and `LISTER`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ebb_tests::wait::secs;

/// The most ScaledObjects of a run.
const MOST: usize = 20_000;
/// The most workloads that are woken one by one at each `pollingInterval`.
const SAMPLE: usize = 10;
/// The most workloads that are active at once.
const ACTIVE: usize = 100;

/// The most seconds of a lister, and of the creation of all.
const LONGEST: u64 = 3_600;

/// The triggers of the ScaledObjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rabbitmq,
    Kafka,
    Cron,
    /// One of each in turn.
    Mixed,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How many ScaledObjects there are.
    pub(crate) count: usize,
    /// Their triggers.
    pub(crate) kind: Kind,
    /// The command of another autoscaler.
    pub(crate) peer: Option<String>,
    /// How long the creation of all is spread over. None: as fast as the API server allows.
    pub(crate) over: Option<Duration>,
    /// How long a client lists all ScaledObjects again and again. None: there is no such client.
    pub(crate) lister: Option<Duration>,
}

impl Kind {
    const ALL: [(&str, Self); 4] =
        [("rabbitmq", Self::Rabbitmq), ("kafka", Self::Kafka), ("cron", Self::Cron), ("mixed", Self::Mixed)];

    /// Its name in `KIND`.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        found.with_context(|| format!("KIND={text}: it is rabbitmq, kafka, cron or mixed"))
    }
}

impl Settings {
    /// Reads the variables; one that is missing or empty has its default.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let text = given("N").unwrap_or_else(|| "100".to_owned());
        let count = text.parse().ok().filter(|count| (3..=MOST).contains(count));
        let count = count.with_context(|| format!("N={text}: it is a number from 3 to {MOST}"))?;
        let kind = Kind::parse(given("KIND").as_deref().unwrap_or("rabbitmq"))?;
        let peer = given("PEER");
        ensure!(peer.as_deref().is_none_or(|command| !command.contains('\n')), "PEER: it is one command in one line");
        let span = |name: &str| {
            let text = given(name)?;
            let seconds = text.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
            Some(seconds.map(secs).with_context(|| format!("{name}={text}: it is a number of seconds up to {LONGEST}")))
        };
        let (over, lister) = (span("OVER").transpose()?, span("LISTER").transpose()?);
        Ok(Self { count, kind, peer, over, lister })
    }

    /// How many workloads are woken one by one at each `pollingInterval`. One workload at least is left asleep.
    pub(crate) fn sample(&self) -> usize {
        SAMPLE.min((self.count - 1) / 2)
    }

    /// How many workloads are active at once, those that were woken one by one among them.
    pub(crate) fn active(&self) -> usize {
        ACTIVE.min(self.count - 1)
    }

    /// How long all may take to become Ready.
    pub(crate) fn ready_limit(&self) -> Duration {
        secs(120) + Duration::from_millis(500) * u32::try_from(self.count).unwrap_or(u32::MAX)
    }

    /// How long everything may take for one contender.
    pub(crate) fn limit(&self) -> Duration {
        secs(900) + 2 * self.ready_limit() + self.over.unwrap_or_default() + self.lister.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let settings = read(&[("PEER", " ")]).unwrap();
        assert_eq!((settings.count, settings.kind, settings.peer), (100, Kind::Rabbitmq, None));
        assert_eq!(settings.lister, None);
        let settings =
            [("N", "1000"), ("KIND", "mixed"), ("PEER", "./other --fast"), ("LISTER", "300"), ("OVER", "191")];
        let settings = read(&settings).unwrap();
        assert_eq!((settings.lister, settings.over), (Some(secs(300)), Some(secs(191))));
        assert_eq!((settings.count, settings.kind.name()), (1000, "mixed"));
        assert_eq!(settings.peer.as_deref(), Some("./other --fast"));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (name, value) in [
            ("N", "0"),
            ("N", "2"),
            ("N", "20001"),
            ("N", "many"),
            ("KIND", "redis"),
            ("PEER", "a\nb"),
            ("LISTER", "0"),
            ("OVER", "3601"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{name}={value}: {error}");
        }
    }

    #[test]
    fn one_workload_is_left_asleep() {
        for (count, sample, active) in [(3, 1, 2), (20, 9, 19), (21, 10, 20), (100, 10, 99), (1000, 10, 100)] {
            let settings = Settings { count, kind: Kind::Cron, peer: None, over: None, lister: None };
            assert_eq!((settings.sample(), settings.active()), (sample, active), "of {count}");
            assert!(2 * sample <= active && active < count);
        }
    }
}
