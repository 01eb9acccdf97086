//! The finalizer and the label that Ebb puts on a ScaledObject, as KEDA does.

use ebb_crds::{ScaledObject, names};
use kube::ResourceExt as _;

/// What is to be put on, or taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// All finalizers: with Ebb's, or without it where Ebb gives the ScaledObject up.
    pub finalizers: Vec<String>,
    /// The value of the label with the ScaledObject's name. None: it stays as it is.
    pub label: Option<String>,
}

impl Marks {
    /// The marks that are missing. A paused ScaledObject gets no label, as in KEDA.
    pub fn missing(object: &ScaledObject, with_label: bool) -> Option<Self> {
        let name = object.name_any();
        let labelled = object.labels().get(names::SCALED_OBJECT_NAME_LABEL) == Some(&name);
        let mut finalizers = object.finalizers().to_vec();
        let marked = is_marked(object);
        if marked && (labelled || !with_label) {
            return None;
        }
        if !marked {
            finalizers.push(names::FINALIZER.to_owned());
        }
        Some(Self { finalizers, label: with_label.then_some(name) })
    }
}

/// Whether a ScaledObject has Ebb's finalizer.
pub(super) fn is_marked(object: &ScaledObject) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == names::FINALIZER)
}

/// The finalizers of a ScaledObject without Ebb's.
pub(super) fn without_finalizer(object: &ScaledObject) -> Vec<String> {
    object.finalizers().iter().filter(|finalizer| *finalizer != names::FINALIZER).cloned().collect()
}
