//! The settings of the leader election, under the names of KEDA's flags and variables.

use std::time::Duration;

use super::values::{duration, flag, or_default, text};
use crate::leader::Config;

/// The settings of the leader election.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Election {
    /// Whether there are several replicas. The one that holds a Lease then writes.
    #[arg(long = "leader-elect", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_name = "BOOL", value_parser = flag)]
    pub elect: bool,
    /// The name of the Lease. It is in the namespace that Ebb runs in.
    #[arg(long = "leader-election-id", default_value = "operator.keda.sh", value_name = "NAME",
        value_parser = or_default("operator.keda.sh", text))]
    pub id: String,
    /// How long a Lease is valid without renewal.
    #[arg(long = "leader-election-lease-duration", env = "KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION", default_value = "15s",
        value_name = "DURATION", value_parser = or_default("15s", duration))]
    pub lease_duration: Duration,
    /// How long its holder tries to renew it before it gives up.
    #[arg(long = "leader-election-renew-deadline", env = "KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE", default_value = "10s",
        value_name = "DURATION", value_parser = or_default("10s", duration))]
    pub renew_deadline: Duration,
    /// The pause between two attempts.
    #[arg(long = "leader-election-retry-period", env = "KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD", default_value = "2s",
        value_name = "DURATION", value_parser = or_default("2s", duration))]
    pub retry_period: Duration,
}

impl Election {
    /// The settings of the elector.
    pub fn config(&self) -> Config {
        Config {
            lease: self.id.clone(),
            lease_duration: self.lease_duration,
            renew_deadline: self.renew_deadline,
            retry_period: self.retry_period,
        }
    }

    /// Checks that the durations satisfy the rules of Kubernetes' leader election.
    ///
    /// # Errors
    /// The text names the two durations that contradict each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { lease_duration, renew_deadline, retry_period, .. } = self;
        if lease_duration <= renew_deadline {
            return Err(format!(
                "KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION ({lease_duration:?}) must be longer than KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE ({renew_deadline:?})"
            ));
        }
        // The pause between two attempts has a jitter of up to a fifth.
        if *renew_deadline <= retry_period.mul_f64(1.2) {
            return Err(format!(
                "KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE ({renew_deadline:?}) must be longer than 1.2 times KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD ({retry_period:?})"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_must_leave_room_for_each_other() {
        let check = |lease, renew, retry| {
            let seconds = Duration::from_secs;
            let election = Election {
                elect: true,
                id: "operator.keda.sh".to_owned(),
                lease_duration: seconds(lease),
                renew_deadline: seconds(renew),
                retry_period: seconds(retry),
            };
            election.check()
        };
        assert_eq!(check(15, 10, 2), Ok(()));
        assert_eq!(check(60, 40, 10), Ok(()));
        assert!(check(10, 10, 2).unwrap_err().contains("LEASE_DURATION (10s) must be longer"));
        assert!(check(15, 10, 9).unwrap_err().contains("RENEW_DEADLINE (10s) must be longer than 1.2 times"));
    }
}
