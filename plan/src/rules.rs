//! The rules of scaling that follow from a ScaledObject's spec and annotations alone.

use super::fallback::Fallback;
use super::modifiers::Modifiers;
use super::policy::Policy;
use super::resource::ResourceMetric;

/// The rules of one ScaledObject, as [`super::validate::check`] gives them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Between which bounds, and how fast.
    pub policy: Policy,
    /// The fallback while triggers cannot be read.
    pub fallback: Option<Fallback>,
    /// The formula over the triggers' values.
    pub modifiers: Option<Modifiers>,
    /// The metrics that the HPA reads by itself.
    pub resources: Vec<ResourceMetric>,
}
