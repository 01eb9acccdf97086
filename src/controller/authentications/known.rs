//! One authentication as the watch shows it, and Ebb's last write to its status.

use std::sync::Arc;

use ebb_crds::{TriggerAuthenticationSpec, names};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt as _;

use super::kind::Kind;
use crate::kube_api::watch::Source;
use crate::telemetry::metrics::ResourceMetrics;

/// One authentication as the API server has it.
pub(super) struct Known {
    pub(super) spec: Arc<TriggerAuthenticationSpec>,
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    pub(super) resource_version: Option<String>,
    pub(super) finalizers: Vec<String>,
    pub(super) deleting: bool,
    /// `status.scaledobjects`, empty if there is none.
    pub(super) listed: String,
    /// The last write of the status.
    pub(super) written: Written,
    pub(super) reference: Arc<ObjectReference>,
    _series: ResourceMetrics,
}

/// The last write of an authentication's status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Written {
    /// There was none, or a list has come after it.
    #[default]
    Nothing,
    /// The API server answered with this `resourceVersion`, if it is a number.
    At(Option<u64>),
    /// It had no answer. It may have been done, or be done yet.
    Unanswered,
}

impl Written {
    /// A write that the API server answered with this `resourceVersion`.
    pub(super) fn at(version: Option<&str>) -> Self {
        Self::At(number(version))
    }

    /// The state of the last write after the watch has shown the authentication.
    pub(super) fn after(self, source: Source) -> Self {
        match (self, source) {
            // Versions begin anew where the API server's store was restored from a backup.
            (Self::At(_), Source::List) => Self::Nothing,
            (written, _) => written,
        }
    }
}

impl Known {
    /// Takes it from an object of the watch. Nothing is known of writes.
    pub(super) fn of<K: Kind>(object: &K, series: ResourceMetrics) -> Self {
        let metadata = object.meta();
        Self {
            spec: Arc::new(object.spec().clone()),
            uid: object.uid().unwrap_or_default(),
            generation: metadata.generation,
            resource_version: object.resource_version(),
            finalizers: object.finalizers().to_vec(),
            deleting: metadata.deletion_timestamp.is_some(),
            listed: object.status().and_then(|status| status.scaledobjects.clone()).unwrap_or_default(),
            written: Written::default(),
            reference: Arc::new(object.object_ref(&())),
            _series: series,
        }
    }

    /// Whether it has Ebb's finalizer.
    pub(super) fn has_finalizer(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == names::FINALIZER)
    }

    /// Whether the watch has shown the last write of the status, or something newer.
    pub(super) fn shows_last_write(&self) -> bool {
        match self.written {
            Written::Nothing => true,
            Written::At(version) => number(self.resource_version.as_deref()) >= version,
            Written::Unanswered => false,
        }
    }
}

/// A `resourceVersion` as a number. Those of one kind can be compared (Kubernetes API concepts, "Resource versions").
fn number(version: Option<&str>) -> Option<u64> {
    version.and_then(|version| version.parse().ok())
}

#[cfg(test)]
mod tests {
    use ebb_crds::TriggerAuthentication;
    use serde_json::json;

    use super::*;
    use crate::leader::Leadership;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn a_write_counts_as_shown_by_its_version_or_by_a_list() {
        let object: TriggerAuthentication = serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
            "metadata": {"name": "one", "namespace": "shop", "resourceVersion": "100"}, "spec": {},
        }))
        .unwrap();
        let metrics = Metrics::new(false, Leadership::always()).unwrap();
        let mut known = Known::of(&object, metrics.resource("trigger_authentication", "shop"));
        let cases = [
            (Written::Nothing, true, Written::Nothing),
            (Written::at(Some("99")), true, Written::Nothing),
            (Written::at(Some("100")), true, Written::Nothing),
            (Written::at(Some("101")), false, Written::Nothing),
            (Written::Unanswered, false, Written::Unanswered),
        ];
        for (written, shown, after_list) in cases {
            known.written = written;
            assert_eq!(known.shows_last_write(), shown, "{written:?}");
            assert_eq!((written.after(Source::Event), written.after(Source::List)), (written, after_list));
        }
    }
}
