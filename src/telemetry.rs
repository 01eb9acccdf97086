//! The telemetry of the process: logs, Prometheus series, and the answers to probes.

pub mod logs;
pub mod metrics;
pub mod probes;
