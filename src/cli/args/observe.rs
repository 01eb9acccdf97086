//! The settings of a process that observes beside another autoscaler, and of what it takes for the HPA controller.

use std::time::Duration;

use ebb_plan::simulate::hpa::ControllerFlags;

use super::values::{duration, flag, limit, or_default};

/// The settings of `--observe`.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Observe {
    /// Create, change and delete nothing in the cluster: keep a trail of what Ebb would do beside another autoscaler.
    #[arg(long = "observe", env = "EBB_OBSERVE", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_name = "BOOL", value_parser = or_default("false", flag))]
    pub only: bool,
    /// The kube-controller-manager's --horizontal-pod-autoscaler-sync-period, for ScaledObjects that Ebb observes.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = or_default("15s", duration))]
    pub hpa_sync_period: Duration,
    /// Its --horizontal-pod-autoscaler-downscale-stabilization.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = or_default("5m", limit))]
    pub hpa_downscale_stabilization: Duration,
    /// Its --horizontal-pod-autoscaler-tolerance.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub hpa_tolerance: f64,
}

impl Observe {
    /// The HPA controller that an HPA of Ebb's would have.
    pub fn controller(&self) -> ControllerFlags {
        ControllerFlags {
            sync_period: self.hpa_sync_period,
            downscale_stabilization: self.hpa_downscale_stabilization,
            tolerance: self.hpa_tolerance,
        }
    }
}
