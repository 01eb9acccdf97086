//! The intent of a ScaledObject: deletion, pause, or scaling.

use ebb_crds::ScaledObject;
use ebb_params::Catalog;

use crate::activate_to::ActivateTo;
use crate::failure::Failure;
use crate::mode::{self, Mode};
use crate::pause::{self, Pause};
use crate::rules::Rules;
use crate::validate;

/// The intent of a ScaledObject, as far as it states it itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// It is being deleted.
    Delete,
    /// Scaling is paused: at this count, or at the present one.
    Pause(Option<i32>),
    /// Its triggers scale the target, unless its specification cannot be served.
    Serve(Box<Result<Rules, Failure>>),
    /// Nothing can be done for it, not even mark it as Ebb's.
    Refuse(Failure),
    /// Ebb only observes it, and would have this intent.
    Observe(Box<Intent>),
}

impl Intent {
    /// The intent of a ScaledObject. An annotation that cannot be understood wins over everything but the deletion, and
    /// a pause wins over the specification. `catalog` has the kinds of trigger.
    pub fn of(object: &ScaledObject, catalog: Catalog) -> Self {
        let intent = Self::own(object, catalog);
        match mode::mode(object.metadata.annotations.as_ref()) {
            Ok(Mode::Serve) => intent,
            Ok(Mode::Observe) => intent.observed(),
            // What is being deleted goes, whatever it says.
            Err(_) if intent == Self::Delete => intent,
            Err(text) => Self::Refuse(Failure::Annotation(text)),
        }
    }

    /// The intent of a ScaledObject that is served.
    fn own(object: &ScaledObject, catalog: Catalog) -> Self {
        if object.metadata.deletion_timestamp.is_some() {
            return Self::Delete;
        }
        let annotations = object.metadata.annotations.as_ref();
        let pause = pause::pause(annotations).and_then(|pause| ActivateTo::of(annotations).map(|_| pause));
        match pause {
            Err(text) => Self::Refuse(Failure::Annotation(text)),
            Ok(Pause::At(replicas)) => Self::Pause(replicas),
            // Without a valid label nobody could find the HPA, so nothing is written.
            Ok(Pause::No) => match validate::name(object) {
                Err(invalid) => Self::Refuse(invalid.into()),
                Ok(()) => Self::Serve(Box::new(validate::check(object, catalog).map_err(Failure::from))),
            },
        }
    }

    /// The same intent, of a process that only observes.
    #[must_use]
    pub fn observed(self) -> Self {
        match self {
            Self::Observe(_) => self,
            other => Self::Observe(Box::new(other)),
        }
    }

    /// Whether Ebb only observes the ScaledObject.
    pub fn is_observed(&self) -> bool {
        matches!(self, Self::Observe(_))
    }

    /// What is to be done, or would be.
    pub fn action(&self) -> &Self {
        match self {
            Self::Observe(would_be) => would_be,
            other => other,
        }
    }

    /// The rules, where the specification can be served.
    pub fn rules(&self) -> Option<&Rules> {
        match self.action() {
            Self::Serve(rules) => rules.as_ref().as_ref().ok(),
            Self::Delete | Self::Pause(_) | Self::Refuse(_) | Self::Observe(_) => None,
        }
    }

    /// Whether the target's count decides something.
    pub fn needs_replicas(&self, object: &ScaledObject) -> bool {
        match self {
            Self::Delete => super::delete::restored(object).is_some(),
            Self::Pause(replicas) => replicas.is_some(),
            Self::Serve(rules) => rules.is_ok(),
            Self::Observe(_) => self.rules().is_some(),
            Self::Refuse(_) => false,
        }
    }
}
