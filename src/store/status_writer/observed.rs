//! The last observed status of a ScaledObject.

use ebb_crds::{ScaledObject, ScaledObjectStatus};
use kube::ResourceExt as _;

use crate::store::raw_json::RawJson;

/// A `resourceVersion`. Those of one kind can be compared (Kubernetes API concepts, "Resource versions").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Option<u64>);

impl Version {
    /// The version of an object; none that can be compared if it is no number.
    pub fn of(object: &ScaledObject) -> Self {
        Self(object.resource_version().and_then(|version| version.parse().ok()))
    }
}

/// The last observed status, and whether a write may have changed it since.
#[derive(Debug)]
pub(super) struct Observed {
    version: Version,
    status: Option<RawJson<ScaledObjectStatus>>,
    /// Counts the different statuses.
    serial: u64,
    /// A write has been sent that has no answer yet, or never got one.
    doubted: bool,
}

impl Observed {
    pub(super) fn new(version: Version, status: &ScaledObjectStatus) -> Self {
        Self { version, status: RawJson::new(status).ok(), serial: 0, doubted: false }
    }

    /// Takes the status that the watch shows, unless a newer one is known. Returns whether it differs.
    pub(super) fn see(&mut self, version: Version, status: &ScaledObjectStatus) -> bool {
        if version <= self.version && version.0.is_some() {
            return false;
        }
        self.take(version, status)
    }

    /// Takes the status in a list, which counts with every version. Says whether it is another status.
    pub(super) fn list(&mut self, version: Version, status: &ScaledObjectStatus) -> bool {
        self.take(version, status)
    }

    /// Takes the answer to a read or a write, which ends a doubt. Gives its serial number, unless the watch has shown
    /// something newer meanwhile.
    pub(super) fn answered(&mut self, version: Version, status: &ScaledObjectStatus) -> Option<u64> {
        self.doubted = false;
        if version < self.version && version.0.is_some() {
            return None;
        }
        self.take(version, status);
        Some(self.serial)
    }

    fn take(&mut self, version: Version, status: &ScaledObjectStatus) -> bool {
        self.version = version;
        let status = RawJson::new(status).ok();
        if self.status == status {
            return false;
        }
        self.status = status;
        self.serial += 1;
        true
    }

    /// Notes that a write is sent.
    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.doubted
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn status(&self) -> ScaledObjectStatus {
        self.status.as_ref().and_then(|status| status.open().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(hpa: &str) -> ScaledObjectStatus {
        ScaledObjectStatus { hpa_name: Some(hpa.into()), ..ScaledObjectStatus::default() }
    }

    fn at(version: u64) -> Version {
        Version(Some(version))
    }

    #[test]
    fn an_older_event_of_the_watch_changes_nothing() {
        let mut observed = Observed::new(at(5), &named("five"));
        for (version, status, differs, expected) in [
            (at(4), "four", false, "five"),
            (at(5), "five again", false, "five"),
            (at(6), "five", false, "five"),
            (at(7), "seven", true, "seven"),
            (at(6), "six", false, "seven"),
            (Version(None), "no number", true, "no number"),
            (at(8), "eight", true, "eight"),
        ] {
            assert_eq!(observed.see(version, &named(status)), differs, "{version:?} {status}");
            assert_eq!(observed.status(), named(expected), "{version:?} {status}");
        }
    }

    #[test]
    fn a_doubt_ends_with_an_answer_and_not_with_the_watch() {
        let mut observed = Observed::new(at(5), &named("five"));
        observed.doubt();
        observed.see(at(6), &named("six"));
        assert!(observed.is_doubted(), "the write may come after it");
        assert_eq!(observed.answered(at(7), &named("seven")), Some(2));
        assert!(!observed.is_doubted());
        assert_eq!(observed.status(), named("seven"));
    }

    #[test]
    fn an_answer_that_the_watch_has_overtaken_changes_nothing() {
        let mut observed = Observed::new(at(5), &named("five"));
        observed.doubt();
        observed.see(at(7), &named("somebody else's"));
        assert_eq!(observed.answered(at(6), &named("six")), None);
        assert_eq!((observed.status(), observed.is_doubted()), (named("somebody else's"), false));
    }

    #[test]
    fn a_list_counts_whatever_its_version() {
        let mut observed = Observed::new(at(5), &named("five"));
        assert!(observed.list(at(2), &named("restored from a backup")));
        assert!(observed.see(at(3), &named("three")));
    }
}
