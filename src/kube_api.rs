//! The client of the API server, and helpers for every object that comes from it.
//!
//! - [`client`]: requests over HTTP/2 with limits of time. [`limiter`]: as many at the same time as the API server can bear.
//!   [`errors`]: what an error says about it.
//! - [`read_only`]: clients of a process that only observes.
//! - [`watch`]: the driver of all watches.
//! - [`scope`]: the namespaces and labels that are served. [`selector`] parses label selectors.
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
pub mod read_only;
pub mod scale;
pub mod scope;
pub mod selector;
pub mod vpa;
pub mod watch;
