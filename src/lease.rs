//! Which of several replicas writes: the one that holds a Lease, as with Kubernetes' own controllers.
//!
//! All replicas watch, read and answer; one changes something. The Lease has the form and the rules of client-go's leader
//! election, so that `kubectl get lease` shows what it always shows, and an operator of KEDA under the same name takes part.
//!
//! - [`rules`]: pure: what a Lease as it was found means for this replica.
//! - [`Term`]: whether this replica may write at this moment.
//! - [`Fenced`]: the last gate before the API server: without a term no write goes out.
//! - [`Keeper`]: acquires the Lease, renews it, gives it back.
//!
//! Two replicas never both write. A term ends by this machine's monotonic clock, which goes on while the process is stopped,
//! and it ends before the Lease does: after `renewDeadline` without a renewal, counted from when the last one was asked
//! for. Another replica may take the Lease `leaseDuration` after it saw it renewed, which is later on both counts.

mod fence;
mod keeper;
pub mod rules;
mod term;

pub use fence::{Fenced, NotLeading};
pub use keeper::Keeper;
pub use term::Term;
