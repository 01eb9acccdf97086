//! The way to the API server, and what holds for every object that comes from it.
//!
//! - [`client`]: requests over HTTP/2 with limits of time. [`limiter`]: as many at the same time as the API server can bear.
//!   [`errors`]: what an error says about it.
//! - [`watch`]: the driver of all watches.
//! - [`scope`]: which namespaces and labels are served. [`selector`] reads labels' selectors.
//! - [`key`]: the name of an object in its namespace.
//! - [`scale`]: kinds with `/scale`. [`pod_template`]: the pods of a target.
//! - [`vpa`]: the VerticalPodAutoscalers of a namespace.
//! - [`cluster_reader`]: the reads of triggers whose source is the cluster.

pub mod client;
pub mod cluster_reader;
pub mod errors;
pub mod key;
pub mod limiter;
pub mod pod_template;
pub mod scale;
pub mod scope;
pub mod selector;
pub mod vpa;
pub mod watch;
