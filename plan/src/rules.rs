//! What a ScaledObject's spec and annotations alone say of how to scale.

use super::fallback::Fallback;
use super::modifiers::Modifiers;
use super::policy::Policy;
use super::resource::ResourceMetric;

/// The rules of one ScaledObject, as [`super::validate::check`] gives them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Between which bounds, and how fast.
    pub policy: Policy,
    /// What to do while triggers cannot be read.
    pub fallback: Option<Fallback>,
    /// The formula over the triggers' values.
    pub modifiers: Option<Modifiers>,
    /// The metrics that the HPA reads by itself.
    pub resources: Vec<ResourceMetric>,
}
