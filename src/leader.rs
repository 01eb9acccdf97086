//! Leader election: of several replicas, the holder of a Lease writes, as with Kubernetes' own controllers.
//!
//! All replicas watch, read and answer; only the leader writes. The Lease has the format and the rules of client-go's leader
//! election. `kubectl get lease` shows the usual columns, and an operator of KEDA takes part under the same name.
//!
//! - [`rules`]: decides what a replica does about a Lease; pure.
//! - [`Leadership`]: the right of this replica to write.
//! - [`Fenced`]: the last check before the API server: it sends no write without that right.
//! - [`LeaderElector`]: acquires, renews and releases the Lease.
//! - [`leader_client`]: the way from a standby to the leader.
//!
//! Two replicas never both write. The right to write ends by this machine's monotonic clock, which runs on while the process
//! is stopped. It ends before the Lease does: after `renewDeadline` without a renewal, counted from the request of the last
//! renewal. Another replica may take the Lease `leaseDuration` after it saw the renewal, which is later for two reasons: the
//! renewal is later than its request, and `leaseDuration` is longer than `renewDeadline`.

mod fence;
pub mod leader_client;
mod leader_elector;
mod leadership;
pub mod rules;

pub use fence::{Fenced, NotLeading};
pub use leader_elector::{Config, LeaderElector};
pub use leadership::Leadership;
