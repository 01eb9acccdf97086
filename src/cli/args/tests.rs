use std::collections::BTreeSet;

use super::*;
use crate::certs::{Files, Source};
use crate::telemetry::logs::Format;

fn run(arguments: &[&str]) -> Result<Run, String> {
    let arguments = ["ebb", "run"].into_iter().chain(arguments.iter().copied()).map(OsString::from);
    match try_parse(arguments).map_err(|error| error.to_string())?.command {
        Command::Run(run) => Ok(*run),
        _ => Err("another command".into()),
    }
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn kedas_chart_starts_it_as_keda() {
    for program in ["/keda", "keda", "/usr/local/bin/keda"] {
        let arguments = [program, "--leader-elect", "--zap-log-level=debug"].map(OsString::from);
        assert!(matches!(try_parse(arguments).unwrap().command, Command::Run(_)), "{program}");
    }
    assert!(try_parse(["keda-adapter", "--port=8080"].map(OsString::from)).is_err());
}

#[test]
fn the_version_is_that_of_the_build() {
    let answer = try_parse(["ebb", "--version"].map(OsString::from)).unwrap_err();
    assert_eq!(answer.kind(), ErrorKind::DisplayVersion);
    assert_eq!(answer.to_string(), format!("ebb {}\n", build_info::VERSION));
}

#[test]
fn flags_have_gos_spelling() {
    let settings = run(&[
        "--metrics-bind-address=:9090",
        "--health-probe-bind-address=0",
        "--enable-prometheus-metrics=true",
        "--enable-high-cardinality-metrics-labels",
        "--watch-namespace=a,b",
        "--http-idle-conn-timeout=1m30s",
        "--ca-dir=/one",
        "--ca-dir=/two",
        "--zap-encoder=json",
        "--zap-encoder=console",
        "--tls-min-version=VersionTLS13",
        "--v=2",
    ])
    .unwrap();
    assert_eq!(settings.serving.metrics().to_string(), ":9090");
    assert_eq!(settings.serving.health_probe_bind_address, Listen::Off);
    assert!(settings.serving.enable_high_cardinality_metrics_labels);
    assert_eq!(settings.outbound.ca_dirs, [PathBuf::from("/one"), PathBuf::from("/two")]);
    assert_eq!(settings.logs.format(), Format::Text, "the last one counts");
    assert_eq!(settings.logs.levels(), "info,ebb=debug,ebb_scalers=debug");
    assert_eq!(settings.serving.tls(&settings.outbound).versions().len(), 1);
    assert!(settings.without_effect.is_empty(), "{:?}", settings.without_effect);
    assert_eq!(run(&["-v=4"]).unwrap().logs.levels(), "info,ebb=debug,ebb_scalers=debug");
    let off = run(&["--enable-prometheus-metrics=false", "--metrics-bind-address=:8080"]).unwrap();
    assert_eq!(off.serving.metrics(), Listen::Off);
}

#[test]
fn the_defaults_are_kedas_where_ebb_has_no_reason_for_others() {
    let settings = run(&[]).unwrap();
    assert_eq!(settings.serving.metrics().to_string(), ":8080");
    assert_eq!(settings.serving.health_probe_bind_address.to_string(), ":8081");
    assert_eq!(settings.outbound.timeout.as_secs(), 3);
    assert_eq!(settings.outbound.ca_dirs, [PathBuf::from("/custom/ca")]);
    assert_eq!(settings.election.lease_duration.as_secs(), 15);
    assert_eq!(settings.references.bound_service_account_token_expiry.as_secs(), 3600);
    assert_eq!(settings.serving.services(), ["ebb"]);
    assert_eq!(settings.cluster_namespace(), settings.namespace);
}

#[test]
fn the_certificate_is_made_out_to_kedas_services_too() {
    let settings = run(&[
        "--operator-service-name=keda-operator",
        "--metrics-server-service-name=keda-operator-metrics-apiserver",
        "--webhooks-service-name=keda-operator",
    ])
    .unwrap();
    assert_eq!(settings.serving.services(), ["ebb", "keda-operator-metrics-apiserver", "keda-operator"]);
    assert!(settings.without_effect.is_empty());
}

#[test]
fn what_is_wrong_is_named_with_its_value_and_what_would_be_right() {
    for (argument, says) in [
        ("--watch-namespace=Shop", "--watch-namespace=Shop: \"Shop\" is no name of a namespace"),
        ("--http-default-timeout=3s", "--http-default-timeout=3s: \"3s\" is no number of milliseconds such as 3000"),
        ("--metrics-bind-address=8080", "is no address such as :8080"),
        ("--http-min-tls-version=1.3", "must be TLS12 or TLS13"),
        ("--http-tls-cipher-list=AES", "is no cipher suite"),
        ("--zap-log-level=loud", "must be debug, info, error"),
        ("--bound-service-account-token-expiry=7h", "must be between 1h and 6h"),
        ("--kube-api-qps=fast", "--kube-api-qps=fast: \"fast\" is no number such as 50"),
        ("--leader-election-lease-duration=5s", "must be longer than KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE"),
        ("--secure-port=https", "invalid digit"),
        ("--leader-elekt", "unexpected argument '--leader-elekt'"),
    ] {
        let error = run(&[argument]).unwrap_err();
        assert!(error.contains(says), "{argument}: {error}");
    }
}

#[test]
fn certificates_come_from_where_the_settings_say() {
    let files = |certificate: &str, key: &str, authority: &str| {
        Source::Files(Files { certificate: certificate.into(), key: key.into(), authority: authority.into() })
    };
    let of_a = || files("/a/tls.crt", "/a/tls.key", "/a/ca.crt");
    let own = |name: &str| Source::Own(name.to_owned());
    let pair = ["--tls-cert-file=/b/x.pem", "--tls-private-key-file=/c/y.pem"];
    let table: [(&[&str], Source); 10] = [
        (&[], own("ebb-certs")),
        (&["--cert-secret-name=mine", "--cert-dir="], own("mine")),
        (&["--enable-cert-rotation"], own("ebb-certs")),
        (&["--cert-dir=/a"], of_a()),
        (&["--cert-dir=/a", "--enable-cert-rotation=false"], of_a()),
        (&["--cert-dir=/a", "--enable-cert-rotation=true", "--cert-secret-name=kedaorg-certs"], own("kedaorg-certs")),
        (&["--enable-cert-rotation=false", "--cert-secret-name=mine"], Source::Secret("mine".into())),
        (&pair, files("/b/x.pem", "/c/y.pem", "/b/ca.crt")),
        (&[pair[0], pair[1], "--cert-dir=/a"], files("/b/x.pem", "/c/y.pem", "/a/ca.crt")),
        (&[pair[0], pair[1], "--enable-cert-rotation"], own("ebb-certs")),
    ];
    for (arguments, source) in table {
        assert_eq!(run(arguments).unwrap().serving.certificates.source(), source, "{arguments:?}");
    }
    for alone in pair {
        let error = run(&[alone]).unwrap_err();
        assert!(error.contains("beside it"), "{error}");
    }
    assert!(run(&["--enable-cert-rotation=maybe"]).unwrap_err().contains("neither true nor false"));
}

#[test]
fn what_cannot_be_had_is_told() {
    let settings = run(&[
        "--http-min-tls-version=TLS10",
        "--service-tls-cipher-list=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_AES_128_GCM_SHA256",
        "--zap-stacktrace-level=error",
    ])
    .unwrap();
    let told = settings.without_effect.join("; ");
    for says in [
        "--zap-stacktrace-level (",
        "KEDA_HTTP_MIN_TLS_VERSION (nothing older than TLS 1.2",
        "TLS_RSA_WITH_AES_128_CBC_SHA in KEDA_SERVICE_TLS_CIPHER_LIST",
    ] {
        assert!(told.contains(says), "{told}");
    }
    assert_eq!(settings.without_effect.len(), 3, "{told}");
}

/// The rows of `docs/settings.md`: flags with their dashes, and variables.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../../docs/settings.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let first = rows.filter_map(|row| row.split(" |").next());
    let names = first.flat_map(|cell| cell.split('`').map(str::trim).filter(|name| name.len() > 1 && *name != ","));
    names.map(ToOwned::to_owned).collect()
}

#[test]
fn the_page_on_settings_and_the_command_line_have_the_same() {
    let command = command();
    let run = command.find_subcommand("run").unwrap();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
        let names = argument.get_long().into_iter().chain(argument.get_all_aliases().unwrap_or_default());
        known.extend(names.map(|name| format!("--{name}")));
        known.extend(argument.get_env().and_then(|name| name.to_str()).map(ToOwned::to_owned));
    }
    known.extend(accepted::VARIABLES.iter().map(|variable| variable.name.to_owned()));
    // Read by libraries.
    known.extend(["KUBECONFIG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].map(ToOwned::to_owned));
    let documented = documented();
    let missing: Vec<_> = known.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; without a meaning: {unknown:?}");
    let page = include_str!("../../../docs/settings.md");
    for accepted in accepted::FLAGS.iter().chain(accepted::VARIABLES) {
        assert!(page.contains(accepted.why), "docs/settings.md does not say of {}: {}", accepted.name, accepted.why);
    }
}

#[test]
fn an_observer_writes_nothing_whatever_else_it_is_given() {
    let settings = run(&["--observe", "--leader-elect=true", "--cert-dir=/certs", "--webhook-port=9443"]).unwrap();
    assert!(settings.observe.only && !settings.election.elect);
    assert_eq!(settings.webhook.port, 0);
    assert!(settings.bundles().is_empty());
    assert_eq!(settings.serving.certificates.source(), Source::Files(Files::of(Path::new("/certs"))));
    assert_eq!(settings.without_effect, ["--leader-elect (an observer holds no Lease)"]);
    // Without files, another program writes the Secret.
    let settings = run(&["--observe", "--enable-cert-rotation=true"]).unwrap();
    assert_eq!(settings.serving.certificates.source(), Source::Secret("ebb-certs".to_owned()));
    assert_eq!(settings.without_effect, ["--enable-cert-rotation (an observer writes no Secret)"]);
    assert!(!run(&[]).unwrap().observe.only);
}
