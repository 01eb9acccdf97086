//! Flags and variables of KEDA's operator, metrics server and webhooks that have no effect in Ebb. Ebb accepts them, so that
//! a user of KEDA changes only the image. One warning lists those that are set, with the reasons. Only a value that KEDA
//! would refuse too is an error.
//!
//! `docs/settings.md` shows the same table; a test compares the two.

use std::env;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::values::{flag, limit};

/// A flag or a variable without effect.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The flag without its dashes, or the variable.
    pub(super) name: &'static str,
    form: Form,
    /// The value that asks for Ebb's own behavior. It gives no warning.
    same: Option<&'static str>,
    /// The reason why it has no effect.
    pub(super) why: &'static str,
}

/// The syntax of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bool,
    Number,
    Duration,
    Text,
}

const fn accepted(name: &'static str, form: Form, why: &'static str) -> Accepted {
    Accepted { name, form, same: None, why }
}

impl Accepted {
    const fn same(self, value: &'static str) -> Self {
        Self { same: Some(value), ..self }
    }
}

const UNLIMITED: &str = "Ebb does not limit its requests; the API server's priority and fairness does";
const ONE_PROCESS: &str = "Ebb is one process, without connections between its parts";
const ONE_CERTIFICATE: &str = "Ebb presents one certificate for every name";
const NO_OTLP: &str = "there is no OpenTelemetry export; /metrics has the same figures";
const NO_EVENTS: &str = "there are no CloudEvents";
const STDERR: &str = "logs go to standard error, as containers' logs do";
const LOOKS_BY_ITSELF: &str = "Ebb checks users and their rights with its own service account";
const NO_AUDIT: &str = "there is no audit log of the external metrics API; the API server has one";

use Form::{Bool, Duration as Time, Number, Text};

/// The flags, grouped by the KEDA program that has them.
pub(super) const FLAGS: &[Accepted] = &[
    // The operator.
    accepted("kube-api-qps", Number, UNLIMITED),
    accepted("kube-api-burst", Number, UNLIMITED),
    accepted("disable-compression", Bool, "Ebb does not request compressed answers from the API server").same("true"),
    accepted("metrics-service-bind-address", Text, ONE_PROCESS),
    accepted("profiling-bind-address", Text, "Ebb has no Go profiles").same(""),
    accepted("enable-opentelemetry-metrics", Bool, NO_OTLP).same("false"),
    accepted("k8s-cluster-name", Text, NO_EVENTS),
    accepted("k8s-cluster-domain", Text, "the serving certificate is valid for names in cluster.local")
        .same("cluster.local"),
    accepted("http-max-idle-conns", Number, "a client has two connections to one address at most"),
    accepted("zap-stacktrace-level", Text, "errors name their cause; there are no Go stack traces"),
    // The metrics server.
    accepted("metrics-service-address", Text, ONE_PROCESS),
    accepted("metrics-service-grpc-authority", Text, ONE_PROCESS),
    accepted("port", Number, "/metrics is served at --metrics-bind-address"),
    accepted("msg", Text, "Ebb has no custom message at the start"),
    accepted("client-ca-file", Text, LOOKS_BY_ITSELF),
    accepted("tls-sni-cert-key", Text, ONE_CERTIFICATE),
    accepted("http2-max-streams-per-connection", Number, "connections have limits of their own"),
    accepted("disable-http2-serving", Bool, "connections have limits of their own").same("false"),
    accepted("permit-port-sharing", Bool, "a port has one process").same("false"),
    accepted("permit-address-sharing", Bool, "an address has one process").same("false"),
    accepted("authentication-kubeconfig", Text, LOOKS_BY_ITSELF),
    accepted("authentication-skip-lookup", Bool, LOOKS_BY_ITSELF).same("false"),
    accepted("authentication-token-webhook-cache-ttl", Time, LOOKS_BY_ITSELF),
    accepted("authentication-tolerate-lookup-failure", Bool, LOOKS_BY_ITSELF),
    accepted("requestheader-allowed-names", Text, LOOKS_BY_ITSELF),
    accepted("requestheader-client-ca-file", Text, LOOKS_BY_ITSELF),
    accepted("requestheader-extra-headers-prefix", Text, LOOKS_BY_ITSELF),
    accepted("requestheader-group-headers", Text, LOOKS_BY_ITSELF),
    accepted("requestheader-uid-headers", Text, LOOKS_BY_ITSELF),
    accepted("requestheader-username-headers", Text, LOOKS_BY_ITSELF),
    accepted("authorization-kubeconfig", Text, LOOKS_BY_ITSELF),
    accepted("authorization-always-allow-paths", Text, LOOKS_BY_ITSELF),
    accepted("authorization-webhook-cache-authorized-ttl", Time, LOOKS_BY_ITSELF),
    accepted("authorization-webhook-cache-unauthorized-ttl", Time, LOOKS_BY_ITSELF),
    accepted("audit-log-path", Text, NO_AUDIT),
    accepted("audit-log-format", Text, NO_AUDIT),
    accepted("audit-log-maxage", Number, NO_AUDIT),
    accepted("audit-log-maxbackup", Number, NO_AUDIT),
    accepted("audit-log-maxsize", Number, NO_AUDIT),
    accepted("audit-policy-file", Text, NO_AUDIT),
    accepted("audit-webhook-config-file", Text, NO_AUDIT),
    accepted("lister-kubeconfig", Text, "Ebb uses --kubeconfig for all requests"),
    accepted("discovery-interval", Time, "Ebb looks up a kind when it needs it"),
    accepted("profiling", Bool, "Ebb has no Go profiles"),
    accepted("contention-profiling", Bool, "Ebb has no Go profiles"),
    accepted("debug-socket-path", Text, "Ebb has no Go profiles"),
    accepted("feature-gates", Text, "there are no such gates"),
    accepted("logging-format", Text, "--zap-encoder or --log-format decides"),
    accepted("logtostderr", Bool, STDERR).same("true"),
    accepted("alsologtostderr", Bool, STDERR),
    accepted("stderrthreshold", Text, STDERR),
    accepted("log-dir", Text, STDERR),
    accepted("log-file", Text, STDERR),
    accepted("log-file-max-size", Number, STDERR),
    accepted("log-flush-frequency", Time, STDERR),
    accepted("one-output", Bool, STDERR),
    accepted("log-backtrace-at", Text, "errors name their cause; there are no Go stack traces"),
    accepted("vmodule", Text, "--log-level takes levels by module"),
    accepted("add-dir-header", Bool, "log lines have no klog headers"),
    accepted("skip-headers", Bool, "log lines have no klog headers"),
    accepted("skip-log-headers", Bool, "log lines have no klog headers"),
    // The webhooks, which have --port too.
    accepted("cache-miss-to-direct-client", Bool, "the webhook reads targets from the API server itself"),
];

/// The variables.
pub(super) const VARIABLES: &[Accepted] = &[
    accepted("KEDA_SCALEDJOB_CTRL_MAX_RECONCILES", Number, "there are no ScaledJobs yet"),
    accepted("KEDA_METRICS_LEADER_ELECTION_LEASE_DURATION", Time, ONE_PROCESS),
    accepted("KEDA_METRICS_LEADER_ELECTION_RENEW_DEADLINE", Time, ONE_PROCESS),
    accepted("KEDA_METRICS_LEADER_ELECTION_RETRY_PERIOD", Time, ONE_PROCESS),
    accepted("RAW_METRICS_GRPC_PROTOCOL", Text, ONE_PROCESS),
    accepted("RAW_METRICS_MODE", Text, ONE_PROCESS),
    accepted("OTEL_EXPORTER_OTLP_ENDPOINT", Text, NO_OTLP),
    accepted("OTEL_EXPORTER_OTLP_HEADERS", Text, NO_OTLP),
    accepted("OTEL_EXPORTER_OTLP_PROTOCOL", Text, NO_OTLP),
    accepted("OTEL_EXPORTER_OTLP_TIMEOUT", Text, NO_OTLP),
    accepted("OTEL_METRIC_EXPORT_INTERVAL", Text, NO_OTLP),
];

/// Adds the flags without effect to `command`.
pub(super) fn add_to(command: Command) -> Command {
    command.args(FLAGS.iter().map(|flag| {
        let arg = Arg::new(flag.name).long(flag.name).hide(true).value_name(flag.form.name());
        let form = flag.form;
        let arg = arg.value_parser(move |text: &str| form.check(text));
        match form {
            // As with pflag, a flag alone means true, and a value follows `=`.
            Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            // A list may be split over several flags, and a negative number is a value.
            _ => arg.num_args(1).allow_hyphen_values(true),
        }
    }))
}

/// The flags and variables that are set and have no effect, each with the reason.
///
/// # Errors
/// A variable has a value that KEDA would refuse.
pub(super) fn given(matches: &ArgMatches) -> Result<Vec<String>, String> {
    let mut given = Vec::new();
    for flag in FLAGS {
        let typed = matches.value_source(flag.name) == Some(ValueSource::CommandLine);
        let value = matches.get_one::<String>(flag.name).filter(|value| typed && flag.is_worth_a_word(value));
        if value.is_some() {
            given.push(format!("--{} ({})", flag.name, flag.why));
        }
    }
    for variable in VARIABLES {
        let Some(value) = env::var_os(variable.name).filter(|value| !value.is_empty()) else { continue };
        let value = value.into_string().unwrap_or_default();
        variable.form.check(&value).map_err(|error| format!("{}: {error}", variable.name))?;
        given.push(format!("{} ({})", variable.name, variable.why));
    }
    Ok(given)
}

/// The arguments with the names of flags as they are declared. klog's flags may also have underscores.
pub(super) fn normalized(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let normalize = |argument: OsString| match argument.to_str() {
        Some(text) if text.starts_with("--") => {
            let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            let name = name.replace('_', "-");
            OsString::from(value.map_or_else(|| name.clone(), |value| format!("{name}={value}")))
        }
        _ => argument,
    };
    arguments.into_iter().map(normalize).collect()
}

impl Accepted {
    fn is_worth_a_word(&self, value: &str) -> bool {
        match self.form {
            Bool => self.same.is_none_or(|same| flag(same) != flag(value)),
            _ => self.same != Some(value),
        }
    }
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Number => "NUMBER",
            Self::Duration => "DURATION",
            Self::Text => "TEXT",
        }
    }

    fn check(self, text: &str) -> Result<String, String> {
        let checked = match self {
            Self::Bool => flag(text).map(drop),
            Self::Number => text.parse::<f64>().map(drop).map_err(|_| format!("{text:?} is no number such as 50")),
            Self::Duration => limit(text).map(drop),
            Self::Text => Ok(()),
        };
        checked.map(|()| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Vec<String>, String> {
        let command = add_to(Command::new("run").args_override_self(true));
        let arguments = normalized(std::iter::once("run").chain(arguments.iter().copied()).map(OsString::from));
        let matches = command.try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        let flags = given(&matches)?.into_iter().filter(|text| text.starts_with("--"));
        Ok(flags.map(|text| text.split(' ').next().unwrap_or_default().to_owned()).collect())
    }

    #[test]
    fn flags_are_taken_as_pflag_takes_them_and_named() {
        let cases: [(&[&str], &[&str]); 12] = [
            (&[], &[]),
            (&["--permit-port-sharing"], &["--permit-port-sharing"]),
            (&["--permit-port-sharing=true"], &["--permit-port-sharing"]),
            (&["--permit-port-sharing=false"], &[]),
            (&["--kube-api-qps=50", "--kube-api-burst", "75"], &["--kube-api-qps", "--kube-api-burst"]),
            (&["--disable-compression=true"], &[]),
            (&["--disable-compression=F"], &["--disable-compression"]),
            (&["--log-dir=/logs", "--log-dir=/other"], &["--log-dir"]),
            (&["--profiling-bind-address=", "--logtostderr=true", "--k8s-cluster-domain=cluster.local"], &[]),
            (&["--add_dir_header", "--log_dir=/tmp/a_b"], &["--log-dir", "--add-dir-header"]),
            (&["--tls-sni-cert-key=a,b", "--audit-log-maxage", "-1"], &["--tls-sni-cert-key", "--audit-log-maxage"]),
            (&["--profiling-bind-address="], &[]),
        ];
        for (arguments, named) in cases {
            assert_eq!(parsed(arguments).unwrap(), named, "{arguments:?}");
        }
    }

    #[test]
    fn a_value_that_keda_would_not_take_is_an_error_and_so_is_a_flag_of_nobody() {
        for (argument, says) in [
            ("--permit-port-sharing=yes", "\"yes\" is neither true nor false"),
            ("--kube-api-qps=fast", "\"fast\" is no number"),
            ("--discovery-interval=10", "\"10\" is no duration"),
            ("--permit-port-shared", "unexpected argument"),
            ("-permit-port-sharing", "unexpected argument"),
        ] {
            let error = parsed(&[argument]).unwrap_err();
            assert!(error.contains(says), "{argument}: {error}");
        }
        // pflag does not take the next word for the value of a flag that may stand alone.
        assert!(parsed(&["--permit-port-sharing", "false"]).unwrap_err().contains("unexpected argument"));
    }

    #[test]
    fn each_is_there_once() {
        let mut names: Vec<_> = FLAGS.iter().chain(VARIABLES).map(|accepted| accepted.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
