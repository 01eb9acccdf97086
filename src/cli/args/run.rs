//! The settings of `ebb run`: Ebb's own, and those of KEDA's operator and metrics server that have an effect in Ebb, under
//! KEDA's names. Each variable of KEDA also has a flag.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use ebb_scalers::net::budget::Budget;
use ebb_scalers::net::outbound::{DENIED_BY_DEFAULT, Denied, Outbound};
use ebb_scalers::net::tls::{Authorities, Ciphers, Range};
use ebb_scalers::pool::NamespaceQuota;

use ebb_plan::activate_to::ActivateTo;

use super::certificates::Certificates;
use super::election::Election;
use super::logs::Logs;
use super::observe::Observe;
use super::values::{
    Listen, Optional, TlsVersion, ciphers, count, flag, limit, milliseconds, optional, or_default, size, text,
    tls_version,
};
use super::webhook::Webhook;
use crate::certs::CaBundle;
use crate::controller;
use crate::kube_api::scope::{Labels, Namespaces, Scope};
use crate::metrics_api::API_SERVICE;
use crate::metrics_api::decisions::DECISIONS_API_SERVICE;

/// The settings of `ebb run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    /// A kubeconfig file. Default: the variable KUBECONFIG, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace that Ebb runs in. The Secret with its certificates is there.
    #[arg(long, env = "POD_NAMESPACE", default_value = "ebb-system", value_parser = or_default("ebb-system", text))]
    pub namespace: String,
    /// The objects that Ebb serves.
    #[command(flatten)]
    pub watch: Watch,
    /// The objects that others may refer to.
    #[command(flatten)]
    pub references: References,
    /// The connections of triggers.
    #[command(flatten)]
    pub outbound: OutboundArgs,
    /// The ports and certificates of Ebb.
    #[command(flatten)]
    pub serving: Serving,
    /// The admission webhook.
    #[command(flatten)]
    pub webhook: Webhook,
    /// The leader election.
    #[command(flatten)]
    pub election: Election,
    /// The life beside another autoscaler.
    #[command(flatten)]
    pub observe: Observe,
    /// The logs.
    #[command(flatten)]
    pub logs: Logs,
    /// The count that a ScaledObject without the annotation ebb.dev/activate-to wakes to: minimum (1, or minReplicaCount) as in
    /// KEDA, or target: at once what its triggers ask for.
    #[arg(long, env = "EBB_ACTIVATE_TO", default_value = "minimum", value_name = "COUNT",
        value_parser = or_default("minimum", ActivateTo::from_str))]
    pub activate_to: ActivateTo,
    /// The most memory that the decisions and readings of one ScaledObject take, in bytes; 0 keeps none. Beyond 2,000
    /// ScaledObjects each takes less.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    pub decision_trail_bytes: usize,
    /// The settings that are given and have no effect, each with the reason.
    #[arg(skip)]
    pub without_effect: Vec<String>,
}

/// The objects that Ebb serves.
#[derive(Debug, Clone, clap::Args)]
pub struct Watch {
    /// The namespaces whose objects Ebb serves, separated by commas. Default: all.
    #[arg(long = "watch-namespace", env = "WATCH_NAMESPACE", default_value = "", hide_default_value = true,
        value_name = "NAMES", value_parser = Namespaces::parse)]
    pub namespaces: Namespaces,
    /// Serve only ScaledObjects with these labels. Default: all.
    #[arg(long = "watch-label-selector", env = "WATCH_LABEL_SELECTOR", default_value = "", hide_default_value = true,
        value_name = "SELECTOR", value_parser = Labels::parse)]
    pub objects: Labels,
    /// Use only TriggerAuthentications and ClusterTriggerAuthentications with these labels. Default: all.
    #[arg(long = "watch-label-selector-for-triggerauth", env = "WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH", default_value = "",
        hide_default_value = true, value_name = "SELECTOR", value_parser = Labels::parse)]
    pub authentications: Labels,
    /// The number of ScaledObjects that are checked at the same time.
    #[arg(long = "scaledobject-ctrl-max-reconciles", env = "KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES", default_value = "32",
        value_name = "NUMBER", value_parser = or_default("32", count))]
    pub at_once: u16,
    /// Warn of keys in a trigger's metadata that the trigger does not read.
    #[arg(long = "check-unexpected-scalers-params", env = "KEDA_CHECK_UNEXPECTED_SCALERS_PARAMS", num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value = "false", value_name = "BOOL",
        value_parser = or_default("false", flag))]
    pub unexpected_parameters: bool,
}

/// The objects that ScaledObjects and authentications may refer to.
#[derive(Debug, Clone, clap::Args)]
pub struct References {
    /// The namespace of the Secrets, ConfigMaps and service accounts of ClusterTriggerAuthentications. Default: the namespace
    /// that Ebb runs in.
    #[arg(
        long,
        env = "KEDA_CLUSTER_OBJECT_NAMESPACE",
        default_value = "",
        hide_default_value = true,
        value_name = "NAME"
    )]
    pub cluster_object_namespace: String,
    /// Read Secrets in the namespace of --cluster-object-namespace only.
    #[arg(long, env = "KEDA_RESTRICT_SECRET_ACCESS", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", value_name = "BOOL", value_parser = or_default("false", flag))]
    pub restrict_secret_access: bool,
    /// The folder with the files that filePath of ClusterTriggerAuthentications may name. Default: none, filePath is refused.
    #[arg(long, value_name = "DIR", default_value = "", hide_default_value = true)]
    pub filepath_auth_root_path: String,
    /// The lifetime of the tokens of boundServiceAccountToken, from 1h to 6h, such as 1h30m.
    #[arg(long, env = "KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY", default_value = "1h", value_name = "DURATION",
        value_parser = or_default("1h", controller::token_life))]
    pub bound_service_account_token_expiry: Duration,
}

/// The connections of triggers.
#[derive(Debug, Clone, clap::Args)]
pub struct OutboundArgs {
    /// The time limit of one HTTP exchange, in milliseconds, for triggers without their own `timeout`.
    #[arg(long = "http-default-timeout", env = "KEDA_HTTP_DEFAULT_TIMEOUT", default_value = "3000", value_name = "MILLISECONDS",
        value_parser = or_default("3000", milliseconds))]
    pub timeout: Duration,
    /// Use every HTTP connection once.
    #[arg(long = "http-disable-keep-alive", env = "KEDA_HTTP_DISABLE_KEEP_ALIVE", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", value_name = "BOOL", value_parser = or_default("false", flag))]
    pub disable_keep_alive: bool,
    /// The maximum of idle HTTP connections to one address. Default: 2, and never more.
    #[arg(long = "http-max-idle-conns-per-host", default_value = "", hide_default_value = true, value_name = "NUMBER",
        value_parser = optional(size))]
    pub idle_connections: Optional<usize>,
    /// How long an idle HTTP connection stays open; 0 for no limit.
    #[arg(long = "http-idle-conn-timeout", default_value = "90s", value_name = "DURATION", value_parser = or_default("90s", limit))]
    pub idle_timeout: Duration,
    /// The oldest TLS version for HTTP and AMQP: TLS12 or TLS13. Default: TLS12.
    #[arg(long = "http-min-tls-version", env = "KEDA_HTTP_MIN_TLS_VERSION", default_value = "", hide_default_value = true,
        value_name = "VERSION", value_parser = optional(tls_version))]
    pub min_tls_version: Optional<TlsVersion>,
    /// The cipher suites for TLS 1.2, by Go's names, separated by commas or colons. Default: all that are safe.
    #[arg(long = "http-tls-cipher-list", env = "KEDA_HTTP_TLS_CIPHER_LIST", default_value = "", hide_default_value = true,
        value_name = "NAMES", value_parser = optional(ciphers))]
    pub ciphers: Optional<Ciphers>,
    /// A folder with certificate authorities that triggers trust in addition to the system's. You can give it several times.
    #[arg(long = "ca-dir", default_value = "/custom/ca", value_name = "DIR")]
    pub ca_dirs: Vec<PathBuf>,
    /// The addresses that no trigger may connect to: ranges, separated by commas; `none` for no range. Ebb checks the
    /// addresses that a name resolves to. Default: link-local addresses and the metadata services of clouds.
    #[arg(long, value_name = "RANGES", default_value = DENIED_BY_DEFAULT, hide_default_value = true,
        value_parser = Denied::parse)]
    pub denied_addresses: Denied,
    /// The number of broker clients that the triggers of one namespace may use. Another host or other credentials need
    /// another client. 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub clients_per_namespace: usize,
}

/// The ports and certificates of Ebb.
#[derive(Debug, Clone, clap::Args)]
pub struct Serving {
    /// The Service that the external metrics APIService points at. The serving certificate is valid for it.
    #[arg(long, default_value = "ebb", value_name = "NAME")]
    pub service_name: String,
    /// Another Service that the serving certificate is valid for.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub metrics_server_service_name: String,
    /// Another Service that the serving certificate is valid for.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub operator_service_name: String,
    /// Another Service that the serving certificate is valid for.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub webhooks_service_name: String,
    /// The address of the external metrics API.
    #[arg(long, default_value = "0.0.0.0", value_name = "ADDRESS")]
    pub bind_address: IpAddr,
    /// The port of the external metrics API.
    #[arg(long, default_value_t = 6443, value_name = "PORT")]
    pub secure_port: u16,
    /// The serving certificates.
    #[command(flatten)]
    pub certificates: Certificates,
    /// The oldest TLS version for the external metrics API: TLS12 or TLS13. Default: that of --http-min-tls-version.
    #[arg(long = "service-min-tls-version", alias = "tls-min-version", env = "KEDA_SERVICE_MIN_TLS_VERSION", default_value = "",
        hide_default_value = true, value_name = "VERSION", value_parser = optional(tls_version))]
    pub service_min_tls_version: Optional<TlsVersion>,
    /// The cipher suites for TLS 1.2 of the external metrics API. Default: those of --http-tls-cipher-list.
    #[arg(long = "service-tls-cipher-list", alias = "tls-cipher-suites", env = "KEDA_SERVICE_TLS_CIPHER_LIST", default_value = "",
        hide_default_value = true, value_name = "NAMES", value_parser = optional(ciphers))]
    pub service_ciphers: Optional<Ciphers>,
    /// The address of /metrics: host:port, :port for all addresses, 0 for none.
    #[arg(long, default_value = ":8080", value_name = "ADDRESS", value_parser = or_default(":8080", Listen::parse))]
    pub metrics_bind_address: Listen,
    /// Whether Ebb serves /metrics.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
        value_name = "BOOL", value_parser = flag)]
    pub enable_prometheus_metrics: bool,
    /// Measure the durations of HTTP requests for each trigger separately.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        value_name = "BOOL", value_parser = flag)]
    pub enable_high_cardinality_metrics_labels: bool,
    /// The address of /healthz and /readyz: host:port, :port for all addresses, 0 for none.
    #[arg(long, default_value = ":8081", value_name = "ADDRESS", value_parser = Listen::parse)]
    pub health_probe_bind_address: Listen,
}

impl Run {
    /// The objects that Ebb serves.
    pub fn scope(&self) -> Scope {
        Scope {
            namespaces: self.watch.namespaces.clone(),
            objects: self.watch.objects.clone(),
            authentications: self.watch.authentications.clone(),
        }
    }

    /// The objects into which Ebb writes the certificate authority.
    pub fn bundles(&self) -> Vec<CaBundle> {
        let told = self.serving.certificates.enable_apiservice_patching;
        let services = [API_SERVICE, DECISIONS_API_SERVICE].map(|name| CaBundle::ApiService(name.to_owned()));
        services.into_iter().filter(|_| told).chain(self.webhook.bundle()).collect()
    }

    /// The namespace of the objects that ClusterTriggerAuthentications refer to.
    pub fn cluster_namespace(&self) -> String {
        let given = &self.references.cluster_object_namespace;
        if given.is_empty() { self.namespace.clone() } else { given.clone() }
    }

    /// Checks settings that depend on each other, and notes those that cannot have their effect.
    pub(super) fn finish(&mut self, without_effect: Vec<String>) -> Result<(), String> {
        self.election.check()?;
        self.serving.certificates.check()?;
        self.without_effect = without_effect;
        if self.observe.only {
            self.write_nothing();
        }
        let versions = [
            ("KEDA_HTTP_MIN_TLS_VERSION", self.outbound.min_tls_version),
            ("KEDA_SERVICE_MIN_TLS_VERSION", self.serving.service_min_tls_version),
        ];
        for (name, version) in versions {
            if version.0.is_some_and(|version| version.raised) {
                self.without_effect.push(format!("{name} (nothing older than TLS 1.2 is spoken)"));
            }
        }
        let lists = [
            ("KEDA_HTTP_TLS_CIPHER_LIST", &self.outbound.ciphers),
            ("KEDA_SERVICE_TLS_CIPHER_LIST", &self.serving.service_ciphers),
        ];
        for (name, ciphers) in lists {
            for suite in ciphers.0.iter().flat_map(|ciphers| &ciphers.unsupported) {
                self.without_effect.push(format!("{suite} in {name} (it is not safe and cannot be had)"));
            }
        }
        Ok(())
    }
}

impl Run {
    /// Turns off each part of the process that writes, for `--observe`. A setting that asks for one has no effect.
    fn write_nothing(&mut self) {
        let certificates = &mut self.serving.certificates;
        let given = [
            ("--leader-elect", std::mem::take(&mut self.election.elect), "an observer holds no Lease"),
            (
                "--enable-cert-rotation",
                certificates.enable_cert_rotation.0 == Some(true),
                "an observer writes no Secret",
            ),
        ];
        let given = given.into_iter().filter(|(_, is_given, _)| *is_given);
        self.without_effect.extend(given.map(|(name, _, why)| format!("{name} ({why})")));
        certificates.enable_cert_rotation = Optional(Some(false));
        certificates.enable_apiservice_patching = false;
        self.webhook.port = 0;
    }
}

impl Serving {
    /// The Services that the serving certificate is valid for, without duplicates.
    pub fn services(&self) -> Vec<String> {
        let mut services = vec![self.service_name.clone()];
        for name in [&self.metrics_server_service_name, &self.operator_service_name, &self.webhooks_service_name] {
            if !name.is_empty() && !services.contains(name) {
                services.push(name.clone());
            }
        }
        services
    }

    /// The address of `/metrics`.
    pub fn metrics(&self) -> Listen {
        if self.enable_prometheus_metrics { self.metrics_bind_address.clone() } else { Listen::Off }
    }

    /// The TLS settings of the external metrics API. Those that are not set are those of HTTP clients, as in KEDA.
    pub fn tls(&self, outbound: &OutboundArgs) -> Range {
        let min = self.service_min_tls_version.0.or(outbound.min_tls_version.0).map(|version| version.min);
        Range::new(min, self.service_ciphers.0.as_ref().or(outbound.ciphers.0.as_ref()))
    }
}

impl OutboundArgs {
    /// The settings of all clients, and the files of `--ca-dir` that could not be read.
    pub fn read(&self) -> (Outbound, Vec<String>) {
        let (authorities, troubles) = Authorities::read(&self.ca_dirs);
        let outbound = Outbound {
            http_timeout: self.timeout,
            keep_alive: !self.disable_keep_alive,
            // In Go, zero means the default, which is two.
            idle_connections: self.idle_connections.0.filter(|most| *most > 0),
            idle_timeout: Some(self.idle_timeout),
            tls: Range::new(self.min_tls_version.0.map(|version| version.min), self.ciphers.0.as_ref()),
            authorities,
            denied: self.denied_addresses.clone(),
            budget: Budget::default(),
        };
        (outbound, troubles)
    }

    /// The number of clients that each namespace may use.
    pub fn shares(&self) -> NamespaceQuota {
        NamespaceQuota::new(NonZeroUsize::new(self.clients_per_namespace))
    }
}
