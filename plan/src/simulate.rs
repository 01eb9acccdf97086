//! The simulation of a ScaledObject under a load over time: the poll loop of the process ([`crate::tick`]), the answers
//! to the HPA and a model of the HPA controller, driven through a history. It reads no broker and no cluster.
//!
//! The simulation of random histories in this crate's tests uses the same model of the HPA and the same answers.

pub(crate) mod answer;
pub mod explain;
pub mod hpa;
mod queue;
mod record;
#[cfg(test)]
mod recorded;
mod result;
mod run;
mod scenario;
mod series;
#[cfg(test)]
mod tests;
mod trigger;
mod workload;

pub use result::{OpenWindow, Point, Run, RunTrigger, SimulatedDecision, Simulation, Summary};
pub use run::run;
pub use scenario::{Scenario, SimulatedTrigger, TriggerSource};
pub use series::Series;
