//! Looks at triggers, and scales between zero (or idle) and one.
//!
//! Owns: the live triggers and their last readings ([`registry`], the one piece of state that the controller, the poll
//! loops and the metrics API share), when to look ([`schedule`]) and the loop of each ScaledObject ([`ticker`]). What
//! follows from a look is decided in [`crate::plan`].

mod answer;
pub mod registry;
pub mod schedule;
pub mod ticker;
pub mod trigger;
