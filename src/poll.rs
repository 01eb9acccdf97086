//! Looks at triggers, and scales between zero (or idle) and one.
//!
//! Owns the readings of a trigger ([`trigger`]), the time of the next tick ([`schedule`]), the wait of an idle workload
//! ([`changes`]) and the loop of each ScaledObject ([`ticker`]). [`crate::plan`] decides what follows from a reading.

mod answer;
mod changes;
pub mod schedule;
pub mod ticker;
pub mod trigger;
