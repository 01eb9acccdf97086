//! Looks at triggers, and scales between zero (or idle) and one.
//!
//! Owns the readings of a trigger ([`trigger`]), the wait of an idle workload ([`changes`]) and the loop of each ScaledObject
//! ([`poller`]). [`crate::plan::tick`] decides what follows from a reading.

mod answer;
mod changes;
pub mod poller;
pub mod trigger;
