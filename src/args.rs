//! The command line of `ebb`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand, ValueEnum};

use crate::cron_command;
use crate::scope::{Labels, Namespaces};

/// An event-driven autoscaler for Kubernetes that takes KEDA's place.
#[derive(Debug, Parser)]
#[command(name = "ebb", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `ebb` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the autoscaler: controller, poll loops and external metrics API in one process.
    Run(Box<Run>),
    /// Tell when a cron trigger's window is open: now, or at any instant, and when that changes next.
    Cron(Cron),
}

/// Settings of `ebb run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// A kubeconfig file. Default: the variable KUBECONFIG, else the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace that Ebb runs in and keeps its Secret with certificates in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "ebb-system")]
    pub namespace: String,
    /// The namespace in which ClusterTriggerAuthentications find Secrets, ConfigMaps and service accounts. Default: the
    /// one that Ebb runs in.
    #[arg(long, env = "KEDA_CLUSTER_OBJECT_NAMESPACE", default_value = "")]
    pub cluster_object_namespace: String,
    /// The folder below which ClusterTriggerAuthentications may name files by filePath. Default: none, they are refused.
    #[arg(long, value_name = "DIR", default_value = "")]
    pub filepath_auth_root_path: String,
    /// How long the tokens of boundServiceAccountToken live: from 1h to 6h, as in 1h30m. Default: 1h.
    #[arg(long, env = "KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY", default_value = "", value_parser = crate::controller::token_life)]
    pub bound_service_account_token_expiry: Duration,
    /// The namespaces whose objects are served, separated by commas. Default: all.
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "", value_parser = Namespaces::parse)]
    pub watch_namespace: Namespaces,
    /// Only ScaledObjects with these labels are served. Default: all.
    #[arg(long, env = "WATCH_LABEL_SELECTOR", default_value = "", value_parser = Labels::parse)]
    pub watch_label_selector: Labels,
    /// Only TriggerAuthentications and ClusterTriggerAuthentications with these labels are known. Default: all.
    #[arg(long, env = "WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH", default_value = "", value_parser = Labels::parse)]
    pub watch_label_selector_for_triggerauth: Labels,
    /// How many ScaledObjects are checked at the same time.
    #[arg(long, env = "KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub scaledobject_ctrl_max_reconciles: u16,
    /// The Service that the external metrics APIService points at; the serving certificate is made out to it.
    #[arg(long, default_value = "ebb")]
    pub service_name: String,
    /// Where the external metrics API listens.
    #[arg(long, default_value = "0.0.0.0")]
    pub bind_address: IpAddr,
    /// The port of the external metrics API.
    #[arg(long, default_value_t = 6443)]
    pub secure_port: u16,
    /// Where /metrics is served to Prometheus.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub metrics_bind_address: SocketAddr,
    /// Where /healthz and /readyz are served to the kubelet.
    #[arg(long, default_value = "0.0.0.0:8081")]
    pub health_probe_bind_address: SocketAddr,
    /// How logs are written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged: a level (error, warn, info, debug, trace), or levels by module as in RUST_LOG.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_level: String,
}

/// The question that `ebb cron` answers: the `metadata` of a cron trigger, and an instant.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ebb cron --timezone Europe/London --start \"0 8 * * 1-5\" --end \"0 18 * * 1-5\"

With --batch each line of standard input is a question of its own: timezone, start, end and an instant, separated by
tabs. Each is answered with one line: the next start and the next end (or \"never\"), and whether the window is open
(true or false), separated by tabs; or \"error: \" and what is wrong with the line.")]
pub struct Cron {
    /// The time zone, by its name in the IANA database, such as Europe/London.
    #[arg(long, value_name = "NAME", required_unless_present = "batch")]
    pub timezone: Option<String>,
    /// The cron expression that opens the window.
    #[arg(long, value_name = "CRON", required_unless_present = "batch")]
    pub start: Option<String>,
    /// The cron expression that closes it.
    #[arg(long, value_name = "CRON", required_unless_present = "batch")]
    pub end: Option<String>,
    /// The instant to answer for, such as 2026-03-29T00:30:00Z. Default: now.
    #[arg(long, value_name = "RFC3339", value_parser = cron_command::instant)]
    pub at: Option<DateTime<Utc>>,
    /// How many of the next openings and closings to print.
    #[arg(short = 'n', value_name = "COUNT", default_value_t = 5)]
    pub count: usize,
    /// Answer each line of standard input instead.
    #[arg(long, conflicts_with_all = ["timezone", "start", "end", "at", "count"])]
    pub batch: bool,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
