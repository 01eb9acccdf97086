//! The poll loops: they read triggers, and scale between zero (or idle) and one.
//!
//! [`poller`] runs the loop of each ScaledObject, and [`changes`] is the wait of an idle workload. [`answer`] gives the
//! HPA the values of metrics, [`decisions`] gives the API the decisions. [`ebb_plan::tick`] decides about each reading.

mod answer;
mod changes;
pub mod decisions;
pub mod poller;
