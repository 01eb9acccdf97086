//! The records of all ScaledObjects, with their state split by owner.
//!
//! A [`record::Record`] has one state for each part that works on a ScaledObject. Each state has private fields, a lock
//! of its own, and methods that name the transitions.
//!
//! - [`check_state`]: the controller's checks.
//! - [`hpa_state`]: the HPA that the last check wrote.
//! - [`poll_state`]: the poll loop.
//! - [`shadow_state`]: the replicas that Ebb would have set, where it only observes.
//! - [`decision_trail`]: what the replicas were decided to be, and why. [`decision_feed`] shows it to watches and the log.
//! - [`status_writer`]: the facts, and the status and the events that follow from them. [`event_sender`] sends the events.
//!
//! [`watched_object`] is a ScaledObject between its passes, [`trigger`] one of its triggers while it is served.

pub mod check_state;
pub mod decision_feed;
pub mod decision_trail;
pub mod event_sender;
pub mod hpa_state;
pub mod poll_state;
pub mod raw_json;
pub mod record;
pub mod registry;
pub mod shadow_state;
pub mod status_writer;
pub mod trigger;
pub mod watched_object;
