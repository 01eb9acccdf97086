//! The input of `ebb simulate`.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use url::Url;

use crate::cli::cron;
use crate::cli::simulate::{duration, load, prometheus};

/// The input of `ebb simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebb simulate so.yaml --trace load.csv
  ebb simulate so.yaml --load daily:low=0,high=400 --for 48h --out report.html
  ebb simulate so.yaml --trace arrivals.csv --rate 2 --start-up 30s --against so-new.yaml --price 0.04

A trace is a CSV file with a header: time, and a column for each trigger, called by the trigger's name, its metric's name or its
index. A time is 2026-11-27T21:00:00Z, or the seconds since the start. An empty cell is a reading that failed. A value holds until
the next row. Cron triggers have no column: their windows are computed.

Without --rate the values are the triggers' readings. With --rate they are arriving messages a second, and the triggers read the
backlog. The backlog follows from the replicas: each works off RATE messages a second.

Exit code 0: the simulation ran; 1: the ScaledObject is not valid, or something cannot be read; 2: the command line is wrong.")]
pub struct Simulate {
    /// The file with the ScaledObject, or - for standard input. Objects beside it are used as in `ebb check`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The name of the ScaledObject, where the files have several.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The ScaledObject of this file as well, with the same load.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// The history of the triggers' values, or of arrivals: a CSV file.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// A Prometheus server with that history, such as `http://prometheus.monitoring:9090`.
    #[arg(long, value_name = "URL", value_parser = prometheus::server, conflicts_with = "trace")]
    pub prometheus: Option<Url>,
    /// The PromQL query for one trigger (TRIGGER=EXPRESSION) or for the only one. Default: keda_scaler_metrics_value of each
    /// trigger.
    #[arg(long, value_name = "EXPRESSION", requires = "prometheus", value_parser = load::Assigned::<String>::parse)]
    pub query: Vec<load::Assigned<String>>,
    /// The time of the first value. Default: a day, or --for, before the last value.
    #[arg(long, value_name = "RFC3339", requires = "prometheus", value_parser = cron::instant)]
    pub from: Option<DateTime<Utc>>,
    /// The time of the last value. Default: now.
    #[arg(long, value_name = "RFC3339", requires = "prometheus", value_parser = cron::instant)]
    pub to: Option<DateTime<Utc>>,
    /// The time between two values.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration::above_zero)]
    pub resolution: Duration,
    /// A made-up load, for one trigger (TRIGGER=SHAPE) or for all: constant:value=5, step:from=0,to=100,at=10m,for=1h,
    /// ramp:from=0,to=100,at=0s,over=1h, daily:low=0,high=100,peak=14h, poisson:mean=20,every=1m,seed=1.
    #[arg(long, value_name = "SHAPE", value_parser = load::Assigned::<load::Shape>::parse)]
    pub load: Vec<load::Assigned<load::Shape>>,
    /// Messages a second that each ready replica works off, from every queue or from that of a trigger (TRIGGER=RATE). The
    /// load is then the arrivals.
    #[arg(long, value_name = "RATE", value_parser = load::Assigned::<f64>::parse)]
    pub rate: Vec<load::Assigned<f64>>,
    /// The time that a new pod needs until it is ready.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::of)]
    pub start_up: Duration,
    /// The replicas at the start. Default: the least that the ScaledObject allows.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(0..))]
    pub replicas: Option<i32>,
    /// When a load without times of day begins, such as 2026-03-29T00:30:00Z. Default: now.
    #[arg(long, value_name = "RFC3339", value_parser = cron::instant)]
    pub start: Option<DateTime<Utc>>,
    /// How long it goes on. Default: as long as the trace; a day for a daily load, two hours for others.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::above_zero)]
    pub length: Option<Duration>,
    /// The time between two points of the result. Default: so that there are 1,500 at most.
    #[arg(long, value_name = "DURATION", value_parser = duration::above_zero)]
    pub step: Option<Duration>,
    /// The price of a replica for an hour.
    #[arg(long, value_name = "PRICE", value_parser = load::positive)]
    pub price: Option<f64>,
    /// The form of the result on standard output.
    #[arg(short, long, value_name = "FORM", default_value = "table")]
    pub output: Form,
    /// A file for the result as well: .html, .svg or .json.
    #[arg(long, value_name = "FILE")]
    pub out: Vec<PathBuf>,
    /// The columns of the terminal.
    #[arg(long, env = "COLUMNS", value_name = "COUNT", default_value_t = 100)]
    pub width: usize,
    /// The kube-controller-manager's --horizontal-pod-autoscaler-sync-period.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration::above_zero)]
    pub hpa_sync_period: Duration,
    /// Its --horizontal-pod-autoscaler-downscale-stabilization.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::of)]
    pub hpa_downscale_stabilization: Duration,
    /// Its --horizontal-pod-autoscaler-tolerance.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub hpa_tolerance: f64,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Figures, a chart and the decisions.
    Table,
    /// JSON.
    Json,
}
