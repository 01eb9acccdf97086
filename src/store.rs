//! What Ebb knows of each ScaledObject, split by owner.
//!
//! A [`record::Record`] has one state for each part that works on a ScaledObject. Each state has private fields, a lock of its
//! own, and methods that name the transitions.
//!
//! - [`check_state`]: the controller's checks.
//! - [`hpa_state`]: the HPA that the last check wrote.
//! - [`poll_state`]: the poll loop.
//! - [`crate::ledger`]: the facts, and the status and the events that follow from them.

pub mod check_state;
pub mod hpa_state;
pub mod poll_state;
pub mod record;
pub mod registry;
