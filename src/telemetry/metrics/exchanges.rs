//! The HTTP exchanges of one trigger: how many ended with each status, and how long they took.
//!
//! A trigger sees a handful of statuses; one that speaks no HTTP keeps nothing here.

use std::time::Duration;

use parking_lot::Mutex;

use super::series::Spread;

/// The upper bounds of durations, in seconds: those of Prometheus' client libraries, which KEDA takes.
pub(super) const DURATION_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The exchanges that ended with the same status.
#[derive(Debug, Clone)]
pub(super) struct Exchanges {
    status: Option<u16>,
    pub(super) count: u64,
    /// Only where the durations of each trigger are asked for.
    pub(super) durations: Option<Box<Spread>>,
}

/// All of a trigger's, by status.
#[derive(Debug, Default)]
pub(super) struct Traffic(Mutex<Vec<Exchanges>>);

impl Traffic {
    /// Adds one. None: there was no answer.
    pub(super) fn add(&self, status: Option<u16>, took: Duration, with_durations: bool) {
        let mut all = self.0.lock();
        let place = all.iter().position(|exchanges| exchanges.status == status).unwrap_or_else(|| {
            let durations = with_durations.then(|| Box::new(Spread::new(DURATION_BUCKETS.len())));
            all.push(Exchanges { status, count: 0, durations });
            all.len() - 1
        });
        let exchanges = &mut all[place];
        exchanges.count += 1;
        if let Some(durations) = &mut exchanges.durations {
            durations.add(&DURATION_BUCKETS, took.as_secs_f64());
        }
    }

    /// As they are now.
    pub(super) fn all(&self) -> Vec<Exchanges> {
        self.0.lock().clone()
    }
}

impl Exchanges {
    /// KEDA's label value: the status, or `error` where there was no answer.
    pub(super) fn status_code(&self) -> String {
        status_code(self.status)
    }
}

/// See [`Exchanges::status_code`].
pub(super) fn status_code(status: Option<u16>) -> String {
    status.map_or_else(|| "error".to_owned(), |status| status.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_are_counted_by_status() {
        let traffic = Traffic::default();
        for (status, milliseconds) in [(Some(200), 3), (Some(200), 30), (None, 3_000), (Some(401), 1)] {
            traffic.add(status, Duration::from_millis(milliseconds), true);
        }
        let all = traffic.all();
        let counts: Vec<_> = all.iter().map(|exchanges| (exchanges.status_code(), exchanges.count)).collect();
        assert_eq!(counts, [("200".to_owned(), 2), ("error".to_owned(), 1), ("401".to_owned(), 1)]);
        let durations = all[0].durations.as_ref().unwrap();
        assert_eq!(durations.cumulative(), [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert!((durations.sum() - 0.033).abs() < 1e-9);

        let plain = Traffic::default();
        plain.add(Some(200), Duration::ZERO, false);
        assert!(plain.all()[0].durations.is_none());
    }
}
