//! Ebb: an event-driven autoscaler for Kubernetes that takes KEDA's place.
//!
//! `ARCHITECTURE.md` maps the concepts to these modules and states what each may touch.

pub mod admission;
pub mod build_info;
pub mod certs;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod https;
pub mod kube_api;
pub mod leader;
pub mod metrics_api;
pub mod review;
pub mod rights;
pub mod run;
pub mod scaling;
pub mod store;
pub mod telemetry;
