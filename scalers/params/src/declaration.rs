//! The declaration of a trigger kind: its name, its parameters, and why it refuses `useCachedMetrics`.

use crate::Param;

/// The types of trigger whose metrics the HPA reads by itself, from the pods. No scaler is built for them.
pub const RESOURCE_KINDS: [&str; 2] = ["cpu", "memory"];

/// A kind of trigger, without its broker.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// The trigger's `type`.
    pub name: &'static str,
    /// Every parameter that it reads.
    pub params: &'static [Param],
    /// Why `useCachedMetrics` makes no sense for it, if it is refused.
    pub never_cached: Option<&'static str>,
}

/// The declaration of the kind with this name, if there is one.
pub type Catalog = fn(&str) -> Option<Declaration>;
