//! The poll loops: they read triggers, and scale between zero (or idle) and one.
//!
//! [`poller`] runs the loop of each ScaledObject, and [`changes`] is the wait of an idle workload. [`answer`] gives the HPA what
//! it asks for, [`decisions`] the API what was decided. [`ebb_plan::tick`] decides what follows from a reading.

mod answer;
mod changes;
pub mod decisions;
pub mod poller;
