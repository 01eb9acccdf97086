//! `/metrics`, `/healthz` and `/readyz`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

#[test]
fn kedas_series_are_there_with_kedas_labels() -> Outcome {
    story(async |world| {
        let name = "metrics";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 3).await?;
        let env = [("RABBITMQ_URL", world.rabbit.url())];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        user.apply(&deployment("my-app", 0, &env)).await?;
        user.apply(&deployment("broken", 0, &env)).await?;
        user.apply(&scaled_object("my-app", json!({"pollingInterval": 1, "triggers": [rabbitmq(name)]}))).await?;
        let broken = json!({"pollingInterval": 1, "triggers": [rabbitmq("metrics-no-such-queue")]});
        user.apply(&scaled_object("broken", broken)).await?;
        user.wait_ready("my-app").await?;

        let trigger = |so: &str, queue: &str| {
            vec![
                r#"namespace="metrics""#.to_owned(),
                format!(r#"scaledObject="{so}""#),
                format!(r#"metric="s0-rabbitmq-{queue}""#),
                r#"scaler="rabbitMQScaler""#.to_owned(),
                r#"triggerIndex="0""#.to_owned(),
                r#"type="scaledobject""#.to_owned(),
            ]
        };
        let good = trigger("my-app", name);
        let bad = trigger("broken", "metrics-no-such-queue");
        let object = |so: &str| vec![r#"namespace="metrics""#.to_owned(), format!(r#"scaledObject="{so}""#)];
        wait::until("the series of both ScaledObjects", secs(30), async || {
            let text = world.ebb.metrics().await?;
            let value = |series: &str, labels: &[String]| sample(&text, series, labels);
            let is = |series: &str, labels: &[String], wanted: f64| {
                let value = value(series, labels)?;
                ensure!((value - wanted).abs() < 1e-9, "{series} is {value}");
                Ok(())
            };
            is("keda_scaler_metrics_value", &good, 3.0)?;
            is("keda_scaler_active", &good, 1.0)?;
            ensure!(value("keda_scaler_metrics_latency_seconds", &good)? < 5.0, "a slow broker");
            ensure!(value("keda_scaler_detail_errors_total", &bad)? >= 1.0, "no errors counted");
            ensure!(value("keda_scaled_object_errors_total", &object("broken"))? >= 1.0, "no errors counted");
            is("keda_scaled_object_paused", &object("my-app"), 0.0)?;
            ensure!(value("keda_trigger_registered_total", &[r#"type="rabbitmq""#.to_owned()])? >= 2.0, "triggers");
            let registered = [r#"namespace="metrics""#.to_owned(), r#"type="scaled_object""#.to_owned()];
            is("keda_resource_registered_total", &registered, 2.0)?;
            let resource = [r#"namespace="metrics""#.to_owned(), r#"resource="my-app""#.to_owned()];
            value("keda_internal_scale_loop_latency_seconds", &resource)?;
            is("keda_build_info", &[], 1.0)
        })
        .await?;

        user.kubectl.run(&["delete", "so", "--all", "--timeout=20s"]).await?;
        wait::until("the series of what is gone to go too", secs(10), async || {
            let text = world.ebb.metrics().await?;
            let left: Vec<&str> = text.lines().filter(|line| line.contains(r#"scaledObject="my-app""#)).collect();
            let left: Vec<&&str> = left.iter().filter(|line| line.contains(r#"namespace="metrics""#)).collect();
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await
    })
}

/// The value of the one sample with this name and all of these labels.
fn sample(text: &str, name: &str, labels: &[String]) -> Result<f64> {
    let line = text
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .find(|line| labels.iter().all(|label| line.contains(label.as_str())))
        .with_context(|| format!("no {name} with {labels:?}"))?;
    let value = line.rsplit(' ').next().context("no value")?;
    value.parse().with_context(|| line.to_owned())
}

#[test]
fn every_kind_and_every_http_request_has_kedas_words() -> Outcome {
    story(async |world| {
        let name = "metrics-words";
        let (user, kafka) = (world.sandbox(name).await?, world.bed.kafka()?);
        world.rabbit.declare(name).await?;
        world.kafka()?.create_topic(name, 1).await?;
        // A trigger has KEDA's word for its kind, unless it has a name of its own.
        let on_topic = |kind: &str| {
            let metadata = json!({"bootstrapServers": kafka.plaintext, "consumerGroup": name, "topic": name});
            json!({"type": kind, "metadata": metadata})
        };
        let mut hours = cron("0 8 * * *", "0 18 * * *", "2");
        hours["name"] = json!("office-hours");
        let kinds = [
            ("kafkaScaler", on_topic("kafka")),
            ("apacheKafkaScaler", on_topic("apache-kafka")),
            ("cronScaler", cron("0 9 * * *", "0 17 * * *", "2")),
            ("office-hours", hours),
        ];
        let triggers: Vec<_> = kinds.iter().map(|(_, trigger)| trigger).collect();
        user.apply(&deployment("kinds", 0, &[])).await?;
        user.apply(&scaled_object("kinds", json!({"pollingInterval": 1, "triggers": triggers}))).await?;
        // Over HTTP, with and without an answer.
        for (app, host) in [("answered", world.rabbit.http_url()), ("nobody", "http://u:p@127.0.0.1:1/".to_owned())] {
            let metadata = json!({"queueName": name, "mode": "QueueLength", "value": "5", "host": host});
            let trigger = json!({"type": "rabbitmq", "name": "by-http", "metadata": metadata});
            user.apply(&deployment(app, 0, &[])).await?;
            user.apply(&scaled_object(app, json!({"pollingInterval": 1, "triggers": [trigger]}))).await?;
        }

        let labels = |pairs: &[(&str, &str)]| -> Vec<_> {
            pairs.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect()
        };
        wait::until("the series of all kinds", secs(30), async || {
            let text = world.ebb.metrics().await?;
            for (index, (scaler, _)) in kinds.iter().enumerate() {
                let index = index.to_string();
                let whose =
                    [("namespace", name), ("scaledObject", "kinds"), ("scaler", scaler), ("triggerIndex", &index)];
                sample(&text, "keda_scaler_active", &labels(&whose))?;
            }
            for (app, status) in [("answered", "200"), ("nobody", "error")] {
                let whose = labels(&[
                    ("namespace", name),
                    ("scaled_resource", app),
                    ("scaler", "rabbitmq"),
                    ("trigger_name", "by-http"),
                    ("metric_name", "s0-rabbitmq-metrics-words"),
                    ("status_code", status),
                ]);
                ensure!(sample(&text, "keda_scaler_http_requests_total", &whose)? >= 1.0, "no requests");
                let durations = labels(&[("scaler", "rabbitmq"), ("status_code", status)]);
                let count = sample(&text, "keda_scaler_http_request_duration_seconds_count", &durations)?;
                ensure!(count >= 1.0, "no durations");
            }
            ensure!(sample(&text, "ebb_scale_loop_latency_seconds_count", &[])? >= 1.0, "no polls");
            let platform = labels(&[("goos", "linux"), ("goarch", go_architecture()), ("goversion", "")]);
            sample(&text, "keda_build_info", &platform)?;

            // No series is there twice: Prometheus would refuse them.
            let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
            let series: Vec<_> = series.map(|(series, _)| series).collect();
            let unique: BTreeSet<_> = series.iter().collect();
            ensure!(unique.len() == series.len(), "{} series are there twice", series.len() - unique.len());
            Ok(())
        })
        .await?;

        user.delete_all("ScaledObject").await?;
        let namespace = labels(&[("namespace", name)]).concat();
        wait::until("the series of what is gone to go too", secs(10), async || {
            let text = world.ebb.metrics().await?;
            // The number of objects of a kind is there also when there are none.
            let none = |line: &str| line.starts_with("keda_resource_registered_total{") && line.ends_with(" 0");
            let left: Vec<_> = text.lines().filter(|line| line.contains(&namespace) && !none(line)).collect();
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await
    })
}

/// Go's name of this machine's processor.
fn go_architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }
}

#[test]
fn it_is_healthy_and_ready() -> Outcome {
    story(async |world| {
        for page in ["healthz", "readyz"] {
            let (status, text) = world.ebb.health(page).await?;
            ensure!(status == 200, "{page}: {status} {text}");
        }
        Ok(())
    })
}
