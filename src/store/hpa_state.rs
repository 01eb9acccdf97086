//! The HPA of one ScaledObject, as its last check left it.

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;

use ebb_plan::hpa::contest::Contest;
use ebb_plan::hpa::fingerprint::Fingerprint;

/// The answer to the last write of the HPA. Locked inside.
#[derive(Debug, Default)]
pub struct HpaState(Mutex<Option<Applied>>);

/// An HPA as the API server has answered about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Its name.
    pub name: String,
    /// A digest of the desired HPA.
    pub wanted: u64,
    /// The HPA as the API server completed the last write. None: the answer to the write was lost.
    pub made: Option<Fingerprint>,
    /// Until when a difference is left alone, because another writer sets it again and again.
    pub left_until: Option<DateTime<Utc>>,
    /// The recent changes of other writers.
    pub contest: Option<Box<Contest>>,
}

impl Applied {
    /// Whether the watch shows the HPA as it was applied, or a difference that is left alone at `now`.
    pub fn is_in_place(&self, seen: Option<&Fingerprint>, now: DateTime<Utc>) -> bool {
        let holds = self.made.as_ref().zip(seen).is_some_and(|(made, seen)| made.holds_for(seen));
        holds && self.left_until.is_none_or(|until| now < until)
    }

    /// How long a difference is left alone from `now` on.
    pub fn left_for(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.left_until.map(|until| until - now)
    }
}

impl HpaState {
    /// The HPA of this name, if it was applied for the desired HPA with the digest `wanted`.
    pub fn applied(&self, name: &str, wanted: u64) -> Option<Applied> {
        self.0.lock().clone().filter(|applied| applied.name == name && applied.wanted == wanted)
    }

    /// The name of the HPA that was applied last.
    pub fn name(&self) -> Option<String> {
        self.0.lock().as_ref().map(|applied| applied.name.clone())
    }

    /// A write is about to be sent. Until its answer comes the HPA is unknown; `before` has the changes of other
    /// writers.
    pub fn write_sent(&self, before: Option<Applied>) {
        *self.0.lock() = before.map(|applied| Applied { made: None, left_until: None, ..applied });
    }

    /// The API server has answered.
    pub fn written(&self, applied: Applied) {
        *self.0.lock() = Some(applied);
    }

    /// The ScaledObject has no HPA, or another replica may have changed it.
    pub fn clear(&self) {
        *self.0.lock() = None;
    }

    /// Whether an HPA that the watch shows differs from the applied one. None before the first write.
    pub fn has_drifted(&self, name: &str, seen: &Fingerprint) -> Option<bool> {
        let applied = self.0.lock();
        let applied = applied.as_ref()?;
        Some(applied.name != name || !applied.made.as_ref().is_some_and(|made| made.holds_for(seen)))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

    use super::*;

    fn print(max: i32) -> Fingerprint {
        let mut hpa = HorizontalPodAutoscaler::default();
        hpa.spec.max_replicas = max;
        Fingerprint::of(&hpa)
    }

    fn applied(max: i32) -> Applied {
        Applied { name: "keda-hpa-app".into(), wanted: 7, made: Some(print(max)), left_until: None, contest: None }
    }

    #[test]
    fn an_hpa_has_drifted_when_the_watch_shows_another_than_the_answer() {
        let state = HpaState::default();
        assert_eq!(state.has_drifted("keda-hpa-app", &print(5)), None, "the first write is still to come");
        state.written(applied(5));
        for (name, max, drifted) in [("keda-hpa-app", 5, false), ("keda-hpa-app", 6, true), ("own", 5, true)] {
            assert_eq!(state.has_drifted(name, &print(max)), Some(drifted), "{name} {max}");
        }
        state.write_sent(state.applied("keda-hpa-app", 7));
        assert_eq!(state.has_drifted("keda-hpa-app", &print(5)), Some(true), "the answer was lost");
        state.clear();
        assert_eq!((state.name(), state.has_drifted("keda-hpa-app", &print(5))), (None, None));
    }

    #[test]
    fn only_the_same_desired_hpa_was_applied() {
        let state = HpaState::default();
        state.written(applied(5));
        assert!(state.applied("keda-hpa-app", 7).is_some());
        assert!(state.applied("keda-hpa-app", 8).is_none() && state.applied("own", 7).is_none());
    }

    #[test]
    fn a_difference_is_left_alone_for_its_time() {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let left = Applied { left_until: Some(at(60)), ..applied(5) };
        for (applied, seen, now, in_place) in [
            (applied(5), Some(print(5)), 0, true),
            (applied(5), Some(print(6)), 0, false),
            (applied(5), None, 0, false),
            (left.clone(), Some(print(5)), 59, true),
            (left.clone(), Some(print(5)), 60, false),
            (Applied { made: None, ..applied(5) }, Some(print(5)), 0, false),
        ] {
            assert_eq!(applied.is_in_place(seen.as_ref(), at(now)), in_place, "{seen:?} {now}");
        }
        assert_eq!(left.left_for(at(20)), Some(TimeDelta::seconds(40)));
    }
}
