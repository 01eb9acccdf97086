//! Clients and queries that the triggers of all ScaledObjects share, and the pauses after a server has failed.
//!
//! Owns: one client per (endpoint, credentials), created when the first trigger asks for it and closed when the last
//! one has gone ([`ClientPools`]), within each namespace's [`NamespaceQuota`]; one query for questions asked at the
//! same time ([`SingleFlight`]) and one request for those of one moment ([`Batcher`]); the pauses between attempts
//! ([`Backoff`], [`Breaker`]).
//!
//! **Invariant.** No module here names a kind of trigger. Pools are by type, so that a new kind adds nothing here.

mod backoff;
mod batcher;
mod breaker;
mod pools;
mod quota;
mod single_flight;

pub use backoff::{Backoff, jitter};
pub use batcher::Batcher;
pub use breaker::Breaker;
pub use pools::ClientPools;
pub use quota::NamespaceQuota;
pub use single_flight::SingleFlight;
