//! Every decision that Ebb makes, as pure functions: no async, no client, no clock, no logging. `now` is an argument.
//!
//! The controller and the poll loops of the process carry out these decisions, and decide nothing themselves.
//! This crate builds without a client of Kubernetes, without a broker's client and without a runtime, so that
//! its tests are cheap.

pub mod activate_to;
pub mod activation;
pub mod authentication;
#[cfg(test)]
mod catalog;
pub mod environment;
pub mod events;
pub mod failure;
pub mod fallback;
pub mod formula;
pub mod hpa;
pub mod mode;
pub mod modifiers;
pub mod names;
pub mod pause;
pub mod policy;
pub mod readings;
pub mod reconcile;
pub mod resource;
pub mod rules;
pub mod shadow;
pub mod similar;
pub mod simulate;
#[cfg(test)]
mod simulation;
pub mod status;
pub mod tick;
pub mod trail;
pub mod unexpected;
pub mod validate;
pub mod vpa;
