//! The way out of the process, for every kind of trigger alike.
//!
//! Owns: connections ([`Outbound`]: denied addresses, limits of time, TLS, HTTP clients), tokens ([`oauth`]), the
//! memory for answers ([`budget`], `body`), the texts of peers ([`peer`]) and the count of HTTP exchanges
//! ([`exchange`]).
//!
//! **Invariant.** No module outside of this one opens a socket or resolves a name; `tests/one_dialer.rs` looks for it.

pub(crate) mod body;
pub mod budget;
mod denied;
mod dial;
pub mod exchange;
pub mod oauth;
pub mod outbound;
pub mod peer;
pub mod tls;

pub use dial::Transport;
pub use outbound::Outbound;
