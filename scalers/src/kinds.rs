//! Every kind of trigger, and the properties by which the rest of Ebb uses it without naming it.

use std::fmt;

use crate::cluster::ClusterRight;
use crate::params::{ConfigError, Declaration, Param, RESOURCE_KINDS, TriggerConfig};
use crate::pool::ClientPools;
use crate::scaler::Scaler;
use crate::{cron, kafka, prometheus, rabbitmq};

/// Every kind of trigger, sorted by name.
pub const KINDS: &[Kind] = &[kafka::APACHE_KAFKA, cron::KIND, kafka::KAFKA, prometheus::KIND, rabbitmq::KIND];

type Build = fn(&TriggerConfig, &ClientPools) -> Result<Box<dyn Scaler>, ConfigError>;
type Unused = fn(&TriggerConfig, &dyn Fn(&str) -> bool) -> Option<(String, String)>;

/// One kind of trigger: the word after `type:` in a ScaledObject. A kind declares itself in its own module.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The trigger's `type`.
    pub name: &'static str,
    /// The name that KEDA's metrics give to an unnamed trigger of this kind (label `scaler`).
    pub scaler_label: &'static str,
    /// Every parameter that it reads.
    pub params: &'static [Param],
    /// Why `useCachedMetrics` makes no sense for it, if it is refused.
    pub never_cached: Option<&'static str>,
    /// The rights that it needs to read the cluster itself. The RBAC manifest is generated from them.
    pub rights: &'static [ClusterRight],
    build: Build,
    unused: Unused,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(&self.name).finish()
    }
}

impl Kind {
    /// A kind that is built by `build`, which does no I/O.
    pub const fn new(name: &'static str, scaler_label: &'static str, params: &'static [Param], build: Build) -> Self {
        Self { name, scaler_label, params, never_cached: None, rights: &[], build, unused: |_, _| None }
    }

    /// The same, with `useCachedMetrics` refused for this reason.
    #[must_use]
    pub const fn never_cached(self, why: &'static str) -> Self {
        Self { never_cached: Some(why), ..self }
    }

    /// The same, with rights to read the cluster.
    #[must_use]
    pub const fn rights(self, rights: &'static [ClusterRight]) -> Self {
        Self { rights, ..self }
    }

    /// The same, with a check for credentials that are given and not used.
    #[must_use]
    pub const fn unused(self, unused: Unused) -> Self {
        Self { unused, ..self }
    }

    /// The declaration of this kind, which needs no client of its broker.
    pub const fn declaration(&self) -> Declaration {
        Declaration { name: self.name, params: self.params, never_cached: self.never_cached }
    }

    /// Builds the scaler of one trigger of this kind.
    ///
    /// # Errors
    /// As [`build`].
    pub fn build(&self, trigger: &TriggerConfig, pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
        (self.build)(trigger, &pools.with_rights(self.rights))
    }

    /// Credentials that `trigger` is given and does not use, and a hint at how to have them used. `is_given` says
    /// whether the trigger's authentication gives a parameter.
    pub fn unused_credentials(
        &self,
        trigger: &TriggerConfig,
        is_given: &dyn Fn(&str) -> bool,
    ) -> Option<(String, String)> {
        (self.unused)(trigger, is_given)
    }
}

/// The kind called `name`, if Ebb has it.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The declaration of the kind called `name`, if Ebb has it.
pub fn declaration(name: &str) -> Option<Declaration> {
    kind(name).map(Kind::declaration)
}

/// Builds the scaler of one trigger. Does no I/O: a scaler connects when it is first read.
///
/// # Errors
/// All that is wrong with the trigger's parameters, with KEDA's texts and a hint where one is known.
pub fn build(trigger: &TriggerConfig, pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
    match kind(&trigger.kind) {
        Some(kind) => kind.build(trigger, pools),
        None => Err(ConfigError::new(format!("no scaler found for type: {}", trigger.kind)).hint(format!(
            "trigger {} has type {:?}; the types are {}",
            trigger.index,
            trigger.kind,
            KINDS.iter().map(|kind| kind.name).chain(RESOURCE_KINDS).collect::<Vec<_>>().join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Absent, Sample};

    #[test]
    fn kinds_are_sorted_so_that_a_new_one_has_one_place() {
        assert!(KINDS.is_sorted_by_key(|kind| kind.name));
    }

    #[test]
    fn a_kind_declares_each_parameter_once() {
        for kind in KINDS {
            let mut names: Vec<_> = kind.params.iter().flat_map(Param::names).collect();
            names.sort_unstable();
            let declared = names.len();
            names.dedup();
            assert_eq!(names.len(), declared, "{}", kind.name);
            assert!(kind.params.iter().all(|param| !param.sources.is_empty()), "{}", kind.name);
        }
    }

    #[test]
    fn a_parameter_without_which_a_trigger_is_refused_has_a_sample() {
        for kind in KINDS {
            for param in kind.params.iter().filter(|param| param.absent == Absent::Refused) {
                assert_ne!(param.sample, Sample::Unknown, "{}: {}", kind.name, param.name);
                assert_ne!(param.sample, Sample::Texts(&[]), "{}: {}", kind.name, param.name);
            }
        }
    }

    #[test]
    fn an_unknown_type_is_named_with_the_types_there_are() {
        let trigger = TriggerConfig { index: 1, kind: "rabitmq".into(), ..TriggerConfig::default() };
        let error = build(&trigger, &ClientPools::default()).err().unwrap();
        assert_eq!(error.to_string(), "no scaler found for type: rabitmq");
        let types: Vec<_> = KINDS.iter().map(|kind| kind.name).chain(["cpu", "memory"]).collect();
        assert_eq!(error.hints(), [format!("trigger 1 has type \"rabitmq\"; the types are {}", types.join(", "))]);
    }
}
