//! The arguments and variables of KEDA's own Deployments, as its Helm chart (2.20) renders them with its default values
//! and Prometheus turned on.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ebb_tests::paths;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use super::{log, with_settings};
use crate::story;

/// Of the operator, but for `--metrics-bind-address` and `--cert-secret-name`, which are others here.
const OPERATOR: [&str; 14] = [
    "--leader-elect",
    "--disable-compression=true",
    "--zap-log-level=info",
    "--zap-encoder=json",
    "--zap-time-encoding=rfc3339",
    "--zap-stacktrace-level=error",
    "--cert-dir=/certs",
    "--enable-cert-rotation=true",
    "--operator-service-name=keda-operator",
    "--metrics-server-service-name=keda-operator-metrics-apiserver",
    "--webhooks-service-name=keda-admission-webhooks",
    "--k8s-cluster-name=kubernetes-default",
    "--k8s-cluster-domain=cluster.local",
    "--enable-prometheus-metrics=true",
];
/// Of the metrics server and the webhooks, but for `--secure-port`, `--health-probe-bind-address` and the files of its
/// certificate, which the chart mounts.
const OTHERS: [&str; 9] = [
    "--port=8080",
    "--logtostderr=true",
    "--stderrthreshold=ERROR",
    "--metrics-service-address=keda-operator.keda.svc.cluster.local:9666",
    "--client-ca-file=/certs/ca.crt",
    "--v=0",
    "--zap-encoder=console",
    "--cache-miss-to-direct-client=false",
    "--profiling-bind-address=",
];
const VARIABLES: [(&str, &str); 8] = [
    ("WATCH_NAMESPACE", ""),
    ("POD_NAME", "keda-operator-0"),
    ("OPERATOR_NAME", "keda-operator"),
    ("KEDA_HTTP_DEFAULT_TIMEOUT", "3000"),
    ("KEDA_HTTP_MIN_TLS_VERSION", "TLS12"),
    ("KEDA_HTTP_DISABLE_KEEP_ALIVE", "true"),
    ("KEDA_RESTRICT_SECRET_ACCESS", "false"),
    ("KEDA_SCALEDJOB_CTRL_MAX_RECONCILES", "1"),
];

#[test]
fn the_arguments_of_kedas_operator_are_enough() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-chart").await?;
        world.rabbit.declare("settings-chart").await?;
        world.rabbit.publish("settings-chart", 3).await?;
        with_settings(world, &OPERATOR, &VARIABLES, async || {
            user.apply(&deployment("app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
            user.apply(&scaled_object("app", json!({"triggers": [rabbitmq("settings-chart")]}))).await?;
            user.wait_replicas("app", "1", secs(20), |replicas| replicas == 1).await?;
            user.wait_metric("app", "s0-rabbitmq-settings-chart", 3.0).await?;
            ensure!(world.ebb.metrics().await?.contains("keda_build_info{"), "no metrics");

            // The log is JSON with zap's keys, and names the settings without effect once.
            let log = log(world)?;
            let lines: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            let said: Vec<_> = lines
                .iter()
                .filter(|line| line["level"] == "warn" && line["msg"].to_string().contains("without effect"))
                .collect();
            ensure!(said.len() == 1, "{said:#?}");
            let message = said[0]["msg"].as_str().context("no message")?;
            for named in ["--zap-stacktrace-level (", "KEDA_SCALEDJOB_CTRL_MAX_"] {
                ensure!(message.contains(named), "{named} is not in {message}");
            }
            // A setting that asks for Ebb's own behavior is not mentioned.
            ensure!(!message.contains("--disable-compression") && !message.contains("rotation"), "{message}");
            let at = said[0]["ts"].as_str().context("no time")?;
            ensure!(at.len() == "2026-01-02T15:04:05Z".len() && at.ends_with('Z'), "{at}");
            Ok(())
        })
        .await?;
        with_settings(world, &OTHERS, &VARIABLES, async || {
            user.wait_metric("app", "s0-rabbitmq-settings-chart", 3.0).await
        })
        .await?;
        user.delete_all("ScaledObject").await
    })
}

#[test]
fn a_wrong_value_ends_the_start_with_its_name() -> Result<()> {
    let run = |arguments: &[&str], variable: (&str, &str)| -> Result<(Option<i32>, String)> {
        let mut command = Command::new(paths::bin("ebb")?);
        let output = command.arg("run").args(arguments).env(variable.0, variable.1).stdin(Stdio::null()).output()?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    };
    let cases: [(&[&str], (&str, &str), &str); 5] = [
        (&[], ("WATCH_NAMESPACE", "Shop"), "WATCH_NAMESPACE=Shop: \"Shop\" is no name of a namespace"),
        (&[], ("KEDA_HTTP_DEFAULT_TIMEOUT", "3s"), "KEDA_HTTP_DEFAULT_TIMEOUT=3s: \"3s\" is no number of milliseconds"),
        (&["--watch-namespace=B@d"], ("WATCH_NAMESPACE", "Shop"), "--watch-namespace=B@d: \"B@d\" is no name"),
        (&[], ("KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD", "9s"), "RENEW_DEADLINE (10s) must be longer"),
        (&["--leader-elected"], ("POD_NAME", "x"), "unexpected argument '--leader-elected'"),
    ];
    for (arguments, variable, says) in cases {
        let (code, said) = run(arguments, variable)?;
        ensure!(code == Some(2) && said.contains(says), "{arguments:?} {variable:?}: {code:?} {said}");
    }
    Ok(())
}
