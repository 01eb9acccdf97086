//! Looks at triggers, and scales between zero (or idle) and one.
//!
//! Owns the readings of a trigger ([`trigger`]), the time of the next look ([`schedule`]) and the loop of each ScaledObject
//! ([`ticker`]). [`crate::plan`] decides what follows from a look.

mod answer;
pub mod schedule;
pub mod ticker;
pub mod trigger;
