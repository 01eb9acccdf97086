//! The input of `ebb doctor`.

use std::path::PathBuf;

use super::explain::Format;
use super::values::{or_default, text};

/// The input of `ebb doctor`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Example:
  ebb doctor --namespace ebb-system

It reads the cluster and changes nothing. Exit code 0: nothing is wrong; 1: something is; 2: the command line is wrong.")]
pub struct Doctor {
    /// The namespace that Ebb runs in.
    #[arg(short, long, env = "POD_NAMESPACE", default_value = "ebb-system", value_parser = or_default("ebb-system", text))]
    pub namespace: String,
    /// The name of Ebb's ServiceAccount.
    #[arg(long, value_name = "NAME", default_value = "ebb")]
    pub service_account: String,
    /// The name of the Lease.
    #[arg(long, value_name = "NAME", default_value = "operator.keda.sh")]
    pub lease: String,
    /// The name of the Secret with the serving certificate.
    #[arg(long, value_name = "NAME", default_value = "ebb-certs")]
    pub cert_secret_name: String,
    /// The name of the ValidatingWebhookConfiguration.
    #[arg(long, value_name = "NAME", default_value = "keda-admission")]
    pub validating_webhook_name: String,
    /// The format.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// A kubeconfig file. Default: the variable KUBECONFIG, or ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}
