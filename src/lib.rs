//! Ebb: an event-driven autoscaler for Kubernetes that takes KEDA's place.
//!
//! `ARCHITECTURE.md` maps the concepts to these modules and states what each may touch.

pub mod admission;
pub mod api_client;
pub mod args;
pub mod certs;
pub mod check_command;
pub mod clock;
pub mod cluster_reader;
pub mod controller;
pub mod cron_command;
pub mod events;
pub mod formula;
pub mod key;
pub mod lease;
pub mod ledger;
pub mod metrics;
pub mod metrics_api;
pub mod plan;
pub mod pod_template;
pub mod poll;
pub mod probes;
pub mod raw_json;
pub mod rights;
pub mod run;
pub mod scope;
pub mod store;
pub mod target;
pub mod telemetry;
pub mod watched;
pub mod watching;
