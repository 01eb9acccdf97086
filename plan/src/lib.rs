//! Every decision that Ebb makes, as pure functions: no async, no client, no clock, no logging. `now` is an argument.
//!
//! What is decided here is done by [`crate::controller`] and [`crate::poll`], and nowhere else is anything decided.

pub mod activation;
pub mod authentication;
pub mod events;
pub mod failure;
pub mod fallback;
pub mod hpa;
pub mod modifiers;
pub mod names;
pub mod pause;
pub mod policy;
pub mod readings;
pub mod reconcile;
pub mod resource;
pub mod review;
pub mod rules;
#[cfg(test)]
mod simulation;
pub mod status;
pub mod tick;
pub mod unexpected;
pub mod validate;
pub mod vpa;
